//! What programs are told of builds.

use super::{Evidence, Verdict};
use crate::history::{Event, What};
use crate::layout::Place;
use crate::records::{Entry, finished};
use builder_engine::server::record::Record;
use builder_proto::Uuid;
use std::path::Path;

pub(crate) fn judge(evidence: &Evidence, verdict: &mut Verdict) {
    let Some(hook) = &evidence.hook else { return };
    for event in &evidence.history.events {
        match &event.what {
            What::Execute { program, build } if Path::new(program) == hook => {
                judge_notice(evidence, verdict, event, build.expect("it is told of no build"));
            }
            What::Remove(Place::Result(_, uuid)) if queued(evidence, *uuid).is_some() => {
                let given = evidence
                    .records
                    .first(|record| matches!(record, Record::NoticeGiven(given) if given.uuid.0 == *uuid));
                let why =
                    "a result was removed before it was recorded that the program was told of its build";
                verdict.check_record("told before removed", evidence, given, (event.call, event.begin), why);
            }
            _ => {}
        }
    }
    for (index, entry) in evidence.records.0.iter().enumerate() {
        if let (Record::Finished(of), Some(call)) = (&entry.record, entry.call) {
            let mut earlier = evidence.records.0[..index].iter();
            let is_queued = earlier.any(|entry| is_notice(&entry.record, of.uuid.0));
            let why = "a build was recorded as finished before its notice was recorded as waiting";
            verdict.check("queued notice", is_queued, &evidence.history, [None, Some(call)], why);
        }
    }
}

/// A program is told only of what every later server knows as well.
fn judge_notice(evidence: &Evidence, verdict: &mut Verdict, event: &Event, uuid: Uuid) {
    let at = (event.call, event.begin);
    let queued = queued(evidence, uuid);
    let why = "a program was told of a build before that was recorded as to be done";
    verdict.check_record("notice", evidence, queued, at, why);
    let end = evidence.records.first(|record| finished(record).is_some_and(|(of, _)| of == uuid));
    // A log that was written anew does not say of what ended before that it has.
    if end.is_some() || queued.is_none_or(|entry| entry.call.is_some()) {
        let why = "a program was told of a build before that was recorded as finished";
        verdict.check_record("notice", evidence, end, at, why);
    }
}

fn queued(evidence: &Evidence, uuid: Uuid) -> Option<&Entry> {
    evidence.records.first(|record| is_notice(record, uuid))
}

fn is_notice(record: &Record, uuid: Uuid) -> bool {
    matches!(record, Record::NoticeQueued(queued) if queued.build.uuid() == uuid)
}
