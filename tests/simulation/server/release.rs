//! From the commit to what others can see of it, as in `bin/src/server/release.rs`.

use super::tasks::{Task, WRITERS, WriteTask};
use super::{Deferred, Server, Stop};
use crate::variant::Variant;
use builder_engine::server::{Action, BuildOfJob, Input, UnsettledResult};
use builder_proto::Uuid;
use std::io;

/// What came of one turn, in order.
#[derive(Debug)]
pub(super) struct Batch {
    actions: Vec<Deferred>,
    number: u64,
    writes: usize,
}

impl Server {
    pub(super) fn release(&mut self) {
        let mut actions = Vec::new();
        let mut results = Vec::new();
        for Deferred { action, depends_on } in std::mem::take(&mut self.deferred) {
            match action {
                Action::Publish { uuid, name, contents } => {
                    let result = UnsettledResult { uuid, name, contents };
                    self.settling.publish(result.clone());
                    results.push(result);
                }
                action => actions.push(Deferred { action, depends_on }),
            }
        }
        self.batches += 1;
        let number = self.batches;
        let shares = results.chunks(results.len().div_ceil(WRITERS).max(1));
        let writes = shares.len();
        for share in shares {
            self.submit(Task::Write(WriteTask::new(share.to_vec(), Some(number))));
        }
        self.committed.push_back(Batch { actions, number, writes });
        self.perform_ready();
    }

    pub(super) fn on_written(&mut self, batch: Option<u64>, outcomes: Vec<(Uuid, io::Result<()>)>) {
        self.settling.written(self.environment.host.time(), outcomes);
        if let Some(batch) = self.committed.iter_mut().find(|waiting| Some(waiting.number) == batch) {
            batch.writes -= 1;
        }
        self.perform_ready();
    }

    pub(super) fn settle(&mut self) -> Result<(), Stop> {
        let now = self.environment.host.time();
        let results = self.settling.retry(now);
        if !results.is_empty() {
            self.submit(Task::Write(WriteTask::new(results, None)));
        }
        let Some(builds) = self.settling.sync(now) else { return Ok(()) };
        if self.environment.variant == Variant::SettleBeforeSync {
            let settled = self.settling.synced(now);
            return self.input(Input::ResultsSettled(settled), &[]);
        }
        let task = self.sync_task(builds);
        self.submit(task);
        Ok(())
    }

    fn sync_task(&self, builds: Vec<BuildOfJob>) -> Task {
        match self.environment.plan.syncs_everything {
            true => Task::SyncAll,
            false => Task::Sync { builds, build: 0, step: 0 },
        }
    }

    fn perform_ready(&mut self) {
        while self.committed.front().is_some_and(|batch| batch.writes == 0)
            && let Some(batch) = self.committed.pop_front()
        {
            for action in batch.actions {
                self.perform(action);
            }
        }
    }
}
