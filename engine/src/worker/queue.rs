//! Actions on their way out, and how much of them the socket has not taken.

use super::interface::Action;
use crate::limits::WORKER_OUTBOX_BYTES;
use builder_proto::Uuid;
use builder_proto::command::{Command, append_output_frame};
use builder_proto::error::EncodeError;
use std::collections::VecDeque;

/// The one ordered queue of actions.
///
/// Bytes gather until another kind of action follows or the driver has taken all other actions, so
/// everything that happened in one turn leaves in one write.
#[derive(Debug, Default)]
pub(super) struct ActionQueue {
    actions: VecDeque<Action>,
    gathered: Vec<u8>,
    /// Bytes handed out and not yet taken by the socket.
    unsent: usize,
}

impl ActionQueue {
    pub(super) fn push(&mut self, action: Action) {
        self.flush();
        self.actions.push_back(action);
    }

    pub(super) fn send_command(&mut self, command: &Command) -> Result<(), EncodeError> {
        self.gathered.extend(command.to_frame()?);
        Ok(())
    }

    pub(super) fn send_line(&mut self, uuid: Uuid, line: &[u8]) {
        append_output_frame(&mut self.gathered, uuid, line, None);
    }

    pub(super) fn send_bytes(&mut self, bytes: &[u8]) {
        self.gathered.extend_from_slice(bytes);
    }

    pub(super) fn pop(&mut self) -> Option<Action> {
        if self.actions.is_empty() {
            self.flush();
        }
        self.actions.pop_front()
    }

    /// Notes that the socket took bytes.
    pub(super) fn sent(&mut self, count: usize) {
        self.unsent = self.unsent.saturating_sub(count);
    }

    /// Whether everything that was to be sent has left.
    pub(super) fn is_sent(&self) -> bool {
        self.unsent == 0 && self.gathered.is_empty()
    }

    /// Whether so little waits that more of the console may be read.
    pub(super) fn has_room(&self) -> bool {
        self.unsent.saturating_add(self.gathered.len()) < WORKER_OUTBOX_BYTES
    }

    fn flush(&mut self) {
        if !self.gathered.is_empty() {
            self.unsent = self.unsent.saturating_add(self.gathered.len());
            self.actions.push_back(Action::Send(core::mem::take(&mut self.gathered)));
        }
    }
}
