//! Browsers that follow the console of a build, all in one thread.

use crate::browser::Browser;
use crate::events::Checker;
use crate::failure::{During, Failure, Outcome};
use builder_proto::Uuid;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;
const EVENTS: usize = 1024;
/// Nobody waits longer for anything to come.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// When each line was printed.
#[derive(Debug)]
pub(crate) struct Printed {
    start: Instant,
    /// In nanoseconds since then.
    times: Vec<AtomicU64>,
}

impl Printed {
    pub(crate) fn new(lines: u64) -> Printed {
        Printed { start: Instant::now(), times: (0..lines).map(|_| AtomicU64::new(0)).collect() }
    }

    /// These lines are printed now.
    pub(crate) fn note(&self, first: u64, count: u64) {
        let now = self.start.elapsed().as_nanos() as u64;
        for time in self.times.iter().skip(first as usize).take(count as usize) {
            time.store(now, Ordering::Release);
        }
    }

    /// How long ago a line was printed.
    fn age(&self, line: u64, now: Instant) -> Duration {
        let printed = self.times.get(line as usize).map_or(0, |time| time.load(Ordering::Acquire));
        now.duration_since(self.start).saturating_sub(Duration::from_nanos(printed))
    }
}

/// Those who follow.
pub(crate) struct Viewers {
    poll: Poll,
    viewers: Vec<Viewer>,
}

struct Viewer {
    stream: TcpStream,
    checker: Checker,
}

impl Viewers {
    /// Connects so many, each of which was told that the console comes.
    pub(crate) fn connect(address: SocketAddr, uuid: Uuid, count: usize) -> Outcome<Viewers> {
        let poll = Poll::new().during("watch connections")?;
        let mut viewers = Vec::new();
        for number in 0..count {
            let (stream, begun) = Browser::connect(address)?.follow(&format!("/build/{uuid}/live"))?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            let mut checker = Checker::default();
            checker.take(&begun)?;
            viewers.push(Viewer { stream, checker });
        }
        Ok(Viewers { poll, viewers })
    }

    /// Reads until everyone has got so many lines, each of them once and in their order, and the end. Says how late lines
    /// came, of which it looks at one in `stride`.
    pub(crate) fn watch(&mut self, lines: u64, printed: &Printed, stride: u64) -> Outcome<Vec<Duration>> {
        let mut events = Events::with_capacity(EVENTS);
        let mut buffer = vec![0; READ_BYTES];
        let mut ages = Vec::new();
        let mut active = self.viewers.iter().filter(|viewer| !viewer.checker.is_over()).count();
        while active > 0 {
            match self.poll.poll(&mut events, Some(LONGEST_SILENCE)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                outcome => outcome.during("wait for lines")?,
            }
            if events.is_empty() {
                return Err(Failure::new(format_args!("{active} viewers wait for lines that do not come")));
            }
            for event in &events {
                let Some(viewer) = self.viewers.get_mut(event.token().0) else { continue };
                if viewer.checker.is_over() {
                    continue;
                }
                viewer.read(&mut buffer, |line, now| {
                    if line.is_multiple_of(stride) {
                        ages.push(printed.age(line, now));
                    }
                })?;
                if viewer.checker.is_over() {
                    viewer.checker.check_end(lines)?;
                    active -= 1;
                }
            }
        }
        Ok(ages)
    }
}

impl Viewer {
    /// Reads what is there; says of each line when it came.
    fn read(&mut self, buffer: &mut [u8], mut note: impl FnMut(u64, Instant)) -> Outcome<()> {
        while !self.checker.is_over() {
            let bytes = match self.stream.read(buffer) {
                Ok(0) => {
                    let count = self.checker.count();
                    return Err(Failure::new(format_args!("a viewer was cut off after {count} lines")));
                }
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::new(format_args!("a viewer was cut off: {error}"))),
            };
            let (now, before) = (Instant::now(), self.checker.count());
            self.checker.take(buffer.get(..bytes).unwrap_or_default())?;
            (before..self.checker.count()).for_each(|line| note(line, now));
        }
        Ok(())
    }
}
