//! What pages need to know: asked once for everyone who waits for it, a few at a time, and kept for a moment.

use super::limits::{FRESH_TIME, KEPT_ANSWERS, KEPT_BYTES, QUESTIONS};
use super::site::{Answer, Line, Need, Refusal};
use builder_proto::history::Artifact;
use core::time::Duration;
use std::collections::VecDeque;

/// An answer or why there is none.
pub(super) type Outcome = Result<Answer, Refusal>;

/// Bytes that a build takes, with its names.
const BUILD_BYTES: usize = 512;

/// Needs, and who has them.
#[derive(Debug, Default)]
pub(super) struct Desk {
    asked: Vec<Asked>,
    /// How many of these the server is being asked.
    under_way: usize,
    kept: VecDeque<Kept>,
}

/// A need that is not answered.
#[derive(Debug)]
struct Asked {
    need: Need,
    is_under_way: bool,
    /// The browsers whose pages have it.
    connections: Vec<u64>,
}

#[derive(Debug)]
struct Kept {
    need: Need,
    outcome: Outcome,
    until: Duration,
}

impl Desk {
    /// What was answered a moment ago.
    pub(super) fn known(&self, now: Duration, need: &Need) -> Option<Outcome> {
        let kept = self.kept.iter().find(|kept| kept.need == *need && now < kept.until)?;
        Some(kept.outcome.clone())
    }

    /// The page of this browser waits for an answer.
    pub(super) fn ask(&mut self, need: Need, connection: u64) {
        match self.asked.iter_mut().find(|asked| asked.need == need) {
            Some(asked) => asked.connections.push(connection),
            None => self.asked.push(Asked { need, is_under_way: false, connections: vec![connection] }),
        }
    }

    /// The next need that the server is to be asked about.
    pub(super) fn next(&mut self) -> Option<Need> {
        if self.under_way >= QUESTIONS {
            return None;
        }
        let asked = self.asked.iter_mut().find(|asked| !asked.is_under_way)?;
        asked.is_under_way = true;
        self.under_way += 1;
        Some(asked.need.clone())
    }

    /// The answer is there. Says whose pages have waited for it.
    pub(super) fn settle(&mut self, now: Duration, need: &Need, outcome: &Outcome) -> Vec<u64> {
        let Some(place) = self.asked.iter().position(|asked| asked.need == *need) else { return Vec::new() };
        let asked = self.asked.remove(place);
        self.under_way -= usize::from(asked.is_under_way);
        self.forget(now);
        let until = now + FRESH_TIME;
        self.kept.push_back(Kept { need: asked.need, outcome: outcome.clone(), until });
        while self.kept.len() > KEPT_ANSWERS || self.kept.iter().map(Kept::bytes).sum::<usize>() > KEPT_BYTES
        {
            self.kept.pop_front();
        }
        asked.connections
    }

    /// Forgets what does not count any more.
    pub(super) fn forget(&mut self, now: Duration) {
        self.kept.retain(|kept| now < kept.until);
    }

    /// When there will be something to forget.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.kept.iter().map(|kept| kept.until).min()
    }
}

impl Kept {
    /// Bytes that it takes, about.
    fn bytes(&self) -> usize {
        match &self.outcome {
            Ok(Answer::Console(console)) => {
                console.lines.iter().map(|line| size_of::<Line>() + line.text.as_bytes().len()).sum()
            }
            Ok(Answer::History(builds)) => builds.len() * BUILD_BYTES,
            Ok(Answer::Details(details)) => {
                let script = details.job.as_ref().map_or(0, |job| job.script.as_bytes().len());
                let of = |artifact: &Artifact| size_of::<Artifact>() + artifact.path.as_bytes().len();
                script + details.artifacts.iter().map(of).sum::<usize>()
            }
            // The snapshot is kept elsewhere.
            Ok(Answer::Snapshot(_)) | Err(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::Uuid;

    const NOW: Duration = Duration::from_secs(1);

    fn need(number: usize) -> Need {
        Need::Details(Uuid::from_u128(number as u128))
    }

    #[test]
    fn everyone_who_waits_for_the_same_is_answered_by_one_question() {
        let mut desk = Desk::default();
        desk.ask(need(1), 10);
        desk.ask(need(1), 11);
        assert_eq!((desk.next(), desk.next()), (Some(need(1)), None));
        desk.ask(need(1), 12);
        assert_eq!(desk.next(), None);
        let outcome = Err(Refusal::TooLong);
        assert_eq!(desk.settle(NOW, &need(1), &outcome), [10, 11, 12]);
        assert!(matches!(desk.known(NOW, &need(1)), Some(Err(Refusal::TooLong))));
        assert_eq!(desk.deadline(), Some(NOW + FRESH_TIME));
        assert!(desk.known(NOW + FRESH_TIME, &need(1)).is_none());
        desk.forget(NOW + FRESH_TIME);
        assert_eq!(desk.deadline(), None);
        assert_eq!(desk.settle(NOW, &need(1), &outcome), [0; 0]);
    }

    #[test]
    fn the_server_is_asked_a_few_things_at_a_time() {
        let mut desk = Desk::default();
        (0..=QUESTIONS).for_each(|number| desk.ask(need(number), 1));
        (0..QUESTIONS).for_each(|number| assert_eq!(desk.next(), Some(need(number))));
        assert_eq!(desk.next(), None);
        desk.settle(NOW, &need(3), &Err(Refusal::TooLong));
        assert_eq!(desk.next(), Some(need(QUESTIONS)));
    }

    #[test]
    fn only_so_many_answers_are_kept() {
        let mut desk = Desk::default();
        for number in 0..=KEPT_ANSWERS {
            desk.ask(need(number), 1);
            desk.next();
            desk.settle(NOW, &need(number), &Err(Refusal::TooLong));
        }
        assert!(desk.known(NOW, &need(0)).is_none());
        assert!(desk.known(NOW, &need(1)).is_some());
    }
}
