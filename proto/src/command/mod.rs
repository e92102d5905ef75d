//! The messages that programs send each other, one in each frame.

mod decode;
mod encode;
mod info;
mod info_reader;
mod info_stream;
mod kind;
mod output;

pub use info::{InfoReply, QueueInfo, RunningInfo, UPLOADS};
pub use info_reader::{INFO_REPLY_TAG, InfoSource, read_info_reply};
pub use info_stream::{InfoPart, InfoStream};
pub use kind::{Kind, Sender};
pub use output::{OutputRef, append_output_frame};

use crate::Uuid;
use crate::build_result::BuildResult;
use crate::error::{DecodeError, EncodeError};
use crate::job::{File, OrbBuildJob, ScheduleItem, ScriptJob};
use crate::text::Text;
use crate::time::{Period, Time};

/// What a peer says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerType {
    /// Sends one command a connection.
    Client,
    /// Runs one job a connection.
    Worker,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Server to worker: run this.
    JobSchedule {
        /// The build.
        uuid: Uuid,
        /// What to run.
        job: ScriptJob,
    },
    /// Worker to server: the job is over.
    JobFinished {
        /// The build.
        uuid: Uuid,
        /// How it ended.
        result: BuildResult,
        /// The artifacts.
        data: Vec<File>,
    },
    /// A console line. See [`OutputRef`] for reading and [`append_output_frame`] for writing many of them.
    Output {
        /// The build.
        uuid: Uuid,
        /// The line, without its newline.
        line: Text,
        /// Nanoseconds since the job started, from the server to an observer; absent from a worker to the
        /// server.
        timestamp: Option<i64>,
    },
    /// Client to server: enter a script job into the schedule.
    Schedule {
        /// How often it runs.
        period: Period,
        /// The job.
        job: ScriptJob,
    },
    /// Client to server: answer with [`Command::InfoReply`].
    Info,
    /// What servers before dropped platforms answered to [`Command::Info`]. Only accepted.
    InfoReplyOld {
        /// The schedule.
        schedule: Vec<ScheduleItem>,
        /// What waits on each platform.
        queues: Vec<QueueInfo>,
        /// What runs.
        running: Vec<RunningInfo>,
    },
    /// Client to server: take the job of this name out of the schedule.
    Unschedule(Text),
    /// Client to server: send the console of this build as [`Command::Output`].
    Observe(Uuid),
    /// Client to server: [`Command::Execute`] from before jobs had platforms. Only accepted.
    ExecuteOld(Text),
    /// Client to server: enter an orb-build job into the schedule.
    ScheduleOrbBuild {
        /// How often it runs.
        period: Period,
        /// The job.
        job: OrbBuildJob,
    },
    /// Client to server: change when a job runs.
    Reschedule {
        /// The job.
        name: Text,
        /// When it runs next.
        next: Time,
        /// How often it runs from then on; as before when absent.
        period: Option<Period>,
    },
    /// The first message of every connection.
    ClientHello {
        /// What the sender is.
        peer: PeerType,
        /// [`crate::CLIENT_VERSION`] or [`crate::WORKER_VERSION`].
        version: i64,
    },
    /// Server to both: the hello was understood.
    ServerHello,
    /// Worker to server: a job for this platform, please.
    JobRequested(Text),
    /// Client to server: forget this platform and refuse its jobs from now on.
    DropPlatform(Text),
    /// Server to client: done.
    Success,
    /// Server to client: not done, and this says why.
    Failure(Text),
    /// Client to server: queue a job now.
    Execute {
        /// The job.
        name: Text,
        /// Where; on every platform that fits when absent.
        platform: Option<Text>,
    },
    /// Client to server: accept a dropped platform again.
    UndropPlatform(Text),
    /// Server to client: what is going on.
    InfoReply(InfoReply),
}

impl Command {
    /// The name of the message in the protocol, such as `jobSchedule`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// The message that a payload claims to be; `None` when it is none.
    ///
    /// For those who expect few of them: what is not expected need not be decoded.
    #[must_use]
    pub fn peek_kind(payload: &[u8]) -> Option<Kind> {
        decode::identify(payload).ok()
    }

    /// Reads the payload of a frame.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the payload is not exactly one known message in DER, or holds more values than are
    /// decoded at once.
    pub fn decode(payload: &[u8]) -> Result<Command, DecodeError> {
        decode::decode(payload)
    }

    /// Writes the payload of a frame.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when a number or the whole is too big for the wire.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut payload = Vec::new();
        encode::append_payload(self, &mut payload)?;
        Ok(payload)
    }

    /// Writes a frame, ready to be sent.
    ///
    /// # Errors
    ///
    /// The same as [`Command::encode`].
    pub fn to_frame(&self) -> Result<Vec<u8>, EncodeError> {
        encode::to_frame(self)
    }
}

#[cfg(test)]
mod tests;
