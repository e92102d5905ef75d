//! What is removed, and what is uploaded.

use super::{Evidence, Verdict};
use crate::history::{Event, NEVER, What};
use crate::layout::Place;
use crate::records::{Entry, finished};
use builder_engine::server::record::Record;
use builder_proto::Uuid;

pub(crate) fn judge(evidence: &Evidence, verdict: &mut Verdict) {
    for event in &evidence.history.events {
        let at = (event.call, event.begin);
        match &event.what {
            What::Remove(Place::Result(_, uuid)) => {
                let record = evidence
                    .records
                    .first(|record| matches!(record, Record::Uploaded(uploaded) if uploaded.uuid.0 == *uuid));
                let why = "a result was removed before its upload was recorded";
                verdict.check_record("removed result", evidence, record, at, why);
            }
            What::Remove(Place::Spool(uuid)) => judge_spool(evidence, verdict, event, *uuid),
            What::Execute { program, build } if program.ends_with("/builder-upload") => {
                judge_upload(evidence, verdict, event, build.expect("it uploads no build"));
            }
            _ => {}
        }
    }
    for (index, entry) in evidence.records.0.iter().enumerate() {
        match &entry.record {
            _ if entry.call.is_none() => {}
            Record::Removed(removed) => judge_removed(evidence, verdict, entry, removed.uuid.0),
            Record::Finished(of) if evidence.uploads => {
                let mut earlier = evidence.records.0[..index].iter();
                let queued = earlier.any(|entry| {
                    matches!(&entry.record, Record::UploadQueued(queued) if queued.uuid.0 == of.uuid.0)
                });
                let why = "a build was recorded as finished before its upload was recorded as waiting";
                verdict.check("queued upload", queued, &evidence.history, [None, entry.call], why);
            }
            _ => {}
        }
    }
}

/// A console is needed until the result is stored that contains it.
fn judge_spool(evidence: &Evidence, verdict: &mut Verdict, event: &Event, uuid: Uuid) {
    let at = (event.call, event.begin);
    let started =
        evidence.records.first(|record| matches!(record, Record::Started(started) if started.uuid.0 == uuid));
    if started.is_some() {
        let end = evidence.records.first(|record| finished(record).is_some_and(|(of, _)| of == uuid));
        let why = "a console was removed before the end of its build was recorded";
        verdict.check_record("console", evidence, end, at, why);
    } else {
        // Nobody knows of it, as far as the log goes.
        let log = evidence.records.0.first();
        let why = "a console was removed before the log was read that may know of its build";
        verdict.check_record("stray console", evidence, log, at, why);
    }
}

/// A result that is uploaded may be removed, and the log must not write it again.
fn judge_upload(evidence: &Evidence, verdict: &mut Verdict, event: &Event, uuid: Uuid) {
    let queued = evidence
        .records
        .first(|record| matches!(record, Record::UploadQueued(queued) if queued.uuid.0 == uuid));
    let why = "an upload was started before it was recorded as waiting";
    verdict.check_record("upload", evidence, queued, (event.call, event.begin), why);
    let is_inherited = queued.is_some_and(|entry| entry.call.is_none());
    if is_inherited && !evidence.records.held_at_the_start().contains(&uuid) {
        // An earlier server has recorded that the result is durable.
        return;
    }
    let job = evidence.job(uuid).unwrap_or_default();
    let placed = evidence.placed_durably(&job, uuid, event.begin);
    let why = "an upload was started before the result was synced";
    let holds = placed.durable < event.begin;
    verdict.check("upload", holds, &evidence.history, [placed.put, Some(event.call)], why);
}

/// That a result is gone is recorded once it cannot come back.
fn judge_removed(evidence: &Evidence, verdict: &mut Verdict, entry: &Entry, uuid: Uuid) {
    let history = &evidence.history;
    let removal = history.events.iter().rev().find_map(|event| match &event.what {
        What::Remove(place @ (Place::Result(_, of) | Place::Build(_, of)))
            if *of == uuid && event.begin < entry.written =>
        {
            Some((event, place.parent()))
        }
        _ => None,
    });
    let durable = match (&removal, evidence.job(uuid)) {
        (Some((event, directory)), _) => history.names_durable(directory, event.end),
        // An earlier server removed it.
        (None, Some(job)) => history.names_durable(&Place::Job(job), 0),
        (None, None) => NEVER,
    };
    let calls = [removal.map(|(event, _)| event.call), entry.call];
    let why = "a result was recorded as removed before its directory was synced";
    verdict.check("record of a removal", durable < entry.written, history, calls, why);
}
