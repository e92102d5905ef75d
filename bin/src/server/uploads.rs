//! Uploads in the reactor: between the machine, which says what and when, and the process that does it.

use crate::server::disk::Task;
use crate::server::reactor::Reactor;
use crate::server::stop::StopReason;
use builder_engine::server::Input;
use builder_proto::Uuid;
use builder_proto::text::Text;
use std::io;
use std::time::Duration;

impl Reactor {
    /// Takes on an upload. The machine asks for none without an uploader.
    pub(crate) fn upload(&mut self, uuid: Uuid, name: Text) {
        if let Some(uploader) = &mut self.uploader {
            uploader.want(uuid, name);
        }
    }

    pub(crate) fn remove_result(&self, uuid: Uuid, name: Text) {
        self.disk.submit(Task::Remove { uuid, name });
    }

    pub(crate) fn on_removed(
        &mut self,
        uuid: Uuid,
        name: &Text,
        outcome: io::Result<()>,
    ) -> Result<(), StopReason> {
        match outcome {
            Ok(()) => self.input(Input::ResultRemoved { uuid }, &[]),
            Err(error) => {
                log::error!(
                    "cannot remove {}, which is uploaded: {error}; the next start of the server tries again",
                    self.paths.build(name, uuid).display()
                );
                Ok(())
            }
        }
    }

    /// Takes note of an upload that has ended, and starts the next when its file is safe.
    pub(crate) fn go_on_uploading(&mut self) -> Result<(), StopReason> {
        let now = self.clock.now().monotonic;
        let Some(uploader) = &mut self.uploader else { return Ok(()) };
        uploader.expire(now);
        let settling = &self.settling;
        let reaped = std::mem::take(&mut self.child_ended).then(|| uploader.reap()).flatten();
        let ended = reaped.or_else(|| uploader.start(now, |uuid| settling.safety(uuid)));
        match ended {
            Some(ended) => self.input(Input::UploadEnded { uuid: ended.uuid, outcome: ended.outcome() }, &[]),
            None => Ok(()),
        }
    }

    pub(crate) fn upload_deadline(&self) -> Option<Duration> {
        self.uploader.as_ref().and_then(|uploader| uploader.next_deadline())
    }
}
