//! Workers that drain a long queue of jobs which do nothing.

use super::Bench;
use crate::bare::sync::sync_rate;
use crate::crowd::{Conversation, converse};
use crate::failure::{During, Failure, Outcome};
use crate::messages;
use crate::seed::seed_jobs;
use crate::statistics::{median, rate, time};
use crate::table::{Line, per_second};
use builder_proto::command::Command;
use std::fs::File;
use std::iter::repeat_with;
use std::time::Duration;

const WORKERS: usize = 16;
const SYNC_TIME: Duration = Duration::from_millis(500);

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let jobs = bench.pick(20_000, 2000);
    let mut rounds = Vec::new();
    let mut peak = None;
    for _ in 0..bench.pick(3, 1) {
        let site = bench.site()?;
        seed_jobs(&site, jobs, "true", true)?;
        let server = site.start()?;
        let before = sync_rate(&site.path("synced"), SYNC_TIME)?;
        let (hello, request) = (messages::worker_hello()?, messages::job_request()?);
        let workers = repeat_with(|| WorkerTalk::new(&hello, &request)).take(jobs);
        let (_, time) = time(|| -> Outcome<()> {
            converse(server.address(), WORKERS, workers)?;
            // Whatever the server has written so far is in its place and durable after this.
            File::open(site.data()).and_then(|data| sync_everything(&data)).during("sync the results")
        })?;
        let after = sync_rate(&site.path("synced"), SYNC_TIME)?;
        let stored = super::results(&site)?.len();
        if stored != jobs {
            return Err(Failure::new(format_args!("{stored} of {jobs} results are in their place")));
        }
        peak = peak.max(server.process().peak_memory());
        rounds.push((rate(jobs, time), (before + after) / 2.0));
    }
    let drained = median(rounds.iter().map(|(drained, _)| *drained));
    let synced = median(rounds.iter().map(|(_, synced)| *synced));
    let ratio = median(rounds.iter().map(|(drained, synced)| drained / synced));
    Ok(vec![Line {
        work: format!("{WORKERS} workers draining {jobs} no-op jobs, each result durable in its file"),
        reach: "≥ 1 × bare fdatasync rate".to_owned(),
        measured: format!("{} jobs", per_second(drained)),
        beside: format!("bare fdatasync {}", per_second(synced)),
        ratio: Some(ratio),
        peak,
        is_reached: ratio >= 1.0,
    }])
}

/// Makes everything on the file system durable, where one call does that.
#[cfg(target_os = "linux")]
fn sync_everything(directory: &File) -> std::io::Result<()> {
    Ok(rustix::fs::syncfs(directory)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_everything(_: &File) -> std::io::Result<()> {
    rustix::fs::sync();
    Ok(())
}

/// A worker whose job is over as soon as it has begun.
pub(crate) struct WorkerTalk<'a> {
    hello: &'a [u8],
    request: &'a [u8],
    stage: Stage,
}

enum Stage {
    Greeting,
    Waiting,
    Finished,
}

impl<'a> WorkerTalk<'a> {
    pub(crate) fn new(hello: &'a [u8], request: &'a [u8]) -> WorkerTalk<'a> {
        WorkerTalk { hello, request, stage: Stage::Greeting }
    }
}

impl Conversation for WorkerTalk<'_> {
    fn opening(&self) -> &[u8] {
        self.hello
    }

    fn answer(&mut self, payload: &[u8], reply: &mut Vec<u8>) -> Outcome<()> {
        self.stage = match self.stage {
            Stage::Greeting => {
                messages::expect(payload, &Command::ServerHello)?;
                reply.extend_from_slice(self.request);
                Stage::Waiting
            }
            Stage::Waiting => {
                reply.extend_from_slice(&messages::finished(messages::build_of(payload)?)?);
                Stage::Finished
            }
            Stage::Finished => return Err(Failure::new("the server said more than was expected")),
        };
        Ok(())
    }

    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Finished)
    }
}
