//! What the log holds for the history until its file has it.

use crate::history::{EndedBuild, Gone};
use crate::server::record::{Record, Remembered};
use builder_proto::Uuid;
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use std::collections::BTreeMap;

/// Facts about builds that a crash must not take from the history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unremembered {
    /// How builds ended; their results may not be stored yet.
    ended: BTreeMap<Uuid, EndedBuild>,
    /// When results were removed.
    gone: BTreeMap<Uuid, Time>,
    /// Bytes that the file of the history is known to have.
    length: u64,
}

impl Unremembered {
    pub(crate) fn apply_ended(&mut self, ended: &EndedBuild) {
        self.ended.insert(ended.build.uuid(), ended.clone());
    }

    pub(crate) fn apply_gone(&mut self, gone: &Gone) {
        self.gone.insert(gone.uuid.0, gone.at);
    }

    pub(crate) fn apply_remembered(&mut self, remembered: &Remembered) {
        for RawUuid(uuid) in &remembered.uuids {
            self.ended.remove(uuid);
            self.gone.remove(uuid);
        }
        self.length = remembered.length;
    }

    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Record> + '_ {
        let ended = self.ended.values().cloned().map(Record::Ended);
        let gone = self.gone.iter().map(|(uuid, at)| Record::Gone(Gone { uuid: RawUuid(*uuid), at: *at }));
        let length = Remembered { uuids: Vec::new(), length: self.length };
        let length = (self.length > 0).then_some(Record::Remembered(length));
        ended.chain(gone).chain(length)
    }

    /// How a build ended, if the file of the history is not known to say it.
    pub(crate) fn ended(&self, uuid: Uuid) -> Option<&EndedBuild> {
        self.ended.get(&uuid)
    }

    pub(crate) fn all_ended(&self) -> impl Iterator<Item = &EndedBuild> {
        self.ended.values()
    }

    pub(crate) fn all_gone(&self) -> impl Iterator<Item = (Uuid, Time)> + '_ {
        self.gone.iter().map(|(uuid, at)| (*uuid, *at))
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_says_what_was_removed() {
        let mut unremembered = Unremembered::default();
        let gone = Gone { uuid: RawUuid(Uuid::from_u128(7)), at: Time::from_unix_milliseconds(5) };
        unremembered.apply_gone(&gone);
        let mut rebuilt = Unremembered::default();
        for record in unremembered.snapshot() {
            if let Record::Gone(gone) = record {
                rebuilt.apply_gone(&gone);
            }
        }
        assert_eq!(rebuilt.all_gone().collect::<Vec<_>>(), [(gone.uuid.0, gone.at)]);
    }
}
