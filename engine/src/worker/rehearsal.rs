//! The proof that a script can run here, before a job is asked for.
//!
//! A worker without a place for jobs, or without a process to be had, must not find that out with a job in its hands: in a
//! loop, it would go through a whole queue in seconds. So a script that does nothing runs first, in the way in which a
//! job would.

use super::interface::{Action, JobInput};
use super::queue::ActionQueue;
use crate::limits::REHEARSAL_TIME;
use builder_proto::build_result::BuildResult;
use builder_proto::text::Text;
use core::time::Duration;

/// It needs what every job needs: a file that may be executed, the shell, and a further process.
const SCRIPT: &[u8] = b"#!/bin/sh\n(:) || exit\n";

/// Bytes that are kept of what the script prints; a shell that cannot go on takes one line to say so.
const PRINTED_BYTES: usize = 1024;

/// A script that does nothing, on its way.
#[derive(Debug)]
pub(super) struct Rehearsal {
    until: Duration,
    result: Option<BuildResult>,
    printed: Vec<u8>,
}

/// What an input meant for the rehearsal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Open,
    /// Scripts can run here.
    Passed,
    /// They cannot, for this reason. No process is left.
    Failed(String),
}

impl Rehearsal {
    pub(super) fn start(now: Duration, queue: &mut ActionQueue) -> Self {
        queue.push(Action::Rehearse { script: SCRIPT });
        Self { until: now.saturating_add(REHEARSAL_TIME), result: None, printed: Vec::new() }
    }

    pub(super) fn handle(&mut self, input: JobInput<'_>, queue: &mut ActionQueue) -> Verdict {
        match input {
            JobInput::NotStarted(reason) | JobInput::Unable(reason) => return Verdict::Failed(reason),
            JobInput::Console(bytes) => {
                let room = PRINTED_BYTES.saturating_sub(self.printed.len());
                self.printed.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
            JobInput::Ended(result) => self.result = Some(result),
            JobInput::DescendantsGone if self.result == Some(BuildResult::Exited(0)) => {
                return Verdict::Passed;
            }
            JobInput::DescendantsGone => queue.push(Action::DrainConsole),
            JobInput::ConsoleDrained => return Verdict::Failed(self.complaint()),
            _ => {}
        }
        Verdict::Open
    }

    /// When [`Rehearsal::is_late`] has an answer.
    pub(super) fn deadline(&self) -> Duration {
        self.until
    }

    /// Why it has taken too long, if so. Its process may be there still.
    pub(super) fn is_late(&self, now: Duration) -> Option<String> {
        (now >= self.until).then(|| {
            format!("a script that does nothing has not ended in {} seconds", REHEARSAL_TIME.as_secs())
        })
    }

    fn complaint(&self) -> String {
        let end =
            self.result.as_ref().map_or_else(|| "was not seen to end".to_owned(), BuildResult::to_string);
        let printed = Text::from(self.printed.trim_ascii());
        match self.printed.trim_ascii().is_empty() {
            true => format!("a script that does nothing {end}"),
            false => format!("a script that does nothing {end}: {printed}"),
        }
    }
}
