//! Actions leave the [release queue](builder_engine::driver::ReleaseQueue), and files of results are written for it.

use crate::server::disk::{Outcome, Task, WRITERS, WriteTask};
use crate::server::reactor::Reactor;
use builder_engine::driver::BatchNumber;
use builder_engine::server::{Deferred, UnsettledResult};
use builder_proto::Uuid;
use std::io;
use std::time::Duration;

/// Time that results have to get into their files when the program is to end. The log holds them anyway.
const PARTING_TIME: Duration = Duration::from_millis(300);

/// What waits for the commit, or for the files of results.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// What others can see.
    Action(Deferred),
    /// A large result is to be put in place.
    Store { uuid: Uuid },
}

impl Reactor {
    /// Puts an action off until the commit.
    pub(crate) fn defer(&mut self, action: Deferred) {
        match action {
            Deferred::Publish { uuid, name, contents } => {
                self.release_queue.defer_result(UnsettledResult { uuid, name, contents });
            }
            action => self.release_queue.defer(Waiting::Action(action)),
        }
    }

    /// Begins to carry out what waited for the commit that has just been made.
    pub(crate) fn release(&mut self) {
        for order in self.release_queue.commit(&mut self.settling, WRITERS) {
            self.disk.write(WriteTask { results: order.results, batch: Some(order.batch) });
        }
        self.perform_ready();
    }

    /// Takes note of files that were written, or could not be.
    pub(crate) fn on_written(&mut self, batch: Option<BatchNumber>, outcomes: Vec<(Uuid, io::Result<()>)>) {
        self.settling.written(self.clock.now().monotonic, outcomes);
        if let Some(batch) = batch {
            self.release_queue.written(batch);
        }
        self.perform_ready();
    }

    /// Has results written again that could not be written, and synced what was written a while ago.
    pub(crate) fn settle(&mut self) {
        let now = self.clock.now().monotonic;
        let results = self.settling.retry(now);
        if !results.is_empty() {
            self.disk.write(WriteTask { results, batch: None });
        }
        if let Some(builds) = self.settling.sync(now) {
            self.disk.submit(Task::Sync(builds));
        }
    }

    /// Waits a moment for files of results, so that nobody has to learn from the next server what is already certain.
    pub(crate) fn part(&mut self) {
        let deadline = self.clock.now().monotonic.saturating_add(PARTING_TIME);
        while !self.release_queue.is_empty() {
            let Some(outcome) = self.disk.wait_for_outcome(self.clock.until(deadline)) else { break };
            if let Outcome::Written { batch, outcomes } = outcome {
                self.on_written(batch, outcomes);
            }
        }
        self.network.flush(self.poll.registry());
    }

    fn perform_ready(&mut self) {
        while let Some(waiting) = self.release_queue.next_ready() {
            match waiting {
                Waiting::Action(action) => self.perform(action),
                Waiting::Store { uuid } => self.store_result(uuid),
            }
        }
    }
}
