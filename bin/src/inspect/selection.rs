//! What to show of which results: the options that say so, and the results that are found and chosen.
//!
//! Results are found in files that are named, and in directories as the server makes them. A directory may be that of a build
//! (`UUID`, with `full` in it), that of a job (with those of its builds in it), or the data directory (with those of its jobs in
//! it). Links are followed, as a job's directory may have been moved to another disk; no loop can be endless two levels deep,
//! and a result that is reached twice is found once.

use super::output::InspectError;
use crate::command_line::{Flag, Kind, Matches, Repeat, UsageError};
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

/// What to show of which results.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) paths: Vec<PathBuf>,
    pub(super) choice: Choice,
    pub(super) job: bool,
    pub(super) script: bool,
    pub(super) console: bool,
    pub(super) sha256: bool,
    pub(super) json: bool,
    pub(super) output: Option<PathBuf>,
    pub(super) quiet: bool,
}

impl Settings {
    pub(super) fn wants_summary(&self) -> bool {
        !self.job && !self.script && !self.console && !self.sha256 && self.output.is_none()
    }

    /// The option that takes the artifacts of one result alone, because those of several would get into each other's way.
    pub(super) fn for_one(&self) -> Option<&'static str> {
        if self.output.is_some() {
            Some(OUTPUT.long)
        } else if self.sha256 && !self.json {
            Some(SHA256.long)
        } else {
            None
        }
    }
}

pub(super) fn resolve(matches: &Matches) -> Result<Settings, UsageError> {
    if matches.free.is_empty() {
        return Err(UsageError::new("name the FILE of a result, or a DIRECTORY with results in it"));
    }
    Ok(Settings {
        paths: matches.free.iter().map(PathBuf::from).collect(),
        choice: Choice::of(matches),
        job: matches.opt_present(JOB.long),
        script: matches.opt_present(SCRIPT.long),
        console: matches.opt_present(CONSOLE.long),
        sha256: matches.opt_present(SHA256.long),
        json: matches.opt_present(JSON.long),
        output: matches.opt_str(OUTPUT.long).map(PathBuf::from),
        quiet: matches.opt_present("quiet"),
    })
}

pub(super) const JOB: Flag =
    Flag::switch("job", "print name, platform and uuid").repeat(Repeat::Harmless).manual(
        "\
Print the name of the job, its platform and the uuid of the build.",
    );
pub(super) const SCRIPT: Flag = Flag::switch("script", "print the script").repeat(Repeat::Harmless).manual(
    "\
Print the script as the worker ran it.",
);
pub(super) const CONSOLE: Flag =
    Flag::switch("console", "print the console, the oldest line first, and the result")
        .repeat(Repeat::Harmless)
        .manual(
            "\
Print the console, oldest line first, each line with the seconds since the
start, and then how the build ended.",
        );
pub(super) const SHA256: Flag =
    Flag::switch("sha256", "print the SHA-256 of each artifact of one result, as sha256sum -c reads it")
        .repeat(Repeat::Harmless)
        .manual(
            "\
Print the SHA-256 of each artifact of one result, in the form that
.Ql sha256sum -c
reads in the directory to which
.Fl -output
has written the artifacts.
An artifact whose path
.Fl -output
refuses has no line.",
        );
pub(super) const JSON: Flag = Flag::switch(
    "json",
    "print one JSON object per result: the summary and, on request, script, console and digests",
)
.repeat(Repeat::Harmless)
.manual(
    "\
Print a JSON object for each result instead of text; see below.",
);
pub(super) const OUTPUT: Flag = Flag::with_value(
    "output",
    "DIR",
    Kind::Directory,
    "write the artifacts of one result below this directory; nothing is overwritten",
)
.manual(
    "\
Write the artifacts of one result below
.Ar dir ,
which is created if it does not exist.
No file is overwritten, no link is followed, and paths that lead out of
.Ar dir
are refused.",
);

/// What the command line says about several results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Only those of builds that failed.
    pub(super) failed: bool,
    /// Of those, only the one of the build that ended last.
    pub(super) latest: bool,
}

pub(super) const LATEST: Flag =
    Flag::switch("latest", "only the result of the build that ended last").repeat(Repeat::Harmless);
pub(super) const FAILED: Flag = Flag::switch("failed", "only results of builds that did not exit with 0")
    .repeat(Repeat::Harmless)
    .manual(
        "\
Only results of builds that did not exit with status 0.
With
.Fl -latest ,
only the last of these.",
    );

impl Choice {
    pub(super) fn of(matches: &Matches) -> Choice {
        Choice { failed: matches.opt_present(FAILED.long), latest: matches.opt_present(LATEST.long) }
    }

    /// The chosen ones, the newest first. Which of two that ended at once comes first is up to their paths.
    pub(super) fn choose(self, mut found: Vec<Found>) -> Vec<Found> {
        found.retain(|result| result.failed || !self.failed);
        found.sort_by(|one, other| other.finished.cmp(&one.finished).then_with(|| one.path.cmp(&other.path)));
        if self.latest {
            found.truncate(1);
        }
        found
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_first_and_options_leave_others_out() {
        let found = |path: &str, finished, failed| Found {
            path: path.into(),
            finished: Time::from_unix_milliseconds(finished),
            failed,
        };
        let all = [found("b", 2, true), found("d", 3, false), found("c", 1, true), found("a", 2, true)];
        let chosen = |failed, latest| -> Vec<String> {
            let chosen = Choice { failed, latest }.choose(all.to_vec());
            chosen.iter().map(|found| found.path.display().to_string()).collect()
        };
        assert_eq!(chosen(false, false), ["d", "a", "b", "c"]);
        assert_eq!(chosen(true, false), ["a", "b", "c"]);
        assert_eq!(chosen(false, true), ["d"]);
        assert_eq!(chosen(true, true), ["a"]);
        assert_eq!(Choice { failed: true, latest: true }.choose(Vec::new()), []);
    }
}
