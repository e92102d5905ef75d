//! The history at work: what the log holds is carried over into the file, what is missing is looked for, and clients are
//! told what they ask for ([`answers`]).

mod answers;

use super::files::Files;
use super::history_file::{Append, HistoryFile, Opened};
use super::history_tasks::{Appending, Survey};
use super::tasks::Task;
use crate::history::{EndedBuild, Entry, Gone, Index, Place};
use crate::limits::{RETRY_TIME, WRITE_BACK_TIME};
use crate::server::State;
use builder_proto::Uuid;
use builder_proto::history::Build;
use builder_proto::text::Text;
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Entries that are appended at a time.
const ENTRIES_PER_APPEND: usize = 1000;
/// Bytes that are appended at a time, but for the last entry.
const BYTES_PER_APPEND: usize = 4 * 1024 * 1024;

/// Everything about builds that have ended.
#[derive(Debug)]
pub(crate) struct History<F: Files> {
    index: Index,
    /// None while it cannot be opened. What waits for it is in the log.
    file: Option<HistoryFile<F>>,
    /// When to try again to open it, in monotonic time.
    open_at: Duration,
    /// Builds that the log knows and the file does not.
    waiting: BTreeSet<Uuid>,
    /// Removals that the log knows and the file does not.
    removals: BTreeMap<Uuid, Time>,
    /// Builds that were found in stored results, and that neither has.
    found: Vec<EndedBuild>,
    /// When to carry over what waits, in monotonic time.
    append_at: Option<Duration>,
    is_appending: bool,
    /// Whether something of a failed attempt may be behind the end of the file.
    is_unclean: bool,
    /// Whether the file says that it has everything, although it does not.
    is_belied: bool,
    survey: Stage,
}

/// How far the look at all stored results is.
#[derive(Debug)]
enum Stage {
    /// The file has everything.
    Whole,
    /// It is to begin.
    Wanted,
    /// A thread is at it; whether it has to be done once more.
    UnderWay { again: bool },
    /// The thread waits until what it found is in the file.
    Paused { rest: Survey, again: bool },
    /// All is found; the file is to say so.
    Over,
}

impl<F: Files> History<F> {
    /// Goes on from what is in the file and in the log.
    pub(super) fn new(opened: Opened<F>, state: &State) -> History<F> {
        let Opened { file, index, is_whole, says_whole } = opened;
        History { is_belied: says_whole && !is_whole, ..History::begin(Some(file), index, is_whole, state) }
    }

    /// Goes on from what is in the log, as the file cannot be opened.
    pub(super) fn without_file(now: Duration, state: &State) -> History<F> {
        let history = History::begin(None, Index::default(), false, state);
        History { open_at: now.saturating_add(RETRY_TIME), ..history }
    }

    fn begin(file: Option<HistoryFile<F>>, index: Index, is_whole: bool, state: &State) -> History<F> {
        let mut history = History {
            index,
            file,
            open_at: Duration::ZERO,
            waiting: BTreeSet::new(),
            removals: BTreeMap::new(),
            found: Vec::new(),
            append_at: None,
            is_appending: false,
            is_unclean: false,
            is_belied: false,
            survey: if is_whole { Stage::Whole } else { Stage::Wanted },
        };
        let finished = state.ended_builds().filter(|ended| state.awaits_history(ended.uuid()));
        for ended in finished {
            history.index.insert(&ended.build, Place::Memory);
            history.waiting.insert(ended.uuid());
        }
        for (uuid, at) in state.removed_results() {
            history.index.set_removed(uuid, at);
            history.removals.insert(uuid, at);
        }
        if history.has_waiting() {
            history.append_at = Some(Duration::ZERO);
        }
        history
    }

    /// All builds; none while those of the file are not known.
    pub(super) fn uuids(&self) -> Option<impl Iterator<Item = Uuid> + '_> {
        self.file.as_ref().map(|_| self.index.uuids())
    }

    /// Takes in a build whose end is durable in the log. One about which the log says nothing ended under an earlier version.
    pub(super) fn remember(&mut self, now: Duration, uuid: Uuid, ended: Option<&EndedBuild>) {
        let Some(ended) = ended else { return self.look_again(now) };
        self.index.insert(&ended.build, Place::Memory);
        self.waiting.insert(uuid);
        self.append_at.get_or_insert(now.saturating_add(WRITE_BACK_TIME));
    }

    pub(super) fn remember_removal(&mut self, now: Duration, uuid: Uuid, at: Time) {
        self.index.set_removed(uuid, at);
        self.removals.insert(uuid, at);
        self.append_at.get_or_insert(now.saturating_add(WRITE_BACK_TIME));
    }

    fn look_again(&mut self, now: Duration) {
        // The file is to say so soon, even if nothing else is appended: the log takes the build for finished, and a start that
        // trusts the file would not look for it.
        self.is_belied = true;
        self.append_at.get_or_insert(now);
        match &mut self.survey {
            Stage::UnderWay { again } | Stage::Paused { again, .. } => *again = true,
            Stage::Whole | Stage::Wanted | Stage::Over => self.survey = Stage::Wanted,
        }
    }

    /// When [`History::next_task`] has something to do, in monotonic time.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        match self.file {
            Some(_) => self.append_at.filter(|_| !self.is_appending),
            None => Some(self.open_at),
        }
    }

    /// Whether to try again to open the file.
    pub(super) fn wants_file(&self, now: Duration) -> bool {
        self.file.is_none() && self.open_at <= now
    }

    /// Another attempt to open the file has failed.
    pub(super) fn not_opened(&mut self, now: Duration) {
        self.open_at = now.saturating_add(RETRY_TIME);
    }

    /// The file is open at last, and this is what it and the log say.
    pub(super) fn opened(&mut self, now: Duration, history: History<F>) {
        let looks_again = self.is_belied;
        *self = history;
        if looks_again {
            self.look_again(now);
        }
    }

    /// Whether nothing is under way, and nothing waits.
    pub(super) fn is_at_rest(&self) -> bool {
        self.file.is_some()
            && !self.is_appending
            && !self.has_waiting()
            && matches!(self.survey, Stage::Whole)
    }

    fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.removals.is_empty() || !self.found.is_empty()
    }

    /// What a thread is to do now.
    pub(super) fn next_task(&mut self, now: Duration, state: &State) -> Option<Task<F>> {
        let file = self.file.clone()?;
        if matches!(self.survey, Stage::Wanted) {
            self.survey = Stage::UnderWay { again: false };
            return Some(Task::survey(Survey::new(self.index.uuids().collect())));
        }
        if self.is_appending {
            return None;
        }
        if self.found.is_empty()
            && let Stage::Paused { .. } = self.survey
            && let Stage::Paused { rest, again } = core::mem::replace(&mut self.survey, Stage::Whole)
        {
            self.survey = Stage::UnderWay { again };
            return Some(Task::survey(rest));
        }
        let is_due = self.append_at.is_some_and(|at| at <= now);
        if !is_due {
            return None;
        }
        self.append_at = None;
        match self.append(&file, state) {
            Ok(appending) => {
                self.is_appending = true;
                Some(Task::append(file.file, appending))
            }
            Err(error) => {
                self.delay(now, &error);
                None
            }
        }
    }

    /// Puts together what is to be appended.
    fn append(&self, file: &HistoryFile<F>, state: &State) -> io::Result<Appending> {
        let mut append = Append::new(file.position, file.end);
        // What follows makes the file longer, so that its length does not show any more that something is missing.
        if self.is_belied {
            append.entry(&Entry::IsWhole(false))?;
        }
        let mut uuids = BTreeSet::new();
        let has_room = |append: &Append, count: usize| {
            append.bytes.len() < BYTES_PER_APPEND && count < ENTRIES_PER_APPEND
        };
        for uuid in &self.waiting {
            if !has_room(&append, uuids.len()) {
                break;
            }
            // The file may have it already, if a crash came before the log said so.
            let is_new = self.index.get(*uuid).is_some_and(|listed| listed.place == Place::Memory);
            if let (true, Some(ended)) = (is_new, state.ended_build(*uuid)) {
                append.build(ended)?;
            }
            uuids.insert(*uuid);
        }
        let mut gone = BTreeSet::new();
        for (uuid, at) in &self.removals {
            // The log speaks of both at once, and must not forget one of them.
            if self.waiting.contains(uuid) && !uuids.contains(uuid) || !has_room(&append, gone.len()) {
                continue;
            }
            append.entry(&Entry::Gone(Gone { uuid: RawUuid(*uuid), at: *at }))?;
            gone.insert(*uuid);
        }
        let found = self.found.len();
        for ended in &self.found {
            append.build(ended)?;
        }
        let says_whole = matches!(self.survey, Stage::Over);
        if says_whole {
            append.entry(&Entry::IsWhole(true))?;
        }
        let belies = self.is_belied;
        Ok(Appending { append, cuts: self.is_unclean, uuids, gone, found, belies, says_whole })
    }

    /// Takes note of what was appended, durably. Gives the builds that the log may forget about, and the length of the file.
    pub(super) fn appended(
        &mut self,
        now: Duration,
        appending: Appending,
        outcome: io::Result<()>,
    ) -> Option<(Vec<Uuid>, u64)> {
        self.is_appending = false;
        self.is_unclean = outcome.is_err();
        if let Err(error) = outcome {
            self.delay(now, &error);
            return None;
        }
        let Appending { append, uuids, gone, found, belies, says_whole, .. } = appending;
        self.is_belied &= !belies;
        if let Some(file) = &mut self.file {
            (file.position, file.end) = (append.position, append.end());
        }
        for (uuid, place) in &append.places {
            self.index.set_place(*uuid, Place::File(*place));
        }
        for uuid in &uuids {
            self.waiting.remove(uuid);
        }
        for uuid in &gone {
            self.removals.remove(uuid);
        }
        self.found.drain(..found.min(self.found.len()));
        if says_whole && matches!(self.survey, Stage::Over) {
            self.survey = Stage::Whole;
        }
        if self.has_waiting() {
            self.append_at.get_or_insert(now);
        }
        // Of a build of which only one of the two is in the file, the log goes on to hold both.
        let forgotten: BTreeSet<Uuid> = uuids.union(&gone).copied().collect();
        let is_done = |uuid: &Uuid| !self.waiting.contains(uuid) && !self.removals.contains_key(uuid);
        let forgotten: Vec<Uuid> = forgotten.into_iter().filter(is_done).collect();
        // What a survey found is missed only if the log knows how long the file is with it.
        (says_whole || !forgotten.is_empty()).then_some((forgotten, append.end()))
    }

    fn delay(&mut self, now: Duration, error: &io::Error) {
        let pause = RETRY_TIME.as_secs();
        ::log::error!(
            "cannot write to the history: {error}; it is safe in the log; next attempt in {pause} seconds"
        );
        self.append_at = Some(now.saturating_add(RETRY_TIME));
    }

    /// Takes in what a look at stored results has found. Builds that are under way are not meant.
    pub(super) fn surveyed(
        &mut self,
        now: Duration,
        found: Vec<EndedBuild>,
        rest: Option<Survey>,
        state: &State,
    ) {
        for ended in found {
            let uuid = ended.uuid();
            let is_known = state.name_of_build(uuid).is_some() || state.ended_build(uuid).is_some();
            if !is_known && self.index.insert(&ended.build, Place::Memory) {
                // It may have been removed since it was looked at.
                if let Some(at) = self.removals.get(&uuid) {
                    self.index.set_removed(uuid, *at);
                }
                self.found.push(ended);
            }
        }
        let again = matches!(self.survey, Stage::UnderWay { again: true });
        self.survey = match rest {
            Some(rest) => Stage::Paused { rest, again },
            None if again => Stage::Wanted,
            None => Stage::Over,
        };
        if self.has_waiting() || matches!(self.survey, Stage::Over) {
            self.append_at = Some(now);
        }
    }

    /// A look at stored results came to nothing; it begins again with the next start.
    pub(super) fn not_surveyed(&mut self, error: &io::Error) {
        ::log::error!(
            "cannot look for builds in the stored results: {error}; the next start of the server tries again"
        );
        self.survey = Stage::Whole;
    }

    /// Where each build is.
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// The job of a build that has ended.
    pub(super) fn job(&self, uuid: Uuid) -> Option<&Text> {
        self.index.job(uuid)
    }

    /// How many builds there are, how much waits to be in the file, and how many bytes that has.
    pub(super) fn figures(&self) -> (usize, usize, u64) {
        let waiting = self.waiting.len() + self.removals.len() + self.found.len();
        (self.index.len(), waiting, self.file.as_ref().map_or(0, |file| file.end))
    }

    /// Whether the build of the same job on the same platform before this one failed; none when there is none.
    pub(super) fn previous_failed(&self, build: &Build) -> Option<bool> {
        self.index.previous_failed(build)
    }

    /// Where a thread reads builds.
    pub(super) fn file(&self) -> Option<&HistoryFile<F>> {
        self.file.as_ref()
    }
}
