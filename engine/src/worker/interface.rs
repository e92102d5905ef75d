//! What goes into the worker and what comes out of it: settings, inputs and actions.

use super::remarks::Remarks;
use builder_proto::job::ScriptJob;
use builder_proto::text::Text;
use builder_proto::{Uuid, build_result::BuildResult};
use core::time::Duration;

/// What the worker is told at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The platform whose jobs this worker runs.
    pub platform: Text,
    /// Time a job may take before it is ended.
    pub timeout: Duration,
    /// The same time as the user wrote it, for the result of a job that took longer.
    pub timeout_text: String,
    /// Whether the directory of a job that has failed stays, for those who want to look at it.
    pub keep_failed: bool,
    /// Any number, a different one in each worker; see [`Reconnecting`](crate::reconnecting::Reconnecting).
    pub spread: u32,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The connection to the server stands.
    Connected,
    /// The server sent these bytes.
    Received(&'a [u8]),
    /// The socket took this many bytes of what [`Action::Send`] handed out.
    Sent(usize),
    /// After [`Action::Connect`]: there is nobody to connect to, as this complaint says.
    NotConnected(String),
    /// The server closed the connection; the reason when it did not close it in order. It may have done so before
    /// [`Input::Connected`].
    Disconnected(Option<String>),
    /// The worker was asked to end by this signal.
    Terminated(&'static str),
    /// The worker was asked to leave unless it has a job. To be handed in after everything that the socket has by then: a job
    /// that has arrived is run.
    AskedToLeave,
    /// Something about the job.
    Job(JobInput<'a>),
    /// Time has passed.
    Tick,
}

/// What happened to the job.
#[derive(Debug)]
pub enum JobInput<'a> {
    /// The system refuses to run this script, for this reason.
    NotStarted(String),
    /// The worker cannot run any script, for this reason.
    Unable(String),
    /// Processes of the job wrote these bytes to stdout or stderr.
    Console(&'a [u8]),
    /// After [`Action::DrainConsole`]: nothing more is in the console.
    ConsoleDrained,
    /// The script ended.
    Ended(BuildResult),
    /// [`Action::KillDescendants`] met a process other than the script. Told once a process.
    Leftover(Leftover),
    /// Neither the script nor any descendant exists any more.
    DescendantsGone,
    /// After [`Action::ListArtifacts`]: what there is.
    ArtifactsListed {
        /// Sum of `FileHead::total_length` over all artifacts.
        length: u64,
        /// What was left out, and why.
        remarks: Remarks,
    },
    /// After [`Action::ListArtifacts`]: the artifacts cannot be sent, for this reason.
    ArtifactsRefused(String),
    /// After [`Action::SendArtifacts`]: the socket has taken everything.
    ArtifactsSent,
    /// After [`Action::SendArtifacts`]: an artifact is no longer what was listed, as this says.
    ArtifactsBroken(String),
}

/// A process that was still there when it should have been gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Its process id.
    pub pid: i64,
    /// The name of its command, where the system offers it.
    pub name: Option<Text>,
    /// Why it could not be killed, if so.
    pub refusal: Option<String>,
}

/// What to do next. Actions are to be carried out in the order in which they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect again: the connection broke before anything was asked. What was to be sent on it is void.
    Connect,
    /// Send these bytes after those of earlier actions.
    Send(Vec<u8>),
    /// Make a directory, write this script and start it, all as for a job.
    Rehearse {
        /// It does nothing.
        script: &'static [u8],
    },
    /// Make the directory, write the script and start it.
    StartJob {
        /// The build, for the log.
        uuid: Uuid,
        /// The job.
        job: ScriptJob,
    },
    /// Ask the process group of the script to end (SIGTERM).
    TerminateJob,
    /// Kill the script and all its descendants that can be found now, without waiting for their end.
    KillDescendants,
    /// Read the console to its end, whether or not it was announced as readable.
    DrainConsole,
    /// List the artifacts.
    ListArtifacts,
    /// Send the artifacts, after everything that [`Action::Send`] handed out.
    SendArtifacts,
    /// Remove the directory, if there is one.
    CleanUp,
    /// End the program: in order, or with this complaint.
    Exit(Result<Ending, String>),
}

/// How a worker ends that has done what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server has the result of the job.
    Reported,
    /// The server has the result: the job has failed, and its directory is still there, as [`Settings::keep_failed`] asks.
    Kept,
    /// It was to leave, and had no job.
    Left,
}
