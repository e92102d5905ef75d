//! From the commit to what others can see of it, as in `bin/src/server/release.rs`.

use super::tasks::Task;
use super::{Deferred, Server, Stop};
use crate::variant::Variant;
use builder_engine::server::{Action, BuildOfJob, Input, UnsettledResult};
use builder_proto::Uuid;
use std::io;

/// What came of one turn, in order.
#[derive(Debug)]
pub(super) struct Batch {
    actions: Vec<Deferred>,
    is_writing: bool,
}

impl Server {
    pub(super) fn release(&mut self) {
        let mut batch = Batch { actions: Vec::new(), is_writing: false };
        let mut results = Vec::new();
        for Deferred { action, depends_on } in std::mem::take(&mut self.deferred) {
            match action {
                Action::Publish { uuid, name, contents } => {
                    let result = UnsettledResult { uuid, name, contents };
                    self.settling.publish(result.clone());
                    results.push(result);
                }
                action => batch.actions.push(Deferred { action, depends_on }),
            }
        }
        if !results.is_empty() {
            batch.is_writing = true;
            self.write(results, true);
        }
        self.committed.push_back(batch);
        self.perform_ready();
    }

    pub(super) fn on_written(&mut self, is_batch: bool, outcomes: Vec<(Uuid, io::Result<()>)>) {
        self.settling.written(self.environment.host.time(), outcomes);
        if is_batch && let Some(batch) = self.committed.iter_mut().find(|batch| batch.is_writing) {
            batch.is_writing = false;
        }
        self.perform_ready();
    }

    pub(super) fn settle(&mut self) -> Result<(), Stop> {
        let now = self.environment.host.time();
        let results = self.settling.retry(now);
        if !results.is_empty() {
            self.write(results, false);
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

    fn write(&mut self, results: Vec<UnsettledResult>, is_batch: bool) {
        if let Some(task) = self.tasks.write(results, is_batch) {
            self.schedule_step(task);
        }
    }

    fn sync_task(&self, builds: Vec<BuildOfJob>) -> Task {
        match self.environment.plan.syncs_everything {
            true => Task::SyncAll,
            false => Task::Sync { builds, build: 0, step: 0 },
        }
    }

    fn perform_ready(&mut self) {
        while self.committed.front().is_some_and(|batch| !batch.is_writing)
            && let Some(batch) = self.committed.pop_front()
        {
            for action in batch.actions {
                self.perform(action);
            }
        }
    }
}
