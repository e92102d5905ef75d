//! A stored result that stays where it is stored.

use super::console::{ENTRY_PREFIX_BYTES, Entry};
use super::source::{BlockReader, ReadAt, ReadError};
use super::timestamps::Timestamps;
use super::whole::EXECUTION_TAG;
use crate::Uuid;
use crate::build_result::BuildResult;
use crate::header::{Header, SEQUENCE};
use crate::job::ScriptJob;
use crate::malformed::{Fit, Malformed, Problem, check_fit};
use crate::time::Time;
use crate::wire::RawUuid;
use core::ops::Range;
use der::DecodeOwned;

/// Bytes of a job or a result that is held in memory: the longest frame of a client is 16 MiB, and builder
/// 0.4.0 had no limit.
const VALUE_BYTES: u64 = 64 * 1024 * 1024;

/// What is small of a stored result, and where the rest is.
///
/// ```
/// use builder_proto::Uuid;
/// use builder_proto::build_result::BuildResult;
/// use builder_proto::execution::{Execution, StoredExecution};
/// use builder_proto::job::ScriptJob;
/// use builder_proto::time::Time;
///
/// let file = Execution {
///     job: ScriptJob { name: "hello".into(), script: "true".into(), platform: "freebsd-14".into() },
///     uuid: Uuid::nil(),
///     console: Vec::new(),
///     started: Time::UNIX_EPOCH,
///     finished: Time::UNIX_EPOCH,
///     result: BuildResult::Exited(0),
///     output: Vec::new(),
/// }
/// .encode()?;
/// let stored = StoredExecution::open(file.as_slice(), file.len() as u64)?;
/// assert_eq!(stored.result, BuildResult::Exited(0));
/// assert!(stored.console.is_empty() && stored.output.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredExecution {
    /// What was run.
    pub job: ScriptJob,
    /// The build.
    pub uuid: Uuid,
    /// When the build was handed to its worker.
    pub started: Time,
    /// When its result was known.
    pub finished: Time,
    /// How it ended.
    pub result: BuildResult,
    /// The bytes of the console entries; for [`ConsoleReader`](super::ConsoleReader).
    pub console: Range<u64>,
    /// The bytes of the artifacts, without the header around all of them; for
    /// [`FilesReader`](super::FilesReader).
    pub output: Range<u64>,
}

impl StoredExecution {
    /// Reads the small parts of a stored result of `length` bytes. What is within console and artifacts is not
    /// looked at.
    ///
    /// # Errors
    ///
    /// When the source fails, or does not hold exactly one stored result.
    pub fn open<S: ReadAt + ?Sized>(source: &S, length: u64) -> Result<Self, ReadError<S::Error>> {
        let mut blocks = BlockReader::new(source, length);
        let whole = open_whole(&mut blocks, length)?;
        let mut rest = blocks.header("execution", SEQUENCE, whole, Fit::Exactly)?;
        let job = take_value(&mut blocks, "job", &mut rest)?;
        let RawUuid(uuid) = take_value(&mut blocks, "uuid", &mut rest)?;
        let console = blocks.header("console", SEQUENCE, rest.clone(), Fit::Within)?;
        rest.start = console.end;
        let Timestamps { started, finished } = take_value(&mut blocks, "timestamps", &mut rest)?;
        let result = take_value(&mut blocks, "result", &mut rest)?;
        let output = blocks.header("artifacts", SEQUENCE, rest, Fit::Exactly)?;
        Ok(Self { job, uuid, started, finished, result, console, output })
    }

    /// Whether a file that starts with these bytes is, or once was, a stored result.
    #[must_use]
    pub fn begins(bytes: &[u8]) -> bool {
        bytes.first() == Some(&EXECUTION_TAG)
    }

    /// The console without its newest line, if that says in words how the build ended, and nothing else. For those who say so
    /// themselves behind the console.
    ///
    /// # Errors
    ///
    /// When the source fails, or the newest entry is malformed.
    pub fn console_before_result<S: ReadAt + ?Sized>(
        &self,
        source: &S,
    ) -> Result<Range<u64>, ReadError<S::Error>> {
        let console = self.console.clone();
        let (Some(words), false) = (self.result.last_line(), console.is_empty()) else { return Ok(console) };
        let mut blocks = BlockReader::new(source, console.end);
        let room = console.end - console.start;
        let entry = Entry::parse(blocks.peek(console.start, ENTRY_PREFIX_BYTES)?, room)
            .map_err(|problem| Malformed::new(console.start, "console entry", problem))?;
        if entry.line_length != words.as_bytes().len() as u64 {
            return Ok(console);
        }
        let mut line = Vec::new();
        let line_start = console.start.saturating_add(entry.prefix_length as u64);
        blocks.read_into(&mut line, line_start, words.as_bytes().len())?;
        if line != words.as_bytes() {
            return Ok(console);
        }
        Ok(console.start + entry.length()..console.end)
    }

    /// The bytes from the job to the result: all but the artifacts and the headers around everything.
    pub(super) fn before_output<S: ReadAt>(&self, source: &S) -> Result<Range<u64>, ReadError<S::Error>> {
        let mut blocks = BlockReader::new(source, self.output.end);
        let whole = blocks.any_header("stored result", 0..self.output.end)?;
        let fields = blocks.any_header("execution", whole.encoded_length()..self.output.end)?;
        let output = Header { tag: SEQUENCE, length: self.output.end - self.output.start };
        let start = whole.encoded_length() + fields.encoded_length();
        Ok(start..self.output.start.saturating_sub(output.encoded_length()))
    }
}

/// The outermost header. A file that was cut off is told from one that is damaged inside.
pub(super) fn open_whole<S: ReadAt>(
    blocks: &mut BlockReader<S>,
    length: u64,
) -> Result<Range<u64>, ReadError<S::Error>> {
    const PART: &str = "stored result";
    let header = blocks.any_header(PART, 0..length)?;
    let problem = match header.total_length() {
        _ if header.tag != EXECUTION_TAG => Problem::UnexpectedTag(header.tag),
        Some(expected) if expected <= length => {
            return blocks.header(PART, EXECUTION_TAG, 0..length, Fit::Exactly);
        }
        expected => Problem::CutOff { length, expected: expected.unwrap_or(u64::MAX) },
    };
    Err(Malformed::new(0, PART, problem).into())
}

/// Reads a small value at the start of `rest` and moves the start behind it.
pub(super) fn take_value<S: ReadAt, T: DecodeOwned<Error = der::Error>>(
    blocks: &mut BlockReader<S>,
    part: &'static str,
    rest: &mut Range<u64>,
) -> Result<T, ReadError<S::Error>> {
    let malformed = |problem| Malformed::new(rest.start, part, problem);
    let header = blocks.any_header(part, rest.clone())?;
    check_fit(header, rest.end - rest.start, Fit::Within).map_err(malformed)?;
    let length = header.total_length().unwrap_or(u64::MAX);
    let count = usize::try_from(length)
        .ok()
        .filter(|_| length <= VALUE_BYTES)
        .ok_or_else(|| malformed(Problem::TooLong { length, limit: VALUE_BYTES }))?;
    let mut bytes = Vec::new();
    blocks.read_into(&mut bytes, rest.start, count)?;
    let value = T::from_der(&bytes).map_err(|error| malformed(Problem::Value(error)))?;
    rest.start += length;
    Ok(value)
}
