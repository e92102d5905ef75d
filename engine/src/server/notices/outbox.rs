//! The durable part of notices: builds that finished and of which the program has not been told.

use crate::server::inconsistency::Inconsistency;
use crate::server::record::{NoticeGiven, NoticeQueued, Record};
use builder_proto::Uuid;
use builder_proto::history::Build;
use std::collections::BTreeMap;

/// Builds whose notices wait, with all that is to be said of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct NoticeOutbox {
    /// By turn, in the order in which the builds finished.
    waiting: BTreeMap<u64, Build>,
    turns: BTreeMap<Uuid, u64>,
    next_turn: u64,
}

impl NoticeOutbox {
    /// How many notices wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn contains(&self, uuid: Uuid) -> bool {
        self.turns.contains_key(&uuid)
    }

    /// What is to be said of a build.
    pub(crate) fn build(&self, uuid: Uuid) -> Option<&Build> {
        self.waiting.get(self.turns.get(&uuid)?)
    }

    /// All that waits, the longest waiting first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Build> {
        self.waiting.values()
    }

    /// The shortest list of records that rebuilds the outbox.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Record> + '_ {
        self.waiting().map(|build| Record::NoticeQueued(NoticeQueued { build: build.clone() }))
    }

    /// A build may be queued again before it finishes: after a crash in between it can end in another way. The last word counts.
    pub(crate) fn apply_queued(&mut self, queued: &NoticeQueued) {
        let uuid = queued.build.uuid();
        let turn = *self.turns.entry(uuid).or_insert(self.next_turn);
        self.next_turn = self.next_turn.max(turn + 1);
        self.waiting.insert(turn, queued.build.clone());
    }

    pub(crate) fn apply_given(&mut self, given: &NoticeGiven) -> Result<(), Inconsistency> {
        let uuid = given.uuid.0;
        match self.turns.remove(&uuid).and_then(|turn| self.waiting.remove(&turn)) {
            Some(_) => Ok(()),
            None => Err(Inconsistency(format!("the notice of build {uuid} is given, but did not wait"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::time::Time;
    use builder_proto::wire::RawUuid;

    fn uuid(number: u8) -> Uuid {
        Uuid::from_bytes([number; 16])
    }

    fn queued(number: u8, job: &str) -> NoticeQueued {
        let uuid = RawUuid(uuid(number));
        let (job, platform) = (job.into(), "linux".into());
        let build =
            Build { uuid, job, platform, started: Time::UNIX_EPOCH, queued: None, host: None, end: None };
        NoticeQueued { build }
    }

    fn outbox(numbers: impl IntoIterator<Item = u8>) -> NoticeOutbox {
        let mut outbox = NoticeOutbox::default();
        numbers.into_iter().for_each(|number| outbox.apply_queued(&queued(number, "job")));
        outbox
    }

    fn numbers(outbox: &NoticeOutbox) -> Vec<u8> {
        outbox.waiting().map(|build| build.uuid().as_bytes()[0]).collect()
    }

    fn given(number: u8) -> NoticeGiven {
        NoticeGiven { uuid: RawUuid(uuid(number)) }
    }

    #[test]
    fn notices_wait_in_the_order_of_finishing_until_they_are_given() {
        let mut outbox = outbox([7, 3, 5]);
        outbox.apply_given(&given(3)).unwrap();
        outbox.apply_queued(&queued(2, "job"));
        assert_eq!(numbers(&outbox), [7, 5, 2]);
        assert!(outbox.contains(uuid(5)) && !outbox.contains(uuid(3)));
        assert_eq!(outbox.len(), 3);
        assert!(outbox.apply_given(&given(3)).is_err(), "it does not wait any longer");
    }

    #[test]
    fn the_last_word_about_a_build_counts_and_its_place_is_the_first() {
        let mut outbox = outbox([1, 2]);
        outbox.apply_queued(&queued(1, "again"));
        assert_eq!(numbers(&outbox), [1, 2]);
        assert_eq!(outbox.build(uuid(1)).unwrap().job, "again".into());
    }

    #[test]
    fn a_snapshot_rebuilds_the_outbox_in_its_order() {
        let mut outbox = outbox([9, 8, 1, 2]);
        outbox.apply_given(&given(8)).unwrap();
        let mut rebuilt = crate::server::State::default();
        outbox.snapshot().for_each(|record| rebuilt.apply(&record).unwrap());
        assert_eq!(numbers(&rebuilt.notices), [9, 1, 2]);
        assert!(outbox.snapshot().eq(rebuilt.snapshot().skip(1)), "all but the mark at its beginning");
    }
}
