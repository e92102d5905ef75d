//! What waits for the disk is left to threads: as tasks that take one step at a time.

use super::fetching::Fetching;
use super::files::{DirectoryName, FileName, Files, find_result, sync_names, write_all};
use super::release::{BatchNumber, WriteOrder};
use super::result_files::{Directory, FileOperation, Progress, ResultWork, WorkError};
use super::staged::{self, LargeResult};
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
    Find { connection: ConnectionId, uuid: Uuid },
    /// Read the next artifacts for a client.
    Fetch { connection: ConnectionId, fetching: Option<Box<Fetching<F>>> },
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
}

impl TaskKind {
    /// All kinds.
    pub const ALL: [TaskKind; 4] = [TaskKind::Store, TaskKind::Write, TaskKind::Find, TaskKind::Fetch];

    /// How many threads do tasks of this kind: for large results enough that one of them does not hold up a small task; for
    /// small ones two, as file systems take as long for a new directory as for a commit.
    pub const fn threads(self) -> usize {
        match self {
            TaskKind::Store => 3,
            TaskKind::Write | TaskKind::Fetch => 2,
            TaskKind::Find => 1,
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

    pub(crate) fn find(connection: ConnectionId, uuid: Uuid) -> Self {
        Task(Work::Find { connection, uuid })
    }

    pub(crate) fn fetch(connection: ConnectionId, fetching: Box<Fetching<F>>) -> Self {
        Task(Work::Fetch { connection, fetching: Some(fetching) })
    }

    /// Which threads it is for.
    pub fn kind(&self) -> TaskKind {
        match &self.0 {
            Work::Store { .. } | Work::Sync { .. } | Work::Remove { .. } | Work::Close { .. } => {
                TaskKind::Store
            }
            Work::Write { .. } => TaskKind::Write,
            Work::Find { .. } => TaskKind::Find,
            Work::Fetch { .. } => TaskKind::Fetch,
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
            Work::Find { connection, uuid } => {
                Some(Done::Found { connection: *connection, uuid: *uuid, job: find_result(files, *uuid) })
            }
            Work::Fetch { connection, fetching } => {
                let has_piece = fetching.as_mut()?.step(files);
                let fetching = fetching.take_if(|_| has_piece)?;
                Some(Done::Fetched { connection: *connection, fetching })
            }
        }
    }
}

/// Work on the files of one result, and what came of its last operation.
#[derive(Debug)]
struct Steps<F: Files> {
    work: ResultWork,
    outcome: io::Result<()>,
    has_begun: bool,
    operations: Operations<F>,
}

impl<F: Files> Steps<F> {
    fn new(work: ResultWork) -> Self {
        Steps { work, outcome: Ok(()), has_begun: false, operations: Operations { directories: None } }
    }

    fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Carries out one operation. Gives what came of all, after the last.
    fn step(
        &mut self,
        files: &F,
        build: (&Text, Uuid),
        source: &Source<'_, F>,
    ) -> Option<Result<(), WorkError>> {
        self.has_begun = true;
        match self.work.next(core::mem::replace(&mut self.outcome, Ok(()))) {
            Progress::Next(operation) => {
                self.outcome = self.operations.perform(files, build, source, operation);
                None
            }
            Progress::Done(outcome) => Some(outcome),
        }
    }
}

/// Writes a result that the log holds, at once. It is made durable later, with others.
pub(crate) fn write_now<F: Files>(files: &F, result: &PendingResult) -> io::Result<()> {
    run(files, ResultWork::write(), &result.name, result.uuid, &Source::Small(&result.contents.0))
}

/// Makes a result that is in place durable, with all names that lead to it, at once.
///
/// # Errors
///
/// What the disk says; what is durable is then unknown.
pub fn sync_result<F: Files>(files: &F, job: &Text, uuid: Uuid) -> io::Result<()> {
    run(files, ResultWork::sync(), job, uuid, &Source::InPlace)
}

/// Makes results durable, at once.
pub(crate) fn sync_now<F: Files>(files: &F, builds: Vec<BuildOfJob>) -> io::Result<()> {
    match Task::sync(builds).run(files) {
        Some(Outcome(Done::Synced(outcome))) => outcome,
        _ => Ok(()),
    }
}

fn run<F: Files>(
    files: &F,
    work: ResultWork,
    job: &Text,
    uuid: Uuid,
    source: &Source<'_, F>,
) -> io::Result<()> {
    let mut operations = Operations { directories: None };
    work.run(|operation| operations.perform(files, (job, uuid), source, operation))
        .map_err(WorkError::into_inner)
}

/// Where the contents of a result come from.
enum Source<'a, F: Files> {
    /// They are all here.
    Small(&'a [u8]),
    /// Some are in the staged file.
    Large(&'a LargeResult<F>),
    /// They are where they are to be.
    InPlace,
}

/// Carries out operations on the files of one result.
#[derive(Debug)]
struct Operations<F: Files> {
    /// Those of build, job and root, once they are to be open.
    directories: Option<[OpenDirectory<F>; 3]>,
}

/// A directory that is kept open for its sync.
struct OpenDirectory<F: Files>(F::Directory);

impl<F: Files> core::fmt::Debug for OpenDirectory<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OpenDirectory")
    }
}

impl<F: Files> Operations<F> {
    fn perform(
        &mut self,
        files: &F,
        (job, uuid): (&Text, Uuid),
        source: &Source<'_, F>,
        operation: FileOperation,
    ) -> io::Result<()> {
        let (staged, placed) = (FileName::Staged(uuid), FileName::Result { job, uuid });
        let name = |directory| match directory {
            Directory::Build => DirectoryName::Build(job, uuid),
            Directory::Job => DirectoryName::Job(job),
            Directory::Root => DirectoryName::Root,
        };
        match operation {
            FileOperation::Complete => match source {
                Source::Small(contents) => write_all(files, &staged::create(files, uuid)?, 0, contents),
                Source::Large(large) => large.complete(files),
                Source::InPlace => Ok(()),
            },
            FileOperation::SetLength => match source {
                Source::Large(large) => files.set_length(large.file(), large.total_length()),
                Source::Small(_) | Source::InPlace => Ok(()),
            },
            FileOperation::SyncStaged => match source {
                Source::Large(large) => files.sync(large.file()),
                Source::Small(_) | Source::InPlace => files.sync(&files.open(staged)?),
            },
            FileOperation::MakeDirectory(directory) => files.make_directory(name(directory)),
            FileOperation::OpenDirectories => {
                let open = |directory| files.open_directory(name(directory)).map(OpenDirectory);
                let directories = [open(Directory::Build)?, open(Directory::Job)?, open(Directory::Root)?];
                self.directories = Some(directories);
                Ok(())
            }
            FileOperation::PutInPlace => files.rename(staged, placed),
            FileOperation::SyncPlaced => files.sync(&files.open(placed)?),
            FileOperation::SyncDirectory(directory) => match &self.directories {
                None => sync_names(files, name(directory)),
                Some([build, job, root]) => files.sync_directory(match directory {
                    Directory::Build => &build.0,
                    Directory::Job => &job.0,
                    Directory::Root => &root.0,
                }),
            },
            FileOperation::RemovePlaced => files.remove(placed),
            FileOperation::RemoveDirectory => files.remove_directory(name(Directory::Build)),
        }
    }
}
