//! What is wrong with bytes that are walked instead of being decoded whole.

use crate::header::{Header, HeaderError};
use core::fmt;

/// Bytes that are not what the format asks for: where, in which part, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    offset: u64,
    part: &'static str,
    problem: Problem,
}

/// What is wrong, without the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Header(HeaderError),
    EndsEarly,
    CutOff { length: u64, expected: u64 },
    UnexpectedTag(u8),
    LongerThanParent,
    ShorterThanParent,
    Integer,
    UuidLength(u64),
    TooLong { length: u64, limit: u64 },
    EmptyPath,
    NulInPath,
    Value(der::Error),
}

impl Malformed {
    pub(crate) fn new(offset: u64, part: &'static str, problem: Problem) -> Self {
        Self { offset, part, problem }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.part, self.offset, self.problem)
    }
}

impl core::error::Error for Malformed {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(error) => error.fmt(f),
            Self::EndsEarly => f.write_str("the data ends in the middle of it"),
            Self::CutOff { length, expected } => {
                write!(f, "it is cut off: {length} bytes are there, of {expected} according to its header")
            }
            Self::UnexpectedTag(tag) => write!(f, "unexpected tag {tag:#04x}"),
            Self::LongerThanParent => f.write_str("it is longer than what contains it"),
            Self::ShorterThanParent => f.write_str("it is followed by bytes that belong to nothing"),
            Self::Integer => f.write_str("not an integer of at most 63 bits in the fewest bytes"),
            Self::UuidLength(length) => write!(f, "{length} bytes instead of 16"),
            Self::TooLong { length, limit } => write!(f, "{length} bytes long; at most {limit} are read"),
            Self::EmptyPath => f.write_str("the path is empty"),
            Self::NulInPath => f.write_str("the path contains a zero byte"),
            Self::Value(error) => error.fmt(f),
        }
    }
}

/// How a value has to fit into what contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Others may follow.
    Within,
    /// It is the last one.
    Exactly,
}

/// Checks the length of a value, header included, against the bytes that its parent has left.
pub(crate) fn check_fit(header: Header, room: u64, fit: Fit) -> Result<(), Problem> {
    match header.total_length() {
        Some(length) if length == room => Ok(()),
        Some(length) if length < room => match fit {
            Fit::Within => Ok(()),
            Fit::Exactly => Err(Problem::ShorterThanParent),
        },
        _ => Err(Problem::LongerThanParent),
    }
}

/// Checks a header that may stand here, by tag and by length.
pub(crate) fn check_header(header: Header, tag: u8, room: u64, fit: Fit) -> Result<(), Problem> {
    if header.tag != tag {
        return Err(Problem::UnexpectedTag(header.tag));
    }
    check_fit(header, room, fit)
}
