//! The durable part of uploading: results that wait for the upload server, and those to be removed after it.

use crate::server::inconsistency::Inconsistency;
use crate::server::record::{Record, Removed, UploadQueued, Uploaded};
use builder_proto::Uuid;
use builder_proto::text::Text;
use builder_proto::wire::RawUuid;
use std::collections::BTreeMap;

/// Results on their way to the upload server, with the names of their jobs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    /// By turn, in the order in which the builds finished.
    waiting: BTreeMap<u64, (Uuid, Text)>,
    turns: BTreeMap<Uuid, u64>,
    next_turn: u64,
    /// Uploaded; their files are to go.
    leaving: BTreeMap<Uuid, Text>,
}

impl Outbox {
    /// How many results wait for the upload server.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn contains(&self, uuid: Uuid) -> bool {
        self.turns.contains_key(&uuid)
    }

    /// Whether the result was uploaded and is to be removed.
    pub(crate) fn is_leaving(&self, uuid: Uuid) -> bool {
        self.leaving.contains_key(&uuid)
    }

    /// The name of the job whose result waits.
    pub(crate) fn name(&self, uuid: Uuid) -> Option<&Text> {
        self.waiting.get(self.turns.get(&uuid)?).map(|(_, name)| name)
    }

    /// What waits for the upload server, the longest waiting first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (Uuid, &Text)> {
        self.waiting.values().map(|(uuid, name)| (*uuid, name))
    }

    /// What was uploaded and is to be removed.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = (Uuid, &Text)> {
        self.leaving.iter().map(|(uuid, name)| (*uuid, name))
    }

    /// The shortest list of records that rebuilds the outbox.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Record> + '_ {
        let queued = |(uuid, name): (Uuid, &Text)| {
            Record::UploadQueued(UploadQueued { uuid: RawUuid(uuid), name: name.clone() })
        };
        let uploaded = |uuid| Record::Uploaded(Uploaded { uuid: RawUuid(uuid), keep_local: false });
        let leaving = self.leaving().flat_map(move |(uuid, name)| [queued((uuid, name)), uploaded(uuid)]);
        leaving.chain(self.waiting().map(queued))
    }

    pub(crate) fn apply_queued(&mut self, queued: &UploadQueued) -> Result<(), Inconsistency> {
        let uuid = queued.uuid.0;
        if self.contains(uuid) || self.is_leaving(uuid) {
            return Err(Inconsistency(format!("the result of build {uuid} is to be uploaded twice")));
        }
        self.waiting.insert(self.next_turn, (uuid, queued.name.clone()));
        self.turns.insert(uuid, self.next_turn);
        self.next_turn += 1;
        Ok(())
    }

    pub(crate) fn apply_uploaded(&mut self, uploaded: &Uploaded) -> Result<(), Inconsistency> {
        let uuid = uploaded.uuid.0;
        let name = self.take_waiting(uuid).ok_or_else(|| {
            Inconsistency(format!("the result of build {uuid} is uploaded, but did not wait for that"))
        })?;
        if !uploaded.keep_local {
            self.leaving.insert(uuid, name);
        }
        Ok(())
    }

    pub(crate) fn apply_removed(&mut self, removed: &Removed) -> Result<(), Inconsistency> {
        let uuid = removed.uuid.0;
        match self.leaving.remove(&uuid).or_else(|| self.take_waiting(uuid)) {
            Some(_) => Ok(()),
            None => Err(Inconsistency(format!(
                "the result of build {uuid} is removed, but was not in the outbox"
            ))),
        }
    }

    fn take_waiting(&mut self, uuid: Uuid) -> Option<Text> {
        let turn = self.turns.remove(&uuid)?;
        self.waiting.remove(&turn).map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uuid(number: u8) -> Uuid {
        Uuid::from_bytes([number; 16])
    }

    fn outbox(numbers: impl IntoIterator<Item = u8>) -> Outbox {
        let mut outbox = Outbox::default();
        for number in numbers {
            let queued = UploadQueued { uuid: RawUuid(uuid(number)), name: format!("job-{number}").into() };
            outbox.apply_queued(&queued).unwrap();
        }
        outbox
    }

    fn uploaded(number: u8, keep_local: bool) -> Uploaded {
        Uploaded { uuid: RawUuid(uuid(number)), keep_local }
    }

    fn removed(number: u8) -> Removed {
        Removed { uuid: RawUuid(uuid(number)) }
    }

    fn numbers<'a>(entries: impl Iterator<Item = (Uuid, &'a Text)>) -> Vec<u8> {
        entries.map(|(uuid, _)| uuid.as_bytes()[0]).collect()
    }

    #[test]
    fn results_wait_in_the_order_of_finishing() {
        let mut outbox = outbox([7, 3, 5]);
        assert_eq!(numbers(outbox.waiting()), [7, 3, 5]);
        assert_eq!(outbox.name(uuid(3)), Some(&"job-3".into()));
        outbox.apply_uploaded(&uploaded(3, true)).unwrap();
        assert_eq!(numbers(outbox.waiting()), [7, 5]);
        assert_eq!(outbox.name(uuid(3)), None);
        assert_eq!(outbox.len(), 2);
    }

    #[test]
    fn only_a_local_copy_that_is_not_kept_leaves() {
        let mut outbox = outbox([1, 2]);
        outbox.apply_uploaded(&uploaded(1, true)).unwrap();
        outbox.apply_uploaded(&uploaded(2, false)).unwrap();
        assert_eq!(numbers(outbox.leaving()), [2]);
        outbox.apply_removed(&removed(2)).unwrap();
        assert_eq!(numbers(outbox.leaving()), []);
    }

    #[test]
    fn a_result_that_someone_removed_waits_no_longer() {
        let mut outbox = outbox([1, 2]);
        outbox.apply_removed(&removed(1)).unwrap();
        assert_eq!(numbers(outbox.waiting()), [2]);
        assert_eq!(numbers(outbox.leaving()), []);
    }

    #[test]
    fn a_snapshot_rebuilds_the_outbox_in_its_order() {
        let mut outbox = outbox([9, 8, 1, 2]);
        outbox.apply_uploaded(&uploaded(8, false)).unwrap();
        let mut rebuilt = crate::server::State::default();
        for record in outbox.snapshot() {
            rebuilt.apply(&record).unwrap();
        }
        assert_eq!(numbers(rebuilt.outbox.waiting()), [9, 1, 2]);
        assert_eq!(numbers(rebuilt.outbox.leaving()), [8]);
        assert!(outbox.snapshot().eq(rebuilt.snapshot().skip(1)), "all but the mark at its beginning");
    }

    #[test]
    fn contradictions_are_refused() {
        let mut outbox = outbox([1, 2]);
        outbox.apply_uploaded(&uploaded(2, false)).unwrap();
        for number in [1, 2] {
            let again = UploadQueued { uuid: RawUuid(uuid(number)), name: "again".into() };
            assert!(outbox.apply_queued(&again).is_err());
        }
        assert!(outbox.apply_uploaded(&uploaded(2, false)).is_err());
        assert!(outbox.apply_uploaded(&uploaded(3, true)).is_err());
        assert!(outbox.apply_removed(&removed(3)).is_err());
        assert_eq!(numbers(outbox.waiting()), [1]);
    }
}
