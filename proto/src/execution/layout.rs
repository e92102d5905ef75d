//! Everything of a stored result but its console and its artifacts.

use super::console::append_console_entry;
use super::timestamps::Timestamps;
use super::whole::{ConsoleLine, EXECUTION_TAG};
use crate::Uuid;
use crate::build_result::BuildResult;
use crate::error::EncodeError;
use crate::header::{Header, SEQUENCE};
use crate::job::ScriptJob;
use crate::time::Time;
use crate::wire::RawUuid;
use core::fmt;
use der::Encode;

/// What is stored in place of the artifacts when there are none: the empty SEQUENCE OF.
pub const NO_ARTIFACTS: [u8; 2] = [SEQUENCE, 0];

/// What has to be known before the first byte of a stored result can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionHead {
    /// What was run.
    pub job: ScriptJob,
    /// The build.
    pub uuid: Uuid,
    /// Bytes of all console entries; see [`console_entry_length`](super::console_entry_length).
    pub console_length: u64,
    /// When the build was handed to its worker.
    pub started: Time,
    /// When its result was known.
    pub finished: Time,
    /// How it ended.
    pub result: BuildResult,
    /// A line that the console ends with, besides those that `console_length` counts.
    pub last_line: Option<ConsoleLine>,
    /// Bytes of the artifacts as one DER value, its header included, as
    /// [`FinishedHead`](crate::finished::FinishedHead) says; see [`NO_ARTIFACTS`].
    pub output_length: u64,
}

/// The parts of a stored result around its console and its artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionLayout {
    /// What the file starts with; the console entries that were counted follow, the newest first.
    pub before_console: Vec<u8>,
    /// What follows the console entries; the artifacts follow.
    pub after_console: Vec<u8>,
    /// Bytes of the whole file.
    pub total_length: u64,
}

/// Why a stored result cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// The job or the result has no encoding.
    Value(EncodeError),
    /// The lengths do not add up within 64 bits.
    TooLong,
}

impl ExecutionHead {
    /// Lays out the file.
    ///
    /// # Errors
    ///
    /// When the job takes 4 GiB or more, a number of the result more than 63 bits, or the whole more bytes than
    /// a length can say.
    pub fn layout(&self) -> Result<ExecutionLayout, LayoutError> {
        let mut job_and_uuid = self.job.to_der()?;
        RawUuid(self.uuid).encode_to_vec(&mut job_and_uuid)?;
        let mut after_console = Timestamps { started: self.started, finished: self.finished }.to_der()?;
        self.result.encode_to_vec(&mut after_console)?;

        // The newest line is stored first.
        let mut last_entry = Vec::new();
        if let Some(last) = &self.last_line {
            append_console_entry(&mut last_entry, last.delta_nanoseconds, last.line.as_bytes());
        }
        let console_length = self.console_length.checked_add(last_entry.len() as u64);
        let console = Header { tag: SEQUENCE, length: console_length.ok_or(LayoutError::TooLong)? };
        let small_length = (job_and_uuid.len() + after_console.len()) as u64;
        let length = console.total_length().ok_or(LayoutError::TooLong)?;
        let length = length.checked_add(self.output_length).ok_or(LayoutError::TooLong)?;
        let length = length.checked_add(small_length).ok_or(LayoutError::TooLong)?;
        let fields = Header { tag: SEQUENCE, length };
        let whole = Header { tag: EXECUTION_TAG, length: fields.total_length().ok_or(LayoutError::TooLong)? };
        let total_length = whole.total_length().ok_or(LayoutError::TooLong)?;

        let mut before_console = Vec::new();
        whole.append_to(&mut before_console);
        fields.append_to(&mut before_console);
        before_console.append(&mut job_and_uuid);
        console.append_to(&mut before_console);
        before_console.append(&mut last_entry);
        Ok(ExecutionLayout { before_console, after_console, total_length })
    }
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(error) => write!(f, "the job or its result cannot be stored: {error}"),
            Self::TooLong => f.write_str("the console and the artifacts are too long to be stored"),
        }
    }
}

impl core::error::Error for LayoutError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Value(error) => Some(error),
            Self::TooLong => None,
        }
    }
}

impl From<der::Error> for LayoutError {
    fn from(error: der::Error) -> Self {
        Self::Value(error.into())
    }
}
