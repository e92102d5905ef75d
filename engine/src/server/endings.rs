//! How builds end: what that means for their workers, their platforms, the upload of their results and the notices of them.

use crate::Now;
use crate::history::words;
use crate::server::Server;
use crate::server::action::Deferred;
use crate::server::builds::{Due, Loss, Overdue};
use crate::server::record::Contents;
use crate::server::sessions::Step;
use builder_proto::Uuid;
use builder_proto::history::Cause;
use der::asn1::Null;

impl Server {
    pub(super) fn on_due(&mut self, now: Now, due: Due) {
        match due {
            Due::Result(uuid) => self.expire_build(now, uuid),
            Due::Storing(uuid) => self.builds.store_aborted(uuid, &mut self.journal),
        }
    }

    /// A result is durable: in its file, or in its contents and with the next commit.
    pub(super) fn on_result_stored(&mut self, now: Now, uuid: Uuid, contents: Option<Contents>) {
        if self.journal.state().name_of_build(uuid).is_none() {
            return;
        }
        // Before the build is finished, so that no crash in between keeps the result from being uploaded, or its notice from being given.
        self.uploads.queue(uuid, &mut self.journal);
        self.notices.queue(uuid, &mut self.journal);
        if let Some(worker) = self.builds.finish(now, uuid, contents, &mut self.journal) {
            self.step_by_id(now, worker, Step::Finish);
        }
        self.journal.act_after_commit(Deferred::RemoveSpool { uuid });
    }

    pub(super) fn on_result_failed(&mut self, now: Now, uuid: Uuid, error: &str) {
        if let Some(cause) = self.builds.on_result_failed(now, uuid, error, &self.journal) {
            self.fail_build(now, uuid, cause);
        }
    }

    /// Ends a build that will have no result of its worker, and the conversation with that worker.
    pub(super) fn fail_build(&mut self, now: Now, uuid: Uuid, cause: Cause) {
        let reason = words(&cause).to_string();
        if let Some(worker) = self.builds.fail(now, uuid, cause, &mut self.journal) {
            self.step_by_id(now, worker, Step::Close(reason));
        }
    }

    /// Ends a build whose worker is lost, which may slow its platform down.
    pub(super) fn lose_build(&mut self, now: Now, uuid: Uuid, loss: Loss<'_>) {
        let Some(started) = self.builds.started(uuid) else { return };
        let row = self.dispatcher.note_loss(now, uuid, started, self.journal.state());
        self.builds.lose(now, uuid, loss, row, &self.templates, &mut self.journal);
    }

    fn expire_build(&mut self, now: Now, uuid: Uuid) {
        let Some(worker) = self.builds.worker(uuid) else { return };
        match self.builds.overdue(now, uuid, self.sessions.holds_bytes_of(worker)) {
            None => {}
            Some(Overdue::Unheard(text)) => {
                self.lose_build(now, uuid, Loss::Unheard(&text));
                self.step_by_id(now, worker, Step::Close(text));
            }
            Some(Overdue::Timeout) => self.fail_build(now, uuid, Cause::Timeout(Null)),
            Some(Overdue::Silence) => self.fail_build(now, uuid, Cause::Silence(Null)),
            Some(Overdue::Stalled(text)) => self.refuse_by_id(now, worker, &text),
        }
    }
}
