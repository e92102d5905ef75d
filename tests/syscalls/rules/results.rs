//! The files of results.

use super::{Evidence, Verdict};
use crate::history::{Event, FileId, Line, NEVER, Target, What};
use crate::layout::Place;
use crate::records::{Entry, ended, finished};
use builder_engine::server::record::Record;
use builder_proto::Uuid;

pub(crate) fn judge(evidence: &Evidence, verdict: &mut Verdict) {
    let is_result =
        |from: &Place, to: &Place| matches!(from, Place::Staging(_)) && matches!(to, Place::Result(..));
    for (event, file, place) in evidence.history.renames(is_result) {
        let Place::Result(_, uuid) = place else { continue };
        let holding = |record: &Record| finished(record) == Some((*uuid, true));
        let holders = || evidence.records.0.iter().filter(|entry| holding(&entry.record));
        match holders().min_by_key(|entry| entry.durable) {
            Some(holder) => {
                let why = "a small result was put in its place before the log held it";
                verdict.check_record("small result", evidence, Some(holder), at(event), why);
            }
            None => judge_large(evidence, verdict, event, file, place, *uuid),
        }
    }
    for entry in &evidence.records.0 {
        if entry.call.is_some() {
            judge_record(evidence, verdict, entry);
        }
    }
    judge_file_system(evidence, verdict);
}

fn at(event: &Event) -> (usize, Line) {
    (event.call, event.begin)
}

/// A result that was written to its file as it came.
fn judge_large(
    evidence: &Evidence,
    verdict: &mut Verdict,
    put: &Event,
    file: FileId,
    place: &Place,
    uuid: Uuid,
) {
    let history = &evidence.history;
    let written = history.last_write(file, NEVER);
    let write_end = written.map_or(0, |write| write.end);
    let length = history
        .events
        .iter()
        .find(|event| matches!(event.what, What::SetLength(of) if of == file) && event.begin > write_end);
    let calls = [written.map(|write| write.call), Some(put.call)];
    let holds = length.is_some_and(|set| set.end < put.begin);
    let why = "the length of a result was not set between its last write and its rename";
    verdict.check("length of a result", holds, history, calls, why);

    let complete = length.map_or(write_end, |set| set.end);
    let holds = history.contents_durable(file, complete) < put.begin;
    let why = "a result was put in its place before its contents and length were synced";
    verdict.check("contents of a result", holds, history, calls, why);

    let start =
        evidence.records.first(|record| matches!(record, Record::Started(started) if started.uuid.0 == uuid));
    let why = "a result was put in its place before the start of its build was recorded";
    verdict.check_record("record before result", evidence, start, at(put), why);
    let aborted = |record: &Record| ended(record) == Some(uuid) && !matches!(record, Record::Finished(_));
    if let Some(end) = evidence.records.first(aborted) {
        let why = "the result of an aborted build was put in its place before its end was recorded";
        verdict.check_record("record before result", evidence, Some(end), at(put), why);
    }

    // Otherwise a shortage of descriptors could leave a result in place of which nobody knows whether it is durable.
    for directory in [place.parent(), place.parent().parent(), Place::Root] {
        let of_this_thread =
            |event: &&Event| history.calls[event.call].thread == history.calls[put.call].thread;
        let mut later = history.events.iter().filter(of_this_thread).filter(|event| event.begin > put.end);
        let sync = later.find_map(|event| match &event.what {
            What::Sync { target: Target::Names(of), opened, .. } if *of == directory => {
                Some((event, *opened))
            }
            _ => None,
        });
        // That it is synced at all is another rule.
        let Some((event, opened)) = sync else { continue };
        let why = "a directory was opened only after the result was put into it";
        let calls = [Some(put.call), Some(event.call)];
        verdict.check("open directories", opened < put.begin, history, calls, why);
    }
}

/// Records which say that a file is durable.
fn judge_record(evidence: &Evidence, verdict: &mut Verdict, entry: &Entry) {
    let (rule, why, uuids) = match &entry.record {
        Record::Finished(finished) if finished.contents.is_none() => {
            let why = "a build was recorded as finished before its result and the names that lead to it were synced";
            ("names of a result", why, vec![finished.uuid.0])
        }
        Record::WrittenBack(written_back) => {
            let why = "the log was told to forget a result before its file was synced";
            ("forgotten results", why, written_back.uuids.iter().map(|uuid| uuid.0).collect())
        }
        _ => return,
    };
    for uuid in uuids {
        let job = evidence.job(uuid).unwrap_or_default();
        let placed = evidence.placed_durably(&job, uuid, entry.written);
        let holds = placed.durable < entry.written;
        verdict.check(rule, holds, &evidence.history, [placed.put, entry.call], why);
    }
}

/// The descriptor through which a file system is synced was there before the first result: only to those who were there is an
/// error reported that somebody else has seen.
fn judge_file_system(evidence: &Evidence, verdict: &mut Verdict) {
    let first = evidence.history.renames(|_, to| matches!(to, Place::Result(..))).next();
    for event in &evidence.history.events {
        let What::Sync { target: Target::FileSystem, opened, .. } = event.what else { continue };
        let Some((put, ..)) = first else { continue };
        let why = "a file system was synced through a descriptor that was opened after the first result was written";
        let calls = [Some(event.call), Some(put.call)];
        verdict.check("open file system", opened < put.begin, &evidence.history, calls, why);
    }
}
