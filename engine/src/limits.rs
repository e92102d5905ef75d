//! The limits of what the server and the worker decide, by name. Those of how they use sockets, files and descriptors
//! stand where that is done, in the programs.
//!
//! Whatever exceeds one is answered with a `failure`, or ends in a failed build, whose text names the limit.

use core::time::Duration;

/// Bytes of a frame before the peer has said hello, and of a peer that has nothing more to say. A hello takes at most 20.
pub const HELLO_FRAME_BYTES: u64 = 64;
/// Bytes of the frame in which a worker names its platform.
pub const REQUEST_FRAME_BYTES: u64 = 4096;
/// Bytes of the frame of a command from a viewer: a few names, or the path of an artifact.
pub const LOOK_FRAME_BYTES: u64 = 2 * ARTIFACT_PATH_BYTES;
/// Bytes of any other frame that is held whole: a command, a console line.
pub const COMMAND_FRAME_BYTES: u64 = 16 * MEBIBYTE;
/// Bytes of a script, wherever it comes from: a client, a template that was expanded, a state of builder 0.4.0.
pub const SCRIPT_BYTES: u64 = COMMAND_FRAME_BYTES;
/// Bytes of the frame in which a worker receives its job: any script, and with it a uuid, two names and the framing.
pub const JOB_FRAME_BYTES: u64 = SCRIPT_BYTES + KIBIBYTE;
/// Time a new connection has to say hello.
pub const HELLO_TIME: Duration = Duration::from_secs(10);
/// Time a peer has from its hello to the end of its command.
pub const COMMAND_TIME: Duration = Duration::from_secs(5 * 60);
/// Time a peer has to read the last answer and close, before the connection is cut.
pub const LINGER_TIME: Duration = Duration::from_secs(30);
/// Time a worker may pause while it sends artifacts.
pub const ARTIFACT_PROGRESS_TIME: Duration = Duration::from_secs(60);
/// How long the server waits beyond the time that a worker grants a job, so that the worker's clock runs out first.
pub const TIMEOUT_GRACE: Duration = Duration::from_secs(60);
/// Time a worker grants a job, unless a flag says otherwise: what builder 0.4.0 grants.
pub const JOB_TIME: Duration = Duration::from_secs(60 * 60);
/// Time a server has to answer a worker's hello. Generous, because a server that syncs its disk says nothing.
pub const SERVER_HELLO_TIME: Duration = Duration::from_secs(60);
/// Connections that a client or worker makes in the place of ones that broke before the server's hello.
pub const RECONNECTS: u32 = 9;
/// The longest pause before the first of them. It doubles each time.
pub const RECONNECT_TIME: Duration = Duration::from_millis(100);
/// The longest pause before any of them.
pub const LONGEST_RECONNECT_TIME: Duration = Duration::from_secs(5);
/// Time a script that does nothing may take, before a worker asks for a job. Generous, because a busy machine is no sick one.
pub const REHEARSAL_TIME: Duration = Duration::from_secs(60);
/// Time between asking the processes of a job to end and killing them.
pub const STOP_TIME: Duration = Duration::from_secs(10);
/// Time for what a script left in the background to end by itself: a `tee` that still writes, for example.
pub const LEFTOVER_TIME: Duration = Duration::from_secs(1);
/// Pause before the next look for processes that were killed but are still there, or that were born meanwhile.
pub const KILL_RETRY_TIME: Duration = Duration::from_millis(5);
/// Time after which processes that cannot be killed are left alone, and the build goes on without them.
pub const KILL_TIME: Duration = Duration::from_secs(10);
/// Bytes of one console line; what is longer is split.
pub const LINE_BYTES: usize = 64 * 1024;
/// Bytes that wait for the server before the worker stops to read the console, which in turn stops the job.
pub const WORKER_OUTBOX_BYTES: usize = 1024 * 1024;
/// Bytes of console that are read after the last process of a job is gone. No pipe of a user holds more.
pub const DRAIN_BYTES: usize = 16 * 1024 * 1024;
/// Console lines of one kind that a worker adds by itself; the rest is counted.
pub const REMARKS: usize = 50;
/// Directory entries a worker looks at for artifacts, each as often as links lead to it.
pub const ARTIFACT_ENTRIES: u64 = 2_000_000;
/// Names a worker looks up in directories on its way to the artifacts of one build: what takes seconds.
pub const ARTIFACT_LOOKUPS: u64 = 4_000_000;
/// Bytes of the paths of all artifacts of one build, which the worker holds in memory.
pub const ARTIFACT_LIST_BYTES: u64 = 64 * MEBIBYTE;
/// Pause before another attempt at what the disk, or the source of randomness, did not allow.
pub const RETRY_TIME: Duration = Duration::from_secs(10);
/// Time from the first result that only the log holds to the sync of its file: long enough to gather many.
pub const WRITE_BACK_TIME: Duration = Duration::from_secs(1);
/// Bytes of such results from which on the sync does not wait.
pub const WRITE_BACK_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of incomplete frames held for all connections together. Beyond it the one that holds most is refused.
pub const HELD_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of an incomplete frame that every build's worker may hold in addition: enough for the longest line that it sends.
pub const HELD_BYTES_EACH: usize = LINE_BYTES + 1024;
/// Bytes of an answer that are encoded at once; the rest follows when they are sent.
pub const INFO_PIECE_BYTES: usize = 128 * 1024;
/// Bytes of an overview that are put together at once, but for its last message; the rest follows when they are sent.
pub const OVERVIEW_PIECE_BYTES: usize = 64 * 1024;
/// Answers to `info` of which not everything has been sent, at the same time. Each takes a piece, and a few bytes for each
/// job while there is more to come.
pub const UNREAD_ANSWERS: usize = 128;
/// Bytes of artifacts that are read at once for a client that fetches them. While they are sent, as many are read again.
pub const FETCH_PIECE_BYTES: usize = 256 * 1024;
/// Clients that fetch artifacts at the same time. Each is an observer, too, and takes more memory than others.
pub const FETCHES: usize = 128;
/// Bytes of jobs that have been unscheduled, or whose builds have ended, and that answers to `info` still hold. Beyond it the
/// client that has not read for the longest time is cut off.
pub const DEPARTED_BYTES: u64 = 32 * MEBIBYTE;
/// Time in which a client has to read a piece of its answer while others wait for theirs.
pub const ANSWER_PROGRESS_TIME: Duration = Duration::from_secs(10);
/// Bytes that commands leave free on the disk, so that running builds can finish and jobs can be removed.
pub const DISK_MARGIN: u64 = MEBIBYTE;
/// Losses in a row after which a job is stored as failed and no longer queued again.
pub const LOSSES_IN_A_ROW: u32 = 3;
/// Time between two jobs of a platform whose workers have lost two builds in a row; it doubles with each further loss.
pub const LOSS_FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest time between two jobs of a platform whose workers lose one after the other.
pub const LOSS_LONGEST_DELAY: Duration = Duration::from_secs(5 * 60);
/// Bytes of a job name or a platform name; both become file names.
pub const NAME_BYTES: usize = 100;
/// Bytes of the opam package of an orb-build job. A template may repeat it any number of times.
pub const OPAM_PACKAGE_BYTES: usize = 4096;
/// Variables in the environment of one run of a job.
pub const ENVIRONMENT_VARIABLES: usize = 64;
/// Bytes of their names and values together. They are in the log, and in memory while the job is queued or runs.
pub const ENVIRONMENT_BYTES: usize = 16 * 1024;
/// Places that a job may have in the queue of one platform with environments that differ.
pub const QUEUED_ENVIRONMENTS: usize = 100;
/// Time from a look at why a job is queued, for somebody who waits for it, to the next.
pub const WAITING_RECHECK: Duration = Duration::from_secs(5);
/// Platforms with a queue. Workers create queues, so without a bound a hostile one would fill the disk.
pub const PLATFORMS: usize = 1000;
/// Schedule items that are queued in one call; the rest follows in the next.
pub const DUE_ITEMS_PER_CALL: usize = 1000;
/// The shortest time between two runs of a job.
pub const SHORTEST_PERIOD: Duration = Duration::from_secs(60);
/// The longest time that a setting of a job may name: a hundred years, so that no sum of times overflows.
pub const LONGEST_SETTING: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);
/// How late a run may be that is not to be left out: as long as a server takes to be restarted.
pub const MISSED_RUN_TOLERANCE: Duration = Duration::from_secs(60);
/// Time between two looks at all jobs for results that have become too old to be kept.
pub const RETENTION_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// Artifacts of one build, by number.
pub const ARTIFACT_FILES: u64 = 1_000_000;
/// Bytes of one artifact's path.
pub const ARTIFACT_PATH_BYTES: u64 = 4096;
/// Bytes of the message with which a worker says why it could not run a job.
pub const RESULT_MESSAGE_BYTES: u64 = 64 * 1024;
/// Bytes of the DER encoding of the list of one build's artifacts, with their digests. It goes into one frame of the log, and is
/// held in memory, where it takes up to three times as much, while the result comes in. There is room for 10,000 artifacts with
/// paths of 50 bytes, and still for 250 with the longest paths. Of a build that leaves more, only their number and the bytes of
/// all are known.
pub const MANIFEST_BYTES: u64 = MEBIBYTE;
/// Bytes of all artifacts of one build, unless a flag says otherwise.
pub const ARTIFACT_BYTES: u64 = 4 * GIBIBYTE;
/// Bytes of the console of one build as it is stored, unless a flag says otherwise.
pub const CONSOLE_BYTES: u64 = GIBIBYTE;
/// Time from the first failure of an upload to the next attempt; it doubles with each further failure.
pub const UPLOAD_FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest time from a failure of an upload to the next attempt.
pub const UPLOAD_LONGEST_DELAY: Duration = Duration::from_secs(60 * 60);
/// Jobs in a row whose results the upload server does not let its user upload, from which on the credentials are in doubt.
pub const UPLOAD_DOUBTS: usize = 3;
/// Results that wait to be uploaded which `info` lists; the rest is counted.
pub const UPLOADS_SHOWN: usize = 100;
/// Time between two pages of metrics. Prometheus usually asks for one as often.
pub const METRICS_INTERVAL: Duration = Duration::from_secs(15);
/// Notices of finished builds that wait for the program of `--on-finish`. Each takes a few hundred bytes of the log and of memory,
/// and 1.5 KiB at most. Of more, the oldest are given up.
pub const NOTICES_WAITING: usize = 10_000;
/// Programs that are told of builds at the same time, each of another job.
pub const NOTICE_PROGRAMS: usize = 4;
/// Time that such a program has, unless a flag says otherwise: enough to sign and copy something large.
pub const NOTICE_TIME: Duration = Duration::from_secs(5 * 60);
/// How often it is tried to give a notice, before it is given up. With the pauses between them that takes well over an hour: who
/// is told may be a server that is just being restarted.
pub const NOTICE_ATTEMPTS: u32 = 10;
/// Time from the first failure to give a notice to the next attempt; it doubles with each further failure.
pub const NOTICE_FIRST_DELAY: Duration = Duration::from_secs(10);
/// The longest time from a failure to give a notice to the next attempt.
pub const NOTICE_LONGEST_DELAY: Duration = Duration::from_secs(30 * 60);
/// The longest sleep while a schedule item is due later: a wall clock that was set is noticed by then.
pub const WALL_CLOCK_RECHECK: Duration = Duration::from_secs(15 * 60);
/// Time after a start during which next runs that are too far away are left alone: a host whose clock does not run while it
/// is off starts in the past, until a service puts that right.
pub const CLOCK_PATIENCE: Duration = Duration::from_secs(10 * 60);
/// By how much the wall clock may go back without any consequence: what a service that keeps it right corrects in a step.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// Bytes of one frame's payload in the write-ahead log. It holds the longest record: a job with its script.
pub const LOG_FRAME_BYTES: u64 = 32 * MEBIBYTE;
/// Bytes that the write-ahead log may always have before it is written anew from a snapshot.
pub const LOG_ROTATION_BYTES: u64 = 4 * MEBIBYTE;
/// Bytes held back on the disk, so that the write-ahead log can still take what frees space.
pub const LOG_RESERVE_BYTES: u64 = 8 * MEBIBYTE;
/// Bytes of zeros preallocated at once at the end of the write-ahead log for the commits to come, as a file that does not grow is
/// synced faster.
pub const LOG_PREALLOCATED_BYTES: u64 = 256 * 1024;
/// Bytes of the head of a request to a dashboard: what browsers and proxies send, cookies of neighbours included, takes a fraction
/// of it, and most servers take as much. While it is not used up, further requests are read ahead.
pub const HTTP_HEAD_BYTES: usize = 8 * 1024;
/// Header fields of such a request. Browsers send about twenty, and a proxy adds a handful.
pub const HTTP_HEADERS: usize = 64;
/// Time from the first byte of a request to the end of its head, and from the connection to the end of the first one. However
/// slowly bytes trickle in, nobody holds a place for longer without asking for something.
pub const HTTP_HEAD_TIME: Duration = Duration::from_secs(10);
/// Time for which a connection without a request is kept for the next one: what somebody takes to read a page and click.
pub const HTTP_IDLE_TIME: Duration = Duration::from_secs(30);
/// Time after which a browser that takes nothing of what waits for it is given up. A laptop may have been closed.
pub const HTTP_PROGRESS_TIME: Duration = Duration::from_secs(60);
/// Time for which whatever else a peer sends is read and forgotten after a refusal, so that the refusal reaches it: a connection
/// that is closed with bytes unread is reset, and that takes back what was sent.
pub const HTTP_LINGER_TIME: Duration = Duration::from_secs(5);

const KIBIBYTE: u64 = 1024;
const MEBIBYTE: u64 = 1024 * KIBIBYTE;
const GIBIBYTE: u64 = 1024 * MEBIBYTE;
