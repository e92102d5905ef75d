//! What two builds have that is different. Their consoles are compared while they arrive.

use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::command_line::Address;
use crate::comparison::lines::Comparison;
use crate::comparison::texts::{self, Lines};
use crate::comparison::{self, Artifacts, Change};
use builder_engine::limits::ARTIFACT_FILES;
use builder_proto::Uuid;
use builder_proto::command::{Command, Kind};
use builder_proto::history::{Artifact, Build, BuildEnd};
use builder_proto::job::ScriptJob;
use builder_proto::text::Text;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything was compared, and is the same.
    Same,
    /// Something is different.
    Different,
    /// What was compared is the same, but not everything could be.
    Unknown,
}

/// Two builds and what differs between them. Wherever there are two, the older one, or the one that was named first, is first.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) builds: [Build; 2],
    pub(super) environment: Vec<Change>,
    pub(super) script: Comparison,
    pub(super) cause: Option<Change>,
    pub(super) console: Comparison,
    pub(super) artifacts: Result<Artifacts, String>,
}

impl Report {
    pub(super) fn make(remote: &Address, builds: [Build; 2]) -> Result<Report, ClientError> {
        let [old, new] = builds;
        let (old, new) = (Details::ask(remote, old)?, Details::ask(remote, new)?);
        let console = compare_consoles(remote, [&old.build, &new.build])?;
        Ok(Report {
            environment: comparison::environment([&old.build, &new.build]),
            cause: comparison::cause([&old.build, &new.build]),
            script: comparison::script([&old.build, &new.build], [old.job.as_ref(), new.job.as_ref()]),
            console,
            artifacts: compare_artifacts(old.artifacts, new.artifacts),
            builds: [old.build, new.build],
        })
    }

    pub(super) fn verdict(&self) -> Verdict {
        let texts = [&self.script, &self.console];
        let is_different = !self.environment.is_empty()
            || self.cause.is_some()
            || texts.iter().any(|text| matches!(text, Comparison::Different(_)))
            || self.artifacts.as_ref().is_ok_and(Artifacts::has_differences);
        let is_unknown = texts.iter().any(|text| matches!(text, Comparison::Unknown(_)))
            || self.artifacts.as_ref().map_or(true, |artifacts| artifacts.same_size > 0);
        match (is_different, is_unknown) {
            (true, _) => Verdict::Different,
            (false, true) => Verdict::Unknown,
            (false, false) => Verdict::Same,
        }
    }
}

/// Two builds of one job and what differs between their artifacts.
#[derive(Debug)]
pub(super) struct ArtifactComparison {
    pub(super) builds: [Build; 2],
    pub(super) artifacts: Result<Artifacts, String>,
}

impl ArtifactComparison {
    pub(super) fn make(remote: &Address, builds: [Build; 2]) -> Result<ArtifactComparison, ClientError> {
        let [old, new] = builds;
        let (old, new) = (Details::ask(remote, old)?, Details::ask(remote, new)?);
        let artifacts = compare_artifacts(old.artifacts, new.artifacts);
        Ok(ArtifactComparison { builds: [old.build, new.build], artifacts })
    }

    pub(super) fn verdict(&self) -> Verdict {
        match &self.artifacts {
            Ok(artifacts) if artifacts.has_differences() => Verdict::Different,
            Ok(artifacts) if artifacts.same_size == 0 => Verdict::Same,
            _ => Verdict::Unknown,
        }
    }
}

/// All that the server knows of a build that has ended.
struct Details {
    build: Build,
    job: Option<ScriptJob>,
    /// The error says why they are not known.
    artifacts: Result<Vec<Artifact>, String>,
}

impl Details {
    fn ask(remote: &Address, build: Build) -> Result<Details, ClientError> {
        let question = Command::Details(build.uuid());
        let mut details = Details { build, job: None, artifacts: Ok(Vec::new()) };
        let mut artifacts = Vec::new();
        let mut connection = Connection::open(remote, Kind::Details)?;
        connection.tell(&question)?;
        while let Some(answer) = connection.receive_answer(&question)? {
            match answer {
                Command::Build(build) if build.uuid == details.build.uuid => details.build = build,
                Command::JobSchedule { job, .. } => details.job = Some(job),
                // No server of ours stores more.
                Command::Artifact(artifact) if (artifacts.len() as u64) < ARTIFACT_FILES => {
                    artifacts.push(artifact);
                }
                other => return Err(connection.refusal(&question, other)),
            }
        }
        let count = details.build.end.as_ref().map_or(0, |end| end.artifacts);
        details.artifacts = match artifacts.len() as u64 == count {
            true => Ok(artifacts),
            false => Err(format!("{} has {count} artifacts, and no list of them", details.build.uuid())),
        };
        Ok(details)
    }
}

fn compare_consoles(remote: &Address, builds: [&Build; 2]) -> Result<Comparison, ClientError> {
    let [old, new] = builds;
    if let (Some(old_end), Some(new_end)) = (&old.end, &new.end)
        && is_empty(old_end)
        && is_empty(new_end)
    {
        return Ok(Comparison::Same(0));
    }
    let mut consoles = Vec::new();
    for build in builds {
        match Console::open(remote, build.uuid()) {
            Ok(console) => consoles.push(console),
            Err(error @ ClientError::Refused { .. }) if !error.is_busy() => {
                log::info!("no console of {}: {error}", build.uuid());
                return Ok(Comparison::Unknown(comparison::without(build, "console")));
            }
            Err(error) => return Err(error),
        }
    }
    match consoles.as_mut_slice() {
        [old, new] => texts::compare(old, new, texts::LIMITS),
        _ => Ok(Comparison::Same(0)),
    }
}

/// Whether a build has printed nothing, which needs no console to be known.
fn is_empty(end: &BuildEnd) -> bool {
    end.console_lines == 0 && end.console_bytes == 0
}

fn compare_artifacts(
    old: Result<Vec<Artifact>, String>,
    new: Result<Vec<Artifact>, String>,
) -> Result<Artifacts, String> {
    Ok(Artifacts::compare(old?, new?))
}

/// The console of a build that has ended, as the server sends it.
struct Console {
    connection: Connection,
    question: Command,
    /// The line that arrived last. When none follows, it is the result in words, and the job did not print it.
    held: Option<Text>,
    is_over: bool,
}

impl Console {
    /// Asks for a console. The error is a refusal if the server does not have it any more.
    fn open(remote: &Address, uuid: Uuid) -> Result<Console, ClientError> {
        let question = Command::Console(uuid);
        let mut connection = Connection::open(remote, Kind::Console)?;
        connection.tell(&question)?;
        let mut console = Console { connection, question, held: None, is_over: false };
        console.held = console.receive()?;
        Ok(console)
    }

    fn receive(&mut self) -> Result<Option<Text>, ClientError> {
        if self.is_over {
            return Ok(None);
        }
        match self.connection.receive_answer(&self.question)? {
            Some(Command::Output { line, .. }) => Ok(Some(line)),
            Some(other) => Err(self.connection.refusal(&self.question, other)),
            None => {
                self.is_over = true;
                Ok(None)
            }
        }
    }
}

impl Lines for Console {
    type Error = ClientError;

    fn next(&mut self) -> Result<Option<Text>, ClientError> {
        let next = self.receive()?;
        let line = core::mem::replace(&mut self.held, next);
        Ok(line.filter(|_| self.held.is_some()))
    }
}
