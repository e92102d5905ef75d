//! The table of messages: what each is called, who sends it and what it holds.
//!
//! All that depends on which messages there are is made of this table: [`Command`] and [`Kind`], how a message is
//! read and written, and who may send it. A new message is a new row; the compiler then names every place outside
//! that has to say what becomes of it.
//!
//! Four messages can be long or many. They have rows like all others, and besides are handled without a [`Command`]:
//!
//! | message | why | where |
//! |---|---|---|
//! | `output`, `data` | there are many, so they are read by reference and written in place | `output.rs`, `data.rs` |
//! | `jobFinished` | artifacts exceed memory, so they pass by | [`finished`](crate::finished), [`finished_frame`](crate::finished_frame) |
//! | `infoReply` | scripts are repeated, so they are copied late and skipped early | `info_stream.rs`, `info_reader.rs` |

use super::field::{Field, FieldType, Message};
use super::info::{InfoReply, QueueInfo, RunningInfo};
use super::peer::PeerType;
use crate::budget::{MESSAGE_VALUES, STATE_VALUES};
use crate::build_result::BuildResult;
use crate::environment::Variable;
use crate::history::{Artifact, Build, HistoryQuery};
use crate::job::{File, OrbBuildJob, ScheduleItem, ScriptJob};
use crate::job_settings::JobSettings;
use crate::overview::{JobStatus, PlatformStatus, QueueStatus, ServerStatus};
use crate::text::Text;
use crate::time::{Period, Time};
use crate::wire::decode_null;
use crate::{CLIENT_VERSION, HISTORY_VERSION, Uuid};
use der::Reader;
use der::asn1::Null;

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Either peer of a server, before anything else.
    Peer,
    /// A client, to look at something.
    ClientLooks,
    /// A client, to change something.
    ClientChanges,
    /// A worker.
    Worker,
    /// A worker to the server, and the server to observers.
    WorkerAndServer,
    /// The server.
    Server,
}

/// A message is one value, a SEQUENCE of fields in the order of the table, or NULL when it holds nothing.
macro_rules! read {
    ($body:ident $variant:ident) => { decode_null($body, Command::$variant) };
    ($body:ident $variant:ident ($type:ty)) => { <$type as Field>::read($body).map(Command::$variant) };
    ($body:ident $variant:ident { $($field:ident)* }) => {
        $body.sequence(|fields| Ok(Command::$variant { $($field: Field::read(fields)?),* }))
    };
}

macro_rules! write {
    ($message:ident) => { $message.value(&Null) };
    ($message:ident ($value:ident)) => { $message.value($value) };
    ($message:ident { $($field:ident)* }) => { $message.sequence(&[$($field),*]) };
}

/// A row: `number "name in the protocol", sender, most values: Variant`, and after it the fields in their order in
/// braces, or the only value in parentheses, or nothing. The type of a field is that of Rust; `field.rs` says how
/// it is written.
macro_rules! messages {
    ($(
        $(#[$doc:meta])*
        $number:literal $name:literal, $sender:ident, $values:ident: $variant:ident
        $({ $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })?
        $(($value:ident: $value_type:ty))?;
    )*) => {
        /// A message.
        ///
        /// ```
        /// use builder_proto::command::{Command, Kind, Sender};
        ///
        /// let payload = Command::Unschedule("hello".into()).encode()?;
        /// assert_eq!(Command::peek_kind(&payload), Some(Kind::Unschedule));
        /// assert_eq!(Kind::Unschedule.sender(), Sender::ClientChanges);
        /// assert_eq!(Command::decode(&payload)?, Command::Unschedule("hello".into()));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Command {
            $($(#[$doc])* $variant $({ $($(#[$field_doc])* $field: $type,)* })? $(($value_type))?,)*
        }

        /// Which message it is, without what it holds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`: [`Command::", stringify!($variant), "`].")] $variant,)*
        }

        impl Kind {
            /// Every message, by number.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant),*];

            /// The number of the tag.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Kind::$variant => $number),* }
            }

            /// The name in the protocol, such as `jobSchedule`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$variant => $name),* }
            }

            /// Who sends it.
            #[must_use]
            pub const fn sender(self) -> Sender {
                match self { $(Kind::$variant => Sender::$sender),* }
            }

            /// The lowest version of the protocol between client and server that has this message.
            #[must_use]
            pub const fn client_version(self) -> i64 {
                if self.number() <= LAST_OF_CLIENT_VERSION { CLIENT_VERSION } else { HISTORY_VERSION }
            }

            /// What it holds: the name and the type of each field, in their order on the wire. A message of one value
            /// has one field.
            #[must_use]
            pub const fn fields(self) -> &'static [(&'static str, FieldType)] {
                match self {
                    $(Kind::$variant => const { &[
                        $($((stringify!($field), <$type as Field>::TYPE),)*)?
                        $((stringify!($value), <$value_type as Field>::TYPE))?
                    ] }),*
                }
            }

            /// DER values in it at most.
            pub(super) const fn most_values(self) -> usize {
                match self { $(Kind::$variant => $values),* }
            }

            pub(super) const fn from_number(number: u32) -> Option<Kind> {
                match number {
                    $($number => Some(Kind::$variant),)*
                    _ => None,
                }
            }
        }

        impl Command {
            /// Which message it is.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $(Command::$variant { .. } => Kind::$variant),* }
            }

            /// The name of the message in the protocol, such as `jobSchedule`.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                self.kind().name()
            }

            /// Reads what is inside the tag.
            pub(super) fn read<'a, R: Reader<'a>>(kind: Kind, body: &mut R) -> der::Result<Command> {
                match kind {
                    $(Kind::$variant => read!(body $variant $({ $($field)* })? $(($value_type))?)),*
                }
            }

            /// Appends the tag and what is inside it.
            pub(super) fn append(&self, mut message: Message<'_>) -> der::Result<()> {
                match self {
                    $(Command::$variant $({ $($field),* })? $(($value))? => {
                        write!(message $({ $($field)* })? $(($value))?)
                    }),*
                }
            }
        }
    };
}

messages! {
    /// Server to worker: run this.
    2 "jobSchedule", Server, MESSAGE_VALUES: JobSchedule {
        /// The build.
        uuid: Uuid,
        /// What to run.
        job: ScriptJob,
    };
    /// Worker to server: the job is over. See [`FinishedWalker`](crate::finished::FinishedWalker) for reading it while it
    /// arrives.
    3 "jobFinished", Worker, MESSAGE_VALUES: JobFinished {
        /// The build.
        uuid: Uuid,
        /// How it ended.
        result: BuildResult,
        /// The artifacts.
        data: Vec<File>,
    };
    /// A console line. See [`OutputRef`](super::OutputRef) for reading and
    /// [`append_output_frame`](super::append_output_frame) for writing many of them.
    4 "output", WorkerAndServer, MESSAGE_VALUES: Output {
        /// The build.
        uuid: Uuid,
        /// The line, without its newline.
        line: Text,
        /// Nanoseconds since the job started, from the server to an observer; absent from a worker to the
        /// server.
        timestamp: Option<i64>,
    };
    /// Client to server: enter a script job into the schedule.
    5 "schedule", ClientChanges, MESSAGE_VALUES: Schedule {
        /// How often it runs.
        period: Period,
        /// The job.
        job: ScriptJob,
    };
    /// Client to server: answer with [`Command::InfoReply`].
    6 "info", ClientLooks, MESSAGE_VALUES: Info;
    /// What servers before dropped platforms answered to [`Command::Info`]. Only accepted.
    7 "infoReplyOld", Server, STATE_VALUES: InfoReplyOld {
        /// The schedule.
        schedule: Vec<ScheduleItem>,
        /// What waits on each platform.
        queues: Vec<QueueInfo>,
        /// What runs.
        running: Vec<RunningInfo>,
    };
    /// Client to server: take the job of this name out of the schedule.
    9 "unschedule", ClientChanges, MESSAGE_VALUES: Unschedule(name: Text);
    /// Client to server: send the console of this build as [`Command::Output`].
    10 "observe", ClientLooks, MESSAGE_VALUES: Observe(uuid: Uuid);
    /// Client to server: [`Command::Execute`] from before jobs had platforms. Only accepted.
    11 "executeOld", ClientChanges, MESSAGE_VALUES: ExecuteOld(name: Text);
    /// Client to server: enter an orb-build job into the schedule.
    12 "scheduleOrbBuild", ClientChanges, MESSAGE_VALUES: ScheduleOrbBuild {
        /// How often it runs.
        period: Period,
        /// The job.
        job: OrbBuildJob,
    };
    /// Client to server: change when a job runs.
    13 "reschedule", ClientChanges, MESSAGE_VALUES: Reschedule {
        /// The job.
        name: Text,
        /// When it runs next.
        next: Time,
        /// How often it runs from then on; as before when absent.
        period: Option<Period>,
    };
    /// The first message of every connection.
    14 "clientHello", Peer, MESSAGE_VALUES: ClientHello {
        /// What the sender is.
        peer: PeerType,
        /// [`crate::CLIENT_VERSION`], [`crate::HISTORY_VERSION`] or [`crate::WORKER_VERSION`].
        version: i64,
    };
    /// Server to both: the hello was understood.
    15 "serverHello", Server, MESSAGE_VALUES: ServerHello;
    /// Worker to server: a job for this platform, please.
    16 "jobRequested", Worker, MESSAGE_VALUES: JobRequested(platform: Text);
    /// Client to server: forget this platform and refuse its jobs from now on.
    17 "dropPlatform", ClientChanges, MESSAGE_VALUES: DropPlatform(platform: Text);
    /// Server to client: done.
    18 "success", Server, MESSAGE_VALUES: Success;
    /// Server to both: not done, and this says why.
    19 "failure", Server, MESSAGE_VALUES: Failure(reason: Text);
    /// Client to server: queue a job now.
    20 "execute", ClientChanges, MESSAGE_VALUES: Execute {
        /// The job.
        name: Text,
        /// Where; on every platform that fits when absent.
        platform: Option<Text>,
    };
    /// Client to server: accept a dropped platform again.
    21 "undropPlatform", ClientChanges, MESSAGE_VALUES: UndropPlatform(platform: Text);
    /// Server to client: what is going on. See [`InfoStream`](super::InfoStream) for writing it piece by piece and
    /// [`read_info_reply`](super::read_info_reply) for reading it without the scripts.
    22 "infoReply", Server, STATE_VALUES: InfoReply(reply: InfoReply);
    /// Client to server: answer with [`Command::Build`] for each build that fits, the one that started last first.
    23 "history", ClientLooks, MESSAGE_VALUES: History(query: HistoryQuery);
    /// Server to client: a build.
    24 "build", Server, MESSAGE_VALUES: Build(build: Build);
    /// Client to server: answer with [`Command::Build`], [`Command::JobSchedule`] with what ran if that is still there, and
    /// [`Command::Artifact`] for each artifact, as far as they are known.
    25 "details", ClientLooks, MESSAGE_VALUES: Details(uuid: Uuid);
    /// Server to client: an artifact. After [`Command::Fetch`], its content follows.
    26 "artifact", Server, MESSAGE_VALUES: Artifact(artifact: Artifact);
    /// Client to server: send the console of this build as [`Command::Output`], as far as it is there.
    27 "console", ClientLooks, MESSAGE_VALUES: Console(uuid: Uuid);
    /// Client to server: answer with the artifacts of this build, in the order in which they are stored.
    28 "fetch", ClientLooks, MESSAGE_VALUES: Fetch {
        /// The build.
        uuid: Uuid,
        /// The path of one artifact, or of a directory that they are below; all of them when absent.
        path: Option<Text>,
        /// How many of them to leave out.
        skip: i64,
        /// Bytes to leave out of the first that is left.
        offset: i64,
    };
    /// Server to client: the next bytes of the content of an artifact. See [`DataRef`](super::DataRef) for reading and
    /// [`append_data_frame`](super::append_data_frame) for writing many of them.
    29 "data", Server, MESSAGE_VALUES: Data(bytes: Text);
    /// Client to server: end this build.
    30 "cancel", ClientChanges, MESSAGE_VALUES: Cancel(uuid: Uuid);
    /// Client to server: end all builds of this job, and take it out of all queues.
    31 "cancelJob", ClientChanges, MESSAGE_VALUES: CancelJob(name: Text);
    /// Client to server: hand out no jobs on this platform.
    32 "pause", ClientChanges, MESSAGE_VALUES: Pause(platform: Text);
    /// Client to server: the opposite of [`Command::Pause`], or without a platform, of [`Command::Drain`].
    33 "resume", ClientChanges, MESSAGE_VALUES: Resume {
        /// The platform.
        platform: Option<Text>,
    };
    /// Client to server: hand out no jobs anywhere.
    34 "drain", ClientChanges, MESSAGE_VALUES: Drain {
        /// Whether to answer only when no build is left.
        wait: bool,
    };
    /// Server to client: what came of a command, for people. Any number of them precede [`Command::Success`].
    35 "remark", Server, MESSAGE_VALUES: Remark(text: Text);
    /// Client to server: [`Command::Schedule`] with settings, or in the place of the job of that name.
    36 "enter", ClientChanges, MESSAGE_VALUES: Enter {
        /// How often it runs. It does not count when the settings say how often.
        period: Period,
        /// The job.
        job: ScriptJob,
        /// What it wants besides.
        settings: JobSettings,
        /// Whether it takes the place of the job of that name, if there is one.
        replaces: bool,
        /// Minutes after midnight in UTC when it runs; as soon as possible, and from then on, when absent.
        at: Option<i64>,
    };
    /// Client to server: [`Command::ScheduleOrbBuild`] with settings, or in the place of the job of that name.
    37 "enterOrbBuild", ClientChanges, MESSAGE_VALUES: EnterOrbBuild {
        /// How often it runs. It does not count when the settings say how often.
        period: Period,
        /// The job.
        job: OrbBuildJob,
        /// What it wants besides.
        settings: JobSettings,
        /// Whether it takes the place of the job of that name, if there is one.
        replaces: bool,
        /// Minutes after midnight in UTC when it runs; as soon as possible, and from then on, when absent.
        at: Option<i64>,
    };
    /// Client to server: [`Command::Execute`] with more to it. Who waits is sent [`Command::Waiting`] and [`Command::Build`] until
    /// the job has run, and the console as [`Command::Output`].
    38 "run", ClientChanges, MESSAGE_VALUES: Run {
        /// The job.
        name: Text,
        /// Where; on every platform that fits when absent.
        platform: Option<Text>,
        /// What this run finds in its environment in addition.
        environment: Vec<Variable>,
        /// Whether to answer with all that happens, up to the end of the build.
        waits: bool,
        /// Whether to wait for the build that is queued or runs, in place of queueing one.
        joins: bool,
    };
    /// Server to client: why the build that somebody waits for does not run.
    39 "waiting", Server, MESSAGE_VALUES: Waiting(reason: Text);
    /// Client to server: say how you are, with one [`Command::ServerStatus`], then [`Command::PlatformStatus`],
    /// [`Command::QueueStatus`], [`Command::Build`] for each build that runs, and [`Command::JobStatus`].
    40 "overview", ClientLooks, MESSAGE_VALUES: Overview;
    /// Server to client: a job, and how its builds ended.
    41 "jobStatus", Server, MESSAGE_VALUES: JobStatus(job: JobStatus);
    /// Server to client: a platform and its workers.
    42 "platformStatus", Server, MESSAGE_VALUES: PlatformStatus(platform: PlatformStatus);
    /// Server to client: a job that waits, and why.
    43 "queueStatus", Server, MESSAGE_VALUES: QueueStatus(entry: QueueStatus);
    /// Server to client: the server itself.
    44 "serverStatus", Server, MESSAGE_VALUES: ServerStatus(server: ServerStatus);
}

/// The last number that peers of [`CLIENT_VERSION`] know.
const LAST_OF_CLIENT_VERSION: u8 = 22;

/// Numbers that earlier versions used for something else.
pub(super) const RESERVED: [u32; 3] = [0, 1, 8];
