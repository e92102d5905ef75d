//! The one process that uploads a result: when it starts, how long it may take, and what its end means.

use super::files::{FileName, Files};
use super::platform::{Platform, UploadEnd};
use crate::server::{Safety, UploadOutcome};
use builder_proto::Uuid;
use builder_proto::text::Text;
use core::time::Duration;
use std::io::ErrorKind;

/// Time that any upload may take.
const BASE_TIME: Duration = Duration::from_secs(5 * 60);
/// Bytes that any link is expected to carry in a second.
const SLOWEST_RATE: u64 = 256 * 1024;
/// Time that the process has, beyond what it grants itself, before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// The longest that an upload of so many bytes may take, unless a flag says otherwise: five minutes, and a second for each
/// 256 KiB.
pub fn upload_time(bytes: u64) -> Duration {
    BASE_TIME.saturating_add(Duration::from_secs(bytes / SLOWEST_RATE))
}

/// What is to be uploaded, and what is being uploaded.
#[derive(Debug)]
pub(crate) struct UploadSlot {
    /// The longest that one upload may take; none to go by its size.
    time_limit: Option<Duration>,
    /// What is to be uploaded as soon as its file is safe on disk.
    wanted: Option<(Uuid, Text)>,
    running: Option<Running>,
    /// How the process ended that ran, if that is still to be looked at.
    ended: Option<UploadEnd>,
}

/// A process that uploads.
#[derive(Debug)]
struct Running {
    uuid: Uuid,
    /// When it is killed, in monotonic time.
    deadline: Duration,
    is_killed: bool,
}

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// There is no file.
    Missing,
    /// In any other way.
    Ended(UploadEnd),
}

impl UploadSlot {
    pub(crate) fn new(time_limit: Option<Duration>) -> UploadSlot {
        UploadSlot { time_limit, wanted: None, running: None, ended: None }
    }

    /// Takes on a result; its upload starts with a later [`UploadSlot::go_on`].
    pub(crate) fn want(&mut self, uuid: Uuid, job: Text) {
        self.wanted = Some((uuid, job));
    }

    /// Takes note that the process has ended.
    pub(crate) fn on_ended(&mut self, end: UploadEnd) {
        self.ended = Some(end);
    }

    /// When [`UploadSlot::go_on`] has something to do by itself, in monotonic time.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        match &self.running {
            _ if self.ended.is_some() => Some(Duration::ZERO),
            Some(running) if !running.is_killed => Some(running.deadline),
            _ => None,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.wanted.is_none() && self.running.is_none()
    }

    /// Kills a process that takes too long, and starts what is wanted if its file is safe on disk: until then the log may write
    /// the file again. Gives how an attempt ended, be it that it could not even be started.
    pub(crate) fn go_on<P: Platform>(
        &mut self,
        platform: &mut P,
        now: Duration,
        safety: impl Fn(Uuid) -> Safety,
    ) -> Option<(Uuid, Attempt)> {
        if let Some(running) = self.running.as_mut().filter(|running| !running.is_killed)
            && running.deadline <= now
            && self.ended.is_none()
        {
            running.is_killed = true;
            platform.kill_upload();
        }
        if let Some(end) = self.ended.take()
            && let Some(running) = self.running.take()
        {
            let end = match running.is_killed {
                true => UploadEnd::Refused(
                    "builder-upload took too long and was killed (--upload-timeout)".to_owned(),
                ),
                false => end,
            };
            return Some((running.uuid, Attempt::Ended(end)));
        }
        if self.running.is_some() {
            return None;
        }
        let (uuid, job) = self.wanted.take_if(|(uuid, _)| safety(*uuid) != Safety::Soon)?;
        let attempt = self.start(platform, now, uuid, &job, safety(uuid))?;
        Some((uuid, attempt))
    }

    fn start<P: Platform>(
        &mut self,
        platform: &mut P,
        now: Duration,
        uuid: Uuid,
        job: &Text,
        safety: Safety,
    ) -> Option<Attempt> {
        let (files, name) = (platform.files(), FileName::Result { job, uuid });
        let refused = |problem: String| Some(Attempt::Ended(UploadEnd::Refused(problem)));
        if safety == Safety::Stuck {
            // Others need not wait for it.
            return refused(format!("{} could not be written so far", files.describe(name)));
        }
        let bytes = match files.size(name) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Some(Attempt::Missing),
            Err(error) => return refused(format!("cannot read {}: {error}", files.describe(name))),
        };
        match platform.start_upload(job, uuid) {
            Ok(()) => {
                let time = self.time_limit.unwrap_or_else(|| upload_time(bytes));
                let deadline = now.saturating_add(time).saturating_add(GRACE);
                self.running = Some(Running { uuid, deadline, is_killed: false });
                None
            }
            Err(error) => Some(Attempt::Ended(UploadEnd::Unavailable(error.to_string()))),
        }
    }
}

impl Attempt {
    /// As the server takes it.
    pub(crate) fn outcome(&self) -> UploadOutcome<'_> {
        match self {
            Attempt::Missing => UploadOutcome::Missing,
            Attempt::Ended(UploadEnd::Done) => UploadOutcome::Done,
            Attempt::Ended(UploadEnd::Unavailable(reason)) => UploadOutcome::Unavailable(reason),
            Attempt::Ended(UploadEnd::Refused(reason)) => UploadOutcome::Refused(reason),
            Attempt::Ended(UploadEnd::Forbidden(reason)) => UploadOutcome::Forbidden(reason),
            Attempt::Ended(UploadEnd::Unauthorized(reason)) => UploadOutcome::Unauthorized(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_upload_grows_with_the_file() {
        assert_eq!(upload_time(0), Duration::from_secs(300));
        assert_eq!(upload_time(4 << 30), Duration::from_secs(300 + 16 * 1024));
        assert_eq!(upload_time(u64::MAX), Duration::from_secs(300 + u64::MAX / SLOWEST_RATE));
    }
}
