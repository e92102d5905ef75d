//! Uploads as part of the turn: what the [slot](super::upload_slot) says, done.

use super::files::{FileName, Files};
use super::platform::{Platform, UploadEnd};
use super::reasons::StopReason;
use super::turn::Driver;
use super::upload_slot::Attempt;
use crate::server::{Durability, Input};
use builder_proto::Uuid;
use builder_proto::text::Text;
use std::io::{self, ErrorKind};

impl<P: Platform> Driver<P> {
    /// Takes note of an upload that has ended, and starts the next when its file is safe.
    pub(super) fn go_on_uploading(&mut self) -> Result<(), StopReason> {
        let now = self.platform.now().monotonic;
        let Some(uploads) = &mut self.uploads else { return Ok(()) };
        if uploads.is_overdue(now) {
            self.platform.kill_upload();
        }
        let over = uploads.take_end().or_else(|| {
            let (uuid, job) = uploads.take_wanted(|uuid| self.write_back.durability(uuid))?;
            let attempt =
                match start(&mut self.platform, &self.files, &job, uuid, self.write_back.durability(uuid)) {
                    Ok(bytes) => {
                        uploads.on_started(now, uuid, bytes);
                        return None;
                    }
                    Err(attempt) => attempt,
                };
            Some((uuid, attempt))
        });
        match over {
            Some((uuid, attempt)) => {
                if let Some(metrics) = &mut self.metrics {
                    metrics.tally.uploaded(&attempt.outcome());
                }
                self.input(Input::UploadEnded { uuid, outcome: attempt.outcome() }, &[])
            }
            None => Ok(()),
        }
    }
}

/// Starts the process for a result; says how many bytes it has, or how the attempt ended at once.
fn start<P: Platform>(
    platform: &mut P,
    files: &P::Files,
    job: &Text,
    uuid: Uuid,
    durability: Durability,
) -> Result<u64, Attempt> {
    let name = FileName::Result { job, uuid };
    let refused = |problem: String| Attempt::Ended(UploadEnd::Refused(problem));
    if durability == Durability::Stuck {
        // Others need not wait for it.
        return Err(refused(format!("{} could not be written so far", files.describe(name))));
    }
    let bytes = files.size(name).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Attempt::Missing,
        _ => refused(format!("cannot read {}: {error}", files.describe(name))),
    })?;
    let unavailable = |error: io::Error| Attempt::Ended(UploadEnd::Unavailable(error.to_string()));
    platform.start_upload(job, uuid).map_err(unavailable)?;
    Ok(bytes)
}
