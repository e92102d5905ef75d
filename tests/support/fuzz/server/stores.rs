//! Where the server keeps things: log, consoles and results, all of them values.

use builder_engine::manifest::Manifest;
use builder_engine::server::record::{Contents, Record};
use builder_engine::server::{OutputSource, PendingResult, Recovered, Recovery, ResultHead, State};
use builder_engine::spool::{Found, first_entry, last_entry};
use builder_proto::Uuid;
use builder_proto::execution::{
    Execution, ExecutionHead, NO_ARTIFACTS, StoredExecution, append_console_entry, console_entry_length,
};
use std::collections::BTreeMap;

/// Records as bytes, of which some are on disk.
#[derive(Default)]
pub(super) struct Log {
    batches: Vec<Vec<u8>>,
    durable: usize,
}

impl Log {
    pub(super) fn append(&mut self, record: &Record) {
        let mut batch = Vec::new();
        record.append_to(&mut batch).expect("a short record");
        self.batches.push(batch);
    }

    pub(super) fn commit(&mut self) {
        self.durable = self.batches.len();
    }

    /// Loses what was appended since the last commit, except for so many records.
    pub(super) fn crash(&mut self, surviving: usize) {
        self.batches.truncate(self.durable.saturating_add(surviving));
        self.commit();
    }

    /// Starts again with a snapshot.
    pub(super) fn rotate(&mut self, state: &State) {
        self.batches.clear();
        state.snapshot().for_each(|record| self.append(&record));
        self.commit();
    }

    pub(super) fn recover(&self) -> Recovered {
        let mut recovery = Recovery::new(false);
        // Frames of any size hold the same records.
        for batch in self.batches.chunks(7) {
            recovery.apply_batch(&batch.concat()).expect("records that fit together");
        }
        recovery.finish()
    }
}

/// The console of a build.
#[derive(Default)]
pub(super) struct Spool {
    bytes: Vec<u8>,
    console_bytes: u64,
    is_sealed: bool,
    is_removed: bool,
}

impl Spool {
    pub(super) fn append(&mut self, entries: &[u8], console_bytes: u64) {
        assert!(!self.is_sealed && !self.is_removed, "a line after the last");
        let mut rest = entries;
        while let Found::Entry(entry, length) = first_entry(rest) {
            self.console_bytes += console_entry_length(entry.delta, entry.line.len() as u64);
            rest = &rest[length..];
        }
        assert!(rest.is_empty(), "only whole entries are handed out");
        assert_eq!(self.console_bytes, console_bytes, "bytes in the stored result");
        self.bytes.extend_from_slice(entries);
    }

    pub(super) fn seal(&mut self) {
        assert!(!self.is_removed, "sealed when it was gone");
        self.is_sealed = true;
    }

    pub(super) fn remove(&mut self) {
        self.is_removed = true;
    }

    /// Another server takes it up.
    pub(super) fn reopen(&mut self) {
        (self.is_sealed, self.is_removed) = (false, false);
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    pub(super) fn is_there(&self) -> bool {
        !self.is_removed
    }

    fn newest_first(&self) -> Vec<u8> {
        let (mut console, mut rest) = (Vec::new(), self.bytes.as_slice());
        while let Found::Entry(entry, length) = last_entry(rest) {
            append_console_entry(&mut console, entry.delta, entry.line);
            rest = &rest[..rest.len() - length];
        }
        console
    }
}

/// Results on their way to their files, and those in place.
#[derive(Default)]
pub(super) struct Results {
    /// The bytes so far, and how many there are to be.
    staged: BTreeMap<Uuid, (Vec<u8>, u64)>,
    pub(super) in_place: BTreeMap<Uuid, Vec<u8>>,
    /// Those that only the log is sure to hold.
    pub(super) pending: BTreeMap<Uuid, PendingResult>,
}

impl Results {
    pub(super) fn begin(&mut self, uuid: Uuid, head: ResultHead, spool: &Spool) {
        let output_length = match head.output {
            OutputSource::Empty => NO_ARTIFACTS.len() as u64,
            OutputSource::Streamed(length) => length,
        };
        let ResultHead { job, started, finished, result, last_line, output } = head;
        let console_length = spool.console_bytes;
        let head =
            ExecutionHead { job, uuid, console_length, started, finished, result, last_line, output_length };
        let layout = head.layout().expect("a short result");
        let mut bytes = [layout.before_console, spool.newest_first(), layout.after_console].concat();
        if output == OutputSource::Empty {
            bytes.extend_from_slice(&NO_ARTIFACTS);
        }
        assert!(self.staged.insert(uuid, (bytes, layout.total_length)).is_none(), "begun twice");
    }

    pub(super) fn append(&mut self, uuid: Uuid, artifacts: &[u8]) {
        // It may have failed at once.
        if let Some((bytes, _)) = self.staged.get_mut(&uuid) {
            bytes.extend_from_slice(artifacts);
        }
    }

    pub(super) fn abandon(&mut self, uuid: Uuid) {
        self.staged.remove(&uuid);
    }

    pub(super) fn is_complete(&self, uuid: Uuid) -> bool {
        self.staged.contains_key(&uuid)
    }

    /// What the artifacts of a complete result are; none when it failed at once.
    pub(super) fn manifest(&self, uuid: Uuid) -> Option<Manifest> {
        let bytes = self.staged.get(&uuid)?.0.as_slice();
        let stored = StoredExecution::open(bytes, bytes.len() as u64).expect("a stored result");
        Some(Manifest::of(bytes, &stored).expect("artifacts"))
    }

    /// The whole file, which has to be a good one.
    pub(super) fn complete(&mut self, uuid: Uuid) -> (Vec<u8>, Execution) {
        let (bytes, length) = self.staged.remove(&uuid).expect("a staged result");
        assert_eq!(bytes.len() as u64, length, "as long as its head promised");
        let stored = Execution::decode(&bytes).expect("a stored result");
        (bytes, stored)
    }

    pub(super) fn publish(&mut self, result: PendingResult) {
        let Contents(bytes) = &result.contents;
        self.in_place.insert(result.uuid, bytes.to_vec());
        self.pending.insert(result.uuid, result);
    }

    pub(super) fn crash(&mut self) {
        self.staged.clear();
        self.pending.clear();
    }
}
