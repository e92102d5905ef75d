//! A console that browsers follow through a dashboard while it is printed.

use super::Bench;
use super::console::{LineSource, finish};
use crate::failure::{Failure, Outcome};
use crate::peer::Peer;
use crate::process::Memory;
use crate::seed::seed_jobs;
use crate::site::{Dashboard, Server};
use crate::statistics::{median, quantile};
use crate::table::{Line, mebibytes, milliseconds};
use crate::viewers::{Printed, Viewers};
use std::thread;
use std::time::{Duration, Instant};

/// The most memory that a dashboard is to use.
const DASHBOARD_BYTES: u64 = 64 * 1024 * 1024;
/// Descriptors that this program needs for other things than viewers.
const SPARE_DESCRIPTORS: u64 = 100;
/// The least share of its speed that a build keeps when it is followed.
const SPEED: f64 = 0.95;

/// What is printed, and who follows it.
struct Plan {
    viewers: usize,
    /// Whether there is another one that reads nothing before the build is over.
    has_idle: bool,
    lines: u64,
    lines_per_second: u64,
    /// How many are printed at once.
    batch: u64,
    /// Of so many lines, one is looked at for when it came.
    stride: u64,
}

/// What one build gives.
struct Followed {
    /// From its first line until its result was stored.
    time: Duration,
    /// From then on until everyone who reads had got everything.
    rest: Duration,
    /// How late lines came.
    ages: Vec<Duration>,
    /// The share of a processor that the dashboard took.
    processor: Option<f64>,
    peak: Memory,
    server_peak: Memory,
}

pub(crate) fn measure_many(bench: &Bench) -> Outcome<Vec<Line>> {
    let most = bench.descriptors.saturating_sub(SPARE_DESCRIPTORS) as usize;
    let viewers = bench.pick(1000, 100).min(most);
    let (lines_per_second, lines) = (200, bench.pick(2000, 200));
    measure(bench, &Plan { viewers, has_idle: false, lines, lines_per_second, batch: 1, stride: 1 })
}

pub(crate) fn measure_fast(bench: &Bench) -> Outcome<Vec<Line>> {
    let (lines_per_second, lines) = (50_000, bench.pick(250_000, 25_000));
    measure(bench, &Plan { viewers: 10, has_idle: true, lines, lines_per_second, batch: 500, stride: 10 })
}

fn measure(bench: &Bench, plan: &Plan) -> Outcome<Vec<Line>> {
    let alone = Plan { viewers: 0, has_idle: false, ..*plan };
    let mut rounds = Vec::new();
    for _ in 0..bench.pick(3, 1) {
        rounds.push((follow(bench, &alone)?, follow(bench, plan)?));
    }
    let ages: Vec<Duration> = rounds.iter().flat_map(|(_, with)| with.ages.iter().copied()).collect();
    let seconds = |followed: &Followed| followed.time.as_secs_f64();
    let ratio = median(rounds.iter().map(|(alone, with)| seconds(alone) / seconds(with)));
    let processor = rounds.iter().map(|(_, with)| with.processor).collect::<Option<Vec<_>>>().map(median);
    let peak = rounds.iter().map(|(_, with)| with.peak).max().flatten();
    let idle = if plan.has_idle { ", beside one that reads nothing until it is over" } else { "" };
    Ok(vec![Line {
        work: format!(
            "{} browsers that follow a job{idle}, which prints {} lines a second",
            plan.viewers, plan.lines_per_second
        ),
        reach: "every line in order for all; dashboard ≤ 64 MiB; the build is not slowed".to_owned(),
        measured: format!(
            "every line for all, late by p50 {}, p99 {}; all had everything {} after the build; dashboard {}, {} of a processor; the build took {:.2} s",
            milliseconds(quantile(&ages, 0.5)),
            milliseconds(quantile(&ages, 0.99)),
            milliseconds(rounds.iter().map(|(_, with)| with.rest).max().unwrap_or_default()),
            mebibytes(peak),
            processor.map_or_else(|| "an unknown part".to_owned(), |share| format!("{:.0} %", share * 100.0)),
            median(rounds.iter().map(|(_, with)| seconds(with))),
        ),
        beside: format!("without browsers {:.2} s", median(rounds.iter().map(|(alone, _)| seconds(alone)))),
        ratio: Some(ratio),
        peak: rounds.iter().map(|(_, with)| with.server_peak).max().flatten(),
        is_reached: ratio >= SPEED && peak.is_none_or(|bytes| bytes <= DASHBOARD_BYTES),
    }])
}

/// Has a job run that prints, with all who follow it.
fn follow(bench: &Bench, plan: &Plan) -> Outcome<Followed> {
    let site = bench.site()?;
    seed_jobs(&site, 1, "true", true)?;
    let server = site.start_for_viewers()?;
    let dashboard = site.start_dashboard()?;
    let (worker, uuid) = Peer::worker(server.address())?;
    let mut stream = worker.into_stream()?;
    let mut viewers = Viewers::connect(dashboard.address(), uuid, plan.viewers)?;
    let mut idle = Viewers::connect(dashboard.address(), uuid, usize::from(plan.has_idle))?;
    let before = dashboard.process().run_time();
    let printed = Printed::new(plan.lines);
    let start = Instant::now();
    let (ages, time) = thread::scope(|scope| {
        let printing = scope.spawn(|| {
            let mut source = LineSource::new(uuid);
            for first in (0..plan.lines).step_by(plan.batch as usize) {
                let due = start + Duration::from_secs(first) / plan.lines_per_second as u32;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                printed.note(first, plan.batch);
                source.send(&mut stream, plan.batch)?;
            }
            finish(&mut stream, uuid)?;
            Ok::<_, Failure>(start.elapsed())
        });
        let ages = viewers.watch(plan.lines, &printed, plan.stride);
        let time = printing.join().map_err(|_| Failure::new("the job that prints panicked"))?;
        Ok::<_, Failure>((ages?, time?))
    })?;
    let (whole, after) = (start.elapsed(), dashboard.process().run_time());
    let run = after.zip(before).map(|(after, before)| after.saturating_sub(before));
    idle.watch(plan.lines, &printed, plan.stride)?;
    Ok(of(&server, &dashboard, time, whole, ages, run))
}

fn of(
    server: &Server,
    dashboard: &Dashboard,
    time: Duration,
    whole: Duration,
    ages: Vec<Duration>,
    run: Option<u64>,
) -> Followed {
    Followed {
        time,
        rest: whole.saturating_sub(time),
        ages,
        processor: run.map(|run| run as f64 / whole.as_nanos() as f64),
        peak: dashboard.process().peak_memory(),
        server_peak: server.process().peak_memory(),
    }
}
