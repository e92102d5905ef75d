//! A stored result as one value in memory: what the format says, without regard for memory.
//!
//! No program reads or writes results so, since nothing bounds what it takes. It is the reference for tests, against
//! which the readers and the layout that hold only parts are checked.

use super::timestamps::Timestamps;
use crate::Uuid;
use crate::build_result::BuildResult;
use crate::error::{DecodeError, EncodeError};
use crate::header::context;
use crate::job::{File, ScriptJob};
use crate::text::Text;
use crate::time::Time;
use crate::wire::{Integer, RawUuid};
use der::{Decode, Encode};
use der_derive::{Choice, Sequence};

/// First byte of a stored result.
pub(super) const EXECUTION_TAG: u8 = context(0);

/// A stored result with everything in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// What was run.
    pub job: ScriptJob,
    /// The build.
    pub uuid: Uuid,
    /// What it printed, the oldest line first.
    pub console: Vec<ConsoleLine>,
    /// When the build was handed to its worker.
    pub started: Time,
    /// When its result was known.
    pub finished: Time,
    /// How it ended.
    pub result: BuildResult,
    /// The artifacts, in the order in which the worker sent them.
    pub output: Vec<File>,
}

/// One line of a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleLine {
    /// When it was printed, in nanoseconds since the start of the job.
    pub delta_nanoseconds: i64,
    /// Its bytes, without a newline.
    pub line: Text,
}

impl Execution {
    /// The console without the line at its end that says in words how the build ended, if there is one.
    #[must_use]
    pub fn printed(&self) -> &[ConsoleLine] {
        match (self.console.split_last(), self.result.last_line()) {
            (Some((last, rest)), Some(words)) if last.line == words => rest,
            _ => &self.console,
        }
    }

    /// Reads a stored result.
    ///
    /// # Errors
    ///
    /// When the bytes are not exactly one stored result.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Stored::Execution(fields) =
            Stored::from_der(bytes).map_err(DecodeError::within("stored result"))?;
        let lines = fields.console.into_iter().rev();
        let console = lines.map(|Line { delta, line }| ConsoleLine { delta_nanoseconds: delta.0, line });
        Ok(Self {
            job: fields.job,
            uuid: fields.uuid.0,
            console: console.collect(),
            started: fields.timestamps.started,
            finished: fields.timestamps.finished,
            result: fields.result,
            output: fields.output,
        })
    }

    /// Writes it as it is stored.
    ///
    /// # Errors
    ///
    /// When a number takes more than 63 bits, or the whole takes 4 GiB or more.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let lines = self.console.iter().rev();
        let console =
            lines.map(|line| Line { delta: Integer(line.delta_nanoseconds), line: line.line.clone() });
        let stored = Stored::Execution(Fields {
            job: self.job.clone(),
            uuid: RawUuid(self.uuid),
            console: console.collect(),
            timestamps: Timestamps { started: self.started, finished: self.finished },
            result: self.result.clone(),
            output: self.output.clone(),
        });
        Ok(stored.to_der()?)
    }
}

#[derive(Choice)]
enum Stored {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", constructed = "true")]
    Execution(Fields),
}

#[derive(Sequence)]
struct Fields {
    job: ScriptJob,
    uuid: RawUuid,
    console: Vec<Line>,
    timestamps: Timestamps,
    result: BuildResult,
    output: Vec<File>,
}

#[derive(Sequence)]
struct Line {
    delta: Integer,
    line: Text,
}
