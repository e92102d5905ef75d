//! What peers are told rests on records that are durable.

use super::{Evidence, Verdict};
use crate::conversations::{Conversation, Message};
use crate::history::What;
use crate::layout::Place;
use crate::records::{Entry, ended};
use builder_engine::server::record::Record;
use builder_proto::Uuid;
use builder_proto::command::Command;

pub(crate) fn judge(evidence: &Evidence, verdict: &mut Verdict) {
    for conversation in evidence.conversations.values() {
        for message in &conversation.sent {
            judge_message(evidence, verdict, conversation, message);
        }
        judge_end(evidence, verdict, conversation);
    }
}

fn judge_message(evidence: &Evidence, verdict: &mut Verdict, conversation: &Conversation, message: &Message) {
    let at = (message.call, message.line);
    let records = &evidence.records;
    match &message.command {
        Command::Success => {
            let asked = conversation.received.iter().rfind(|asked| asked.line < message.line);
            let asked = asked.expect("a client is answered that has asked for nothing");
            // The answer to it comes before.
            if asked.command == Command::Info {
                return;
            }
            let record = record_behind(evidence, asked);
            verdict.check_record("success", evidence, record, at, "a command was answered with success");
        }
        Command::JobSchedule { uuid, .. } => {
            let record = records.first(|record| is_start(record, *uuid));
            verdict.check_record("job", evidence, record, at, "a job was handed to a worker");
        }
        Command::InfoReply(info) => {
            for item in &info.schedule {
                let record = records.first(|record| {
                    matches!(record, Record::Scheduled(known) | Record::ScheduledOnGrid(known)
                        if known.job.name() == item.job.name())
                });
                verdict.check_record("info", evidence, record, at, "a job was shown in the schedule");
            }
            for running in &info.running {
                let record = records.first(|record| is_start(record, running.uuid));
                verdict.check_record("info", evidence, record, at, "a build was shown as running");
            }
        }
        _ => {}
    }
}

/// The record that the answer to a command rests on.
fn record_behind<'a>(evidence: &'a Evidence, asked: &Message) -> Option<&'a Entry> {
    if let Command::Observe(uuid) = &asked.command {
        let ends = evidence.records.0.iter().filter(|entry| ended(&entry.record) == Some(*uuid));
        return ends.min_by_key(|entry| entry.durable);
    }
    evidence.records.first_after(asked.line, |record| match (&asked.command, record) {
        (Command::Schedule { job, .. }, Record::Scheduled(item) | Record::ScheduledOnGrid(item)) => {
            *item.job.name() == job.name
        }
        (Command::ScheduleOrbBuild { job, .. }, Record::Scheduled(item) | Record::ScheduledOnGrid(item)) => {
            *item.job.name() == job.name
        }
        (Command::Unschedule(name), Record::Unscheduled(of)) => of == name,
        (Command::Execute { name, .. }, Record::Enqueued(place)) => place.name == *name,
        (Command::Reschedule { name, .. }, Record::Rescheduled(run)) => run.name == *name,
        (Command::DropPlatform(platform), Record::Dropped(of)) => of == platform,
        (Command::UndropPlatform(platform), Record::Undropped(of)) => of == platform,
        // Without a record, the rule is broken.
        _ => false,
    })
}

/// A worker learns from the end of its connection that its result is stored.
fn judge_end(evidence: &Evidence, verdict: &mut Verdict, conversation: &Conversation) {
    let job = conversation.sent.iter().find_map(|message| match &message.command {
        Command::JobSchedule { uuid, .. } => Some(*uuid),
        _ => None,
    });
    let (Some(uuid), Some(call)) = (job, conversation.shutdown) else { return };
    let begin = evidence.history.calls[call].begin;
    let record = evidence.records.first(|record| ended(record) == Some(uuid));
    let why = "a worker was told that its build is over";
    verdict.check_record("end of a build", evidence, record, (call, begin), why);
    if record.is_some_and(|entry| matches!(entry.record, Record::Finished(_))) {
        let placed = evidence.history.events.iter().find(
            |event| matches!(&event.what, What::Rename { to: Place::Result(_, of), .. } if *of == uuid),
        );
        let holds = placed.is_some_and(|event| event.end < begin);
        let calls = [placed.map(|event| event.call), Some(call)];
        let why = "a worker was told that its result is stored before it was in its place";
        verdict.check("result in place", holds, &evidence.history, calls, why);
    }
}

fn is_start(record: &Record, uuid: Uuid) -> bool {
    matches!(record, Record::Started(started) if started.uuid.0 == uuid)
}
