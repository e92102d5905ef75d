//! Cancelling what is named by a job or by the beginning of a uuid.

use super::error::ClientError;
use super::selection::{find_by_digits, uuid_beginning};
use super::send;
use crate::command_line::Address;
use builder_proto::command::Command;
use builder_proto::text::Text;

/// Cancels a job of this name. If there is none, it is a build whose uuid begins like this.
pub(super) fn cancel(remote: &Address, word: Text, quiet: bool) -> Result<(), ClientError> {
    let is_beginning = word.as_str().and_then(uuid_beginning).is_some();
    let job = Command::CancelJob(word.clone());
    match send(remote, &job, quiet) {
        Err(ClientError::Refused { reason, hint }) if is_beginning && is_unknown(&reason) => {
            let build = find_by_digits(remote, &word)?.ok_or(ClientError::Refused { reason, hint })?;
            send(remote, &Command::Cancel(build.uuid()), quiet)
        }
        result => result,
    }
}

/// Whether the server knows no job of the name.
fn is_unknown(reason: &Text) -> bool {
    reason.as_bytes().starts_with(b"unknown job")
}
