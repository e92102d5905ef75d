//! Notices as part of the turn: what the [slots](super::notice_slots) say, done.

use super::files::{FileName, exists};
use super::platform::{Notice, NoticeEnd, Platform};
use super::reasons::StopReason;
use super::turn::Driver;
use crate::server::{Input, NoticeOutcome, notice_variables};
use builder_proto::Uuid;

impl<P: Platform> Driver<P> {
    /// A program is to be told of a build. The server asks for none unless there is one.
    pub(super) fn want_notice(&mut self, uuid: Uuid, attempt: u32) {
        if let Some(notices) = &mut self.notices {
            notices.want(uuid, attempt);
        }
    }

    /// Takes note of programs that have ended, ends those that take too long, and starts the next.
    pub(super) fn go_on_notifying(&mut self) -> Result<(), StopReason> {
        let now = self.platform.now().monotonic;
        while let Some(uuid) = self.notices.as_mut().and_then(|notices| notices.take_overdue(now)) {
            self.platform.kill_notice(uuid);
        }
        while let Some((uuid, end)) = self.notices.as_mut().and_then(|notices| notices.take_end()) {
            self.notice_ended(uuid, &end)?;
        }
        while let Some((uuid, attempt)) = self.notices.as_mut().and_then(|notices| notices.take_wanted()) {
            self.notify(uuid, attempt)?;
        }
        Ok(())
    }

    /// Starts the program that is told of a build.
    fn notify(&mut self, uuid: Uuid, attempt: u32) -> Result<(), StopReason> {
        let Some(build) = self.server.state().notices.build(uuid) else { return Ok(()) };
        // Somebody may have removed the result, and on a full disk it may be in the log only.
        let has_result = exists(&self.files, FileName::Result { job: &build.job, uuid }).unwrap_or(false);
        let notice = Notice {
            uuid,
            result_of: has_result.then_some(&build.job),
            variables: notice_variables(build, self.history.previous_failed(build), attempt),
        };
        match self.platform.start_notice(notice) {
            Ok(()) => {
                let now = self.platform.now().monotonic;
                if let Some(notices) = &mut self.notices {
                    notices.on_started(now, uuid);
                }
                Ok(())
            }
            Err(error) => self.notice_ended(uuid, &NoticeEnd::Failed(error.to_string())),
        }
    }

    fn notice_ended(&mut self, uuid: Uuid, end: &NoticeEnd) -> Result<(), StopReason> {
        let outcome = match end {
            NoticeEnd::Done => NoticeOutcome::Done,
            NoticeEnd::Failed(reason) => NoticeOutcome::Failed(reason),
        };
        self.input(Input::NoticeEnded { uuid, outcome }, &[])
    }
}
