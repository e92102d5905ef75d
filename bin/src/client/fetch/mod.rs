//! Artifacts of a build, fetched into a directory. What is there already is left out, also the beginning of an artifact; so
//! whoever was interrupted gives the same command again.
//!
//! | module | holds |
//! |---|---|
//! | `place` | one artifact on its way into its place |
//! | `report` | what is said of all that |

mod place;
mod report;

use super::connection::{Connection, Piece};
use super::error::ClientError;
use super::flags::Form;
use super::selection::Selection;
use crate::artifact_writing::ArtifactPath;
use crate::command_line::Address;
use builder_engine::names::{NameKind, check_name};
use builder_engine::server::Selection as Artifacts;
use builder_proto::Uuid;
use builder_proto::command::{Command, Kind};
use builder_proto::history::Artifact;
use builder_proto::text::Text;
use place::{Found, Part, Place, PlaceError};
use report::Report;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Bytes of artifacts that are there already and are read all the same, before another connection leaves them out.
const PASSED_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of paths that are held, and what an artifact takes besides. No server of ours sends a longer list.
const LIST_BYTES: usize = 16 * 1024 * 1024;
const ARTIFACT_BYTES: usize = 128;

/// What to fetch, and where to put it.
#[derive(Debug)]
pub(super) struct FetchRequest {
    /// The build.
    pub(super) build: Selection,
    /// One artifact, or a directory that they are below; none for all.
    pub(super) path: Option<Text>,
    /// Where to; none for a place that fits.
    pub(super) output: Option<PathBuf>,
}

/// Fetches artifacts.
pub(super) fn fetch(
    remote: &Address,
    request: FetchRequest,
    form: Form,
    quiet: bool,
) -> Result<(), ClientError> {
    let uuid = match request.build.word.as_str().and_then(|word| word.parse().ok()) {
        // The server may have its result without remembering it.
        Some(uuid) if request.build.platform.is_none() => uuid,
        _ => request.build.resolve(remote)?.uuid(),
    };
    let refused = |reason: &str| ClientError::Refused { reason: reason.into(), hint: String::new() };
    let artifacts = Artifacts::new(uuid, request.path, 0, 0).map_err(refused)?;
    let Details { job, artifacts: list } = Details::ask(remote, uuid)?;
    let list: Option<Vec<Artifact>> =
        list.map(|list| list.into_iter().filter(|artifact| artifacts.includes(&artifact.path)).collect());
    let total = list.iter().flatten().map(|artifact| artifact.size).fold(0, u64::saturating_add);
    let fetch = Fetch {
        remote,
        list,
        artifacts,
        directory: request.output,
        own_directory: own_directory(job, uuid),
        place: None,
        next: 0,
        pending: None,
        report: Report::new(form, quiet, total),
    };
    fetch.run()
}

/// The directory for a build when nobody names one.
fn own_directory(job: Option<Text>, uuid: Uuid) -> PathBuf {
    let uuid = uuid.to_string();
    let beginning = uuid.get(..8).unwrap_or(&uuid);
    let mut name = Vec::new();
    // No server of ours has a job whose name would lead elsewhere.
    if let Some(job) = job.filter(|job| check_name(NameKind::Job, job).is_ok()) {
        name.extend_from_slice(job.as_bytes());
        name.push(b'-');
    }
    name.extend_from_slice(beginning.as_bytes());
    PathBuf::from(OsStr::from_bytes(&name))
}

struct Fetch<'a> {
    remote: &'a Address,
    /// The selected artifacts, if they are known.
    list: Option<Vec<Artifact>>,
    artifacts: Artifacts,
    directory: Option<PathBuf>,
    own_directory: PathBuf,
    /// The directory, once it is known which one it is to be.
    place: Option<Place>,
    /// How many of the selected artifacts need nothing more.
    next: u64,
    /// The next one, of which a part is there.
    pending: Option<Fetched>,
    report: Report,
}

/// An artifact that comes.
struct Fetched {
    artifact: Artifact,
    /// Where it goes; none when nobody wants it.
    part: Option<Box<Part>>,
}

/// How it goes on after a connection.
#[derive(PartialEq, Eq)]
enum Next {
    /// All is done.
    Done,
    /// What comes next is asked for on another connection.
    AskAgain,
}

impl Fetch<'_> {
    fn run(mut self) -> Result<(), ClientError> {
        while self.pass_found()? {
            if self.receive()? == Next::Done {
                break;
            }
        }
        let directory = self.place.is_some().then_some(self.directory).flatten();
        self.report.end(directory.as_deref())
    }

    /// Goes over artifacts that need not be fetched; false when that was all.
    fn pass_found(&mut self) -> Result<bool, ClientError> {
        while self.pending.is_none() {
            let Some(list) = &self.list else { return Ok(true) };
            // That nothing is selected is for the server to say.
            let is_nothing = list.is_empty() && self.artifacts.path.is_some();
            let next = usize::try_from(self.next).ok().and_then(|next| list.get(next));
            let Some(artifact) = next.cloned() else { return Ok(is_nothing) };
            match self.find(&artifact)? {
                Some(part) => self.pending = Some(Fetched { artifact, part: Some(part) }),
                None => self.next += 1,
            }
        }
        Ok(true)
    }

    /// What there is of an artifact; none when it need not be fetched, or cannot be.
    fn find(&mut self, artifact: &Artifact) -> Result<Option<Box<Part>>, ClientError> {
        let found = match self.target(artifact) {
            Ok(path) => self.place(artifact)?.find(&path, artifact),
            Err(error) => Err(error),
        };
        match found {
            Ok(Found::Part(part)) => {
                self.report.progress.find(part.length());
                Ok(Some(part))
            }
            Ok(Found::Whole { is_verified }) => self.report.found(artifact, is_verified).map(|()| None),
            Err(error) => self.fail(artifact, error).map(|()| None),
        }
    }

    fn fail(&mut self, artifact: &Artifact, error: PlaceError) -> Result<(), ClientError> {
        if error.is_fatal() {
            return Err(ClientError::Artifact { path: artifact.path.clone(), error: error.to_string() });
        }
        self.report.failed(artifact, &error)
    }

    /// Where an artifact goes in its directory: one that was named goes there without the directories that lead to it.
    fn target(&self, artifact: &Artifact) -> Result<Vec<u8>, PlaceError> {
        let path = artifact.path.as_bytes();
        let parsed = ArtifactPath::parse(path).map_err(PlaceError::Path)?;
        Ok(if self.is_named(artifact) { parsed.name.to_vec() } else { path.to_vec() })
    }

    fn is_named(&self, artifact: &Artifact) -> bool {
        self.artifacts.path.as_ref() == Some(&artifact.path)
    }

    fn place(&mut self, artifact: &Artifact) -> Result<&Place, ClientError> {
        if self.place.is_none() {
            let usual = if self.is_named(artifact) { PathBuf::from(".") } else { self.own_directory.clone() };
            let directory = self.directory.get_or_insert(usual);
            let opened = Place::open(directory, self.artifacts.uuid);
            let failed = |error| ClientError::Output { directory: directory.clone(), error };
            self.place = Some(opened.map_err(failed)?);
        }
        self.place.as_ref().ok_or(ClientError::NotFetched { artifacts: 1 })
    }

    /// Asks for what comes next, and takes what comes.
    fn receive(&mut self) -> Result<Next, ClientError> {
        let offset =
            self.pending.as_ref().and_then(|next| next.part.as_ref()).map_or(0, |part| part.length());
        let signed = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let question = Command::Fetch {
            uuid: self.artifacts.uuid,
            path: self.artifacts.path.clone(),
            skip: signed(self.next),
            offset: signed(offset),
        };
        let mut connection = Connection::open(self.remote, Kind::Fetch)?;
        connection.stream_content();
        connection.tell(&question)?;
        let (mut current, mut passed): (Option<(Fetched, u64)>, u64) = (None, 0);
        loop {
            let piece = connection.receive_piece().map_err(interrupted)?;
            match (piece, &mut current) {
                (Some(Piece::Content(bytes)), Some((fetched, left))) if bytes.len() as u64 <= *left => {
                    *left -= bytes.len() as u64;
                    self.append(fetched, bytes)?;
                }
                (Some(Piece::Message(Command::Artifact(artifact))), None) => {
                    current = self.begin(artifact, &mut passed)?;
                    if current.is_none() {
                        return Ok(Next::AskAgain);
                    }
                }
                (Some(Piece::Message(Command::Success)), None) => return Ok(Next::Done),
                (Some(Piece::Message(failure @ Command::Failure(_))), _) => {
                    return Err(connection.refusal(&question, failure));
                }
                (Some(_), _) => return Err(self.senseless("an artifact that is not as long as it says")),
                (None, _) => return Err(interrupted(connection.closed("the end of its answer"))),
            }
            if let Some((fetched, _)) = current.take_if(|(_, left)| *left == 0) {
                self.finish(fetched)?;
            }
        }
    }

    /// Begins with the next artifact: how many bytes of it are to come. None when it is better to ask again: because a part of
    /// it is there, or because it is there and long, as others may be that were `passed` before.
    fn begin(
        &mut self,
        mut artifact: Artifact,
        passed: &mut u64,
    ) -> Result<Option<(Fetched, u64)>, ClientError> {
        let pending = self.pending.take();
        let next = usize::try_from(self.next).unwrap_or(usize::MAX);
        let listed = self.list.as_ref().map(|list| list.get(next));
        let expected = pending.as_ref().map(|pending| Some(&pending.artifact)).or(listed);
        if let Some(expected) = expected {
            let is_same = |expected: &&Artifact| {
                (&expected.path, expected.size) == (&artifact.path, artifact.size)
                    && (artifact.sha256.is_none() || artifact.sha256 == expected.sha256)
            };
            let Some(expected) = expected.filter(is_same) else {
                return Err(self.senseless("another artifact than the one that comes next"));
            };
            artifact.sha256 = expected.sha256;
        }
        if let Some(Fetched { part: Some(part), .. }) = pending {
            let left = artifact.size - part.length().min(artifact.size);
            return Ok(Some((Fetched { artifact, part: Some(part) }, left)));
        }
        let (part, size) = (self.find(&artifact)?, artifact.size);
        match &part {
            Some(part) if part.length() > 0 => {}
            Some(_) => return Ok(Some((Fetched { artifact, part }, size))),
            None if passed.saturating_add(size) > PASSED_BYTES => {
                self.next += 1;
                return Ok(None);
            }
            None => {
                *passed += size;
                return Ok(Some((Fetched { artifact, part: None }, size)));
            }
        }
        self.pending = Some(Fetched { artifact, part });
        Ok(None)
    }

    fn append(&mut self, fetched: &mut Fetched, bytes: &[u8]) -> Result<(), ClientError> {
        let Some(part) = &mut fetched.part else { return Ok(()) };
        self.report.progress.advance(&fetched.artifact.path, bytes.len() as u64);
        part.append(bytes).or_else(|error| self.fail(&fetched.artifact, error))
    }

    /// All of an artifact has come.
    fn finish(&mut self, Fetched { artifact, part }: Fetched) -> Result<(), ClientError> {
        self.next += 1;
        let Some(part) = part else { return Ok(()) };
        let finished = match self.target(&artifact) {
            Ok(path) => self.place(&artifact)?.finish(&path, *part, &artifact),
            Err(error) => Err(error),
        };
        match finished {
            Ok(digest) => self.report.fetched(&artifact, digest),
            Err(error) => self.fail(&artifact, error),
        }
    }

    fn senseless(&self, what: &'static str) -> ClientError {
        ClientError::Senseless { peer: self.remote.clone(), what }
    }
}

/// What has come before a connection broke is not lost.
fn interrupted(error: ClientError) -> ClientError {
    match error {
        ClientError::Connection { .. } | ClientError::Closed { .. } | ClientError::NoAnswer { .. } => {
            ClientError::Interrupted(Box::new(error))
        }
        other => other,
    }
}

/// What is known of a build.
#[derive(Debug, Default)]
struct Details {
    /// The name of its job.
    job: Option<Text>,
    /// Its artifacts, in the order in which they are stored; none when there are too many, or nobody knows them.
    artifacts: Option<Vec<Artifact>>,
}

impl Details {
    /// Asks. A build that the server does not remember may be stored all the same, as one that it has not taken in yet.
    fn ask(remote: &Address, uuid: Uuid) -> Result<Details, ClientError> {
        let question = Command::Details(uuid);
        let mut connection = Connection::open(remote, Kind::Details)?;
        connection.tell(&question)?;
        let (mut details, mut list, mut count, mut bytes) = (Details::default(), Vec::new(), None, 0);
        loop {
            match connection.receive_answer(&question) {
                Ok(None) => break,
                Ok(Some(Command::Build(build))) => {
                    count = build.end.map(|end| end.artifacts);
                    details.job = Some(build.job);
                }
                Ok(Some(Command::JobSchedule { .. })) => {}
                Ok(Some(Command::Artifact(artifact))) => {
                    bytes += artifact.path.as_bytes().len() + ARTIFACT_BYTES;
                    if bytes > LIST_BYTES {
                        log::info!("the list of artifacts is longer than {LIST_BYTES} bytes");
                        return Ok(details);
                    }
                    list.push(artifact);
                }
                Ok(Some(other)) => return Err(connection.refusal(&question, other)),
                Err(error @ ClientError::Refused { .. }) if !error.is_busy() => {
                    log::info!("the server does not tell what build {uuid} is: {error}");
                    return Ok(Details::default());
                }
                Err(error) => return Err(error),
            }
        }
        if count == Some(list.len() as u64) {
            details.artifacts = Some(list);
        }
        Ok(details)
    }
}
