//! Starting a server that has much to remember.

use super::Bench;
use crate::failure::Outcome;
use crate::peer::Peer;
use crate::seed::{seed_jobs, seed_log};
use crate::site::{Server, Site};
use crate::statistics::{median, time};
use crate::table::Line;
use std::time::Duration;

/// The most time for a long log, and for many jobs.
const REACHES: [Duration; 2] = [Duration::from_secs(1), Duration::from_millis(500)];

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let [log_reach, jobs_reach] = REACHES;
    Ok(vec![
        measure_long_log(bench, bench.pick(1_000_000, 100_000), log_reach)?,
        measure_many_jobs(bench, bench.pick(100_000, 10_000), jobs_reach)?,
    ])
}

fn measure_long_log(bench: &Bench, records: usize, reach: Duration) -> Outcome<Line> {
    let mut times = Vec::new();
    let mut peak = None;
    for _ in 0..rounds(bench) {
        // The first start writes the log anew, so each needs a log of its own.
        let site = bench.site()?;
        seed_log(&site, records)?;
        let (server, time) = time(|| start(&site))?;
        peak = peak.max(server.process().peak_memory());
        times.push(time.as_secs_f64());
    }
    Ok(line(format!("start over a log of {records} records"), &times, reach, peak))
}

fn measure_many_jobs(bench: &Bench, jobs: usize, reach: Duration) -> Outcome<Line> {
    let site = bench.site()?;
    seed_jobs(&site, jobs, "true", true)?;
    // This one imports the jobs into the log.
    start(&site)?.stop()?;
    let mut times = Vec::new();
    let mut peak = None;
    for _ in 0..rounds(bench) {
        let (server, time) = time(|| start(&site))?;
        peak = peak.max(server.process().peak_memory());
        server.stop()?;
        times.push(time.as_secs_f64());
    }
    Ok(line(format!("start over {jobs} scheduled and queued jobs"), &times, reach, peak))
}

fn rounds(bench: &Bench) -> usize {
    bench.pick(3, 1)
}

/// Starts a server and waits until it answers.
pub(crate) fn start(site: &Site) -> Outcome<Server> {
    let server = site.start()?;
    Peer::client(server.address())?;
    Ok(server)
}

fn line(work: String, times: &[f64], reach: Duration, peak: Option<u64>) -> Line {
    let measured = median(times.iter().copied());
    Line {
        work,
        reach: format!("≤ {} s", reach.as_secs_f64()),
        measured: format!("{measured:.2} s to the first answer"),
        peak,
        is_reached: measured <= reach.as_secs_f64(),
        ..Line::default()
    }
}
