//! From the commit to what others can see of it: first the files of results, then everything else, in order.
//!
//! The files of small results are written by threads, while the reactor goes on with the next turn. Whatever came out of
//! the machine with or after a result waits for its file, so that who is told of a result finds it.

use crate::server::disk::{Outcome, Task, WRITERS, WriteTask};
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
    number: u64,
    /// Tasks that write files of its results and are not done.
    writes: usize,
}

impl Reactor {
    /// Begins to carry out what waited for the commit that has just been made.
    pub(crate) fn release(&mut self) {
        let mut actions = Vec::new();
        let mut results = Vec::new();
        for action in self.deferred.drain(..) {
            match action {
                Action::Publish { uuid, name, contents } => {
                    let result = UnsettledResult { uuid, name, contents };
                    self.settling.publish(result.clone());
                    results.push(result);
                }
                action => actions.push(action),
            }
        }
        self.batches += 1;
        let number = self.batches;
        let shares = results.chunks(results.len().div_ceil(WRITERS).max(1));
        let writes = shares.len();
        for share in shares {
            self.disk.write(WriteTask { results: share.to_vec(), batch: Some(number) });
        }
        self.committed.push_back(Batch { actions, number, writes });
        self.perform_ready();
    }

    /// Takes note of files that were written, or could not be.
    pub(crate) fn on_written(&mut self, batch: Option<u64>, outcomes: Vec<(Uuid, io::Result<()>)>) {
        self.settling.written(self.clock.now().monotonic, outcomes);
        if let Some(batch) = self.committed.iter_mut().find(|waiting| Some(waiting.number) == batch) {
            batch.writes -= 1;
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
        while !self.committed.is_empty() {
            let Some(outcome) = self.disk.wait_for_outcome(self.clock.until(deadline)) else { break };
            if let Outcome::Written { batch, outcomes } = outcome {
                self.on_written(batch, outcomes);
            }
        }
        self.network.flush(self.poll.registry());
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
