//! From the commit to what others can see of it: first the files of results, then everything else, in order.
//!
//! The files of small results are written by a thread, while the reactor goes on with the next turn. Whatever came out of
//! the machine with or after a result waits for its file, so that who is told of a result finds it.

use crate::server::disk::{Outcome, WriteTask};
use crate::server::reactor::Reactor;
use builder_engine::server::{Action, UnsettledResult};
use builder_proto::Uuid;
use std::io;
use std::time::Duration;

/// Time that results have to get into their files when the program is to end. The log holds them anyway.
const PARTING_TIME: Duration = Duration::from_millis(300);

/// What came of one turn, in order.
#[derive(Debug)]
pub(crate) struct Batch {
    actions: Vec<Action>,
    /// Whether files of its results are still being written.
    is_writing: bool,
}

impl Reactor {
    /// Begins to carry out what waited for the commit that has just been made.
    pub(crate) fn release(&mut self) {
        let mut batch = Batch { actions: Vec::new(), is_writing: false };
        let mut results = Vec::new();
        for action in self.deferred.drain(..) {
            match action {
                Action::Publish { uuid, name, contents } => {
                    let result = UnsettledResult { uuid, name, contents };
                    self.settling.publish(result.clone());
                    results.push(result);
                }
                action => batch.actions.push(action),
            }
        }
        if !results.is_empty() {
            batch.is_writing = true;
            self.disk.write(WriteTask { results, is_batch: true });
        }
        self.committed.push_back(batch);
        self.perform_ready();
    }

    /// Takes note of files that were written, or could not be.
    pub(crate) fn on_written(&mut self, is_batch: bool, outcomes: Vec<(Uuid, io::Result<()>)>) {
        self.settling.written(self.clock.now().monotonic, outcomes);
        if is_batch && let Some(batch) = self.committed.iter_mut().find(|batch| batch.is_writing) {
            batch.is_writing = false;
        }
        self.perform_ready();
    }

    /// Has results written again that could not be written, and synced what was written a while ago.
    pub(crate) fn settle(&mut self) {
        let now = self.clock.now().monotonic;
        let results = self.settling.retry(now);
        if !results.is_empty() {
            self.disk.write(WriteTask { results, is_batch: false });
        }
        if let Some(builds) = self.settling.sync(now) {
            self.disk.sync(builds);
        }
    }

    /// Waits a moment for files of results, so that nobody has to learn from the next server what is already certain.
    pub(crate) fn part(&mut self) {
        let deadline = self.clock.now().monotonic.saturating_add(PARTING_TIME);
        while !self.committed.is_empty() {
            let Some(outcome) = self.disk.wait_for_outcome(self.clock.until(deadline)) else { break };
            if let Outcome::Written { is_batch, outcomes } = outcome {
                self.on_written(is_batch, outcomes);
            }
        }
        self.network.flush(self.poll.registry());
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
