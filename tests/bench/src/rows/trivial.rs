//! The smallest job there is, run by the real worker.

use super::Bench;
use crate::failure::{During, Failure, Outcome};
use crate::messages::PLATFORM;
use crate::seed::seed_jobs;
use crate::statistics::{median, time};
use crate::table::Line;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The most that a worker may take in addition.
const REACH: Duration = Duration::from_millis(5);

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let jobs = bench.pick(200, 20);
    let site = bench.site()?;
    seed_jobs(&site, jobs, "true", true)?;
    let server = site.start()?;
    let mut times = Vec::new();
    for _ in 0..jobs {
        let shell = run(Command::new("sh").args(["-c", "true"]).stdin(Stdio::null()))?;
        let worker = run(&mut site.worker_command(&server, PLATFORM))?;
        times.push((shell, worker));
    }
    let shell = median(times.iter().map(|(shell, _)| milliseconds(*shell)));
    let worker = median(times.iter().map(|(_, worker)| milliseconds(*worker)));
    let more = median(times.iter().map(|(shell, worker)| milliseconds(*worker) - milliseconds(*shell)));
    Ok(vec![Line {
        work: "`builder-worker` around `true`, from its start to its end".to_owned(),
        reach: "≤ 5 ms more than `sh -c true`".to_owned(),
        measured: format!("{worker:.2} ms, {more:.2} ms more"),
        beside: format!("`sh -c true` {shell:.2} ms"),
        ratio: None,
        peak: server.process().peak_memory(),
        is_reached: more <= milliseconds(REACH),
    }])
}

fn run(command: &mut Command) -> Outcome<Duration> {
    let (status, time) = time(|| command.status()).during("run a program")?;
    match status.success() {
        true => Ok(time),
        false => Err(Failure::new(format_args!("{command:?} ended with {status}"))),
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
