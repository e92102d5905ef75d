//! Jobs that have left the state while answers to `info` still hold them, and how much memory that takes.

use crate::limits::DEPARTED_BYTES;
use crate::server::record::Record;
use crate::server::state::State;
use builder_proto::job::Job;
use std::sync::{Arc, Weak};

/// Bytes of memory that a job takes besides its texts, and a place in the list of those that have left: roughly, and not less.
const JOB_BYTES: u64 = 256;

/// Jobs that only answers hold, with the memory that each takes.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    /// Whether there are answers that may hold jobs.
    is_watched: bool,
    jobs: Vec<(Weak<Job>, u64)>,
    /// The sum. Some of it may have been freed since it was counted.
    bytes: u64,
}

impl Departed {
    /// There is an answer that may hold jobs.
    pub(crate) fn watch(&mut self) {
        self.is_watched = true;
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// Counts a job that has just left the state.
    pub(crate) fn add(&mut self, job: &Arc<Job>) {
        let bytes = job.encoded_length().saturating_add(JOB_BYTES);
        self.jobs.push((Arc::downgrade(job), bytes));
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Whether what answers still hold is more than they may. Only then are the jobs looked at one by one.
    pub(crate) fn is_too_much(&mut self) -> bool {
        if self.bytes <= DEPARTED_BYTES {
            return false;
        }
        self.jobs.retain(|(job, _)| job.strong_count() > 0);
        self.bytes = self.jobs.iter().map(|(_, bytes)| bytes).sum();
        self.bytes > DEPARTED_BYTES
    }

    /// Forgets all, when there is no answer any more.
    pub(crate) fn clear(&mut self) {
        *self = Departed::default();
    }
}

impl State {
    /// Jobs that a record may take out of the state. Others may still be part of it in another place: see [`State::holds`].
    pub(crate) fn leaving(&self, record: &Record) -> Vec<Arc<Job>> {
        match record {
            Record::Unscheduled(name) => {
                self.schedule.get(name).map(|item| Arc::clone(&item.job)).into_iter().collect()
            }
            Record::Configured(configured) => {
                let former = self.schedule.get(configured.item.job.name());
                former.map(|item| Arc::clone(&item.job)).into_iter().collect()
            }
            Record::Dropped(platform) => {
                self.schedule.scripts_for(platform).map(|item| Arc::clone(&item.job)).collect()
            }
            Record::Finished(finished) => {
                let running = self.running.get(&finished.uuid.0).map(|build| &build.script);
                let script =
                    running.or_else(|| self.aborted.get(&finished.uuid.0).map(|build| &build.script));
                script.map(|script| Arc::clone(script.shared_job())).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether this very job is scheduled, and so perhaps queued, or belongs to a build.
    pub(crate) fn holds(&self, job: &Arc<Job>) -> bool {
        let is_scheduled = self.schedule.get(job.name()).is_some_and(|item| Arc::ptr_eq(&item.job, job));
        let mut scripts =
            self.running.values().map(|build| &build.script).chain(self.aborted.values().map(|b| &b.script));
        is_scheduled || scripts.any(|script| script.is(job))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::job::ScriptJob;

    #[test]
    fn what_nobody_holds_any_more_does_not_count() {
        let job = |bytes: u64| {
            let script = "x".repeat(usize::try_from(bytes).unwrap()).into();
            Arc::new(Job::Script(ScriptJob { name: "job".into(), script, platform: "p".into() }))
        };
        let (first, second, third) = (job(DEPARTED_BYTES / 2), job(DEPARTED_BYTES / 2), job(1));
        let mut departed = Departed::default();
        departed.watch();
        departed.add(&first);
        departed.add(&third);
        assert!(!departed.is_too_much());
        departed.add(&second);
        assert!(departed.is_too_much());
        drop(first);
        assert!(!departed.is_too_much());
        departed.add(&job(DEPARTED_BYTES));
        assert!(!departed.is_too_much(), "it is gone already");
        departed.add(&job(DEPARTED_BYTES));
        departed.clear();
        assert_eq!((departed.jobs.len(), departed.bytes, departed.is_watched), (0, 0, false));
    }
}
