//! Workers: some that write down what they are given and give back, and real ones.

use crate::ledger::{Build, Fate, Ledger};
use crate::link::{Gone, Link};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::job::File;
use builder_tests::world::Random;
use builder_tests::{Server, Site};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How a worker treats its jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As life goes: some builds are lost, some take long.
    Erratic,
    /// Each build is brought to its end.
    Diligent,
}

/// Runs one job after the other until the server is gone.
pub(crate) fn work(address: SocketAddr, platform: &str, ledger: &Ledger, mut random: Random, manner: Manner) {
    while let Ok(()) = work_once(address, platform, ledger, &mut random, manner) {}
}

fn work_once(
    address: SocketAddr,
    platform: &str,
    ledger: &Ledger,
    random: &mut Random,
    manner: Manner,
) -> Result<(), Gone> {
    let mut link = Link::open(address, PeerType::Worker)?;
    link.send(&Command::JobRequested(platform.into()))?;
    let (uuid, job) = match link.receive_patiently()? {
        Some(Command::JobSchedule { uuid, job }) => (uuid, job),
        Some(other) => panic!("unexpected {other:?}"),
        None => return Err(Gone),
    };
    assert_eq!(job.platform, platform.into());
    let lines: Vec<String> = (0..random.below(5)).map(|number| format!("line {number} of {uuid}")).collect();
    let artifacts = artifacts(random, uuid);
    let build = Build { job, received: ledger.moment(), lines, artifacts, fate: Fate::Running };
    ledger.started(uuid, build.clone());
    for line in &build.lines {
        link.send(&Command::Output { uuid, line: line.as_str().into(), timestamp: None })?;
    }
    match random.below(100) {
        0..10 if manner == Manner::Erratic => {
            ledger.set_fate(uuid, Fate::Lost);
            Ok(())
        }
        10..20 if manner == Manner::Erratic => {
            link.wait();
            Err(Gone)
        }
        _ => finish(&mut link, uuid, build.artifacts, ledger),
    }
}

fn finish(link: &mut Link, uuid: Uuid, data: Vec<File>, ledger: &Ledger) -> Result<(), Gone> {
    ledger.set_fate(uuid, Fate::Sent);
    link.send(&Command::JobFinished { uuid, result: BuildResult::Exited(0), data })?;
    match link.receive()? {
        None if ledger.is_ending() => Err(Gone),
        None => {
            ledger.set_fate(uuid, Fate::Stored);
            Ok(())
        }
        Some(other) => panic!("unexpected {other:?}"),
    }
}

/// None, small ones, or some that are too large for the log.
fn artifacts(random: &mut Random, uuid: Uuid) -> Vec<File> {
    (0..random.below(3))
        .map(|number| {
            let size = if random.per_mille(200) { 100_000 } else { 100 };
            File { path: format!("artifact-{number}").into(), data: vec![uuid.as_bytes()[0]; size].into() }
        })
        .collect()
}

/// Starts one real worker after the other, and kills some, until the server is gone.
pub(crate) fn run_programs(
    site: &Site,
    server: &Server,
    ledger: &Ledger,
    mut random: Random,
    manner: Manner,
) {
    while !ledger.is_ending() {
        let mut worker = site.worker_command(server, "real").spawn().unwrap();
        let kill_at = (manner == Manner::Erratic && random.per_mille(200))
            .then(|| Instant::now() + Duration::from_millis(random.below(100)));
        while worker.try_wait().unwrap().is_none() {
            if kill_at.is_some_and(|at| at <= Instant::now()) {
                worker.kill().unwrap();
            }
            sleep(Duration::from_millis(1));
        }
    }
}
