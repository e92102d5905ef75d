//! Names of jobs and platforms. Both become file names, so what could leave the directory or collide is refused.

use crate::limits::NAME_BYTES;
use builder_proto::text::Text;
use core::fmt;

/// Names that the data directory keeps for itself, now or in builder-web.
const RESERVED: [&str; 4] = ["state", "_staging", "_artifacts", "_cache"];

/// What a name is for; it opens the sentence of a [`NameError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// The name of a job.
    Job,
    /// The name of a platform.
    Platform,
}

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError {
    kind: NameKind,
    name: Text,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Empty,
    TooLong,
    LeadingDot,
    Reserved,
    Slash,
    ControlCharacter,
    NotUtf8,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            NameKind::Job => "job",
            NameKind::Platform => "platform",
        };
        match self.problem {
            Problem::Empty => write!(f, "the {kind} name is empty"),
            Problem::TooLong => {
                write!(
                    f,
                    "the {kind} name is {} bytes long; at most {NAME_BYTES}",
                    self.name.as_bytes().len()
                )
            }
            Problem::LeadingDot => write!(f, "{kind} name {} must not start with a dot", self.name),
            Problem::Reserved => write!(f, "{kind} name {} is reserved; choose another", self.name),
            Problem::Slash => write!(f, "{kind} name {} must not contain /", self.name),
            Problem::ControlCharacter => {
                write!(f, "{kind} name {} must not contain control characters", self.name)
            }
            Problem::NotUtf8 => write!(f, "{kind} name {} is not UTF-8", self.name),
        }
    }
}

impl core::error::Error for NameError {}

/// Accepts a name that is safe as a file name.
///
/// # Errors
///
/// Refuses names that are empty, longer than [`NAME_BYTES`], start with a dot, are reserved, or contain `/`,
/// control characters or bytes that are not UTF-8.
///
/// ```
/// use builder_engine::names::{NameKind, check_name};
///
/// assert_eq!(check_name(NameKind::Platform, &"freebsd-14".into()), Ok(()));
/// let refusal = check_name(NameKind::Job, &"../etc".into()).unwrap_err();
/// assert_eq!(refusal.to_string(), "job name ../etc must not start with a dot");
/// ```
pub fn check_name(kind: NameKind, name: &Text) -> Result<(), NameError> {
    let problem = match name.as_str() {
        // First of all, because a name of this length is not repeated in the message.
        _ if name.as_bytes().len() > NAME_BYTES => Problem::TooLong,
        None => Problem::NotUtf8,
        Some("") => Problem::Empty,
        Some(text) if text.starts_with('.') => Problem::LeadingDot,
        Some(text) if RESERVED.contains(&text) => Problem::Reserved,
        Some(text) if text.contains('/') => Problem::Slash,
        Some(text) if text.chars().any(char::is_control) => Problem::ControlCharacter,
        Some(_) => return Ok(()),
    };
    Err(NameError { kind, name: name.clone(), problem })
}

/// Shows a name that was not checked, in a sentence that is sent or logged: what exceeds [`NAME_BYTES`] is cut off,
/// and one that is empty is seen to be.
pub(crate) fn shown(name: &Text) -> String {
    match name.as_bytes().split_at_checked(NAME_BYTES) {
        None if name.as_bytes().is_empty() => "''".to_owned(),
        Some((start, rest)) if !rest.is_empty() => format!("{}…", Text::from(start)),
        _ => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &[u8]) -> Option<String> {
        check_name(NameKind::Job, &Text::from(name)).err().map(|error| error.to_string())
    }

    #[test]
    fn ordinary_names_are_accepted() {
        for name in ["hello", "freebsd-13", "a b", "büild", "state2", "x.y", &"n".repeat(100)] {
            assert_eq!(refusal(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn names_that_are_no_file_names_of_their_own_are_refused() {
        for (name, text) in [
            (&b""[..], "empty"),
            (&[b'n'; 101][..], "101 bytes long; at most 100"),
            (b".hidden", "start with a dot"),
            (b"..", "start with a dot"),
            (b"state", "reserved"),
            (b"_staging", "reserved"),
            (b"_artifacts", "reserved"),
            (b"_cache", "reserved"),
            (b"a/b", "contain /"),
            (b"a\nb", "control characters"),
            (b"a\0b", "control characters"),
            ("a\u{85}b".as_bytes(), "control characters"),
            (b"a\xff", "not UTF-8"),
            (&[0xff; 101], "101 bytes long; at most 100"),
        ] {
            let refusal = refusal(name).unwrap_or_else(|| panic!("{name:?} was accepted"));
            assert!(refusal.contains(text), "{refusal}");
        }
    }

    #[test]
    fn the_refusal_says_what_the_name_was_for() {
        let error = check_name(NameKind::Platform, &Text::from("a/b")).unwrap_err();
        assert_eq!(error.to_string(), "platform name a/b must not contain /");
    }

    #[test]
    fn a_name_that_was_not_checked_is_shown_up_to_the_limit() {
        for (name, text) in [("a", "a".to_owned()), ("a\nb", "a\\nb".to_owned()), ("", "''".to_owned())] {
            assert_eq!(shown(&name.into()).to_string(), text);
        }
        assert_eq!(shown(&"n".repeat(100).into()).to_string(), "n".repeat(100));
        assert_eq!(shown(&"n".repeat(101).into()).to_string(), format!("{}…", "n".repeat(100)));
    }
}
