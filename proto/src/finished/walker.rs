//! The walker itself.

use super::event::{ArtifactLimits, FINISHED_TAG, FinishedError, FinishedEvent, FinishedHead};
use crate::Uuid;
use crate::artifacts::ArtifactVisitor;
use crate::build_result::BuildResult;
use crate::header::{HEADER_BYTES, Header, HeaderError, SEQUENCE, UTF8_STRING, context};
use crate::malformed::{Fit, Malformed, Problem, check_fit, check_header};
use der::Decode;

/// Walks over the payload of a `jobFinished` message in whatever pieces it arrives.
///
/// Memory does not depend on the message, except for the text of its result and one path at a time, which have
/// limits. How the payload is cut into pieces changes nothing but the number of [`FinishedEvent::Data`].
///
/// ```
/// use builder_proto::finished::{ArtifactLimits, FinishedEvent, FinishedWalker};
///
/// # fn store(
/// #     mut pieces: impl Iterator<Item = Vec<u8>>, length: u64, limits: ArtifactLimits, mut stored: Vec<u8>,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let mut walker = FinishedWalker::new(length, limits);
/// for piece in pieces {
///     let mut rest = piece.as_slice();
///     loop {
///         let (taken, event) = walker.push(rest)?;
///         match event {
///             FinishedEvent::More => break,
///             FinishedEvent::Head(head) => println!("{} {}", head.uuid, head.result),
///             FinishedEvent::Data => stored.extend_from_slice(&rest[..taken]),
///             FinishedEvent::End => return Ok(()),
///         }
///         rest = &rest[taken..];
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FinishedWalker {
    length: u64,
    limits: ArtifactLimits,
    offset: u64,
    state: State,
    prefix: Prefix,
    /// The uuid, then the result, then the path of each artifact, until it is complete.
    value: Vec<u8>,
    uuid: Uuid,
    files: u64,
    file_end: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header(Part),
    Value { part: Part, rest: u64 },
    End,
}

/// Every value of the message that has a header of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Command,
    Fields,
    Uuid,
    Result,
    Files,
    File,
    Path,
    Content,
}

impl FinishedWalker {
    /// Expects a payload of `length` bytes.
    #[must_use]
    pub fn new(length: u64, limits: ArtifactLimits) -> Self {
        Self {
            length,
            limits,
            offset: 0,
            state: State::Header(Part::Command),
            prefix: Prefix::default(),
            value: Vec::new(),
            uuid: Uuid::nil(),
            files: 0,
            file_end: 0,
        }
    }

    /// Expects the artifacts alone, as they are stored: `length` bytes. They were judged when they arrived, so no limit applies.
    #[must_use]
    pub fn of_artifacts(length: u64) -> Self {
        let most = u64::MAX;
        let limits = ArtifactLimits { total_bytes: most, files: most, path_bytes: most, message_bytes: most };
        Self { state: State::Header(Part::Files), ..Self::new(length, limits) }
    }

    /// Takes what it can from the front of `bytes`; says how many, and what they led to.
    ///
    /// To be called again with the rest until it answers [`More`](FinishedEvent::More), then with the bytes
    /// that arrive next, and no longer after [`End`](FinishedEvent::End). With no bytes it is harmless.
    ///
    /// # Errors
    ///
    /// When the message is malformed or exceeds a limit. The walker is of no further use then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(usize, FinishedEvent), FinishedError> {
        self.push_to(bytes, &mut ())
    }

    /// Like [`push`](Self::push), and shows a visitor the artifacts that the bytes taken belong to.
    ///
    /// # Errors
    ///
    /// As for [`push`](Self::push). The visitor may have seen artifacts of the message by then.
    pub fn push_to(
        &mut self,
        bytes: &[u8],
        visitor: &mut dyn ArtifactVisitor,
    ) -> Result<(usize, FinishedEvent), FinishedError> {
        let mut rest = bytes;
        let in_artifacts = self.in_artifacts();
        let head = loop {
            match self.step(&mut rest, visitor)? {
                Step::Stepped => {}
                Step::Starved => break None,
                Step::Head(head) => break Some(head),
            }
        };
        let taken = bytes.len() - rest.len();
        let event = match head {
            Some(head) => FinishedEvent::Head(head),
            None if in_artifacts && taken > 0 => FinishedEvent::Data,
            None if self.state == State::End => FinishedEvent::End,
            None => FinishedEvent::More,
        };
        Ok((taken, event))
    }

    fn in_artifacts(&self) -> bool {
        match self.state {
            State::Header(part) | State::Value { part, .. } => part.is_artifact(),
            State::End => true,
        }
    }

    fn step(&mut self, rest: &mut &[u8], visitor: &mut dyn ArtifactVisitor) -> Result<Step, FinishedError> {
        match self.state {
            State::End => Ok(Step::Starved),
            State::Value { part, rest: 0 } => self.leave(part, visitor),
            _ if self.offset == self.length => {
                Err(Malformed::new(self.offset, "jobFinished", Problem::EndsEarly).into())
            }
            State::Header(part) => self.take_header(part, rest, visitor),
            State::Value { part, rest: missing } => self.take_value(part, missing, rest, visitor),
        }
    }

    fn take_header(
        &mut self,
        part: Part,
        rest: &mut &[u8],
        visitor: &mut dyn ArtifactVisitor,
    ) -> Result<Step, FinishedError> {
        let Some((&byte, tail)) = rest.split_first() else { return Ok(Step::Starved) };
        *rest = tail;
        self.offset += 1;
        let header = self.prefix.push(byte).map_err(|error| {
            let start = self.offset - self.prefix.count as u64;
            Malformed::new(start, part.name(), Problem::Header(error))
        })?;
        if let Some(header) = header {
            self.enter(part, header, visitor)?;
        }
        Ok(Step::Stepped)
    }

    fn take_value(
        &mut self,
        part: Part,
        missing: u64,
        rest: &mut &[u8],
        visitor: &mut dyn ArtifactVisitor,
    ) -> Result<Step, FinishedError> {
        if rest.is_empty() {
            return Ok(Step::Starved);
        }
        let count = usize::try_from(missing).map_or(rest.len(), |missing| missing.min(rest.len()));
        let (bytes, tail) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        match part {
            Part::Uuid | Part::Result => self.value.extend_from_slice(bytes),
            Part::Path => {
                if let Some(position) = bytes.iter().position(|&byte| byte == 0) {
                    let place = self.offset + position as u64;
                    return Err(Malformed::new(place, part.name(), Problem::NulInPath).into());
                }
                self.value.extend_from_slice(bytes);
            }
            Part::Content => visitor.content(bytes),
            _ => {}
        }
        *rest = tail;
        self.offset += count as u64;
        self.state = State::Value { part, rest: missing - count as u64 };
        Ok(Step::Stepped)
    }

    /// Checks the header of `part`, which ends here, and decides what comes next.
    fn enter(
        &mut self,
        part: Part,
        header: Header,
        visitor: &mut dyn ArtifactVisitor,
    ) -> Result<(), FinishedError> {
        let start = self.offset - header.encoded_length();
        let end = if matches!(part, Part::Path | Part::Content) { self.file_end } else { self.length };
        let malformed = |problem| Malformed::new(start, part.name(), problem);
        part.check(header, end.saturating_sub(start)).map_err(malformed)?;
        self.check_limits(part, header)?;
        match part {
            Part::File => self.file_end = self.offset + header.length,
            Part::Result => header.append_to(&mut self.value),
            Part::Content => {
                visitor.begin(&self.value, header.length);
                self.value.clear();
            }
            _ => {}
        }
        self.state = match part {
            Part::Command => State::Header(Part::Fields),
            Part::Fields => State::Header(Part::Uuid),
            Part::Files if header.length == 0 => State::End,
            Part::Files => State::Header(Part::File),
            Part::File => State::Header(Part::Path),
            Part::Uuid | Part::Result | Part::Path | Part::Content => {
                State::Value { part, rest: header.length }
            }
        };
        Ok(())
    }

    fn check_limits(&mut self, part: Part, header: Header) -> Result<(), FinishedError> {
        let ArtifactLimits { files, path_bytes, message_bytes, .. } = self.limits;
        match part {
            // The bytes of the result are collected: more than the message with its own header need not be.
            Part::Result if header.length > message_bytes.saturating_add(HEADER_BYTES as u64) => {
                Err(FinishedError::MessageTooLong { length: header.length, limit: message_bytes })
            }
            Part::File if self.files == files => Err(FinishedError::TooManyArtifacts { limit: files }),
            Part::File => {
                self.files += 1;
                Ok(())
            }
            Part::Path if header.length > path_bytes => {
                Err(FinishedError::PathTooLong { length: header.length, limit: path_bytes })
            }
            _ => Ok(()),
        }
    }

    /// Takes in `part`, whose last byte was taken, and decides what comes next.
    fn leave(&mut self, part: Part, visitor: &mut dyn ArtifactVisitor) -> Result<Step, FinishedError> {
        if part == Part::Content {
            visitor.end();
        }
        self.state = match part {
            Part::Uuid => {
                let bytes = core::mem::take(&mut self.value);
                // The length was checked with the header.
                self.uuid = Uuid::from_slice(&bytes).unwrap_or_default();
                State::Header(Part::Result)
            }
            Part::Result => {
                self.state = State::Header(Part::Files);
                return self.head().map(Step::Head);
            }
            Part::Path => State::Header(Part::Content),
            _ if self.offset == self.length => State::End,
            _ => State::Header(Part::File),
        };
        Ok(Step::Stepped)
    }

    fn head(&mut self) -> Result<FinishedHead, FinishedError> {
        let bytes = core::mem::take(&mut self.value);
        let start = self.offset - bytes.len() as u64;
        let result = BuildResult::from_der(&bytes)
            .map_err(|error| Malformed::new(start, Part::Result.name(), Problem::Value(error)))?;
        if let BuildResult::Message(text) = &result {
            let (length, limit) = (text.as_bytes().len() as u64, self.limits.message_bytes);
            if length > limit {
                return Err(FinishedError::MessageTooLong { length, limit });
            }
        }
        let data_length = self.length - self.offset;
        if data_length > self.limits.total_bytes {
            let limit = self.limits.total_bytes;
            return Err(FinishedError::ArtifactsTooLong { length: data_length, limit });
        }
        Ok(FinishedHead { uuid: self.uuid, result, data_length })
    }
}

enum Step {
    Stepped,
    Starved,
    Head(FinishedHead),
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Command => "jobFinished",
            Part::Fields => "fields of jobFinished",
            Part::Uuid => "uuid",
            Part::Result => "result",
            Part::Files => "artifacts",
            Part::File => "artifact",
            Part::Path => "artifact path",
            Part::Content => "artifact data",
        }
    }

    fn is_artifact(self) -> bool {
        matches!(self, Part::Files | Part::File | Part::Path | Part::Content)
    }

    /// Checks a header that stands where `room` bytes are left of the parent.
    fn check(self, header: Header, room: u64) -> Result<(), Problem> {
        match self {
            Part::Command => check_header(header, FINISHED_TAG, room, Fit::Exactly),
            Part::Fields | Part::Files => check_header(header, SEQUENCE, room, Fit::Exactly),
            Part::File => check_header(header, SEQUENCE, room, Fit::Within),
            Part::Uuid | Part::Path => check_header(header, UTF8_STRING, room, Fit::Within),
            Part::Content => check_header(header, UTF8_STRING, room, Fit::Exactly),
            Part::Result => check_fit(header, room, Fit::Within),
        }?;
        match self {
            Part::Uuid if header.length != 16 => Err(Problem::UuidLength(header.length)),
            Part::Path if header.length == 0 => Err(Problem::EmptyPath),
            Part::Result => match header.tag {
                MESSAGE_TAG => Ok(()),
                EXITED_TAG..MESSAGE_TAG if header.length <= HEADER_BYTES as u64 => Ok(()),
                EXITED_TAG..MESSAGE_TAG => Err(Problem::Integer),
                tag => Err(Problem::UnexpectedTag(tag)),
            },
            _ => Ok(()),
        }
    }
}

/// Alternatives of the result: from here up to [`MESSAGE_TAG`] each holds an INTEGER.
const EXITED_TAG: u8 = context(0);
/// The alternative of the result that holds a text.
const MESSAGE_TAG: u8 = context(3);

/// The bytes of a header that has not arrived whole.
#[derive(Debug, Default)]
struct Prefix {
    bytes: [u8; HEADER_BYTES],
    count: usize,
}

impl Prefix {
    /// Adds a byte; answers the header when this was its last, and is empty again.
    fn push(&mut self, byte: u8) -> Result<Option<Header>, HeaderError> {
        if let Some(place) = self.bytes.get_mut(self.count) {
            *place = byte;
            self.count += 1;
        }
        let header = Header::parse(self.bytes.get(..self.count).unwrap_or_default())?;
        if header.is_some() {
            self.count = 0;
        }
        Ok(header.map(|(header, _)| header))
    }
}
