//! What waits for the disk is left to threads: as tasks that take one step at a time.

use super::digest::{Digested, Digesting};
use super::fetching::Fetching;
use super::files::{Files, StoredResult, find_result};
use super::history_file::HistoryFile;
use super::history_tasks::{AppendStep, Appending, Item, Recall, Survey, describe, read_listed};
use super::metrics_file::Page;
use super::release::{BatchNumber, WriteOrder};
use super::result_files::{ResultWork, WorkError};
use super::result_steps::{Source, Steps};
use super::staged::{self, LargeResult};
use crate::history::EndedBuild;
use crate::metrics::Figures;
use crate::server::record::Contents;
use crate::server::{BuildOfJob, ConnectionId, PendingResult};
use builder_proto::Uuid;
use builder_proto::text::Text;
use std::io;

/// Something for a thread to do.
#[derive(Debug)]
pub struct Task<F: Files>(Work<F>);

#[derive(Debug)]
enum Work<F: Files> {
    /// Complete a large result, make it durable and put it in place.
    Store { result: LargeResult<F>, steps: Steps<F> },
    /// Write small results to their files, which others wait for.
    Write {
        results: Vec<PendingResult>,
        batch: Option<BatchNumber>,
        outcomes: WriteOutcomes,
        steps: Steps<F>,
    },
    /// Make small results durable.
    Sync { builds: Vec<BuildOfJob>, steps: Steps<F> },
    /// Remove a result that is uploaded.
    Remove { build: BuildOfJob, steps: Steps<F> },
    /// Close a file that has no name any more: only that frees its space, and it takes a quarter of a second for a gigabyte.
    Close { file: Option<F::File> },
    /// Look for the stored result of a build whose job is not known.
    Find { connection: ConnectionId, uuid: Uuid, likely: Option<Text> },
    /// Read the next artifacts for a client.
    Fetch { connection: ConnectionId, fetching: Option<Box<Fetching<F>>> },
    /// Look at artifacts.
    Digest(Digesting<F>),
    /// Append to the file of the history.
    Append { file: F::File, appending: Option<Appending>, step: AppendStep },
    /// Look for builds that the history does not have.
    Survey(Option<Survey>),
    /// Read builds for a client.
    List { connection: ConnectionId, file: Option<HistoryFile<F>>, items: Vec<Item> },
    /// Put together what is known of a build for a client; the log may still hold its result.
    Describe { connection: ConnectionId, recall: Recall<F>, held: Option<Contents> },
    /// Write the file of metrics.
    Report(Box<Page<F>>),
}

type WriteOutcomes = Vec<(Uuid, io::Result<()>)>;

/// Which threads do a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskKind {
    /// Whatever waits for the disk.
    Store,
    /// Small results are written: answers to everybody wait for that, so their threads do nothing else.
    Write,
    /// Results are looked for: any number of clients may ask for any uuid.
    Find,
    /// Artifacts are read, by which no build is held up.
    Fetch,
    /// Artifacts are looked at while they arrive, which takes a processor and hardly any disk.
    Digest,
    /// All stored results are looked at, which may take hours.
    Survey,
    /// Metrics are written, perhaps to another disk, which may be slow, or gone.
    Report,
}

/// How it goes on with a task.
#[derive(Debug)]
pub enum Step<F: Files> {
    /// There is more to do.
    Again,
    /// All is done. An outcome is to be told with [`Event::TaskDone`](super::Event::TaskDone).
    Done(Option<Outcome<F>>),
}

/// What came of a task.
#[derive(Debug)]
pub struct Outcome<F: Files>(pub(crate) Done<F>);

#[derive(Debug)]
pub(crate) enum Done<F: Files> {
    Written {
        batch: Option<BatchNumber>,
        outcomes: WriteOutcomes,
    },
    Stored {
        uuid: Uuid,
        outcome: io::Result<()>,
    },
    /// About all results that are in their places: they are durable, or what of them is durable is unknown.
    Synced(io::Result<()>),
    Removed {
        build: BuildOfJob,
        outcome: io::Result<()>,
    },
    /// The name of the job that has the result, if one has.
    Found {
        connection: ConnectionId,
        uuid: Uuid,
        job: io::Result<Option<Text>>,
    },
    /// There is a piece for a client, or there are no more.
    Fetched {
        connection: ConnectionId,
        fetching: Box<Fetching<F>>,
    },
    /// Some of a result was looked at, or could not be: which build's, the number of the result, and why.
    Digested(Result<Digested, (Uuid, u64, io::Error)>),
    Appended {
        appending: Appending,
        outcome: io::Result<()>,
    },
    /// Builds that a survey has found, and what is left to be looked at.
    Surveyed {
        found: Vec<EndedBuild>,
        outcome: io::Result<Option<Survey>>,
    },
    /// Whole messages for a client.
    Read {
        connection: ConnectionId,
        messages: io::Result<Vec<u8>>,
    },
    /// Metrics are in their file.
    Reported(io::Result<()>),
}

impl TaskKind {
    /// All kinds.
    pub const ALL: [TaskKind; 7] = [
        TaskKind::Store,
        TaskKind::Write,
        TaskKind::Find,
        TaskKind::Fetch,
        TaskKind::Digest,
        TaskKind::Survey,
        TaskKind::Report,
    ];

    /// How many threads do tasks of this kind: for large results enough that one of them does not hold up a small task; for
    /// small ones two, as file systems take as long for a new directory as for a commit.
    pub const fn threads(self) -> usize {
        match self {
            TaskKind::Store => 3,
            TaskKind::Write | TaskKind::Fetch | TaskKind::Digest => 2,
            TaskKind::Find | TaskKind::Survey | TaskKind::Report => 1,
        }
    }
}

impl<F: Files> Task<F> {
    pub(crate) fn store(result: LargeResult<F>) -> Self {
        Task(Work::Store { result, steps: Steps::new(ResultWork::store()) })
    }

    pub(crate) fn write(order: WriteOrder) -> Self {
        Task::write_results(order.results, Some(order.batch))
    }

    /// Another attempt, which nothing waits for.
    pub(crate) fn write_again(results: Vec<PendingResult>) -> Self {
        Task::write_results(results, None)
    }

    fn write_results(results: Vec<PendingResult>, batch: Option<BatchNumber>) -> Self {
        let outcomes = Vec::with_capacity(results.len());
        Task(Work::Write { results, batch, outcomes, steps: Steps::new(ResultWork::write()) })
    }

    pub(crate) fn sync(builds: Vec<BuildOfJob>) -> Self {
        Task(Work::Sync { builds, steps: Steps::new(ResultWork::sync_if_there()) })
    }

    pub(crate) fn remove(build: BuildOfJob) -> Self {
        Task(Work::Remove { build, steps: Steps::new(ResultWork::remove()) })
    }

    pub(crate) fn close(file: F::File) -> Self {
        Task(Work::Close { file: Some(file) })
    }

    /// The result is `likely` that of this job.
    pub(crate) fn find(connection: ConnectionId, uuid: Uuid, likely: Option<Text>) -> Self {
        Task(Work::Find { connection, uuid, likely })
    }

    pub(crate) fn fetch(connection: ConnectionId, fetching: Box<Fetching<F>>) -> Self {
        Task(Work::Fetch { connection, fetching: Some(fetching) })
    }

    pub(crate) fn digest(digesting: Digesting<F>) -> Self {
        Task(Work::Digest(digesting))
    }

    pub(crate) fn append(file: F::File, appending: Appending) -> Self {
        Task(Work::Append { file, appending: Some(appending), step: AppendStep::default() })
    }

    pub(crate) fn survey(survey: Survey) -> Self {
        Task(Work::Survey(Some(survey)))
    }

    pub(crate) fn list(connection: ConnectionId, file: Option<HistoryFile<F>>, items: Vec<Item>) -> Self {
        Task(Work::List { connection, file, items })
    }

    pub(crate) fn describe(connection: ConnectionId, recall: Recall<F>, held: Option<Contents>) -> Self {
        Task(Work::Describe { connection, recall, held })
    }

    pub(crate) fn report(figures: Figures) -> Self {
        Task(Work::Report(Box::new(Page::new(figures))))
    }

    /// Which threads it is for.
    pub fn kind(&self) -> TaskKind {
        match &self.0 {
            Work::Store { .. }
            | Work::Sync { .. }
            | Work::Remove { .. }
            | Work::Close { .. }
            | Work::Append { .. } => TaskKind::Store,
            Work::Write { .. } => TaskKind::Write,
            Work::Fetch { .. } => TaskKind::Fetch,
            Work::Find { .. } | Work::List { .. } | Work::Describe { .. } => TaskKind::Find,
            Work::Digest(_) => TaskKind::Digest,
            Work::Survey(_) => TaskKind::Survey,
            Work::Report(_) => TaskKind::Report,
        }
    }

    /// Does all of it, one step after the other.
    pub fn run(mut self, files: &F) -> Option<Outcome<F>> {
        loop {
            if let Step::Done(outcome) = self.step(files) {
                return outcome;
            }
        }
    }

    /// Takes the next step: at most one operation on a result. Any two can have a crash between them.
    pub fn step(&mut self, files: &F) -> Step<F> {
        match self.0.step(files) {
            Some(done) => Step::Done(Some(Outcome(done))),
            None if matches!(self.0, Work::Close { .. }) => Step::Done(None),
            None => Step::Again,
        }
    }
}

impl<F: Files> Work<F> {
    fn step(&mut self, files: &F) -> Option<Done<F>> {
        match self {
            Work::Store { result, steps } => {
                let uuid = result.uuid();
                match steps.step(files, (result.job(), uuid), &Source::Large(result))? {
                    Ok(()) => Some(Done::Stored { uuid, outcome: Ok(()) }),
                    Err(WorkError::Unknown(error)) => Some(Done::Synced(Err(error))),
                    Err(WorkError::Failed(error)) => {
                        staged::abandon(files, uuid);
                        Some(Done::Stored { uuid, outcome: Err(error) })
                    }
                }
            }
            Work::Write { results, batch, outcomes, steps } => {
                if let Some(PendingResult { uuid, name, contents }) = results.get(outcomes.len()) {
                    let outcome = steps.step(files, (name, *uuid), &Source::Small(&contents.0))?;
                    outcomes.push((*uuid, outcome.map_err(WorkError::into_inner)));
                    *steps = Steps::new(ResultWork::write());
                }
                let is_done = outcomes.len() == results.len();
                is_done.then(|| Done::Written { batch: *batch, outcomes: core::mem::take(outcomes) })
            }
            Work::Sync { builds, steps } => {
                let Some((uuid, name)) = builds.last() else { return Some(Done::Synced(Ok(()))) };
                if !steps.has_begun()
                    && let Some(outcome) = files.sync_all()
                {
                    return Some(Done::Synced(outcome));
                }
                if let Err(error) = steps.step(files, (name, *uuid), &Source::InPlace)? {
                    return Some(Done::Synced(Err(error.into_inner())));
                }
                builds.pop();
                *steps = Steps::new(ResultWork::sync_if_there());
                None
            }
            Work::Remove { build, steps } => {
                let outcome = steps.step(files, (&build.1, build.0), &Source::InPlace)?;
                Some(Done::Removed { build: build.clone(), outcome: outcome.map_err(WorkError::into_inner) })
            }
            Work::Close { file } => {
                drop(file.take());
                None
            }
            Work::Find { connection, uuid, likely } => {
                let job = find_result(files, *uuid, likely.as_ref());
                Some(Done::Found { connection: *connection, uuid: *uuid, job })
            }
            Work::Fetch { connection, fetching } => {
                let has_piece = fetching.as_mut()?.step(files);
                let fetching = fetching.take_if(|_| has_piece)?;
                Some(Done::Fetched { connection: *connection, fetching })
            }
            Work::Digest(digesting) => digesting.step(files).map(Done::Digested),
            Work::Append { file, appending, step } => {
                let outcome = appending.as_ref()?.step(files, file, step)?;
                appending.take().map(|appending| Done::Appended { appending, outcome })
            }
            Work::Survey(survey) => {
                let outcome = survey.as_mut()?.step(files)?;
                let mut rest = survey.take()?;
                let found = rest.take_found();
                let outcome = outcome.map(|has_more| has_more.then_some(rest));
                Some(Done::Surveyed { found, outcome })
            }
            Work::List { connection, file, items } => Some(Done::Read {
                connection: *connection,
                messages: read_listed(files, file.as_ref(), items),
            }),
            Work::Describe { connection, recall, held } => {
                let held = held.take().map(StoredResult::Held);
                let messages = describe(files, recall, held.as_ref());
                Some(Done::Read { connection: *connection, messages })
            }
            Work::Report(page) => page.step(files).map(Done::Reported),
        }
    }
}

/// Makes results durable, at once.
pub(crate) fn sync_now<F: Files>(files: &F, builds: Vec<BuildOfJob>) -> io::Result<()> {
    match Task::sync(builds).run(files) {
        Some(Outcome(Done::Synced(outcome))) => outcome,
        _ => Ok(()),
    }
}
