//! Actions leave the release queue, and files of results are written for it, as in `bin/src/server/release.rs`.

use super::tasks::{Task, WRITERS, WriteTask};
use super::{Awaited, Server, Stop, Waiting};
use crate::variant::Variant;
use builder_engine::driver::BatchNumber;
use builder_engine::server::{BuildOfJob, Deferred, Input};
use builder_proto::Uuid;
use std::io;

impl Server {
    pub(super) fn defer(&mut self, action: Deferred, depends_on: u64) {
        self.release_queue.defer(Waiting { what: Awaited::Action(action), depends_on });
    }

    pub(super) fn release(&mut self) {
        for order in self.release_queue.commit(&mut self.settling, WRITERS) {
            self.submit(Task::Write(WriteTask::new(order.results, Some(order.batch))));
        }
        self.perform_ready();
    }

    pub(super) fn on_written(&mut self, batch: Option<BatchNumber>, outcomes: Vec<(Uuid, io::Result<()>)>) {
        self.settling.written(self.environment.host.time(), outcomes);
        if let Some(batch) = batch {
            self.release_queue.written(batch);
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
            false => Task::sync(builds),
        }
    }

    fn perform_ready(&mut self) {
        while let Some(Waiting { what, depends_on }) = self.release_queue.next_ready() {
            match what {
                Awaited::Action(action) => self.perform(action, depends_on),
                Awaited::Store { uuid } => self.store_result(uuid),
            }
        }
    }
}
