//! The programs that are told of builds: which are to start, how long each may take, and what its end means.

use super::platform::NoticeEnd;
use crate::wording::Span;
use builder_proto::Uuid;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// What is to be told, and who is being told. How many at a time is the server's to say.
#[derive(Debug)]
pub(crate) struct NoticeSlots {
    /// The longest that one program may take.
    time_limit: Duration,
    /// What is to be told as soon as somebody looks, and which attempt it is.
    wanted: VecDeque<(Uuid, u32)>,
    running: BTreeMap<Uuid, Running>,
    /// How programs ended, if that is still to be looked at.
    ended: VecDeque<(Uuid, NoticeEnd)>,
}

#[derive(Debug)]
struct Running {
    /// When it is killed, in monotonic time.
    deadline: Duration,
    is_killed: bool,
}

impl NoticeSlots {
    pub(crate) fn new(time_limit: Duration) -> NoticeSlots {
        NoticeSlots { time_limit, wanted: VecDeque::new(), running: BTreeMap::new(), ended: VecDeque::new() }
    }

    /// Takes on a build; its program starts when [`NoticeSlots::take_wanted`] gives it.
    pub(crate) fn want(&mut self, uuid: Uuid, attempt: u32) {
        self.wanted.push_back((uuid, attempt));
    }

    pub(crate) fn take_wanted(&mut self) -> Option<(Uuid, u32)> {
        self.wanted.pop_front()
    }

    /// Takes note that a program runs.
    pub(crate) fn on_started(&mut self, now: Duration, uuid: Uuid) {
        let deadline = now.saturating_add(self.time_limit);
        self.running.insert(uuid, Running { deadline, is_killed: false });
    }

    /// Takes note that a program has ended.
    pub(crate) fn on_ended(&mut self, uuid: Uuid, end: NoticeEnd) {
        self.ended.push_back((uuid, end));
    }

    /// How a program ended, once. Whatever one says that was killed, it took too long.
    pub(crate) fn take_end(&mut self) -> Option<(Uuid, NoticeEnd)> {
        loop {
            let (uuid, end) = self.ended.pop_front()?;
            let Some(running) = self.running.remove(&uuid) else { continue };
            let took_too_long = || {
                let time = Span(self.time_limit);
                NoticeEnd::Failed(format!(
                    "it took longer than {time} and was killed, with all that it had started (--on-finish-timeout)"
                ))
            };
            return Some((uuid, if running.is_killed { took_too_long() } else { end }));
        }
    }

    /// A program that has to be killed now, as it takes too long. Each is given once.
    pub(crate) fn take_overdue(&mut self, now: Duration) -> Option<Uuid> {
        let has_ended = |uuid: &Uuid| self.ended.iter().any(|(ended, _)| ended == uuid);
        let (uuid, running) = self
            .running
            .iter_mut()
            .find(|(uuid, running)| !running.is_killed && running.deadline <= now && !has_ended(uuid))?;
        running.is_killed = true;
        Some(*uuid)
    }

    /// When there is something to do without anything happening, in monotonic time.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        if !self.ended.is_empty() || !self.wanted.is_empty() {
            return Some(Duration::ZERO);
        }
        self.running.values().filter(|running| !running.is_killed).map(|running| running.deadline).min()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.wanted.is_empty() && self.running.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD: Uuid = Uuid::from_u128(7);
    const OTHER: Uuid = Uuid::from_u128(8);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn slots() -> NoticeSlots {
        NoticeSlots::new(at(300))
    }

    #[test]
    fn what_is_wanted_is_given_once_and_in_order() {
        let mut slots = slots();
        slots.want(BUILD, 1);
        slots.want(OTHER, 3);
        assert_eq!(slots.next_deadline(), Some(at(0)));
        assert_eq!(slots.take_wanted(), Some((BUILD, 1)));
        assert!(!slots.is_idle());
        assert_eq!(slots.take_wanted(), Some((OTHER, 3)));
        assert_eq!(slots.take_wanted(), None);
        assert!(slots.is_idle());
    }

    #[test]
    fn one_that_takes_too_long_is_killed_once_and_has_failed_whatever_it_says() {
        let mut slots = slots();
        slots.on_started(at(100), BUILD);
        slots.on_started(at(200), OTHER);
        assert_eq!(slots.next_deadline(), Some(at(400)));
        assert_eq!(slots.take_overdue(at(399)), None);
        assert_eq!(slots.take_overdue(at(400)), Some(BUILD));
        assert_eq!(slots.take_overdue(at(401)), None, "it is being killed");
        assert_eq!(slots.next_deadline(), Some(at(500)), "the other one goes on");
        slots.on_ended(BUILD, NoticeEnd::Done);
        let Some((BUILD, NoticeEnd::Failed(reason))) = slots.take_end() else { panic!("it failed") };
        assert!(reason.contains("longer than 5m 0s") && reason.contains("--on-finish-timeout"), "{reason}");
        assert!(!slots.is_idle());
    }

    #[test]
    fn one_that_has_ended_is_not_killed() {
        let mut slots = slots();
        slots.on_started(at(0), BUILD);
        slots.on_ended(BUILD, NoticeEnd::Done);
        assert_eq!(slots.next_deadline(), Some(at(0)), "somebody has to look at that");
        assert_eq!(slots.take_overdue(at(1000)), None);
        assert_eq!(slots.take_end(), Some((BUILD, NoticeEnd::Done)));
        assert_eq!(slots.take_end(), None);
        assert!(slots.is_idle());
    }

    #[test]
    fn one_that_nobody_started_does_not_end() {
        let mut slots = slots();
        slots.on_ended(BUILD, NoticeEnd::Done);
        assert_eq!(slots.take_end(), None);
    }
}
