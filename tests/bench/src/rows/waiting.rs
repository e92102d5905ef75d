//! A great many workers that wait for a job.

use super::Bench;
use crate::failure::{During, Failure, Outcome};
use crate::messages;
use crate::peer::Peer;
use crate::process::Process;
use crate::site::Server;
use crate::statistics::quantile;
use crate::table::{Line, milliseconds};
use builder_proto::command::Command;
use builder_proto::frame::HEADER_LENGTH;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

/// The most memory that a waiting worker may cost the server.
const WORKER_BYTES: u64 = 1024;
/// The most time in which 99 of 100 jobs reach a worker.
const LATENCY: Duration = Duration::from_millis(5);
/// The most that an idle server may run, as a share of the time.
const IDLE_SHARE: f64 = 0.001;
/// Descriptors that this program needs for other things than workers.
const SPARE_DESCRIPTORS: u64 = 100;
/// Bytes of the longest message for a worker.
const MESSAGE_BYTES: usize = 4096;
/// Time for the server to come to rest.
const REST: Duration = Duration::from_millis(1500);

/// The workers, from which nothing is expected but that one of them gets a job.
struct Workers {
    poll: Poll,
    events: Events,
    streams: Vec<Option<TcpStream>>,
}

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let wanted = bench.pick(10_000, 1000);
    let count = bench.descriptors.saturating_sub(SPARE_DESCRIPTORS).min(wanted) as usize;
    let site = bench.site()?;
    let server = site.start()?;
    let process = server.process();
    warm_up(&server)?;
    let before = process.resident_memory();
    let mut workers = Workers::connect(&server, count)?;
    thread::sleep(REST);
    let grown = process.resident_memory().zip(before).map(|(now, before)| now.saturating_sub(before));
    let each = grown.map(|bytes| bytes / count as u64);
    let idle = idle_share(process, bench.pick(Duration::from_secs(3), Duration::from_secs(1)));
    let times = workers.serve(&server, bench.pick(1000, 100))?;
    let (middle, late) = (quantile(&times, 0.5), quantile(&times, 0.99));
    let not_measured = || "not measured".to_owned();
    let memory = each.map_or_else(not_measured, |bytes| format!("{bytes} bytes each"));
    let share = idle.map_or_else(not_measured, |share| format!("{:.3} %", share * 100.0));
    Ok(vec![Line {
        work: format!("{count} waiting workers"),
        reach: "≤ 1 KiB each; a job scheduled reaches a worker with p99 ≤ 5 ms; no CPU while idle".to_owned(),
        measured: format!(
            "{memory}; p50 {}, p99 {}; CPU while idle {share}",
            milliseconds(middle),
            milliseconds(late)
        ),
        beside: String::new(),
        ratio: None,
        peak: process.peak_memory(),
        is_reached: each.is_none_or(|bytes| bytes <= WORKER_BYTES)
            && idle.is_none_or(|share| share <= IDLE_SHARE)
            && late <= LATENCY,
    }])
}

/// One job from start to end, so that the server has touched all it needs before memory is compared.
fn warm_up(server: &Server) -> Outcome<()> {
    let mut workers = Workers::connect(server, 1)?;
    workers.serve_one(server, "warm-up").map(|_| ())
}

/// The share of the time in which the process runs although nothing happens.
fn idle_share(process: Process, time: Duration) -> Option<f64> {
    let before = process.run_time()?;
    thread::sleep(time);
    Some((process.run_time()? - before) as f64 / time.as_nanos() as f64)
}

impl Workers {
    /// Connects workers and has each one ask for a job.
    fn connect(server: &Server, count: usize) -> Outcome<Workers> {
        let mut opening = messages::worker_hello()?;
        opening.extend_from_slice(&messages::job_request()?);
        let greeting = messages::frame(&Command::ServerHello)?;
        let poll = Poll::new().during("watch connections")?;
        let mut streams = Vec::new();
        for number in 0..count {
            let stream = std::net::TcpStream::connect(server.address()).during("connect a worker")?;
            let mut stream_reference = &stream;
            stream_reference.write_all(&opening).during("send")?;
            let mut greeted = vec![0; greeting.len()];
            stream_reference.read_exact(&mut greeted).during("wait for the greeting")?;
            if greeted != greeting {
                return Err(Failure::new("a worker was not greeted"));
            }
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            streams.push(Some(stream));
        }
        Ok(Workers { poll, events: Events::with_capacity(16), streams })
    }

    /// Schedules one job after the other; gives the time that each one took to reach a worker.
    fn serve(&mut self, server: &Server, jobs: usize) -> Outcome<Vec<Duration>> {
        (0..jobs).map(|number| self.serve_one(server, &format!("job-{number}"))).collect()
    }

    fn serve_one(&mut self, server: &Server, name: &str) -> Outcome<Duration> {
        let command = messages::schedule(name)?;
        let mut client = Peer::client(server.address())?;
        let start = Instant::now();
        client.send(&command)?;
        let (number, payload) = self.wait_for_job()?;
        let time = start.elapsed();
        messages::expect(client.receive()?, &Command::Success)?;
        client.finish()?;
        let finished = messages::finished(messages::build_of(&payload)?)?;
        if let Some(mut stream) = self.streams.get_mut(number).and_then(Option::take) {
            stream.write_all(&finished).during("send")?;
            self.poll.registry().deregister(&mut stream)?;
            wait_for_end(stream)?;
        }
        Ok(time)
    }

    /// The number of the worker that gets a job, and its message.
    fn wait_for_job(&mut self) -> Outcome<(usize, Vec<u8>)> {
        loop {
            match self.poll.poll(&mut self.events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                outcome => outcome.during("wait for a job")?,
            }
            for event in &self.events {
                let number = event.token().0;
                let Some(Some(stream)) = self.streams.get_mut(number) else { continue };
                let mut message = vec![0; MESSAGE_BYTES];
                match stream.read(&mut message) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                    Ok(0) => return Err(Failure::new("the server closed the connection of a worker")),
                    Ok(bytes) => {
                        return Ok((number, message.get(HEADER_LENGTH..bytes).unwrap_or_default().to_vec()));
                    }
                }
            }
        }
    }
}

/// Waits until the server closes the connection.
fn wait_for_end(stream: TcpStream) -> Outcome<()> {
    let mut stream = std::net::TcpStream::from(stream);
    stream.set_nonblocking(false)?;
    match stream.read(&mut [0]).during("wait for the server")? {
        0 => Ok(()),
        _ => Err(Failure::new("the server refused the result")),
    }
}
