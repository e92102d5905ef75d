//! The records that a server wrote to its log, and when each was durable.

use crate::history::{FileId, History, Line, NEVER, What};
use crate::layout::Place;
use builder_engine::log::{FRAME_HEADER_LENGTH, HEADER_LENGTH};
use builder_engine::server::record::Record;
use builder_proto::Uuid;
use std::collections::BTreeSet;

/// A record of the log.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    /// The file it is in.
    pub(crate) file: FileId,
    /// The call that wrote it; none for what was in the log when the server started.
    pub(crate) call: Option<usize>,
    /// When it was begun to be written.
    pub(crate) written: Line,
    /// When it was durable, and had a name that was.
    pub(crate) durable: Line,
}

/// All records, those first that were there at the start.
#[derive(Debug)]
pub(crate) struct Records(pub(crate) Vec<Entry>);

/// A file that became the log.
#[derive(Clone, Copy, Debug)]
struct Published {
    file: FileId,
    begin: Line,
    /// When the name was durable.
    durable: Line,
}

impl Records {
    /// `inherited` is what earlier servers wrote to the log that is there. It may be in memory only: a server that was killed
    /// left it so.
    pub(crate) fn of(history: &History, inherited: &[Record]) -> Records {
        let published: Vec<Published> = history
            .renames(|_, to| *to == Place::log())
            .map(|(event, file, _)| Published {
                file,
                begin: event.begin,
                durable: history.names_durable(&Place::Private, event.end),
            })
            .collect();
        let first_log = history.first_file(&Place::log()).unwrap();
        let (mut entries, mut begins) = (Vec::new(), 0);
        if !inherited.is_empty() {
            begins = history.contents_durable(first_log, 0);
            let durable = begins.max(history.names_durable(&Place::Private, 0));
            let entry = |record: &Record| {
                let record = record.clone();
                Entry { record, file: first_log, call: None, written: 0, durable }
            };
            entries.extend(inherited.iter().map(entry));
        }
        for event in &history.events {
            let What::Write { file, bytes, .. } = &event.what else { continue };
            let name = published.iter().find(|log| log.file == *file);
            if *file != first_log && name.is_none() {
                continue;
            }
            // What a start writes before it has synced the log is there already: the last frame, once more.
            if *file == first_log && event.begin < begins {
                continue;
            }
            let synced = history.write_durable(event);
            let durable = match name {
                // Written before it was published: the sync counts only if it came before the name.
                Some(log) if event.begin < log.begin && synced > log.begin => NEVER,
                Some(log) => synced.max(log.durable),
                None => synced,
            };
            for record in decode(bytes) {
                let (call, written) = (Some(event.call), event.begin);
                entries.push(Entry { record, file: *file, call, written, durable });
            }
        }
        Records(entries)
    }

    /// The first record of a kind.
    pub(crate) fn first(&self, is_right: impl Fn(&Record) -> bool) -> Option<&Entry> {
        self.0.iter().find(|entry| is_right(&entry.record))
    }

    /// The first record of a kind that was written after a line.
    pub(crate) fn first_after(&self, line: Line, is_right: impl Fn(&Record) -> bool) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.written > line && is_right(&entry.record))
    }

    /// The builds whose results the log had to hold at the start.
    pub(crate) fn held_at_the_start(&self) -> BTreeSet<Uuid> {
        let inherited = self.0.iter().take_while(|entry| entry.call.is_none()).count();
        inherited.checked_sub(1).map(|last| self.held().swap_remove(last)).unwrap_or_default()
    }

    /// What the next server finds in the log.
    pub(crate) fn left_behind(&self, history: &History) -> Vec<Record> {
        let Some(last) = self.0.last() else { return Vec::new() };
        let is_whole = |entry: &Entry| entry.call.is_none_or(|call| history.calls[call].end != NEVER);
        let there = self.0.iter().filter(|entry| entry.file == last.file && is_whole(entry));
        there.map(|entry| entry.record.clone()).collect()
    }

    /// The builds whose results the log has to hold, after each record.
    pub(crate) fn held(&self) -> Vec<BTreeSet<Uuid>> {
        let mut held = BTreeSet::new();
        let mut file = None;
        let after_each = self.0.iter().map(|entry| {
            // A new log holds what it says itself.
            if file.replace(entry.file) != Some(entry.file) {
                held.clear();
            }
            match (&entry.record, finished(&entry.record)) {
                (_, Some((uuid, true))) => held.extend([uuid]),
                (Record::WrittenBack(written_back), _) => {
                    held.retain(|uuid| written_back.uuids.iter().all(|of| of.0 != *uuid))
                }
                _ => {}
            }
            held.clone()
        });
        after_each.collect()
    }
}

/// The records of what was written at once: a header, frames, preallocated zeros.
fn decode(written: &[u8]) -> Vec<Record> {
    let mut rest = written;
    if rest.starts_with(b"\x8bbuilder") {
        rest = rest.get(HEADER_LENGTH..).unwrap_or_default();
    }
    let mut records = Vec::new();
    while let Some((header, after)) = rest.split_at_checked(FRAME_HEADER_LENGTH) {
        let length = u32::from_be_bytes(header[..4].try_into().unwrap()) as usize;
        if length == 0 {
            break;
        }
        let (payload, after) = after.split_at(length);
        records.extend(Record::read_batch(payload).map(Result::unwrap));
        rest = after;
    }
    records
}

/// The build whose end a record is, in whatever way.
pub(crate) fn ended(record: &Record) -> Option<Uuid> {
    match record {
        Record::Finished(finished) => Some(finished.uuid.0),
        Record::Aborted(aborted) => Some(aborted.uuid.0),
        Record::Unstored(unstored) => Some(unstored.uuid.0),
        _ => None,
    }
}

/// The build whose result a record says is stored, and whether the record holds it.
pub(crate) fn finished(record: &Record) -> Option<(Uuid, bool)> {
    match record {
        Record::Finished(finished) => Some((finished.uuid.0, finished.contents.is_some())),
        Record::Pending(pending) => Some((pending.uuid.0, true)),
        _ => None,
    }
}
