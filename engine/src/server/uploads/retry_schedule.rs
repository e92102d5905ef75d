//! Whose upload is next, and not before when.

use crate::limits::{UPLOAD_FIRST_DELAY, UPLOAD_LONGEST_DELAY};
use builder_proto::Uuid;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// RetrySchedule of the results that wait. Forgotten with the program, so that a restart tries everything at once.
///
/// When the server cannot be reached, all wait, for a delay that grows with each
/// such failure. When one result was refused, it alone waits, for a delay that grows with each refusal of it,
/// so that it does not hold up the others. Credentials in doubt make all wait for the longest delay, and refused ones
/// until a person has seen to them.
#[derive(Debug, Default)]
pub(crate) struct RetrySchedule {
    /// Not tried yet, or not refused when they were.
    ready: VecDeque<Uuid>,
    /// Refused before; to be tried again at that monotonic time.
    delayed: BTreeSet<(Duration, Uuid)>,
    /// How often each was refused; absent means never.
    refusals: BTreeMap<Uuid, u32>,
    running: Option<Uuid>,
    /// How often in a row the server could not be reached.
    failures: u32,
    /// Nothing is tried before this monotonic time.
    not_before: Duration,
    paused: bool,
}

impl RetrySchedule {
    /// Adds a result behind all others.
    pub(crate) fn push(&mut self, uuid: Uuid) {
        self.ready.push_back(uuid);
    }

    /// Takes out the result whose turn it is; none when one is under way or all have to wait.
    pub(crate) fn start_next(&mut self, now: Duration) -> Option<Uuid> {
        if self.next_deadline()? > now {
            return None;
        }
        self.running = self.ready.pop_front().or_else(|| self.delayed.pop_first().map(|(_, uuid)| uuid));
        self.running
    }

    /// When [`RetrySchedule::start_next`] has a result; none to wait for other things first. Zero means now.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        if self.paused || self.running.is_some() {
            return None;
        }
        let due = match self.ready.is_empty() {
            true => self.delayed.first()?.0,
            false => Duration::ZERO,
        };
        Some(due.max(self.not_before))
    }

    /// Takes note that the attempt for this result is over; false when it was not under way.
    pub(crate) fn stop(&mut self, uuid: Uuid) -> bool {
        self.running.take_if(|running| *running == uuid).is_some()
    }

    /// The server took a result.
    pub(crate) fn succeed(&mut self, uuid: Uuid) {
        self.forget(uuid);
        self.failures = 0;
    }

    /// A result is out of the outbox.
    pub(crate) fn forget(&mut self, uuid: Uuid) {
        self.refusals.remove(&uuid);
    }

    /// The server could not be reached: gives the delay until the next attempt for any result.
    ///
    /// This result goes behind the others, should it be the cause.
    pub(crate) fn delay_all(&mut self, now: Duration, uuid: Uuid) -> Duration {
        self.ready.push_back(uuid);
        self.failures = self.failures.saturating_add(1);
        let delay = delay(self.failures);
        self.not_before = now.saturating_add(delay);
        delay
    }

    /// This result was refused: gives the delay until the next attempt for it.
    pub(crate) fn delay_one(&mut self, now: Duration, uuid: Uuid) -> Duration {
        self.failures = 0;
        let refusals = self.refusals.entry(uuid).or_default();
        *refusals = refusals.saturating_add(1);
        let delay = delay(*refusals);
        self.delayed.insert((now.saturating_add(delay), uuid));
        delay
    }

    /// The credentials are in doubt: nothing is tried for the longest delay, which this gives.
    pub(crate) fn rest(&mut self, now: Duration) -> Duration {
        self.not_before = now.saturating_add(UPLOAD_LONGEST_DELAY);
        UPLOAD_LONGEST_DELAY
    }

    /// The server refused the credentials: nothing is tried until a person has seen to it.
    pub(crate) fn pause(&mut self, uuid: Uuid) {
        self.ready.push_front(uuid);
        self.paused = true;
    }

    /// Makes all that waits ready at once; the refused, as the older ones, first.
    pub(crate) fn resume(&mut self) {
        let delayed = core::mem::take(&mut self.delayed);
        for (_, uuid) in delayed.into_iter().rev() {
            self.ready.push_front(uuid);
        }
        (self.paused, self.failures, self.not_before) = (false, 0, Duration::ZERO);
        self.refusals.clear();
    }
}

/// Doubles with each attempt.
fn delay(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1);
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    UPLOAD_FIRST_DELAY.saturating_mul(factor).min(UPLOAD_LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NOW: Duration = Duration::from_secs(1000);

    fn uuid(number: u8) -> Uuid {
        Uuid::from_bytes([number; 16])
    }

    fn retry_schedule(numbers: impl IntoIterator<Item = u8>) -> RetrySchedule {
        let mut retry_schedule = RetrySchedule::default();
        numbers.into_iter().for_each(|number| retry_schedule.push(uuid(number)));
        retry_schedule
    }

    fn start(retry_schedule: &mut RetrySchedule, now: Duration) -> Option<u8> {
        retry_schedule.start_next(now).map(|uuid| uuid.as_bytes()[0])
    }

    #[test]
    fn one_at_a_time_the_first_comes_first() {
        let mut retry_schedule = retry_schedule([1, 2]);
        assert_eq!(retry_schedule.next_deadline(), Some(Duration::ZERO));
        assert_eq!(start(&mut retry_schedule, NOW), Some(1));
        assert_eq!((start(&mut retry_schedule, NOW), retry_schedule.next_deadline()), (None, None));
        assert!(!retry_schedule.stop(uuid(2)), "it is not under way");
        assert!(retry_schedule.stop(uuid(1)));
        assert!(!retry_schedule.stop(uuid(1)), "it is over");
        assert_eq!(start(&mut retry_schedule, NOW), Some(2));
        retry_schedule.stop(uuid(2));
        assert_eq!((start(&mut retry_schedule, NOW), retry_schedule.next_deadline()), (None, None));
    }

    #[test]
    fn delays_grow_from_a_second_to_an_hour() {
        let seconds: Vec<u64> = (1..=14).map(|attempts| delay(attempts).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]);
        assert_eq!(delay(u32::MAX), UPLOAD_LONGEST_DELAY);
    }

    #[test]
    fn all_wait_for_a_server_that_cannot_be_reached() {
        let mut retry_schedule = retry_schedule([1, 2]);
        start(&mut retry_schedule, NOW);
        retry_schedule.stop(uuid(1));
        assert_eq!(retry_schedule.delay_all(NOW, uuid(1)), SECOND);
        assert_eq!(start(&mut retry_schedule, NOW), None);
        assert_eq!(retry_schedule.next_deadline(), Some(NOW + SECOND));
        assert_eq!(start(&mut retry_schedule, NOW + SECOND), Some(2));
        retry_schedule.stop(uuid(2));
        assert_eq!(retry_schedule.delay_all(NOW + SECOND, uuid(2)), 2 * SECOND);
        assert_eq!(start(&mut retry_schedule, NOW + 3 * SECOND), Some(1));
        retry_schedule.stop(uuid(1));
        retry_schedule.succeed(uuid(1));
        assert_eq!(start(&mut retry_schedule, NOW + 3 * SECOND), Some(2), "the server is back");
        retry_schedule.stop(uuid(2));
        assert_eq!(retry_schedule.delay_all(NOW, uuid(2)), SECOND, "and failures count from one again");
        retry_schedule.delay_one(NOW, uuid(1));
        assert_eq!(retry_schedule.delay_all(NOW, uuid(2)), SECOND, "whoever refuses one can be reached");
    }

    #[test]
    fn a_refused_result_waits_alone() {
        let mut retry_schedule = retry_schedule([1, 2]);
        start(&mut retry_schedule, NOW);
        retry_schedule.stop(uuid(1));
        assert_eq!(retry_schedule.delay_one(NOW, uuid(1)), SECOND);
        assert_eq!(start(&mut retry_schedule, NOW), Some(2));
        retry_schedule.stop(uuid(2));
        retry_schedule.succeed(uuid(2));
        assert_eq!(start(&mut retry_schedule, NOW), None);
        assert_eq!(retry_schedule.next_deadline(), Some(NOW + SECOND));
        assert_eq!(start(&mut retry_schedule, NOW + SECOND), Some(1));
        retry_schedule.stop(uuid(1));
        assert_eq!(retry_schedule.delay_one(NOW, uuid(1)), 2 * SECOND, "successes of others change nothing");
        retry_schedule.push(uuid(3));
        assert_eq!(start(&mut retry_schedule, NOW + 5 * SECOND), Some(3), "what was not refused goes first");
    }

    #[test]
    fn credentials_in_doubt_stop_everything_for_the_longest_delay() {
        let mut retry_schedule = retry_schedule([1, 2]);
        start(&mut retry_schedule, NOW);
        retry_schedule.stop(uuid(1));
        retry_schedule.delay_one(NOW, uuid(1));
        assert_eq!(retry_schedule.rest(NOW), UPLOAD_LONGEST_DELAY);
        assert_eq!(start(&mut retry_schedule, NOW + UPLOAD_LONGEST_DELAY - SECOND), None);
        assert_eq!(retry_schedule.next_deadline(), Some(NOW + UPLOAD_LONGEST_DELAY));
        assert_eq!(
            start(&mut retry_schedule, NOW + UPLOAD_LONGEST_DELAY),
            Some(2),
            "what was not refused goes first"
        );
        retry_schedule.stop(uuid(2));
        retry_schedule.rest(NOW + UPLOAD_LONGEST_DELAY);
        retry_schedule.resume();
        assert_eq!(start(&mut retry_schedule, NOW), Some(1), "a person can end the rest");
    }

    #[test]
    fn refused_credentials_stop_everything_until_it_is_resumed() {
        let mut retry_schedule = retry_schedule([1, 2, 3]);
        start(&mut retry_schedule, NOW);
        retry_schedule.stop(uuid(1));
        retry_schedule.delay_one(NOW, uuid(1));
        start(&mut retry_schedule, NOW);
        retry_schedule.stop(uuid(2));
        retry_schedule.pause(uuid(2));
        retry_schedule.push(uuid(4));
        assert_eq!(retry_schedule.next_deadline(), None);
        assert_eq!(start(&mut retry_schedule, NOW + UPLOAD_LONGEST_DELAY), None);
        retry_schedule.resume();
        let order: Vec<u8> = core::iter::from_fn(|| {
            let number = start(&mut retry_schedule, NOW)?;
            retry_schedule.stop(uuid(number));
            Some(number)
        })
        .collect();
        assert_eq!(order, [1, 2, 3, 4]);
        assert_eq!(retry_schedule.delay_one(NOW, uuid(1)), SECOND, "it begins anew");
    }
}
