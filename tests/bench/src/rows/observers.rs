//! A job that prints a great many lines, and those who watch it.

use super::console::{LINE_BYTES, LineSource, finish, line_number, wait_for_spool};
use super::{Bench, is_small};
use crate::bare::copy::CHUNK_BYTES;
use crate::failure::{During, Failure, Outcome};
use crate::messages;
use crate::peer::Peer;
use crate::process::Memory;
use crate::seed::seed_jobs;
use crate::statistics::{median, rate};
use crate::table::{Line, per_second};
use builder_proto::Uuid;
use builder_proto::command::{Command, OutputRef};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many observers are slow. What the allocator keeps varies by half a mebibyte from run to run, so that one of them would not
/// tell what each costs.
const SLOW_OBSERVERS: usize = 8;
/// The most memory that a slow observer may cost the server.
const SLOW_OBSERVER_BYTES: u64 = 256 * 1024;
/// What a slow observer reads each second.
const SLOW_CHUNK_BYTES: usize = 1024;
const FAST_OBSERVERS: usize = 2;

/// What one run gives.
struct Watched {
    /// Until the lines were spooled.
    spooled: Duration,
    /// Until the last fast observer had the last line.
    seen: Duration,
    peak: Memory,
}

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let lines = bench.pick(2_000_000, 200_000);
    let mut rounds = Vec::new();
    for _ in 0..bench.pick(3, 1) {
        rounds.push((watch(bench, lines, false)?, watch(bench, lines, true)?));
    }
    let lines_rate = |time| rate(lines as usize, time);
    let [seen, alone, spooled] = [
        median(rounds.iter().map(|(_, with)| lines_rate(with.seen))),
        median(rounds.iter().map(|(without, _)| lines_rate(without.seen))),
        median(rounds.iter().map(|(_, with)| lines_rate(with.spooled))),
    ];
    let ratio = median(rounds.iter().map(|(without, with)| lines_rate(with.seen) / lines_rate(without.seen)));
    let costs = rounds.iter().map(|(without, with)| Some(with.peak?.saturating_sub(without.peak?) as f64));
    let cost = costs.collect::<Option<Vec<_>>>().map(|costs| median(costs) as u64 / SLOW_OBSERVERS as u64);
    let peak = rounds.iter().map(|(_, with)| with.peak).max().flatten();
    Ok(vec![Line {
        work: format!(
            "the same with {} observers, {SLOW_OBSERVERS} of them reading 1 KiB/s",
            FAST_OBSERVERS + SLOW_OBSERVERS
        ),
        reach: "every line in order for all; each slow one costs ≤ 256 KiB, and they slow nobody".to_owned(),
        measured: format!(
            "{} seen by each fast one, {} spooled; the slow ones got all in the end and cost {} each",
            per_second(seen),
            per_second(spooled),
            cost.map_or_else(|| "not measured".to_owned(), |bytes| format!("{} KiB", bytes / 1024)),
        ),
        beside: format!("without the slow ones {} seen", per_second(alone)),
        ratio: Some(ratio),
        peak,
        is_reached: ratio >= 0.9 && cost.is_none_or(|bytes| bytes <= SLOW_OBSERVER_BYTES) && is_small(peak),
    }])
}

fn watch(bench: &Bench, lines: u64, with_slow: bool) -> Outcome<Watched> {
    let site = bench.site()?;
    seed_jobs(&site, 1, "true", true)?;
    let server = site.start()?;
    let (worker, uuid) = Peer::worker(server.address())?;
    let mut stream = worker.into_stream()?;
    let hurry = Arc::new(AtomicBool::new(false));
    let mut fast = Vec::new();
    for _ in 0..FAST_OBSERVERS {
        fast.push(observe(server.address(), uuid, lines, None)?);
    }
    let mut slow = Vec::new();
    for _ in 0..if with_slow { SLOW_OBSERVERS } else { 0 } {
        slow.push(observe(server.address(), uuid, lines, Some(Arc::clone(&hurry)))?);
    }
    let start = Instant::now();
    LineSource::new(uuid).send(&mut stream, lines)?;
    wait_for_spool(&site, uuid, lines)?;
    let spooled = start.elapsed();
    finish(&mut stream, uuid)?;
    let mut seen = Duration::ZERO;
    for observer in fast {
        seen = seen.max(join(observer)?.duration_since(start));
    }
    let peak = server.process().peak_memory();
    hurry.store(true, Ordering::Relaxed);
    for observer in slow {
        join(observer)?;
    }
    Ok(Watched { spooled, seen, peak })
}

/// Starts an observer that checks that it gets every line in order, then the result; gives when it had the last line. One
/// that is slow reads a little each second until it is told to hurry.
fn observe(
    address: SocketAddr,
    uuid: Uuid,
    lines: u64,
    hurry: Option<Arc<AtomicBool>>,
) -> Outcome<JoinHandle<Outcome<Instant>>> {
    let mut peer = Peer::client(address)?;
    peer.send(&messages::frame(&Command::Observe(uuid))?)?;
    let stream = peer.into_stream()?;
    Ok(thread::spawn(move || read_all(stream, lines, hurry.as_deref())))
}

fn join(observer: JoinHandle<Outcome<Instant>>) -> Outcome<Instant> {
    observer.join().map_err(|_| Failure::new("an observer panicked"))?
}

fn read_all(mut stream: TcpStream, lines: u64, hurry: Option<&AtomicBool>) -> Outcome<Instant> {
    let mut decoder = FrameDecoder::new(CHUNK_BYTES as u64);
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut checker = Checker { lines, next: 0, last_line: None, is_over: false };
    loop {
        let is_slow = hurry.is_some_and(|hurry| !hurry.load(Ordering::Relaxed));
        let most = if is_slow { SLOW_CHUNK_BYTES } else { buffer.len() };
        let bytes = stream.read(buffer.get_mut(..most).unwrap_or_default()).during("observe")?;
        if bytes == 0 {
            return checker.finish();
        }
        let mut input = buffer.get(..bytes).unwrap_or_default();
        while let Some(event) = decoder.next(&mut input).map_err(Failure::new)? {
            if let FrameEvent::Frame(payload) = event {
                checker.take(payload)?;
            }
        }
        if is_slow {
            // In pieces, so that it hurries when it is told to.
            let wake = Instant::now() + Duration::from_secs(1);
            while Instant::now() < wake && hurry.is_some_and(|hurry| !hurry.load(Ordering::Relaxed)) {
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// Checks that lines come one after the other, and what follows them.
struct Checker {
    lines: u64,
    next: u64,
    last_line: Option<Instant>,
    is_over: bool,
}

impl Checker {
    fn take(&mut self, payload: &[u8]) -> Outcome<()> {
        match OutputRef::decode(payload).map_err(Failure::new)? {
            Some(output) if self.next < self.lines => {
                let number = line_number(output.line);
                if number != Some(self.next) || output.line.len() != LINE_BYTES {
                    return Err(Failure::new(format_args!("line {} is not the next one", self.next)));
                }
                self.next += 1;
                if self.next == self.lines {
                    self.last_line = Some(Instant::now());
                }
                Ok(())
            }
            Some(output) if output.line == b"exited 0" => Ok(()),
            Some(_) => Err(Failure::new("an observer got too many lines")),
            None => {
                self.is_over = true;
                messages::expect(payload, &Command::Success)
            }
        }
    }

    fn finish(self) -> Outcome<Instant> {
        match self.last_line {
            Some(last_line) if self.is_over => Ok(last_line),
            _ => Err(Failure::new(format_args!("an observer got {} of {} lines", self.next, self.lines))),
        }
    }
}
