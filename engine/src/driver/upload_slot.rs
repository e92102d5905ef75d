//! The one process that uploads a result: when it starts, how long it may take, and what its end means.

use super::platform::UploadEnd;
use crate::server::{Durability, UploadOutcome};
use builder_proto::Uuid;
use builder_proto::text::Text;
use core::time::Duration;

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

    /// Takes on a result; its upload starts when [`UploadSlot::take_wanted`] gives it.
    pub(crate) fn want(&mut self, uuid: Uuid, job: Text) {
        self.wanted = Some((uuid, job));
    }

    /// Takes note that the process has ended.
    pub(crate) fn on_ended(&mut self, end: UploadEnd) {
        self.ended = Some(end);
    }

    /// When there is something to do without anything happening, in monotonic time.
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

    /// Whether the process has to be killed now, as it takes too long. It is asked for once.
    pub(crate) fn is_overdue(&mut self, now: Duration) -> bool {
        let has_ended = self.ended.is_some();
        match &mut self.running {
            Some(running) if !has_ended && !running.is_killed && running.deadline <= now => {
                running.is_killed = true;
                true
            }
            _ => false,
        }
    }

    /// How the process ended that ran, once. Whatever one says that was killed, it took too long.
    pub(crate) fn take_end(&mut self) -> Option<(Uuid, Attempt)> {
        let end = self.ended.take()?;
        let running = self.running.take()?;
        let took_too_long = || {
            UploadEnd::Refused("builder-upload took too long and was killed (--upload-timeout)".to_owned())
        };
        let end = if running.is_killed { took_too_long() } else { end };
        Some((running.uuid, Attempt::Ended(end)))
    }

    /// What is to be uploaded now: nothing while a process runs, or before its file will stay as it is.
    pub(crate) fn take_wanted(&mut self, durability: impl Fn(Uuid) -> Durability) -> Option<(Uuid, Text)> {
        if self.running.is_some() {
            return None;
        }
        self.wanted.take_if(|(uuid, _)| durability(*uuid) != Durability::Soon)
    }

    /// Takes note that a process runs, for a file of so many bytes.
    pub(crate) fn on_started(&mut self, now: Duration, uuid: Uuid, bytes: u64) {
        let time = self.time_limit.unwrap_or_else(|| upload_time(bytes));
        let deadline = now.saturating_add(time).saturating_add(GRACE);
        self.running = Some(Running { uuid, deadline, is_killed: false });
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

    const RESULT: Uuid = Uuid::from_u128(7);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn wanting(time_limit: Option<Duration>) -> UploadSlot {
        let mut slot = UploadSlot::new(time_limit);
        slot.want(RESULT, "job".into());
        slot
    }

    #[test]
    fn the_time_of_an_upload_grows_with_the_file() {
        assert_eq!(upload_time(0), Duration::from_secs(300));
        assert_eq!(upload_time(4 << 30), Duration::from_secs(300 + 16 * 1024));
        assert_eq!(upload_time(u64::MAX), Duration::from_secs(300 + u64::MAX / SLOWEST_RATE));
    }

    #[test]
    fn a_result_waits_until_its_file_stays_as_it_is() {
        let mut slot = wanting(None);
        assert_eq!(slot.take_wanted(|_| Durability::Soon), None);
        assert!(!slot.is_idle());
        assert_eq!(slot.take_wanted(|_| Durability::Durable), Some((RESULT, "job".into())));
        assert!(slot.is_idle());
        let mut stuck = wanting(None);
        assert!(stuck.take_wanted(|_| Durability::Stuck).is_some(), "others need not wait for it");
    }

    #[test]
    fn one_process_runs_at_a_time() {
        let mut slot = wanting(None);
        slot.on_started(at(0), Uuid::from_u128(1), 0);
        assert!(!slot.is_idle());
        assert_eq!(slot.take_wanted(|_| Durability::Durable), None);
        slot.on_ended(UploadEnd::Done);
        assert_eq!(slot.next_deadline(), Some(at(0)), "somebody has to look at that");
        assert_eq!(slot.take_end(), Some((Uuid::from_u128(1), Attempt::Ended(UploadEnd::Done))));
        assert_eq!(slot.take_end(), None);
        assert!(slot.take_wanted(|_| Durability::Durable).is_some());
    }

    #[test]
    fn a_process_has_time_for_all_of_its_file() {
        let mut slot = UploadSlot::new(None);
        let bytes = 4 << 30;
        slot.on_started(at(100), RESULT, bytes);
        assert_eq!(slot.next_deadline(), Some(at(100) + upload_time(bytes) + GRACE));
    }

    #[test]
    fn a_process_that_takes_too_long_is_killed_once_and_refused_whatever_it_says() {
        let mut slot = UploadSlot::new(Some(at(60)));
        slot.on_started(at(100), RESULT, 1 << 40);
        assert_eq!(slot.next_deadline(), Some(at(170)), "the time that the flag gives, and ten seconds");
        assert!(!slot.is_overdue(at(169)));
        assert!(slot.is_overdue(at(170)));
        assert!(!slot.is_overdue(at(171)), "it is being killed");
        assert_eq!(slot.next_deadline(), None);
        slot.on_ended(UploadEnd::Done);
        let Some((RESULT, Attempt::Ended(UploadEnd::Refused(reason)))) = slot.take_end() else {
            panic!("it was refused")
        };
        assert!(reason.contains("took too long"), "{reason}");
    }

    #[test]
    fn one_that_has_ended_is_not_killed() {
        let mut slot = UploadSlot::new(None);
        slot.on_started(at(0), RESULT, 0);
        slot.on_ended(UploadEnd::Done);
        assert!(!slot.is_overdue(at(10_000)));
        assert_eq!(slot.take_end(), Some((RESULT, Attempt::Ended(UploadEnd::Done))));
    }
}
