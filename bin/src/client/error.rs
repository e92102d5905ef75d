//! What can go wrong after the command line was understood, from reading the script on.

use super::info_filter::{BuildFilter, UnknownName};
use crate::command_line::Address;
use builder_engine::reconnecting::Reconnecting;
use builder_proto::command::Kind;
use builder_proto::error::{DecodeError, EncodeError};
use builder_proto::frame::FrameError;
use builder_proto::malformed::Malformed;
use builder_proto::text::Text;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

/// Why a command was not done.
#[derive(Debug)]
pub(super) enum ClientError {
    /// The script cannot be read.
    ReadScript { source: ScriptSource, error: io::Error },
    /// The script is longer than any server accepts.
    ScriptTooLong { source: ScriptSource, limit: u64 },
    /// The command cannot be put into bytes.
    Encode(EncodeError),
    /// Nobody is there.
    Connect { peer: Address, error: io::Error },
    /// The connection broke.
    Connection { peer: Address, error: io::Error },
    /// The server takes too long.
    NoAnswer { peer: Address, time: Duration },
    /// The server, or the system it runs on, reset every connection before its hello.
    Reset { peer: Address },
    /// The server closed the connection instead of greeting.
    NoHello { peer: Address, version: i64 },
    /// The server knows no such command: it does not do this; until it does, that can be done instead.
    TooOld { peer: Address, lacks: &'static str, instead: &'static str },
    /// The server closed the connection when it still had something to say.
    Closed { peer: Address, missing: &'static str },
    /// What the server sent has no frames.
    Frame { peer: Address, error: FrameError },
    /// What the server sent is no message.
    Decode { peer: Address, error: DecodeError },
    /// What the server sent while it was read in passing is no message.
    Malformed { peer: Address, error: Malformed },
    /// What the server sent is no answer to what it was asked.
    Unexpected { peer: Address, question: &'static str, answer: &'static str },
    /// The server says why not; what can be done about it follows.
    Refused { reason: Text, hint: String },
    /// What to print is not there.
    UnknownName(UnknownName),
    /// No build, or more than one, is what was written; in words.
    Selection(String),
    /// Two builds do not differ in what could be compared.
    NotCompared,
    /// There is no build to observe.
    NothingRuns(BuildFilter),
    /// The server sends what cannot be.
    Senseless { peer: Address, what: &'static str },
    /// The connection broke while somebody waited for a job.
    Unfollowed { error: Box<ClientError>, job: Text },
    /// The connection broke while somebody waited until no build runs.
    Undrained(Box<ClientError>),
    /// The connection broke while artifacts came.
    Interrupted(Box<ClientError>),
    /// Nothing can be written into a directory.
    Output { directory: PathBuf, error: io::Error },
    /// An artifact cannot be written, and neither can others.
    Artifact { path: Text, error: String },
    /// Some artifacts are not in their places; what was wrong with each has been said.
    NotFetched { artifacts: u64 },
    /// The answer cannot be printed.
    Print(io::Error),
}

impl ClientError {
    /// A server of an earlier version lacks this command.
    pub(super) fn too_old(peer: Address, command: Kind) -> ClientError {
        let (lacks, instead) = lacking(command);
        ClientError::TooOld { peer, lacks, instead }
    }

    /// Whether the reader of stdout has gone away. One such as `head` has seen enough, so that is no failure.
    pub(super) fn is_closed_stdout(&self) -> bool {
        matches!(self, ClientError::Print(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the server has no room for one more at the moment. Servers of 0.4.0 never say so.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, ClientError::Refused { reason, .. } if reason.as_bytes().starts_with(b"busy"))
    }

    /// Whether the server has answered, and will not do what it was asked to.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, ClientError::Refused { .. }) && !self.is_busy()
    }

    /// Whether the server was there and did not want to talk, as far as can be told when that happens before its hello.
    pub(super) fn is_refused_hello(&self) -> bool {
        matches!(self, ClientError::NoHello { .. } | ClientError::Refused { .. })
    }
}

/// What a server of an earlier version does not do that lacks a command, and what can be done about it.
fn lacking(command: Kind) -> (&'static str, &'static str) {
    match command {
        Kind::Cancel | Kind::CancelJob => {
            ("cannot cancel builds", "end the worker of the build: the job is queued again then")
        }
        Kind::Pause | Kind::Resume | Kind::Drain => {
            ("cannot pause platforms", "stop the workers, which end when their builds do")
        }
        Kind::Enter | Kind::EnterOrbBuild => (
            "has no settings of single jobs",
            "leave out --at, --timeout, --silence, --skip-missed, --keep and --replace, and choose a period by name",
        ),
        Kind::Run => {
            ("cannot have a client wait, nor set an environment", "run the job without --wait and --env")
        }
        _ => ("keeps no history of builds", "read the results in its data directory with builder-inspect"),
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::ReadScript { source, error } => {
                write!(f, "cannot read the script {source}: {error}")
            }
            ClientError::ScriptTooLong { source, limit } => {
                write!(f, "the script {source} is longer than {limit} bytes; let it fetch the rest")
            }
            ClientError::Encode(error) => write!(f, "the command cannot be sent: {error}"),
            ClientError::Connect { peer, error } => {
                write!(f, "cannot connect to {peer}: {error}; is the server running, and is --remote right?")
            }
            ClientError::Connection { peer, error } => write!(f, "lost the connection to {peer}: {error}"),
            ClientError::NoAnswer { peer, time } => {
                write!(f, "{peer} did not answer within {} seconds", time.as_secs_f32())
            }
            ClientError::Reset { peer } => write!(
                f,
                "{peer} reset {} connections in a row before its hello, so it is overloaded, or no builder server",
                Reconnecting::attempts()
            ),
            ClientError::NoHello { peer, version } => write!(
                f,
                "{peer} closed the connection instead of greeting; it may not speak version {version} \
                 of the protocol"
            ),
            ClientError::TooOld { peer, lacks, instead } => write!(
                f,
                "{peer}: this server is of an earlier version, which {lacks}; update builder-server to the version of \
                 this client ({}), or {instead}",
                env!("CARGO_PKG_VERSION")
            ),
            ClientError::Closed { peer, missing } => {
                write!(f, "{peer} closed the connection before {missing}")
            }
            ClientError::Frame { peer, error } => {
                write!(f, "{peer} does not answer like a builder server: {error}")
            }
            ClientError::Decode { peer, error } => {
                write!(f, "{peer} sent an invalid message: {error}")
            }
            ClientError::Malformed { peer, error } => {
                write!(f, "{peer} sent an invalid message: {error}")
            }
            ClientError::Unexpected { peer, question, answer } => {
                write!(f, "{peer} answered {answer} to {question}")
            }
            ClientError::Refused { reason, hint } => write!(f, "{reason}{hint}"),
            ClientError::UnknownName(name) => name.fmt(f),
            ClientError::Selection(why) => f.write_str(why),
            ClientError::NotCompared => {
                f.write_str("no difference was found, but not everything could be compared, as is said above")
            }
            ClientError::NothingRuns(filter) => {
                write!(f, "no build{filter} is running; see 'builder-client info'")
            }
            ClientError::Senseless { peer, what } => write!(f, "{peer} sent {what}"),
            ClientError::Unfollowed { error, job } => {
                write!(
                    f,
                    "{error}; the job may still run: 'builder-client history {job}' shows how its builds end"
                )
            }
            ClientError::Undrained(error) => write!(
                f,
                "{error}; builds may still run, and the server may go on draining, even after a restart: \
                 'builder-client info' shows both, and the same command waits again"
            ),
            ClientError::Interrupted(error) => {
                write!(f, "{error}; what has come is kept, and the same command goes on from there")
            }
            ClientError::Output { directory, error } => {
                write!(
                    f,
                    "cannot write into {}: {error}; name another directory with --output",
                    directory.display()
                )
            }
            ClientError::Artifact { path, error } => write!(f, "artifact {path}: {error}"),
            ClientError::NotFetched { artifacts: 1 } => f.write_str("one artifact was not fetched"),
            ClientError::NotFetched { artifacts } => write!(f, "{artifacts} artifacts were not fetched"),
            ClientError::Print(error) => write!(f, "cannot write to stdout: {error}"),
        }
    }
}

impl std::error::Error for ClientError {}

/// Where a script is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ScriptSource {
    /// A file.
    File(PathBuf),
    /// Standard input, which is written as `-`.
    StandardInput,
}

impl From<&str> for ScriptSource {
    fn from(word: &str) -> ScriptSource {
        if word == "-" { ScriptSource::StandardInput } else { ScriptSource::File(word.into()) }
    }
}

impl ScriptSource {
    /// Reads everything, or returns `None` when that is more than `limit` bytes.
    pub(super) fn read_at_most(&self, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        let length = match self {
            ScriptSource::File(path) => File::open(path)?.take(limit + 1).read_to_end(&mut content)?,
            ScriptSource::StandardInput => io::stdin().take(limit + 1).read_to_end(&mut content)?,
        };
        Ok((length as u64 <= limit).then_some(content))
    }
}

/// Follows the words "the script".
impl fmt::Display for ScriptSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScriptSource::File(path) => path.display().fmt(f),
            ScriptSource::StandardInput => f.write_str("on standard input"),
        }
    }
}
