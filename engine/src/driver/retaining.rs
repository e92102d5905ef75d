//! Retention as part of the turn: what [it](super::retention) says, done.

use super::files::{DirectoryName, Files};
use super::platform::Platform;
use super::reasons::StopReason;
use super::retention::Surroundings;
use super::tasks::Task;
use super::turn::Driver;
use crate::server::{BuildOfJob, Input};
use std::io;

impl<P: Platform> Driver<P> {
    /// Begins to remove the next result that is not kept. The log has all that this rests on.
    pub(super) fn retain(&mut self) {
        let now = self.platform.now();
        if self.log.has_pending() {
            return;
        }
        let (server, write_back) = (&self.server, &self.write_back);
        let around = Surroundings {
            now: now.monotonic,
            index: self.history.index(),
            state: server.state(),
            keep: &|job| server.keep(now, job),
            is_held: &|uuid| write_back.result(uuid).is_some(),
        };
        if let Some(build) = self.retention.next(&around) {
            self.platform.submit(Task::remove(build));
        }
    }

    /// A thread has removed a result, or could not.
    pub(super) fn on_removed(
        &mut self,
        build: BuildOfJob,
        outcome: io::Result<()>,
    ) -> Result<(), StopReason> {
        let (uuid, job) = build;
        let directory = |files: &P::Files| files.describe_directory(DirectoryName::Build(&job, uuid));
        let is_retention = self.retention.removed(uuid);
        match (outcome, is_retention) {
            (Ok(()), false) => self.input(Input::ResultRemoved { uuid }, &[]),
            (Ok(()), true) => self.input(Input::ResultNotKept { uuid }, &[]),
            (Err(error), false) => {
                ::log::error!(
                    "cannot remove {}, which is uploaded: {error}; the next start of the server tries again",
                    directory(&self.files)
                );
                Ok(())
            }
            (Err(error), true) => {
                ::log::error!(
                    "cannot remove {}, which is not kept any longer: {error}; next attempt within an hour",
                    directory(&self.files)
                );
                Ok(())
            }
        }
    }
}
