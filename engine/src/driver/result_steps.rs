//! The operations on the files of one result, carried out.

use super::files::{DirectoryName, FileName, Files, sync_names, write_all};
use super::result_files::{Directory, FileOperation, Progress, ResultWork, WorkError};
use super::staged::{self, LargeResult};
use crate::server::PendingResult;
use builder_proto::Uuid;
use builder_proto::text::Text;
use std::io;

/// Work on the files of one result, and what came of its last operation.
#[derive(Debug)]
pub(super) struct Steps<F: Files> {
    work: ResultWork,
    outcome: io::Result<()>,
    has_begun: bool,
    operations: Operations<F>,
}

impl<F: Files> Steps<F> {
    pub(super) fn new(work: ResultWork) -> Self {
        Steps { work, outcome: Ok(()), has_begun: false, operations: Operations { directories: None } }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Carries out one operation. Gives what came of all, after the last.
    pub(super) fn step(
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
pub(super) enum Source<'a, F: Files> {
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
