//! Whose notice is given next, and not before when.

use crate::limits::{NOTICE_ATTEMPTS, NOTICE_FIRST_DELAY, NOTICE_LONGEST_DELAY, NOTICE_PROGRAMS};
use builder_proto::Uuid;
use builder_proto::text::Text;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The turns of the notices that wait. Forgotten with the program, so that a restart tries everything at once.
///
/// Those of one job are given one after the other, in the order in which its builds finished. Only a few are given at the same
/// time, whichever jobs they are of.
#[derive(Debug, Default)]
pub(super) struct Turns {
    lines: BTreeMap<Text, Line>,
    /// Jobs with a notice that is not being given: from when on it may be, in monotonic time, and behind whom.
    due: BTreeSet<(Duration, u64, Text)>,
    /// What is being given, and of which job.
    running: BTreeMap<Uuid, Text>,
    /// How often a job has taken its place among those that are due.
    places: u64,
}

/// The notices of one job.
#[derive(Debug, Default)]
struct Line {
    /// The first is the one that is being given, or is to be given next.
    waiting: VecDeque<Uuid>,
    /// How often the first was tried in vain.
    failures: u32,
}

/// A notice whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) uuid: Uuid,
    /// Which attempt this is, from 1.
    pub(super) attempt: u32,
}

impl Turns {
    /// Adds a notice behind all others.
    pub(super) fn push(&mut self, uuid: Uuid, job: &Text) {
        let line = self.lines.entry(job.clone()).or_default();
        line.waiting.push_back(uuid);
        if line.waiting.len() == 1 {
            self.set_due(Duration::ZERO, job.clone());
        }
    }

    /// Takes out the notice whose turn it is.
    pub(super) fn start_next(&mut self, now: Duration) -> Option<Turn> {
        if self.next_deadline()? > now {
            return None;
        }
        let (_, _, job) = self.due.pop_first()?;
        let line = self.lines.get(&job)?;
        let turn = Turn { uuid: *line.waiting.front()?, attempt: line.failures + 1 };
        self.running.insert(turn.uuid, job);
        Some(turn)
    }

    /// When [`Turns::start_next`] has a notice, in monotonic time; none to wait for other things first.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        if self.running.len() >= NOTICE_PROGRAMS {
            return None;
        }
        self.due.first().map(|(at, _, _)| *at)
    }

    pub(super) fn is_running(&self, uuid: Uuid) -> bool {
        self.running.contains_key(&uuid)
    }

    /// A notice was given, or is given up.
    pub(super) fn remove(&mut self, uuid: Uuid, job: &Text) {
        self.running.remove(&uuid);
        let Some(line) = self.lines.get_mut(job) else { return };
        let was_first = line.waiting.front() == Some(&uuid);
        line.waiting.retain(|waiting| *waiting != uuid);
        if !was_first {
            return;
        }
        line.failures = 0;
        let is_empty = line.waiting.is_empty();
        self.due.retain(|(_, _, due)| due != job);
        if is_empty {
            self.lines.remove(job);
        } else {
            self.set_due(Duration::ZERO, job.clone());
        }
    }

    /// A notice could not be given: gives the pause until the next attempt, or none when there was the last one.
    pub(super) fn delay(&mut self, now: Duration, uuid: Uuid) -> Option<Duration> {
        let job = self.running.remove(&uuid)?;
        let line = self.lines.get_mut(&job)?;
        line.failures += 1;
        let pause = pause_after(line.failures)?;
        self.set_due(now.saturating_add(pause), job);
        Some(pause)
    }

    /// Makes all that waits ready at once, with all attempts before it.
    pub(super) fn resume(&mut self) {
        for (job, line) in &mut self.lines {
            if !self.running.values().any(|running| running == job) {
                line.failures = 0;
            }
        }
        let due = core::mem::take(&mut self.due);
        self.due = due.into_iter().map(|(_, place, job)| (Duration::ZERO, place, job)).collect();
    }

    fn set_due(&mut self, at: Duration, job: Text) {
        self.due.insert((at, self.places, job));
        self.places += 1;
    }
}

/// The pause after so many attempts in vain: it doubles with each of them. None after the last.
fn pause_after(failures: u32) -> Option<Duration> {
    if failures >= NOTICE_ATTEMPTS {
        return None;
    }
    let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    Some(NOTICE_FIRST_DELAY.saturating_mul(factor).min(NOTICE_LONGEST_DELAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);
    const SECOND: Duration = Duration::from_secs(1);

    fn uuid(number: u8) -> Uuid {
        Uuid::from_bytes([number; 16])
    }

    /// Notices by number, and the letters of their jobs.
    fn turns(notices: &[(u8, &str)]) -> Turns {
        let mut turns = Turns::default();
        notices.iter().for_each(|(number, job)| turns.push(uuid(*number), &(*job).into()));
        turns
    }

    fn start(turns: &mut Turns, now: Duration) -> Option<u8> {
        turns.start_next(now).map(|turn| turn.uuid.as_bytes()[0])
    }

    fn start_all(turns: &mut Turns, now: Duration) -> Vec<u8> {
        core::iter::from_fn(|| start(turns, now)).collect()
    }

    #[test]
    fn a_job_has_one_notice_given_at_a_time_and_in_order() {
        let mut turns = turns(&[(1, "a"), (2, "a"), (3, "b"), (4, "a")]);
        assert_eq!(start_all(&mut turns, NOW), [1, 3]);
        assert_eq!(turns.next_deadline(), None);
        turns.remove(uuid(1), &"a".into());
        assert_eq!(start_all(&mut turns, NOW), [2]);
        turns.remove(uuid(3), &"b".into());
        assert_eq!(start_all(&mut turns, NOW), []);
        turns.remove(uuid(2), &"a".into());
        assert_eq!(start_all(&mut turns, NOW), [4]);
        turns.remove(uuid(4), &"a".into());
        assert!(turns.lines.is_empty() && turns.due.is_empty() && turns.running.is_empty());
    }

    #[test]
    fn one_that_is_given_up_before_its_turn_leaves_its_job_one_place() {
        let mut turns = turns(&[(1, "a"), (2, "a"), (3, "a")]);
        turns.remove(uuid(1), &"a".into());
        assert_eq!(start_all(&mut turns, NOW), [2]);
        turns.remove(uuid(2), &"a".into());
        assert_eq!(start_all(&mut turns, NOW), [3]);
    }

    #[test]
    fn only_a_few_are_given_at_the_same_time_and_nobody_is_passed_over() {
        let jobs: Vec<String> = (0..NOTICE_PROGRAMS + 2).map(|number| format!("job-{number}")).collect();
        let mut turns = Turns::default();
        for (number, job) in (0..).zip(&jobs) {
            turns.push(uuid(number), &job.as_str().into());
            turns.push(uuid(100 + number), &job.as_str().into());
        }
        let first = start_all(&mut turns, NOW);
        assert_eq!(first, (0..NOTICE_PROGRAMS as u8).collect::<Vec<_>>());
        for (number, job) in first.iter().zip(&jobs) {
            turns.remove(uuid(*number), &job.as_str().into());
        }
        let others = [NOTICE_PROGRAMS as u8, NOTICE_PROGRAMS as u8 + 1];
        assert_eq!(start_all(&mut turns, NOW)[..2], others, "those who waited come first");
    }

    #[test]
    fn the_pauses_grow_and_end() {
        let pauses: Vec<_> = (1..=NOTICE_ATTEMPTS).map(pause_after).collect();
        assert_eq!(pauses[..3], [10, 20, 40].map(|seconds| Some(Duration::from_secs(seconds))));
        assert_eq!(pauses[NOTICE_ATTEMPTS as usize - 2], Some(NOTICE_LONGEST_DELAY));
        assert_eq!(pauses.last(), Some(&None));
        let total: Duration = pauses.into_iter().flatten().sum();
        assert!(total > Duration::from_secs(3600) && total < Duration::from_secs(3 * 3600), "{total:?}");
    }

    #[test]
    fn one_that_fails_waits_and_keeps_those_behind_it_waiting_but_no_other_job() {
        let mut turns = turns(&[(1, "a"), (2, "a"), (3, "b")]);
        assert_eq!(start(&mut turns, NOW), Some(1));
        assert_eq!(turns.delay(NOW, uuid(1)), Some(NOTICE_FIRST_DELAY));
        assert_eq!(start_all(&mut turns, NOW), [3]);
        assert_eq!(turns.next_deadline(), Some(NOW + NOTICE_FIRST_DELAY));
        assert_eq!(start_all(&mut turns, NOW + NOTICE_FIRST_DELAY - SECOND), []);
        let again = turns.start_next(NOW + NOTICE_FIRST_DELAY);
        assert_eq!(again, Some(Turn { uuid: uuid(1), attempt: 2 }));
    }

    #[test]
    fn one_that_is_given_up_leaves_the_next_all_its_attempts() {
        let mut turns = turns(&[(1, "a"), (2, "a")]);
        let mut now = NOW;
        for attempt in 1..NOTICE_ATTEMPTS {
            assert_eq!(turns.start_next(now), Some(Turn { uuid: uuid(1), attempt }));
            now += turns.delay(now, uuid(1)).unwrap();
        }
        assert!(turns.start_next(now).is_some());
        assert_eq!(turns.delay(now, uuid(1)), None, "that was the last one");
        turns.remove(uuid(1), &"a".into());
        assert_eq!(turns.start_next(now), Some(Turn { uuid: uuid(2), attempt: 1 }));
    }

    #[test]
    fn all_are_tried_at_once_when_somebody_says_so() {
        let mut turns = turns(&[(1, "a"), (2, "b")]);
        start_all(&mut turns, NOW);
        turns.delay(NOW, uuid(2));
        turns.resume();
        assert_eq!(turns.start_next(NOW), Some(Turn { uuid: uuid(2), attempt: 1 }));
        assert_eq!(turns.start_next(NOW), None, "the other one is being given");
    }

    #[test]
    fn one_in_the_middle_can_leave() {
        let mut turns = turns(&[(1, "a"), (2, "a"), (3, "a")]);
        assert_eq!(start(&mut turns, NOW), Some(1));
        turns.remove(uuid(2), &"a".into());
        assert!(turns.is_running(uuid(1)) && start(&mut turns, NOW).is_none());
        turns.remove(uuid(1), &"a".into());
        assert_eq!(start(&mut turns, NOW), Some(3));
    }
}
