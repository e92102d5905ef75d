//! A client that asks for everything, again and again, and the others who have work to do.

use super::Bench;
use super::schedule::{ClientTalk, schedules};
use crate::bare::copy::CHUNK_BYTES;
use crate::crowd::converse;
use crate::failure::{During, Failure, Outcome};
use crate::messages;
use crate::peer::Peer;
use crate::seed::seed_jobs;
use crate::site::Server;
use crate::statistics::quantile;
use crate::table::{Line, milliseconds};
use builder_proto::command::Command;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Others who work meanwhile.
const OTHERS: usize = 4;
/// The most time in which 99 of 100 of their commands are answered.
const LATENCY: Duration = Duration::from_millis(10);
const SCRIPT_BYTES: usize = 1024;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let jobs = bench.pick(10_000, 1000);
    let commands = bench.pick(5000, 500);
    let site = bench.site()?;
    seed_jobs(&site, jobs, &"x".repeat(SCRIPT_BYTES), true)?;
    let server = site.start()?;
    let alone = work(&server, 0, commands)?;
    let stopped = AtomicBool::new(false);
    let (beside, replies) = thread::scope(|scope| {
        let asking = scope.spawn(|| ask(server.address(), &stopped));
        let beside = work(&server, commands, commands);
        stopped.store(true, Ordering::Relaxed);
        let replies = asking.join().map_err(|_| Failure::new("the client that asks panicked"))?;
        Ok::<_, Failure>((beside?, replies?))
    })?;
    let late = quantile(&beside, 0.99);
    Ok(vec![Line {
        work: format!("`info` with {jobs} jobs of 1 KiB, scheduled and queued, while {OTHERS} others work"),
        reach: "their p99 ≤ 10 ms".to_owned(),
        measured: format!(
            "p50 {}, p99 {} beside {} replies of {:.1} MiB",
            milliseconds(quantile(&beside, 0.5)),
            milliseconds(late),
            replies.len(),
            replies.iter().max().copied().unwrap_or_default() as f64 / (1024.0 * 1024.0),
        ),
        beside: format!(
            "without `info` p50 {}, p99 {}",
            milliseconds(quantile(&alone, 0.5)),
            milliseconds(quantile(&alone, 0.99))
        ),
        ratio: None,
        peak: server.process().peak_memory(),
        is_reached: late <= LATENCY,
    }])
}

/// Gives commands; says how long each one took.
fn work(server: &Server, first: usize, count: usize) -> Outcome<Vec<Duration>> {
    let hello = messages::client_hello()?;
    let commands = schedules(first, count)?;
    converse(server.address(), OTHERS, commands.into_iter().map(|command| ClientTalk::new(&hello, command)))
}

/// Asks until it is stopped; gives the lengths of the replies.
fn ask(address: SocketAddr, stopped: &AtomicBool) -> Outcome<Vec<usize>> {
    let info = messages::frame(&Command::Info)?;
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut lengths = Vec::new();
    while !stopped.load(Ordering::Relaxed) {
        let mut client = Peer::client(address)?;
        client.send(&info)?;
        let mut stream = client.into_stream()?;
        let mut length = 0;
        loop {
            match stream.read(&mut buffer).during("read what is going on")? {
                0 => break,
                bytes => length += bytes,
            }
        }
        lengths.push(length);
    }
    Ok(lengths)
}
