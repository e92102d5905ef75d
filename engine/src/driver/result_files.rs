//! What is done to the files of results, one operation at a time, so that a crash between any two can be tried.
//!
//! ```text
//! let mut work = ResultWork::store();
//! let outcome = work.run(|operation| /* do it */);
//! ```
//!
//! A result is written under another name, in the staging directory, and then renamed to `JOB/UUID/full`, below directories
//! that may have to be made. Names are durable only once their directories are synced, and all three of them lead to it.

use core::fmt;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};

/// One thing to do about a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileOperation {
    /// Write all that is not written yet to the staged file. One that is in the way is replaced.
    Complete,
    /// Set the length of the staged file to what it is to have, even if it has it. It was not written from front to back, and
    /// ZFS may then pad a file after a crash with zeros, unless its length is set after the last write.
    SetLength,
    /// Make contents and length of the staged file durable.
    SyncStaged,
    /// Make a directory.
    MakeDirectory(Directory),
    /// Make sure that syncing the directories will not fail for want of descriptors: what is in place must not be taken for
    /// failed because of that.
    OpenDirectories,
    /// Give the staged file its place; a result that is there is replaced.
    PutInPlace,
    /// Make contents and length of the result in its place durable.
    SyncPlaced,
    /// Make the names in a directory durable.
    SyncDirectory(Directory),
    /// Remove the result from its place.
    RemovePlaced,
    /// Remove the directory of the build, if it is empty.
    RemoveDirectory,
}

/// A directory on the way to a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Directory {
    /// That of the build: `JOB/UUID`.
    Build,
    /// That of all builds of the job: `JOB`.
    Job,
    /// That of all jobs.
    Root,
}

/// Why work ended early.
#[derive(Debug)]
pub(crate) enum WorkError {
    /// The result is not in its place. What is left of it in the staging directory is to be removed.
    Failed(io::Error),
    /// Nobody knows whether the result will be in its place after a crash. It must not be taken for stored, nor give way to
    /// another one, as the next start may find it: end the program.
    Unknown(io::Error),
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Progress {
    /// This is to be done.
    Next(FileOperation),
    /// Nothing, as all is done or something failed.
    Done(Result<(), WorkError>),
}

/// A sequence of operations on the files of one result.
#[derive(Clone, Debug)]
pub(crate) struct ResultWork {
    rest: VecDeque<FileOperation>,
    last: Option<FileOperation>,
    /// Whether what failed so far leaves no doubt about what is in place.
    is_certain: bool,
    /// Whether it is no failure that the result is gone.
    may_be_gone: bool,
    has_made_job: bool,
}

const SYNC_DIRECTORIES: [FileOperation; 3] = [
    FileOperation::SyncDirectory(Directory::Build),
    FileOperation::SyncDirectory(Directory::Job),
    FileOperation::SyncDirectory(Directory::Root),
];

impl ResultWork {
    /// Completes a staged result, makes it durable and puts it in place, durably.
    pub(crate) fn store() -> ResultWork {
        let before = [
            FileOperation::Complete,
            FileOperation::SetLength,
            FileOperation::SyncStaged,
            FileOperation::MakeDirectory(Directory::Build),
            FileOperation::OpenDirectories,
            FileOperation::PutInPlace,
        ];
        ResultWork::new(before.into_iter().chain(SYNC_DIRECTORIES))
    }

    /// Writes a result that the log holds, and puts it in place. It is made durable later, with others.
    pub(crate) fn write() -> ResultWork {
        ResultWork::new([
            FileOperation::Complete,
            FileOperation::MakeDirectory(Directory::Build),
            FileOperation::PutInPlace,
        ])
    }

    /// Makes a result that is in place durable, with all names that lead to it.
    pub(crate) fn sync() -> ResultWork {
        let work = ResultWork::new([FileOperation::SyncPlaced].into_iter().chain(SYNC_DIRECTORIES));
        ResultWork { is_certain: false, ..work }
    }

    /// The same for one that somebody may have removed: then nothing is left to be made durable.
    pub(crate) fn sync_if_there() -> ResultWork {
        ResultWork { may_be_gone: true, ..ResultWork::sync() }
    }

    /// Removes a result, durably, and its directory. What others have put beside it stays.
    pub(crate) fn remove() -> ResultWork {
        let work = ResultWork::new([
            FileOperation::RemovePlaced,
            FileOperation::RemoveDirectory,
            FileOperation::SyncDirectory(Directory::Job),
        ]);
        ResultWork { may_be_gone: true, ..work }
    }

    fn new(operations: impl IntoIterator<Item = FileOperation>) -> ResultWork {
        ResultWork {
            rest: operations.into_iter().collect(),
            last: None,
            is_certain: true,
            may_be_gone: false,
            has_made_job: false,
        }
    }

    /// Takes what came of the operation given last, or success when there was none, and gives the next one.
    pub(crate) fn next(&mut self, outcome: io::Result<()>) -> Progress {
        if let Some(last) = self.last.take() {
            match outcome {
                Ok(()) => self.succeeded(last),
                Err(error) if self.goes_on(last, error.kind()) => {}
                Err(error) if self.is_certain => return Progress::Done(Err(WorkError::Failed(error))),
                Err(error) => return Progress::Done(Err(WorkError::Unknown(error))),
            }
        }
        match self.rest.pop_front() {
            Some(operation) => Progress::Next(*self.last.insert(operation)),
            None => Progress::Done(Ok(())),
        }
    }

    /// Does all of it, one operation after the other.
    ///
    /// # Errors
    ///
    /// See [`WorkError`].
    pub(crate) fn run(
        mut self,
        mut perform: impl FnMut(FileOperation) -> io::Result<()>,
    ) -> Result<(), WorkError> {
        let mut outcome = Ok(());
        loop {
            match self.next(outcome) {
                Progress::Next(operation) => outcome = perform(operation),
                Progress::Done(outcome) => return outcome,
            }
        }
    }

    fn succeeded(&mut self, last: FileOperation) {
        // What is to be synced together with others is certain all the same: the log holds it.
        if last == FileOperation::PutInPlace && !self.rest.is_empty() {
            self.is_certain = false;
        }
    }

    /// Whether the work goes on after a failure, and with what.
    fn goes_on(&mut self, last: FileOperation, error: ErrorKind) -> bool {
        match (last, error) {
            (FileOperation::MakeDirectory(_), ErrorKind::AlreadyExists) => true,
            (FileOperation::MakeDirectory(Directory::Build), ErrorKind::NotFound) if !self.has_made_job => {
                self.has_made_job = true;
                self.rest.push_front(FileOperation::MakeDirectory(Directory::Build));
                self.rest.push_front(FileOperation::MakeDirectory(Directory::Job));
                true
            }
            (FileOperation::RemoveDirectory, ErrorKind::DirectoryNotEmpty) => {
                self.rest = [FileOperation::SyncDirectory(Directory::Build)].into();
                true
            }
            (FileOperation::SyncPlaced, ErrorKind::NotFound) if self.may_be_gone => {
                self.rest.clear();
                true
            }
            (
                FileOperation::RemovePlaced
                | FileOperation::RemoveDirectory
                | FileOperation::SyncDirectory(_),
                ErrorKind::NotFound,
            ) => self.may_be_gone,
            _ => false,
        }
    }
}

impl WorkError {
    /// The error, for those who treat both alike.
    pub(crate) fn into_inner(self) -> io::Error {
        match self {
            WorkError::Failed(error) | WorkError::Unknown(error) => error,
        }
    }
}

impl fmt::Display for WorkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkError::Failed(error) => error.fmt(f),
            WorkError::Unknown(error) => write!(f, "{error}; what is on the disk is unknown"),
        }
    }
}

impl core::error::Error for WorkError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            WorkError::Failed(error) | WorkError::Unknown(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FileOperation::{
        Complete, MakeDirectory, OpenDirectories, PutInPlace, RemoveDirectory, RemovePlaced, SetLength,
        SyncDirectory, SyncPlaced, SyncStaged,
    };

    type Failures = &'static [(FileOperation, ErrorKind)];

    /// Lets operations fail, each in turn when it comes. Gives all that was done.
    fn run(work: ResultWork, failures: Failures) -> (Vec<FileOperation>, Result<(), WorkError>) {
        let (mut done, mut failures) = (Vec::new(), failures.iter());
        let mut failure = failures.next();
        let outcome = work.run(|operation| {
            done.push(operation);
            match failure {
                Some((fails, kind)) if *fails == operation => {
                    failure = failures.next();
                    Err((*kind).into())
                }
                _ => Ok(()),
            }
        });
        assert!(failure.is_none(), "{failure:?} was not tried");
        (done, outcome)
    }

    fn done(work: ResultWork, failures: Failures) -> Vec<FileOperation> {
        let (done, outcome) = run(work, failures);
        outcome.unwrap();
        done
    }

    #[test]
    fn a_large_result_is_durable_before_it_is_in_place_and_its_names_after() {
        assert_eq!(
            done(ResultWork::store(), &[]),
            [
                Complete,
                SetLength,
                SyncStaged,
                MakeDirectory(Directory::Build),
                OpenDirectories,
                PutInPlace,
                SyncDirectory(Directory::Build),
                SyncDirectory(Directory::Job),
                SyncDirectory(Directory::Root)
            ]
        );
    }

    #[test]
    fn what_fails_before_a_result_is_in_place_is_certain_and_afterwards_nothing_is() {
        let operations = done(ResultWork::store(), &[]);
        let place = operations.iter().position(|operation| *operation == PutInPlace).unwrap();
        for (index, operation) in operations.iter().enumerate() {
            let failures: Failures = Box::leak(Box::new([(*operation, ErrorKind::Other)]));
            let (done, outcome) = run(ResultWork::store(), failures);
            assert_eq!(done, operations[..=index], "nothing comes after a failure");
            match outcome.unwrap_err() {
                WorkError::Failed(_) => assert!(index <= place, "{operation:?}"),
                WorkError::Unknown(_) => assert!(index > place, "{operation:?}"),
            }
        }
    }

    #[test]
    fn directories_are_made_where_they_are_missing() {
        const BUILD: FileOperation = MakeDirectory(Directory::Build);
        const JOB: FileOperation = MakeDirectory(Directory::Job);
        let write = |failures| done(ResultWork::write(), failures);
        assert_eq!(write(&[]), [Complete, BUILD, PutInPlace]);
        assert_eq!(write(&[(BUILD, ErrorKind::AlreadyExists)]), [Complete, BUILD, PutInPlace]);
        let both = [Complete, BUILD, JOB, BUILD, PutInPlace];
        assert_eq!(write(&[(BUILD, ErrorKind::NotFound)]), both);
        assert_eq!(write(&[(BUILD, ErrorKind::NotFound), (JOB, ErrorKind::AlreadyExists)]), both);
        let twice: Failures = &[(BUILD, ErrorKind::NotFound), (BUILD, ErrorKind::NotFound)];
        assert!(matches!(run(ResultWork::write(), twice).1, Err(WorkError::Failed(_))), "and not for ever");
    }

    #[test]
    fn a_small_result_that_cannot_be_written_is_still_in_the_log() {
        let failures: Failures = &[(PutInPlace, ErrorKind::StorageFull)];
        assert!(matches!(run(ResultWork::write(), failures).1, Err(WorkError::Failed(_))));
    }

    #[test]
    fn a_result_that_is_to_be_synced_may_be_gone_if_it_is_allowed_to() {
        assert_eq!(done(ResultWork::sync(), &[]).len(), 4);
        let gone: Failures = &[(SyncPlaced, ErrorKind::NotFound)];
        assert_eq!(done(ResultWork::sync_if_there(), gone), [SyncPlaced]);
        assert!(matches!(run(ResultWork::sync(), gone).1, Err(WorkError::Unknown(_))));
        let failed: Failures = &[(SyncPlaced, ErrorKind::Other)];
        assert!(matches!(run(ResultWork::sync_if_there(), failed).1, Err(WorkError::Unknown(_))));
    }

    #[test]
    fn what_is_removed_already_is_no_failure_and_what_others_left_stays() {
        let remove = |failures| done(ResultWork::remove(), failures);
        let all = [RemovePlaced, RemoveDirectory, SyncDirectory(Directory::Job)];
        assert_eq!(remove(&[]), all);
        assert_eq!(
            remove(&[
                (RemovePlaced, ErrorKind::NotFound),
                (RemoveDirectory, ErrorKind::NotFound),
                (SyncDirectory(Directory::Job), ErrorKind::NotFound)
            ]),
            all
        );
        assert_eq!(
            remove(&[(RemoveDirectory, ErrorKind::DirectoryNotEmpty)]),
            [RemovePlaced, RemoveDirectory, SyncDirectory(Directory::Build)]
        );
        let failed: Failures = &[(RemovePlaced, ErrorKind::PermissionDenied)];
        assert!(matches!(run(ResultWork::remove(), failed).1, Err(WorkError::Failed(_))));
    }
}
