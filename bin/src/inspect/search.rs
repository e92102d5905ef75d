//! Finding stored results: in files that are named, and in directories as the server makes them.
//!
//! A directory may be that of a build (`UUID`, with `full` in it), that of a job (with those of its builds in it), or the data
//! directory (with those of its jobs in it). Links are followed, as a job's directory may have been moved to another
//! disk; no loop can be endless two levels deep, and a result that is reached twice is found once.

use super::error::InspectError;
use crate::result_file::ResultFile;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::{ReadError, StoredSummary};
use builder_proto::time::Time;
use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A stored result, and what it takes to choose among several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it is.
    pub(super) path: PathBuf,
    /// When its build ended.
    pub(super) finished: Time,
    /// Whether its build did anything but exit with 0.
    pub(super) failed: bool,
}

/// What was found, and what could not be looked at.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Results that can be read, in no order.
    pub(super) found: Vec<Found>,
    /// What is wrong with the others, and with directories.
    pub(super) errors: Vec<InspectError>,
    /// How often a file was come upon.
    hits: usize,
    /// Device and number of each such file.
    seen: BTreeSet<(u64, u64)>,
}

/// The name of a result in the directory of its build.
const RESULT: &str = "full";
/// Directories between a data directory and its results: those of jobs, and those of builds.
const LEVELS: u8 = 2;

impl Search {
    /// Looks for results in these files and directories. Of each result, only a few kilobytes are read.
    pub(super) fn of(paths: &[PathBuf]) -> Search {
        let mut search = Search::default();
        for path in paths {
            let before = search.hits + search.errors.len();
            match fs::metadata(path) {
                Ok(metadata) if metadata.is_dir() => search.look_into(path, LEVELS),
                Ok(metadata) => search.look_at(path, &metadata),
                Err(error) => search.errors.push(InspectError::Open(path.clone(), error)),
            }
            if search.hits + search.errors.len() == before {
                search.errors.push(InspectError::Nothing(path.clone()));
            }
        }
        search
    }

    fn look_into(&mut self, directory: &Path, levels: u8) {
        let result = directory.join(RESULT);
        match fs::metadata(&result) {
            Ok(metadata) if metadata.is_file() => return self.look_at(&result, &metadata),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return self.errors.push(InspectError::Open(result, error));
            }
            // A job may be called so, too.
            Ok(_) | Err(_) if levels == 0 => return,
            Ok(_) | Err(_) => {}
        }
        if let Err(error) = self.look_below(directory, levels - 1)
            // It may go with its result while it is looked at.
            && error.kind() != io::ErrorKind::NotFound
        {
            self.errors.push(InspectError::Search(directory.to_owned(), error));
        }
    }

    fn look_below(&mut self, directory: &Path, levels: u8) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // Those of the server itself are hidden.
            let is_hidden = entry.file_name().as_bytes().starts_with(b".");
            let path = entry.path();
            if !is_hidden && path.is_dir() {
                self.look_into(&path, levels);
            }
        }
        Ok(())
    }

    fn look_at(&mut self, path: &Path, metadata: &Metadata) {
        self.hits += 1;
        if !self.seen.insert((metadata.dev(), metadata.ino())) {
            return;
        }
        match summarise(path) {
            Ok(StoredSummary { finished, result }) => {
                let failed = result != BuildResult::Exited(0);
                self.found.push(Found { path: path.to_owned(), finished, failed });
            }
            // A result that was uploaded is removed, perhaps at this moment.
            Err(InspectError::Open(_, error)) if error.kind() == io::ErrorKind::NotFound => self.hits -= 1,
            Err(error) => self.errors.push(error),
        }
    }
}

fn summarise(path: &Path) -> Result<StoredSummary, InspectError> {
    let file = ResultFile::open(path).map_err(|error| InspectError::Open(path.to_owned(), error))?;
    StoredSummary::open(&file, file.length())
        .map_err(|error: ReadError<io::Error>| InspectError::Result(path.to_owned(), error))
}
