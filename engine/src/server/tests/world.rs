//! What the server acts upon: a log, spools, results and peers, all of them values.

use crate::manifest::Manifest;
use crate::server::record::{Contents, Record};
use crate::server::{Deferred, OutputSource, PendingResult, Recovered, Recovery, ResultHead};
use crate::spool::{Found, first_entry, last_entry};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::execution::{
    Execution, ExecutionHead, NO_ARTIFACTS, StoredExecution, append_console_entry, console_entry_length,
};
use builder_proto::frame::{FrameDecoder, FrameEvent, HEADER_LENGTH};
use std::collections::BTreeMap;

/// The log: records as bytes, of which some are on disk.
#[derive(Default)]
pub(super) struct Log {
    pub(super) records: Vec<Record>,
    batches: Vec<Vec<u8>>,
    durable: usize,
}

impl Log {
    /// Whether a record says that the build has finished, and with these contents.
    pub(super) fn holds(&self, result: &PendingResult) -> bool {
        let contents = Some(&result.contents);
        let is_of_it = |record: &Record| matches!(record, Record::Finished(finished) if finished.uuid.0 == result.uuid && finished.contents.as_ref() == contents);
        self.records.iter().rev().any(is_of_it)
    }

    pub(super) fn append(&mut self, record: Record) {
        let mut batch = Vec::new();
        record.append_to(&mut batch).unwrap();
        assert_eq!(batch.len() as u64, record.bytes(), "the size that counts against the disk");
        self.batches.push(batch);
        self.records.push(record);
    }

    pub(super) fn commit(&mut self) {
        self.durable = self.records.len();
    }

    /// Records that a crash would undo.
    pub(super) fn uncommitted(&self) -> usize {
        self.records.len() - self.durable
    }

    /// Loses what was appended since the last commit, except for so many records.
    pub(super) fn crash(&mut self, surviving: usize) {
        let kept = self.durable + surviving.min(self.uncommitted());
        self.records.truncate(kept);
        self.batches.truncate(kept);
        self.commit();
    }

    /// Starts again with what a former log amounts to.
    pub(super) fn rotate(&mut self, snapshot: Vec<Record>) {
        *self = Log::default();
        snapshot.into_iter().for_each(|record| self.append(record));
        self.commit();
    }

    pub(super) fn recover(&self) -> Recovered {
        let mut recovery = Recovery::new(false);
        // Frames of any size hold the same records.
        for batch in self.batches.chunks(7) {
            recovery.apply_batch(&batch.concat()).unwrap();
        }
        recovery.finish()
    }
}

/// The console of a build.
#[derive(Default)]
pub(super) struct Spool {
    bytes: Vec<u8>,
    console_bytes: u64,
    pub(super) closing: Option<Vec<u8>>,
    pub(super) removed: bool,
}

impl Spool {
    pub(super) fn append(&mut self, entries: &[u8], console_bytes: u64) {
        assert!(!self.removed && self.closing.is_none(), "a line after the last");
        self.bytes.extend_from_slice(entries);
        let mut stored = 0;
        let mut rest = self.bytes.as_slice();
        while let Found::Entry(entry, bytes) = first_entry(rest) {
            stored += console_entry_length(entry.delta, entry.line.len() as u64);
            rest = &rest[bytes..];
        }
        assert!(rest.is_empty(), "only whole entries are handed out");
        assert_eq!(console_bytes, stored, "bytes that the console takes in the stored result");
        self.console_bytes = console_bytes;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn newest_first(&self) -> Vec<u8> {
        let (mut console, mut rest) = (Vec::new(), self.bytes.as_slice());
        while let Found::Entry(entry, bytes) = last_entry(rest) {
            append_console_entry(&mut console, entry.delta, entry.line);
            rest = &rest[..rest.len() - bytes];
        }
        console
    }
}

/// Results on their way to their files, and those in place.
#[derive(Default)]
pub(super) struct Results {
    staged: BTreeMap<Uuid, (Vec<u8>, u64)>,
    pub(super) in_place: BTreeMap<Uuid, Vec<u8>>,
    pub(super) pending: BTreeMap<Uuid, PendingResult>,
}

impl Results {
    pub(super) fn begin(&mut self, uuid: Uuid, head: ResultHead, spool: &Spool) {
        let output_length = match head.output {
            OutputSource::Empty => NO_ARTIFACTS.len() as u64,
            OutputSource::Streamed(length) => length,
        };
        let (job, console_length) = (head.job, spool.console_bytes);
        let (started, finished, result) = (head.started, head.finished, head.result);
        let last_line = head.last_line;
        let stored =
            ExecutionHead { job, uuid, console_length, started, finished, result, last_line, output_length };
        let layout = stored.layout().unwrap();
        let mut bytes = [layout.before_console, spool.newest_first(), layout.after_console].concat();
        if head.output == OutputSource::Empty {
            bytes.extend_from_slice(&NO_ARTIFACTS);
        }
        assert!(self.staged.insert(uuid, (bytes, layout.total_length)).is_none(), "begun twice");
    }

    pub(super) fn append(&mut self, uuid: Uuid, artifacts: &[u8]) {
        self.staged.get_mut(&uuid).unwrap().0.extend_from_slice(artifacts);
    }

    pub(super) fn abandon(&mut self, uuid: Uuid) {
        self.staged.remove(&uuid);
    }

    /// What the artifacts of a complete result are.
    pub(super) fn manifest(&self, uuid: Uuid) -> Manifest {
        let bytes = self.staged[&uuid].0.as_slice();
        Manifest::of(bytes, &StoredExecution::open(bytes, bytes.len() as u64).unwrap()).unwrap()
    }

    /// The whole file, which is to be a good one.
    pub(super) fn complete(&mut self, uuid: Uuid) -> Vec<u8> {
        let (bytes, length) = self.staged.remove(&uuid).unwrap();
        assert_eq!(bytes.len() as u64, length, "as long as its head promised");
        assert_eq!(Execution::decode(&bytes).unwrap().uuid, uuid);
        bytes
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

/// Who is connected: what was said to them, and whether the server ended the conversation.
pub(super) struct Peer {
    decoder: FrameDecoder,
    pub(super) inbox: Vec<Command>,
    pub(super) finished: bool,
    pub(super) dropped: bool,
    /// Bytes sent in part.
    pub(super) unread: Vec<u8>,
    /// Whether it reads parts only when it is told to.
    pub(super) slow: bool,
}

impl Peer {
    pub(super) fn new() -> Peer {
        let decoder = FrameDecoder::new(u64::MAX);
        Peer { decoder, inbox: Vec::new(), finished: false, dropped: false, unread: Vec::new(), slow: false }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        assert!(!self.finished && !self.dropped, "nothing is said after the end");
        self.unread.extend_from_slice(bytes);
        self.read();
        assert!(self.decoder.is_between_frames(), "only whole messages are sent");
    }

    pub(super) fn read(&mut self) {
        let unread = core::mem::take(&mut self.unread);
        let mut rest = unread.as_slice();
        while let Some(event) = self.decoder.next(&mut rest).unwrap() {
            let FrameEvent::Frame(frame) = event else { panic!("no streams are expected") };
            self.inbox.push(Command::decode(frame).unwrap());
        }
    }
}

/// Whether what the action tells was appended before.
pub(super) fn depends_on_record(action: &Deferred, log: &Log) -> bool {
    let has = |wanted: &dyn Fn(&Record) -> bool| log.records.iter().rev().any(wanted);
    match action {
        Deferred::RemoveSpool { uuid } => {
            has(&|record| matches!(record, Record::Finished(finished) if finished.uuid.0 == *uuid))
        }
        Deferred::Seal { uuid, .. } => has(&|record| match record {
            Record::Finished(finished) => finished.uuid.0 == *uuid,
            Record::Aborted(aborted) => aborted.uuid.0 == *uuid,
            Record::Unstored(unstored) => unstored.uuid.0 == *uuid,
            _ => false,
        }),
        Deferred::Send { bytes, .. } => match bytes.get(HEADER_LENGTH..).map(Command::decode) {
            Some(Ok(Command::JobSchedule { uuid, .. })) => {
                has(&|record| matches!(record, Record::Started(started) if started.uuid.0 == uuid))
            }
            _ => true,
        },
        _ => true,
    }
}
