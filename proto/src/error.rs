//! Why bytes could not be read or written.

use core::fmt;
use der::{Error, ErrorKind, Tag};

/// Why bytes are not what they should be. The sentence names the message or file.
///
/// ```
/// use builder_proto::command::Command;
///
/// let why = |bytes: &[u8]| Command::decode(bytes).unwrap_err().to_string();
/// assert_eq!(why(b""), "message: there is nothing in it");
/// assert_eq!(why(b"GET / HTTP/1.1"), "message: begins with 0x47, as no message does");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Which message or file, as far as that is known.
    subject: Option<&'static str>,
    cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    NoMessage,
    FirstByte(u8),
    ReservedTag(u32),
    UnknownTag(u32),
    TooManyValues(usize),
    Der(Error),
}

impl DecodeError {
    pub(crate) fn new(subject: &'static str, cause: Cause) -> DecodeError {
        DecodeError { subject: Some(subject), cause }
    }

    pub(crate) fn without_subject(cause: Cause) -> DecodeError {
        DecodeError { subject: None, cause }
    }

    /// Turns an error of the `der` crate into one that says what was read.
    pub(crate) fn within(subject: &'static str) -> impl Fn(Error) -> DecodeError {
        move |error| DecodeError::new(subject, Cause::Der(error))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.subject.unwrap_or("message"))?;
        f.write_str(": ")?;
        match &self.cause {
            Cause::NoMessage => f.write_str("there is nothing in it"),
            Cause::FirstByte(byte) => write!(f, "begins with 0x{byte:02x}, as no message does"),
            Cause::ReservedTag(number) => write!(f, "tag [{number}] is reserved"),
            Cause::UnknownTag(number) => {
                write!(f, "tag [{number}] is unknown; the sender may be of a later version")
            }
            Cause::TooManyValues(most) => write!(f, "more than {most} values in it"),
            Cause::Der(error) => write_der_error(f, error),
        }
    }
}

impl core::error::Error for DecodeError {}

fn write_der_error(f: &mut fmt::Formatter<'_>, error: &Error) -> fmt::Result {
    match error.kind() {
        ErrorKind::TrailingData { remaining, .. } => write!(f, "bytes left over: {remaining},")?,
        ErrorKind::Incomplete { .. } => f.write_str("a value is longer than what holds it")?,
        ErrorKind::Length { tag: Tag::Utf8String } => f.write_str("a uuid is not 16 bytes long")?,
        ErrorKind::Value { tag: Tag::Utf8String } => f.write_str("a path is empty or holds a NUL")?,
        ErrorKind::Value { tag: Tag::Integer } => f.write_str("an integer has more than 63 bits")?,
        ErrorKind::DateTime => f.write_str("a time is not in the calendar or not in its form")?,
        ErrorKind::Overlength | ErrorKind::IndefiniteLength => f.write_str("a length is not one of DER")?,
        kind => write!(f, "{kind}")?,
    }
    match error.position() {
        Some(position) => write!(f, " at byte {position}"),
        None => Ok(()),
    }
}

/// Why a value has no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The whole would take 4 GiB or more.
    TooLong,
    /// A number is beyond 63 bits, which builder 0.4.0 cannot read.
    IntegerRange,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::TooLong => f.write_str("it would take 4 GiB or more; put less in it"),
            EncodeError::IntegerRange => f.write_str("a number in it has more than 63 bits"),
        }
    }
}

impl core::error::Error for EncodeError {}

/// Writing to memory fails for no other reasons than these two.
impl From<Error> for EncodeError {
    fn from(error: Error) -> EncodeError {
        match error.kind() {
            ErrorKind::Value { tag: Tag::Integer } => EncodeError::IntegerRange,
            _ => EncodeError::TooLong,
        }
    }
}
