//! What a start makes sure of before it goes on.

use super::{Evidence, Verdict};
use crate::history::{Event, History, NEVER, What};
use crate::layout::Place;

/// What a server receives. Others end it, or tell of nothing that it has to know.
const SIGNALS: [&str; 5] = ["SIGCHLD", "SIGHUP", "SIGINT", "SIGTERM", "SIGXFSZ"];

pub(crate) fn judge(evidence: &Evidence, verdict: &mut Verdict) {
    judge_signals(evidence, verdict);
    judge_directories(evidence, verdict);
    if !evidence.inherited.is_empty() {
        judge_log(evidence, verdict);
        judge_write_back(evidence, verdict);
    }
}

fn first(history: &History, is_right: impl Fn(&What) -> bool) -> Option<&Event> {
    history.events.iter().find(|event| is_right(&event.what))
}

/// A signal that comes during a start, however long that takes, does not end the server, and no end of a program is missed.
fn judge_signals(evidence: &Evidence, verdict: &mut Verdict) {
    let history = &evidence.history;
    let Some(begun) = first(history, |what| matches!(what, What::Create(_))) else { return };
    for signal in SIGNALS {
        let caught = first(history, |what| matches!(what, What::Catch(caught) if caught == signal));
        let holds = caught.is_some_and(|event| event.end < begun.begin);
        let calls = [caught.map(|event| event.call), Some(begun.call)];
        let why = format!("the start was begun before {signal} was received");
        verdict.check("signals", holds, history, calls, &why);
    }
}

/// Whoever is answered finds the server's own directory again, and all in it.
fn judge_directories(evidence: &Evidence, verdict: &mut Verdict) {
    let history = &evidence.history;
    let Some(answer) = first(history, |what| matches!(what, What::Send { .. })) else { return };
    for place in [Place::Private, Place::Spools, Place::Stagings] {
        let made = first(history, |what| matches!(what, What::Create(made) if *made == place));
        let durable = history.names_durable(&place.parent(), made.map_or(0, |event| event.end));
        let calls = [made.map(|event| event.call), Some(answer.call)];
        let why = format!("somebody was answered before the name of the directory {place:?} was synced");
        verdict.check("own directories", durable < answer.begin, history, calls, &why);
    }
}

/// What was read from the log may be in memory only. After a sync that failed the system may even believe that it is on the
/// disk, so the last frame is written once more.
fn judge_log(evidence: &Evidence, verdict: &mut Verdict) {
    let history = &evidence.history;
    let log = history.first_file(&Place::log()).unwrap();
    let durable = evidence.records.0.first().map_or(NEVER, |entry| entry.durable);
    let rewritten = history.last_write(log, history.contents_durable(log, 0));
    let synced = first(history, |what| matches!(what, What::Sync { .. }));
    let why = "the end of the log was not written again before the log was synced";
    verdict.check("end of the log", rewritten.is_some(), history, [synced.map(|sync| sync.call)], why);
    let rests_on_it = |what: &What| {
        matches!(
            what,
            What::Listen
                | What::Rename { to: Place::Result(..), .. }
                | What::Remove(Place::Spool(_) | Place::Result(..))
        )
    };
    for event in history.events.iter().filter(|event| rests_on_it(&event.what)) {
        let why = "the log that was found was not synced before something was done that rests on it";
        verdict.check("found log", durable < event.begin, history, [None, Some(event.call)], why);
    }
}

/// Results that only the log holds are in their places before anybody can ask for them.
fn judge_write_back(evidence: &Evidence, verdict: &mut Verdict) {
    let history = &evidence.history;
    let Some(listen) = first(history, |what| matches!(what, What::Listen)) else { return };
    for uuid in &evidence.records.held_at_the_start() {
        let place = Place::Result(evidence.job(*uuid).unwrap_or_default(), *uuid);
        let put = history.put_in_place(&place, NEVER);
        let holds = put.is_some_and(|event| event.end < listen.begin);
        let why = format!("the server listened before it had written the result of build {uuid} back");
        verdict.check("write-back", holds, history, [put.map(|event| event.call), Some(listen.call)], &why);
    }
}
