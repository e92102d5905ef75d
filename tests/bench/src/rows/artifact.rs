//! One large artifact, from a simulated worker and from the real one.

use super::{Bench, is_small};
use crate::bare::copy::{copy_time, send_bulk};
use crate::failure::{During, Outcome};
use crate::messages;
use crate::peer::Peer;
use crate::process::{Memory, Process};
use crate::seed::seed_jobs;
use crate::site::{Server, Site};
use crate::statistics::{median, time};
use crate::table::{Line, mebibytes};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::Child;
use std::thread;
use std::time::Duration;

pub(super) const GIBIBYTE: u64 = 1024 * 1024 * 1024;
/// Pause between two looks at the memory of a worker.
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// The worker's protocol alone.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let (length, rounds) = size(bench);
    let site = bench.site()?;
    seed_jobs(&site, rounds, "true", true)?;
    let server = site.start()?;
    let mut speeds = Vec::new();
    for _ in 0..rounds {
        let bare = copy_time(&site.path("copy"), length)?;
        let served = store(&server, length)?;
        speeds.push((speed(length, served), speed(length, bare)));
        remove_results(&site)?;
    }
    let peak = server.process().peak_memory();
    let (measured, bare) = medians(&speeds);
    let ratio = median(speeds.iter().map(|(measured, bare)| measured / bare));
    Ok(vec![Line {
        work: format!("artifact of {} by the worker's protocol, durable at the end", gibibytes(length)),
        reach: "≥ 0.8 × bare copy; peak ≤ 16 MiB".to_owned(),
        measured: format!("{measured:.2} GiB/s"),
        beside: format!("socket-to-file copy with fsync {bare:.2} GiB/s"),
        ratio: Some(ratio),
        peak,
        is_reached: ratio >= 0.8 && is_small(peak),
    }])
}

/// The real worker. Its job makes the artifact a link to a file that is there already, so that sending is all there is to
/// be measured.
pub(crate) fn measure_worker(bench: &Bench) -> Outcome<Vec<Line>> {
    let (length, rounds) = size(bench);
    let site = bench.site()?;
    let artifact = site.path("artifact");
    make_file(&site, length)?;
    seed_jobs(&site, rounds, &format!("ln '{}' artifact", artifact.display()), true)?;
    let server = site.start()?;
    let mut speeds = Vec::new();
    let mut worker_peak = None;
    for _ in 0..rounds {
        let bare = copy_time(&site.path("copy"), length)?;
        let mut command = site.worker_command(&server, messages::PLATFORM);
        let (peak, served) = time(|| watch(command.spawn().during("start the worker")?))?;
        worker_peak = worker_peak.max(peak);
        speeds.push((speed(length, served), speed(length, bare)));
        check_stored(&site, length)?;
        remove_results(&site)?;
    }
    fs::remove_file(artifact).during("remove the artifact")?;
    let (measured, bare) = medians(&speeds);
    Ok(vec![Line {
        work: format!("the same through `builder-worker`, from its start to its end ({})", gibibytes(length)),
        reach: "worker ≤ 16 MiB".to_owned(),
        measured: format!("worker {}, {measured:.2} GiB/s", mebibytes(worker_peak)),
        beside: format!("socket-to-file copy with fsync {bare:.2} GiB/s"),
        ratio: Some(median(speeds.iter().map(|(measured, bare)| measured / bare))),
        peak: server.process().peak_memory(),
        is_reached: is_small(worker_peak),
    }])
}

fn size(bench: &Bench) -> (u64, usize) {
    (bench.pick(GIBIBYTE, GIBIBYTE / 16), bench.pick(3, 1))
}

/// Runs a job that leaves one artifact; gives the time from its end until it is stored.
pub(super) fn store(server: &Server, length: u64) -> Outcome<Duration> {
    let (worker, uuid) = Peer::worker(server.address())?;
    let mut stream = worker.into_stream()?;
    let ((), time) = time(|| -> Outcome<()> {
        stream.write_all(&messages::finished_with_artifact(uuid, length)?).during("send a result")?;
        send_bulk(&mut stream, length)?;
        // The server closes the connection when the result is durable.
        let _ = stream.read(&mut [0]).during("wait for the server")?;
        Ok(())
    })?;
    Ok(time)
}

/// Waits for a worker to end; gives the most memory it used.
pub(super) fn watch(mut worker: Child) -> Outcome<Memory> {
    let process = Process(worker.id());
    let mut peak = None;
    loop {
        peak = peak.max(process.peak_memory());
        if let Some(status) = worker.try_wait().during("wait for the worker")? {
            return match status.success() {
                true => Ok(peak),
                false => Err(crate::failure::Failure::new(format_args!("the worker ended with {status}"))),
            };
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

fn make_file(site: &Site, length: u64) -> Outcome<()> {
    let mut file = File::create(site.path("artifact")).during("create an artifact")?;
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..length >> 20 {
        file.write_all(&chunk).during("write an artifact")?;
    }
    file.sync_all().during("sync an artifact")
}

fn check_stored(site: &Site, length: u64) -> Outcome<()> {
    let stored = super::results(site)?;
    let [result] = stored.as_slice() else {
        return Err(crate::failure::Failure::new(format_args!(
            "{} results are stored, not one",
            stored.len()
        )));
    };
    match result.metadata()?.len() >= length {
        true => Ok(()),
        false => Err(crate::failure::Failure::new("the stored result lacks the artifact")),
    }
}

fn remove_results(site: &Site) -> Outcome<()> {
    super::results(site)?.iter().try_for_each(fs::remove_file).during("remove results")
}

pub(super) fn speed(length: u64, time: Duration) -> f64 {
    length as f64 / GIBIBYTE as f64 / time.as_secs_f64()
}

pub(super) fn medians(speeds: &[(f64, f64)]) -> (f64, f64) {
    (median(speeds.iter().map(|(measured, _)| *measured)), median(speeds.iter().map(|(_, bare)| *bare)))
}

pub(super) fn gibibytes(length: u64) -> String {
    format!("{} GiB", length as f64 / GIBIBYTE as f64)
}
