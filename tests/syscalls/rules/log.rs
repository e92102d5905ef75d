//! The log: nothing leaves while a part of it is not synced, and it is replaced only by one that is durable.

use super::{Evidence, Verdict};
use crate::history::{Event, FileId, Line, What};
use crate::layout::Place;
use crate::records::Entry;

/// A time in which nothing may be sent, and why.
struct Gap {
    begin: Line,
    end: Line,
    call: usize,
    why: &'static str,
}

pub(crate) fn judge(evidence: &Evidence, verdict: &mut Verdict) {
    let gaps: Vec<Gap> = unsynced(evidence).chain(unpublished(evidence)).collect();
    for event in &evidence.history.events {
        if matches!(event.what, What::Send { .. } | What::Shutdown(_)) {
            // The event loop writes the log, syncs it and sends, in one thread, so this is exact.
            let gap = gaps.iter().find(|gap| gap.begin < event.begin && event.begin < gap.end);
            let calls = [gap.map(|gap| gap.call), Some(event.call)];
            verdict.check(
                "synced log",
                gap.is_none(),
                &evidence.history,
                calls,
                gap.map_or("", |gap| gap.why),
            );
        }
    }
    judge_publications(evidence, verdict);
    judge_rotations(evidence, verdict);
}

/// From a write to the log to its sync.
fn unsynced(evidence: &Evidence) -> impl Iterator<Item = Gap> {
    let history = &evidence.history;
    let logs: Vec<(usize, Line)> = history
        .first_file(&Place::log())
        .map(|file| (file, 0))
        .into_iter()
        .chain(history.renames(|_, to| *to == Place::log()).map(|(event, file, _)| (file, event.end)))
        .collect();
    history.events.iter().filter_map(move |event| {
        let What::Write { file, .. } = &event.what else { return None };
        logs.iter().find(|(log, since)| log == file && event.begin > *since)?;
        let end = history.write_durable(event);
        Some(Gap {
            begin: event.begin,
            end,
            call: event.call,
            why: "something was sent before the log was synced",
        })
    })
}

/// From the rename of a log to the sync of its name.
fn unpublished(evidence: &Evidence) -> impl Iterator<Item = Gap> {
    evidence.history.renames(|_, to| *to == Place::log()).map(|(event, ..)| Gap {
        begin: event.begin,
        end: evidence.history.names_durable(&Place::Private, event.end),
        call: event.call,
        why: "something was sent before the name of the log was synced",
    })
}

/// Files that are made under another name.
fn judge_publications(evidence: &Evidence, verdict: &mut Verdict) {
    let history = &evidence.history;
    let is_own = |from: &Place, to: &Place| matches!((from, to), (Place::Own(_), Place::Own(_)));
    for (event, file, place) in history.renames(is_own) {
        let written = history.last_write(file, event.begin);
        let synced = written.map_or(0, |write| history.contents_durable(file, write.end));
        let calls = [written.map(|write| write.call), Some(event.call)];
        let why = "a file got its name before its contents were synced";
        verdict.check("new log", synced < event.begin, history, calls, why);
        if *place == Place::log() {
            let named = history.names_durable(&Place::Private, event.end);
            let appended =
                history.events.iter().find(|later| later.begin > event.end && is_write_to(later, file));
            let holds = appended.is_none_or(|append| named < append.begin);
            let calls = [Some(event.call), appended.map(|append| append.call)];
            let why = "the log was appended to before its name was synced";
            verdict.check("new log", holds, history, calls, why);
        }
    }
}

/// A new log holds every result whose file is not known to be durable.
fn judge_rotations(evidence: &Evidence, verdict: &mut Verdict) {
    let entries = &evidence.records.0;
    let held = evidence.records.held();
    for (index, (before, after)) in entries.iter().zip(entries.iter().skip(1)).enumerate() {
        if before.file == after.file {
            continue;
        }
        let last = entries.iter().rposition(|entry| entry.file == after.file).unwrap_or(index);
        let snapshot =
            entries[index + 1..=last].iter().filter(|entry| is_of_snapshot(evidence, entry)).count();
        let kept = &held[index + snapshot];
        for uuid in &held[index] {
            let job = evidence.job(*uuid).unwrap_or_default();
            let placed = evidence.placed_durably(&job, *uuid, after.written);
            let holds = kept.contains(uuid) || placed.durable < after.written;
            let why = format!("a new log lacks the result of build {uuid}, which is not synced");
            verdict.check("kept results", holds, &evidence.history, [placed.put, after.call], &why);
        }
    }
}

fn is_write_to(event: &Event, log: usize) -> bool {
    matches!(&event.what, What::Write { file, .. } if *file == log)
}

/// Whether a record was written before its file got the name of the log.
fn is_of_snapshot(evidence: &Evidence, entry: &Entry) -> bool {
    entry.written < published(evidence, entry.file)
}

/// When a file got the name of the log.
fn published(evidence: &Evidence, log: FileId) -> Line {
    let mut logs = evidence.history.renames(|_, to| *to == Place::log());
    logs.find(|(_, file, _)| *file == log).map_or(0, |(event, ..)| event.begin)
}
