//! What threads do for the history: append to its file, read from it, and look at all stored results.

use super::files::{DirectoryName, FileName, Files, StoredResult, write_all};
use super::history_file::{Append, HistoryFile, read_artifacts, read_build, told};
use crate::history::EndedBuild;
use crate::log::Salt;
use crate::manifest::Manifest;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::execution::{ConsoleReader, ConsoleStep, StoredExecution};
use builder_proto::history::{Build, BuildEnd, Cause};
use builder_proto::text::Text;
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind};

/// Builds that are found in stored results before they are handed over.
const BUILDS_PER_SURVEY: usize = 64;

/// Something that is to be in the file.
#[derive(Debug)]
pub(crate) struct Appending {
    pub(super) append: Append,
    /// Whether the file is to end where this begins, first.
    pub(super) cuts: bool,
    /// Builds of the log that are in it, or were in the file before.
    pub(super) uuids: BTreeSet<Uuid>,
    /// Builds of whose removal it tells.
    pub(super) gone: BTreeSet<Uuid>,
    /// How many builds of a survey are in it.
    pub(super) found: usize,
    /// Whether it takes back that the file has everything.
    pub(super) belies: bool,
    pub(super) says_whole: bool,
}

/// How far an append has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AppendStep {
    #[default]
    Write,
    Sync,
}

impl Appending {
    /// Takes a step; gives what came of all, after the last.
    pub(super) fn step<F: Files>(
        &self,
        files: &F,
        file: &F::File,
        step: &mut AppendStep,
    ) -> Option<io::Result<()>> {
        match step {
            AppendStep::Write => {
                *step = AppendStep::Sync;
                self.write(files, file).err().map(Err)
            }
            AppendStep::Sync => Some(files.sync(file)),
        }
    }

    fn write<F: Files>(&self, files: &F, file: &F::File) -> io::Result<()> {
        if self.cuts {
            files.set_length(file, self.append.start)?;
        }
        write_all(files, file, self.append.start, &self.append.bytes)
    }
}

/// A build that a client is told of.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// In memory.
    Held(Box<Build>),
    /// In the file.
    Stored {
        /// Where its frame begins.
        place: u64,
        /// When its result was removed.
        removed: Option<Time>,
    },
}

/// Reads builds for a client, and puts the messages about them together.
pub(super) fn read_listed<F: Files>(
    files: &F,
    file: Option<&HistoryFile<F>>,
    items: &[Item],
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for item in items {
        let build = match (item, file) {
            (Item::Held(build), _) => Build::clone(build),
            // Only what was read from a file is in one.
            (Item::Stored { .. }, None) => continue,
            (Item::Stored { place, removed }, Some(file)) => {
                match read_build(files, &file.file, file.position.salt(), *place) {
                    Ok(entry) => told(entry.build, *removed),
                    Err(error) if error.kind() == ErrorKind::InvalidData => {
                        let path = files.describe(FileName::History);
                        ::log::error!("{path}: {error}; a restart of the server mends it");
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        append_message(&mut bytes, &Command::Build(build))?;
    }
    Ok(bytes)
}

/// Where what is known of a build is.
#[derive(Debug)]
pub(crate) enum Recall<F: Files> {
    /// Here.
    Held(Box<EndedBuild>),
    /// In the file of the history.
    Stored {
        /// The file.
        file: F::File,
        /// Its salt.
        salt: Salt,
        /// Where the frame of the build begins.
        place: u64,
        /// When its result was removed.
        removed: Option<Time>,
    },
}

/// Puts together what a client is told of a build that has ended.
pub(super) fn describe<F: Files>(
    files: &F,
    recall: &Recall<F>,
    held: Option<&StoredResult<F>>,
) -> io::Result<Vec<u8>> {
    let (build, artifacts) = match recall {
        Recall::Held(ended) => (ended.build.clone(), ended.artifacts.clone()),
        Recall::Stored { file, salt, place, removed } => {
            let entry = read_build(files, file, *salt, *place)?;
            let artifacts = read_artifacts(files, file, *salt, *place, &entry)?;
            (told(entry.build, *removed), artifacts)
        }
    };
    let mut bytes = Vec::new();
    let uuid = build.uuid();
    let job = match held {
        Some(result) => StoredExecution::open(result, result.length()?).ok().map(|stored| stored.job),
        None => stored_job(files, &build.job, uuid),
    };
    append_message(&mut bytes, &Command::Build(build))?;
    if let Some(job) = job {
        append_message(&mut bytes, &Command::JobSchedule { uuid, job })?;
    }
    for artifact in artifacts.into_iter().flatten() {
        append_message(&mut bytes, &Command::Artifact(artifact))?;
    }
    append_message(&mut bytes, &Command::Success)?;
    Ok(bytes)
}

/// What ran, if the stored result still says so.
fn stored_job<F: Files>(files: &F, job: &Text, uuid: Uuid) -> Option<builder_proto::job::ScriptJob> {
    let name = FileName::Result { job, uuid };
    let file = match files.open(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        opened => opened,
    };
    let opened = file.and_then(|file| {
        let result = StoredResult::File(files.clone(), file);
        let length = result.length()?;
        StoredExecution::open(&result, length)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error.to_string()))
    });
    opened
        .inspect_err(|error| ::log::error!("{}: {error}", files.describe(name)))
        .ok()
        .map(|stored| stored.job)
}

fn append_message(bytes: &mut Vec<u8>, command: &Command) -> io::Result<()> {
    let invalid = |error| io::Error::new(ErrorKind::InvalidData, format!("{error}"));
    bytes.extend_from_slice(&command.to_frame().map_err(invalid)?);
    Ok(())
}

/// A look at all stored results for builds that the history does not have.
#[derive(Debug)]
pub(crate) struct Survey {
    known: Vec<Uuid>,
    /// Directories that are still to be looked into; none before the first look.
    jobs: Option<VecDeque<Text>>,
    builds: VecDeque<(Text, Uuid)>,
    found: Vec<EndedBuild>,
}

impl Survey {
    /// `known` is in order.
    pub(super) fn new(known: Vec<Uuid>) -> Survey {
        Survey { known, jobs: None, builds: VecDeque::new(), found: Vec::new() }
    }

    pub(super) fn take_found(&mut self) -> Vec<EndedBuild> {
        core::mem::take(&mut self.found)
    }

    /// Looks at one directory or at one result. Some when it is over, or enough is found for now: whether there is more.
    pub(super) fn step<F: Files>(&mut self, files: &F) -> Option<io::Result<bool>> {
        if self.found.len() >= BUILDS_PER_SURVEY {
            return Some(Ok(true));
        }
        if let Some((job, uuid)) = self.builds.pop_front() {
            match survey_result(files, &job, uuid) {
                Ok(Some(ended)) => self.found.push(ended.shortened()),
                Ok(None) => {}
                Err(error) => {
                    let path = files.describe(FileName::Result { job: &job, uuid });
                    ::log::warn!("{path}: {error}; the history does not have this build");
                }
            }
            return None;
        }
        let Some(jobs) = &mut self.jobs else {
            match files.list(DirectoryName::Root) {
                Ok(names) => self.jobs = Some(names.into_iter().map(Text::from).collect()),
                Err(error) => return Some(Err(error)),
            }
            return None;
        };
        let Some(job) = jobs.pop_front() else { return Some(Ok(false)) };
        match files.list(DirectoryName::Job(&job)) {
            Ok(names) => {
                let uuids = names.iter().filter_map(|name| Uuid::try_parse_ascii(name).ok());
                let unknown = uuids.filter(|uuid| self.known.binary_search(uuid).is_err());
                self.builds.extend(unknown.map(|uuid| (job.clone(), uuid)));
                None
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// What a stored result says for the history; none when there is no result.
fn survey_result<F: Files>(files: &F, job: &Text, uuid: Uuid) -> io::Result<Option<EndedBuild>> {
    let file = match files.open(FileName::Result { job, uuid }) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        opened => opened?,
    };
    let result = StoredResult::File(files.clone(), file);
    let damaged = |error: &dyn core::fmt::Display| io::Error::new(ErrorKind::InvalidData, error.to_string());
    let stored = StoredExecution::open(&result, result.length()?).map_err(|error| damaged(&error))?;
    if stored.uuid != uuid || stored.job.name != *job {
        return Err(damaged(&format_args!(
            "it is the result of build {} of job {}",
            stored.uuid, stored.job.name
        )));
    }
    let manifest = Manifest::of(&result, &stored).map_err(|error| damaged(&error))?;
    let mut end = BuildEnd::new(stored.finished, Cause::from(&stored.result));
    let console = stored.console_before_result(&result).map_err(|error| damaged(&error))?;
    let mut console = ConsoleReader::new(result, console);
    loop {
        match console.step().map_err(|error| damaged(&error))? {
            ConsoleStep::Entry(entry) => {
                end.console_lines += 1;
                end.console_bytes += entry.line.len() as u64 + 1;
            }
            ConsoleStep::Working => {}
            ConsoleStep::End => break,
        }
    }
    (end.artifacts, end.artifact_bytes) = (manifest.artifacts, manifest.bytes);
    let build = Build {
        uuid: RawUuid(uuid),
        job: stored.job.name,
        platform: stored.job.platform,
        started: stored.started,
        queued: None,
        host: None,
        end: Some(end),
    };
    Ok(Some(EndedBuild { build, artifacts: manifest.list }))
}
