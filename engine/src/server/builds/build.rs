//! One build that a worker runs.

use crate::server::peer::ConnectionId;
use crate::server::sessions::Step;
use crate::spool;
use builder_proto::build_result::BuildResult;
use builder_proto::time::Time;
use core::time::Duration;

/// What a running build is besides its durable record.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) connection: ConnectionId,
    /// When it started, by the monotonic clock.
    pub(crate) started: Duration,
    /// Bytes that the console takes in the stored result.
    pub(crate) console_bytes: u64,
    /// Lines of the console, and bytes in them with their newlines.
    pub(crate) printed: Printed,
    /// Console entries not handed out yet.
    pub(crate) entries: Vec<u8>,
    /// When its result was known.
    pub(crate) finished: Option<Time>,
    /// Whether its worker has said anything about it.
    pub(crate) has_spoken: bool,
    pub(crate) limits: TimeLimits,
    /// When the last line came, or it started, by the monotonic clock.
    pub(crate) last_line: Duration,
    pub(crate) stage: Stage,
}

/// How long a running build may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimits {
    /// From its start to the result.
    pub(crate) job: Duration,
    /// Whether the job has chosen that, so that its worker knows of another limit.
    pub(crate) is_chosen: bool,
    /// Without a line.
    pub(crate) silence: Option<Duration>,
}

/// How much a job has printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Printed {
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
}

/// How far a running build has come.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The worker runs it.
    Running,
    /// The worker sends its result, of which bytes last came in at that time. How the job ended is known once the
    /// head of the result is there.
    Receiving { result: Option<BuildResult>, last_bytes: Duration },
    /// The result is complete.
    Storing { result: BuildResult },
}

/// How far bytes of a result bring it.
pub(crate) enum Progress {
    /// The conversation with the worker goes on like this.
    Step(Step),
    /// All of it is there and on its way into its file.
    Complete,
}

impl Build {
    /// One that a worker has just been given.
    pub(crate) fn new(connection: ConnectionId, started: Duration, limits: TimeLimits) -> Build {
        Build {
            connection,
            started,
            console_bytes: 0,
            printed: Printed::default(),
            entries: Vec::new(),
            finished: None,
            has_spoken: false,
            limits,
            last_line: started,
            stage: Stage::Running,
        }
    }

    /// When it has to have said more.
    pub(crate) fn deadline(&self) -> Duration {
        let end = self.started.saturating_add(self.limits.job);
        let silence = self.limits.silence.map(|silence| self.last_line.saturating_add(silence));
        silence.map_or(end, |silence| silence.min(end))
    }

    /// Takes in a line unless the console would exceed the limit with it.
    pub(crate) fn append_line(&mut self, delta: i64, line: &[u8], limit: u64) -> bool {
        let before = self.entries.len();
        let bytes = self.console_bytes.saturating_add(spool::append_line(&mut self.entries, delta, line));
        if bytes > limit {
            self.entries.truncate(before);
            return false;
        }
        self.console_bytes = bytes;
        self.printed.lines += 1;
        self.printed.bytes += line.len() as u64 + 1;
        true
    }
}

impl Stage {
    /// How the job ended, as far as that is known.
    pub(crate) fn result(&self) -> Option<&BuildResult> {
        match self {
            Stage::Running => None,
            Stage::Receiving { result, .. } => result.as_ref(),
            Stage::Storing { result } => Some(result),
        }
    }
}
