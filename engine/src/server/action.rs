//! What the driver of the server does on its behalf.

use crate::server::peer::ConnectionId;
use crate::server::record::Record;
use crate::server::recovery::PendingResult;
use crate::server::selection::Selection;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, append_output_frame};
use builder_proto::execution::ConsoleLine;
use builder_proto::history::HistoryQuery;
use builder_proto::job::ScriptJob;
use builder_proto::text::Text;
use builder_proto::time::Time;
use core::ops::Range;
use core::time::Duration;

/// What to do, in the order of [`Server::poll_action`](crate::server::Server::poll_action). The kinds are what keeps a crash from
/// undoing what somebody was told.
#[derive(Debug)]
pub enum Action {
    /// Append a record to the log. It is durable with the next commit.
    Append(Record),
    /// Do something now. It shows nothing to anybody that depends on a record.
    Now(Immediate),
    /// Put a result file in place once the log has made it durable. All that comes out later and waits for a commit waits for
    /// the file as well, so that whoever is told of a result finds it.
    Publish(PendingResult),
    /// Do something once every record appended before it is on disk.
    AfterCommit(Deferred),
}

/// What is done when it comes, without waiting for a commit.
#[derive(Debug)]
pub enum Immediate {
    /// Append console entries to the spool of a build. When that fails, answer with
    /// [`SpoolFailed`](crate::server::Input::SpoolFailed).
    Spool {
        /// Which build.
        uuid: Uuid,
        /// Entries as the spool holds them, the oldest first; see [`spool`](crate::spool).
        entries: Vec<u8>,
        /// Bytes that the whole console takes in the stored result, these entries included.
        console_bytes: u64,
    },
    /// Begin the result file of a build: everything that precedes its artifacts, with the console spooled so far. When that
    /// fails, here or at a later step of the same result, answer with [`ResultFailed`](crate::server::Input::ResultFailed).
    BeginResult {
        /// Which build.
        uuid: Uuid,
        /// What the file says before and after the console.
        head: Box<ResultHead>,
    },
    /// Append bytes of the input just handed in to the result file.
    AppendArtifacts {
        /// Which build.
        uuid: Uuid,
        /// Which bytes of [`Input::Received`](crate::server::Input::Received).
        range: Range<usize>,
    },
    /// All bytes of the result file have been handed over: look at its artifacts, then answer with
    /// [`ResultDigested`](crate::server::Input::ResultDigested).
    CompleteResult {
        /// Which build.
        uuid: Uuid,
    },
    /// Store a complete result. A small one goes into the log: answer at once with
    /// [`ResultStored`](crate::server::Input::ResultStored) and its contents. A large one is put in place once every record
    /// appended before this is on disk, since a file in place says that its build has finished, and must not get there
    /// before a record that says how; answer with [`ResultStored`](crate::server::Input::ResultStored) without contents when
    /// the file is durable, or with [`ResultFailed`](crate::server::Input::ResultFailed).
    StoreResult {
        /// Which build.
        uuid: Uuid,
    },
    /// The result file will not be completed: remove what there is of it. Whatever it still waited for is off.
    AbandonResult {
        /// Which build.
        uuid: Uuid,
    },
    /// Stop the program without sending anything more: the state contradicts itself.
    Halt {
        /// Why, for people.
        reason: String,
    },
}

/// What waits until every record appended before it is on disk: all that others can see.
#[derive(Debug)]
pub enum Deferred {
    /// Upload the result of a build; answered by [`UploadEnded`](crate::server::Input::UploadEnded). The next comes only
    /// after that.
    Upload {
        /// Which build.
        uuid: Uuid,
        /// The name of its job.
        name: Text,
    },
    /// Remove the result of a build, which is uploaded; answered by [`ResultRemoved`](crate::server::Input::ResultRemoved).
    RemoveResult {
        /// Which build.
        uuid: Uuid,
        /// The name of its job.
        name: Text,
    },
    /// Have the program told of a build that has finished; what is to be said of it waits in the state. Answered by
    /// [`NoticeEnded`](crate::server::Input::NoticeEnded).
    Notify {
        /// Which build.
        uuid: Uuid,
        /// Which attempt this is, from 1.
        attempt: u32,
    },
    /// Take a build that has finished into the history; its record says how it ended. When that is safe in the history's file,
    /// say so with [`Remembered`](crate::server::Input::Remembered).
    Remember {
        /// Which build.
        uuid: Uuid,
    },
    /// The same for the removal of a result.
    RememberRemoval {
        /// Which build.
        uuid: Uuid,
        /// When it was removed.
        at: Time,
    },
    /// Send a client builds that fit; answered as an observation is.
    List {
        /// Who.
        connection: ConnectionId,
        /// Which builds.
        query: HistoryQuery,
    },
    /// Tell a client how all is; answered as an observation is.
    Overview {
        /// Who.
        connection: ConnectionId,
    },
    /// Send a client what is known of a build; answered as an observation is.
    Describe {
        /// Who.
        connection: ConnectionId,
        /// Which build.
        uuid: Uuid,
    },
    /// No more lines come: observers that have had all get `closing` and are reported with
    /// [`ObserverDone`](crate::server::Input::ObserverDone).
    Seal {
        /// Which build.
        uuid: Uuid,
        /// The last frames for observers.
        closing: Vec<u8>,
    },
    /// Forget the spool of a build; observers that still read it may go on.
    RemoveSpool {
        /// Which build.
        uuid: Uuid,
    },
    /// Send an observer the lines of a build.
    Follow {
        /// Who.
        connection: ConnectionId,
        /// Which build.
        uuid: Uuid,
        /// Whether those to come as well, and how it ended. If not, `success` follows what has been printed by now, unless
        /// that is all there is.
        waits: bool,
        /// Whether it is told how the build ended, and `success`. If not, somebody else does that after
        /// [`ObserverDone`](crate::server::Input::ObserverDone).
        closes: bool,
    },
    /// Send an observer the lines of a stored result; answered by [`ObserverFailed`](crate::server::Input::ObserverFailed) when
    /// there is none.
    Replay {
        /// Who.
        connection: ConnectionId,
        /// Which build.
        uuid: Uuid,
        /// As with [`Deferred::Follow`].
        closes: bool,
    },
    /// Send a client artifacts of a stored result, or why that cannot be done; answered by
    /// [`ObserverDone`](crate::server::Input::ObserverDone).
    Fetch {
        /// Who.
        connection: ConnectionId,
        /// Which artifacts.
        selection: Box<Selection>,
    },
    /// Send bytes.
    Send {
        /// To whom.
        connection: ConnectionId,
        /// What; whole frames.
        bytes: Vec<u8>,
    },
    /// Send bytes that may be a part of a message; answered by [`PartSent`](crate::server::Input::PartSent) when they are gone.
    SendPart {
        /// To whom.
        connection: ConnectionId,
        /// What.
        bytes: Vec<u8>,
    },
    /// Send what is left to send, then end the sending side; the peer is to close.
    Finish {
        /// Which.
        connection: ConnectionId,
    },
    /// Close a connection at once. The server has forgotten it.
    Drop {
        /// Which.
        connection: ConnectionId,
    },
}

/// What a stored result says besides console and artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultHead {
    /// What ran.
    pub job: ScriptJob,
    /// When it started.
    pub started: Time,
    /// When it ended.
    pub finished: Time,
    /// How it ended.
    pub result: BuildResult,
    /// A line for the end of the console: what otherwise only the result would say.
    pub last_line: Option<ConsoleLine>,
    /// Where the artifacts come from.
    pub output: OutputSource,
}

/// Where the artifacts of a result come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputSource {
    /// There are none.
    Empty,
    /// They follow as [`Immediate::AppendArtifacts`], so many bytes in all.
    Streamed(u64),
}

impl ResultHead {
    pub(crate) fn new(
        job: ScriptJob,
        started: Time,
        finished: Time,
        result: BuildResult,
        output: OutputSource,
    ) -> ResultHead {
        let delta_nanoseconds = nanoseconds(finished.duration_since(started));
        let last_line = result.last_line().map(|line| ConsoleLine { delta_nanoseconds, line });
        ResultHead { job, started, finished, result, last_line, output }
    }
}

impl Immediate {
    /// Whether it takes the result of the build on its way into its file.
    pub(crate) fn is_step_of_result(&self, build: Uuid) -> bool {
        match self {
            Immediate::BeginResult { uuid, .. }
            | Immediate::AppendArtifacts { uuid, .. }
            | Immediate::CompleteResult { uuid }
            | Immediate::StoreResult { uuid } => *uuid == build,
            Immediate::Spool { .. } | Immediate::AbandonResult { .. } | Immediate::Halt { .. } => false,
        }
    }
}

/// The frames that end the observation of a build: its result in words, stamped with the time since the start, and
/// `success`.
pub fn closing_messages(uuid: Uuid, result: &BuildResult, elapsed: Duration) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_output_frame(&mut bytes, uuid, result.to_string().as_bytes(), Some(nanoseconds(elapsed)));
    if let Ok(success) = Command::Success.to_frame() {
        bytes.extend_from_slice(&success);
    }
    bytes
}

/// As consoles count it.
pub(crate) fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
