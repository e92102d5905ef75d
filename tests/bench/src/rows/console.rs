//! One job that prints a great many lines.

use super::{Bench, is_small};
use crate::bare::copy::CHUNK_BYTES;
use crate::bare::lines::read_time;
use crate::failure::{During, Failure, Outcome};
use crate::messages;
use crate::peer::Peer;
use crate::seed::seed_jobs;
use crate::site::{Server, Site};
use crate::statistics::{median, rate};
use crate::table::{Line, per_second};
use builder_engine::spool::ENTRY_OVERHEAD;
use builder_proto::Uuid;
use builder_proto::command::append_output_frame;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of each line.
pub(crate) const LINE_BYTES: usize = 100;
/// Digits of the number with which each line begins.
const NUMBER_DIGITS: usize = 8;
/// Pause between two looks at a spool.
const LOOK_INTERVAL: Duration = Duration::from_micros(200);

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let lines = bench.pick(2_000_000, 200_000);
    let rounds = bench.pick(3, 1);
    let site = bench.site()?;
    seed_jobs(&site, rounds, "true", true)?;
    let server = site.start()?;
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let bare = read_time(lines)?;
        let spooled = print_lines(&site, &server, lines)?;
        rates.push((rate(lines as usize, spooled), rate(lines as usize, bare)));
    }
    let peak = server.process().peak_memory();
    let measured = median(rates.iter().map(|(measured, _)| *measured));
    let bare = median(rates.iter().map(|(_, bare)| *bare));
    Ok(vec![Line {
        work: format!("one job printing {lines} lines of {LINE_BYTES} bytes in gathered writes"),
        reach: "≥ 1,400,000 lines/s spooled; peak ≤ 16 MiB".to_owned(),
        measured: format!("{} spooled", per_second(measured)),
        beside: format!("bare line reader {}", per_second(bare)),
        ratio: Some(median(rates.iter().map(|(measured, bare)| measured / bare))),
        peak,
        is_reached: measured >= 1_400_000.0 && is_small(peak),
    }])
}

/// Runs a job that prints so many lines; gives the time until all are in the spool. Returns when the result is stored.
fn print_lines(site: &Site, server: &Server, lines: u64) -> Outcome<Duration> {
    let (worker, uuid) = Peer::worker(server.address())?;
    let mut stream = worker.into_stream()?;
    let start = Instant::now();
    LineSource::new(uuid).send(&mut stream, lines)?;
    wait_for_spool(site, uuid, lines)?;
    let time = start.elapsed();
    finish(&mut stream, uuid)?;
    Ok(time)
}

/// Ends the build, and waits until its result is stored.
pub(crate) fn finish(stream: &mut TcpStream, uuid: Uuid) -> Outcome<()> {
    stream.write_all(&messages::finished(uuid)?).during("send a result")?;
    match stream.read(&mut [0]).during("wait for the server")? {
        0 => Ok(()),
        _ => Err(Failure::new("the server refused the result")),
    }
}

/// Waits until the spool of a build holds so many lines.
pub(crate) fn wait_for_spool(site: &Site, uuid: Uuid, lines: u64) -> Outcome<()> {
    let path = site.data().join(".builder/spool").join(uuid.to_string());
    let expected = lines * (LINE_BYTES + ENTRY_OVERHEAD) as u64;
    while path.metadata().map_or(0, |spool| spool.len()) < expected {
        thread::sleep(LOOK_INTERVAL);
    }
    Ok(())
}

/// Makes the frames of numbered lines, many at a time: only the numbers change.
pub(crate) struct LineSource {
    frames: Vec<u8>,
    frame_length: usize,
    next: u64,
}

impl LineSource {
    pub(crate) fn new(uuid: Uuid) -> LineSource {
        let mut frames = Vec::new();
        append_output_frame(&mut frames, uuid, &[b'x'; LINE_BYTES], None);
        let frame_length = frames.len();
        LineSource { frames: frames.repeat(CHUNK_BYTES / frame_length), frame_length, next: 0 }
    }

    /// Sends so many lines, gathered into large writes.
    pub(crate) fn send(&mut self, stream: &mut TcpStream, lines: u64) -> Outcome<()> {
        let end = self.next + lines;
        while self.next < end {
            let count = (self.frames.len() / self.frame_length).min((end - self.next) as usize);
            for frame in self.frames.chunks_exact_mut(self.frame_length).take(count) {
                // Without a timestamp the line is the end of its frame.
                let line = frame.len() - LINE_BYTES;
                let digits = frame.get_mut(line..line + NUMBER_DIGITS).unwrap_or_default();
                write_number(digits, self.next);
                self.next += 1;
            }
            let bytes = self.frames.get(..count * self.frame_length).unwrap_or_default();
            stream.write_all(bytes).during("send lines")?;
        }
        Ok(())
    }
}

/// The number of a line of a [`LineSource`]: the first one has 0.
pub(crate) fn line_number(line: &[u8]) -> Option<u64> {
    std::str::from_utf8(line.get(..NUMBER_DIGITS)?).ok()?.parse().ok()
}

fn write_number(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
