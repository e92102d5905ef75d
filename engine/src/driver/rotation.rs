//! When the log is written anew, and when space is held back for a full disk again.

use crate::limits::{COMMAND_FRAME_BYTES, DISK_MARGIN, LOG_RESERVE_BYTES, RETRY_TIME};
use core::time::Duration;

/// Free bytes for each byte of the reserve before it is filled again: filling it must not make the disk full once more.
const RESERVE_PLENTY: u64 = 4;

/// From which sizes on something is worth the trouble.
#[derive(Clone, Copy, Debug)]
pub struct RotationLimits {
    /// Free bytes below which some command could be refused.
    pub short_bytes: u64,
    /// Bytes that a log may have in any case before it is written anew because space is short.
    pub worthwhile_bytes: u64,
    /// Bytes of the reserve.
    pub reserve_bytes: u64,
}

/// What is known of the free space for the log, and what was tried to gain some.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rotation {
    limits: RotationLimits,
    /// Bytes by which the log can grow.
    free_space: u64,
    /// Bytes of the log after its last rotation: about the size of a snapshot.
    snapshot: u64,
    /// Bytes of the log when it was last looked at for what could be left out.
    examined: u64,
    /// When the next attempt to free space may be made, in monotonic time: they take long.
    next_attempt: Duration,
}

impl Default for RotationLimits {
    /// What the server uses. The log repeats what a command says, so one of the greatest length has to fit twice.
    fn default() -> RotationLimits {
        RotationLimits {
            short_bytes: 2 * COMMAND_FRAME_BYTES + DISK_MARGIN,
            worthwhile_bytes: 64 * 1024,
            reserve_bytes: LOG_RESERVE_BYTES,
        }
    }
}

impl Rotation {
    /// Nothing is known so far, and nothing was tried.
    pub(crate) fn new(limits: RotationLimits) -> Rotation {
        Rotation { limits, free_space: u64::MAX, snapshot: 0, examined: 0, next_attempt: Duration::ZERO }
    }

    /// Takes note of the bytes by which the log can grow.
    pub(crate) fn set_free_space(&mut self, bytes: u64) {
        self.free_space = bytes;
    }

    /// Bytes by which the log can grow, if that is known.
    pub(crate) fn free_space(&self) -> Option<u64> {
        Some(self.free_space).filter(|bytes| *bytes < u64::MAX)
    }

    /// Bytes of the last snapshot, for [`LogFile::needs_rotation`](crate::log::LogFile::needs_rotation).
    pub(crate) fn snapshot_bytes(&self) -> u64 {
        self.snapshot
    }

    /// Whether to fill a reserve that was given up: there are so many free bytes, and files may be so long.
    pub(crate) fn restores_reserve(&self, now: Duration, free_bytes: u64, longest_file: u64) -> bool {
        let bytes = self.limits.reserve_bytes;
        free_bytes > bytes.saturating_mul(RESERVE_PLENTY) && longest_file >= bytes && now >= self.next_attempt
    }

    /// Takes note of an attempt that failed, or that should not be repeated at once.
    pub(crate) fn attempted(&mut self, now: Duration) {
        self.next_attempt = now.saturating_add(RETRY_TIME);
    }

    /// Takes note that the log was written anew, and has so many bytes now.
    pub(crate) fn rotated(&mut self, log_bytes: u64) {
        self.snapshot = log_bytes;
    }

    /// Whether space is short, and most of what the log takes is history. `snapshot_bytes` is asked only if it matters, as
    /// measuring takes long.
    pub(crate) fn could_free_space(
        &mut self,
        now: Duration,
        log_bytes: u64,
        snapshot_bytes: impl FnOnce() -> u64,
    ) -> bool {
        let has_changed = log_bytes != self.examined && log_bytes > self.limits.worthwhile_bytes;
        if self.free_space >= self.limits.short_bytes || !has_changed || now < self.next_attempt {
            return false;
        }
        self.attempted(now);
        self.examined = log_bytes;
        log_bytes > snapshot_bytes().saturating_mul(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RotationLimits =
        RotationLimits { short_bytes: 1000, worthwhile_bytes: 100, reserve_bytes: 10 };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_log_of_history_is_written_anew_when_space_is_short() {
        let mut rotation = Rotation::new(LIMITS);
        let not_asked = || panic!("measuring takes long");
        assert!(!rotation.could_free_space(at(0), 500, not_asked), "the space is not known to be short");
        rotation.set_free_space(1000);
        assert!(!rotation.could_free_space(at(0), 500, not_asked), "there is enough");
        rotation.set_free_space(999);
        assert!(!rotation.could_free_space(at(0), 100, not_asked), "it is not worth the trouble");
        assert!(rotation.could_free_space(at(0), 500, || 249));
    }

    #[test]
    fn a_log_that_was_looked_at_in_vain_is_looked_at_again_when_it_has_grown_and_some_time_has_passed() {
        let mut rotation = Rotation::new(LIMITS);
        rotation.set_free_space(0);
        assert!(!rotation.could_free_space(at(0), 500, || 250));
        assert!(!rotation.could_free_space(at(0) + RETRY_TIME, 500, || 0), "nothing has changed");
        assert!(!rotation.could_free_space(at(1), 501, || 0), "it is too early");
        assert!(rotation.could_free_space(at(0) + RETRY_TIME, 501, || 250));
    }

    #[test]
    fn a_rotation_that_failed_is_not_repeated_at_once() {
        let mut rotation = Rotation::new(LIMITS);
        rotation.set_free_space(0);
        rotation.attempted(at(0));
        assert!(!rotation.could_free_space(at(1), 500, || 0));
        rotation.rotated(123);
        assert_eq!(rotation.snapshot_bytes(), 123);
    }

    #[test]
    fn the_reserve_is_filled_when_that_leaves_plenty() {
        let mut rotation = Rotation::new(LIMITS);
        assert!(rotation.restores_reserve(at(0), 41, 10));
        assert!(!rotation.restores_reserve(at(0), 40, 10), "there is too little");
        assert!(!rotation.restores_reserve(at(0), 41, 9), "files may not be so long");
        rotation.attempted(at(0));
        assert!(!rotation.restores_reserve(at(1), 41, 10), "it is too early");
        assert!(rotation.restores_reserve(RETRY_TIME, 41, 10));
    }
}
