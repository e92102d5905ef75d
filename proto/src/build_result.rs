//! How a build ended.

use crate::signal;
use crate::text::Text;
use crate::wire::{Integer, decode_choice, explicit_number, explicit_tag, unknown_alternative};
use core::fmt;
use der::{Choice, Decode, Encode, EncodeValue, Length, Reader, Tag, Tagged, Writer};

/// How a build ended: what the worker reports, or the server when it lost the worker.
///
/// ```
/// use builder_proto::build_result::BuildResult;
///
/// assert_eq!(BuildResult::Exited(1).to_string(), "exited 1");
/// assert_eq!(BuildResult::Signalled(9).to_string(), "signalled SIGKILL");
/// assert_eq!(BuildResult::Message("no such platform".into()).to_string(), "execution aborted: no such platform");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildResult {
    /// The script ended by itself, with this exit code.
    Exited(i64),
    /// A signal killed the script; see [`signal::describe`] for the number.
    Signalled(i64),
    /// A signal stopped the script; see [`signal::describe`] for the number.
    Stopped(i64),
    /// The script could not be run to its end, and this says why.
    Message(Text),
}

impl fmt::Display for BuildResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildResult::Exited(code) => write!(f, "exited {code}"),
            BuildResult::Signalled(number) => write!(f, "signalled {}", signal::describe(*number)),
            BuildResult::Stopped(number) => write!(f, "stopped {}", signal::describe(*number)),
            BuildResult::Message(message) => write!(f, "execution aborted: {message}"),
        }
    }
}

impl BuildResult {
    /// What a stored console says at its end about a result that is a message: builder-web shows of it only that the build
    /// was stopped. The other results it shows as they are.
    #[must_use]
    pub fn last_line(&self) -> Option<Text> {
        matches!(self, BuildResult::Message(_)).then(|| self.to_string().into())
    }

    /// Whether a line of a console may be one with which a server tells the result; it begins like one. A job may print such a
    /// line, too.
    #[must_use]
    pub fn may_be_told_by(line: &[u8]) -> bool {
        [&b"exited "[..], b"signalled ", b"stopped ", b"execution aborted"]
            .iter()
            .any(|start| line.starts_with(start))
    }

    const EXITED: u32 = 0;
    const SIGNALLED: u32 = 1;
    const STOPPED: u32 = 2;
    const MESSAGE: u32 = 3;
}

impl<'a> Choice<'a> for BuildResult {
    fn can_decode(tag: Tag) -> bool {
        explicit_number(tag).is_ok_and(|number| number <= BuildResult::MESSAGE)
    }
}

impl<'a> Decode<'a> for BuildResult {
    type Error = der::Error;

    fn decode<R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
        decode_choice(reader, |number, inner| match number {
            BuildResult::EXITED => Ok(BuildResult::Exited(Integer::decode(inner)?.0)),
            BuildResult::SIGNALLED => Ok(BuildResult::Signalled(Integer::decode(inner)?.0)),
            BuildResult::STOPPED => Ok(BuildResult::Stopped(Integer::decode(inner)?.0)),
            BuildResult::MESSAGE => Ok(BuildResult::Message(Text::decode(inner)?)),
            other => Err(unknown_alternative(other, inner)),
        })
    }
}

impl Tagged for BuildResult {
    fn tag(&self) -> Tag {
        explicit_tag(match self {
            BuildResult::Exited(_) => BuildResult::EXITED,
            BuildResult::Signalled(_) => BuildResult::SIGNALLED,
            BuildResult::Stopped(_) => BuildResult::STOPPED,
            BuildResult::Message(_) => BuildResult::MESSAGE,
        })
    }
}

impl EncodeValue for BuildResult {
    fn value_len(&self) -> der::Result<Length> {
        match self {
            BuildResult::Exited(number) | BuildResult::Signalled(number) | BuildResult::Stopped(number) => {
                Integer(*number).encoded_len()
            }
            BuildResult::Message(message) => message.encoded_len(),
        }
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        match self {
            BuildResult::Exited(number) | BuildResult::Signalled(number) | BuildResult::Stopped(number) => {
                Integer(*number).encode(writer)
            }
            BuildResult::Message(message) => message.encode(writer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_tells_a_result_looks_like_one() {
        for result in [
            BuildResult::Exited(-1),
            BuildResult::Signalled(9),
            BuildResult::Stopped(1000),
            BuildResult::Message("timeout".into()),
        ] {
            assert!(BuildResult::may_be_told_by(result.to_string().as_bytes()), "{result}");
        }
        assert!(!BuildResult::may_be_told_by(b"exiting"));
    }

    #[test]
    fn results_print_as_observers_know_them() {
        assert_eq!(BuildResult::Exited(0).to_string(), "exited 0");
        assert_eq!(BuildResult::Signalled(-7).to_string(), "signalled SIGKILL");
        assert_eq!(BuildResult::Signalled(9).to_string(), "signalled SIGKILL");
        assert_eq!(BuildResult::Signalled(1234).to_string(), "signalled 1234");
        assert_eq!(
            BuildResult::Signalled(10).to_string(),
            "signalled 10 (SIGUSR1 on Linux, SIGBUS on FreeBSD)"
        );
        assert_eq!(BuildResult::Stopped(-16).to_string(), "stopped SIGSTOP");
        assert_eq!(BuildResult::Message("timeout".into()).to_string(), "execution aborted: timeout");
    }

    #[test]
    fn only_a_message_needs_a_line_of_the_console() {
        let last_line = |result: BuildResult| result.last_line().map(|line| line.to_string());
        assert_eq!(last_line(BuildResult::Exited(1)), None);
        assert_eq!(last_line(BuildResult::Signalled(9)), None);
        let words = last_line(BuildResult::Message("worker lost: a\nb".into()));
        assert_eq!(words.as_deref(), Some("execution aborted: worker lost: a\\nb"), "it is one line");
    }

    #[test]
    fn results_survive_the_wire() {
        for (result, bytes) in [
            (BuildResult::Exited(255), &[0xa0, 4, 2, 2, 0, 0xff][..]),
            (BuildResult::Signalled(-7), &[0xa1, 3, 2, 1, 0xf9]),
            (BuildResult::Stopped(17), &[0xa2, 3, 2, 1, 17]),
            (BuildResult::Message("no".into()), &[0xa3, 4, 0x0c, 2, b'n', b'o']),
        ] {
            assert_eq!(result.to_der().unwrap(), bytes);
            assert_eq!(BuildResult::from_der(bytes).unwrap(), result);
        }
    }

    #[test]
    fn numbers_that_0_4_0_cannot_read_are_not_written() {
        assert!(BuildResult::Exited(i64::MAX).to_der().is_err());
    }
}
