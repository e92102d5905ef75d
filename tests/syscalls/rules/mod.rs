//! What has to come before what.
//!
//! Every rule has a name, and says which two calls break it.

mod answers;
mod log;
mod notices;
mod removals;
mod results;
mod start;

use crate::conversations::{self, Conversation};
use crate::history::{ConnectionId, History, Line, NEVER, What};
use crate::layout::Place;
use crate::records::{Entry, Records};
use builder_engine::server::record::Record;
use builder_proto::Uuid;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What one server did, and what it found.
pub(crate) struct Evidence {
    pub(crate) history: History,
    pub(crate) records: Records,
    pub(crate) conversations: BTreeMap<ConnectionId, Conversation>,
    /// What was in the log when it started.
    pub(crate) inherited: Vec<Record>,
    /// Whether it uploads results.
    pub(crate) uploads: bool,
    /// The program that it tells of builds, if it has one.
    pub(crate) hook: Option<PathBuf>,
}

/// What came of the rules.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Which server is held against them, for people.
    pub(crate) server: String,
    /// What breaks a rule, for people, by rule and server.
    pub(crate) violations: BTreeMap<String, Vec<String>>,
    /// How often there was something to be checked, by rule.
    pub(crate) checked: BTreeMap<&'static str, usize>,
}

/// Holds a server against all rules.
pub(crate) fn judge(evidence: &Evidence, verdict: &mut Verdict) {
    start::judge(evidence, verdict);
    judge_running(evidence, verdict);
}

/// Holds a server of which the start was not seen against all other rules.
pub(crate) fn judge_running(evidence: &Evidence, verdict: &mut Verdict) {
    answers::judge(evidence, verdict);
    log::judge(evidence, verdict);
    results::judge(evidence, verdict);
    removals::judge(evidence, verdict);
    notices::judge(evidence, verdict);
}

impl Evidence {
    pub(crate) fn new(
        history: History,
        inherited: Vec<Record>,
        uploads: bool,
        hook: Option<PathBuf>,
    ) -> Evidence {
        let records = Records::of(&history, &inherited);
        let conversations = conversations::read(&history);
        Evidence { history, records, conversations, inherited, uploads, hook }
    }

    /// When the result of a build was in its place, with its contents and all names that lead to it, and everything was
    /// durable; as far as it was put there before a line.
    fn placed_durably(&self, job: &str, uuid: Uuid, before: Line) -> Placed {
        let place = Place::Result(job.to_owned(), uuid);
        let (put, file) = match self.history.put_in_place(&place, before) {
            Some(event) => (Some(event.call), event.what.file()),
            None => (None, self.history.first_file(&place)),
        };
        let Some(file) = file else { return Placed { put, durable: NEVER } };
        let since = put.map_or(0, |call| self.history.calls[call].end);
        let written = self.history.last_write(file, before).map_or(0, |event| event.end);
        let build = place.parent();
        let directories = [build.clone(), build.parent(), Place::Root];
        let names = directories.iter().map(|directory| self.history.names_durable(directory, since));
        let durable = names.chain([self.history.contents_durable(file, written)]).max().unwrap_or(NEVER);
        Placed { put, durable }
    }

    /// The job of a build.
    fn job(&self, uuid: Uuid) -> Option<String> {
        let named = self.records.0.iter().find_map(|entry| match &entry.record {
            Record::Started(started) if started.uuid.0 == uuid => Some(started.name.to_string()),
            Record::Pending(pending) if pending.uuid.0 == uuid => Some(pending.name.to_string()),
            _ => None,
        });
        named.or_else(|| {
            let mut results =
                self.history.renames(move |_, to| matches!(to, Place::Result(_, of) if *of == uuid));
            results.find_map(|(_, _, place)| match place {
                Place::Result(job, _) => Some(job.clone()),
                _ => None,
            })
        })
    }
}

/// Where a result is.
struct Placed {
    /// The call that put it there; none when it was there at the start.
    put: Option<usize>,
    durable: Line,
}

impl What {
    fn file(&self) -> Option<usize> {
        match self {
            What::Write { file, .. } | What::SetLength(file) | What::Rename { file, .. } => Some(*file),
            _ => None,
        }
    }
}

impl Verdict {
    /// Fails if a rule was broken, and shows the first time for each rule.
    pub(crate) fn pass(&self) {
        let first = |(rule, found): (&String, &Vec<String>)| {
            format!("{rule}: {}\n({} in all)", found[0], found.len())
        };
        let shown: Vec<String> = self.violations.iter().map(first).collect();
        assert!(shown.is_empty(), "the order of system calls is wrong\n\n{}\n", shown.join("\n\n"));
    }

    /// Takes note of something that has to hold. `calls` are those that break it, in the order in which they have to come.
    pub(crate) fn check(
        &mut self,
        rule: &'static str,
        holds: bool,
        history: &History,
        calls: impl IntoIterator<Item = Option<usize>>,
        why: &str,
    ) {
        *self.checked.entry(rule).or_default() += 1;
        if holds {
            return;
        }
        let calls = calls.into_iter().map(|call| match call {
            Some(call) => history.show(call),
            None => "  (it was not done at all, or by an earlier server)".to_owned(),
        });
        let calls: Vec<String> = calls.collect();
        let violations = self.violations.entry(format!("{}: {rule}", self.server)).or_default();
        violations.push(format!("{why}\n{}", calls.join("\n")));
    }

    /// Something rests on a record: that has to be durable before.
    pub(crate) fn check_record(
        &mut self,
        rule: &'static str,
        evidence: &Evidence,
        record: Option<&Entry>,
        (call, line): (usize, Line),
        why: &str,
    ) {
        let holds = record.is_some_and(|entry| entry.durable < line);
        let written = record.and_then(|entry| entry.call);
        let state = match record {
            None => "there is no such record",
            Some(Entry { durable: NEVER, .. }) => "the record was never synced",
            Some(_) => "the record was not synced by then",
        };
        self.check(rule, holds, &evidence.history, [written, Some(call)], &format!("{why}: {state}"));
    }
}
