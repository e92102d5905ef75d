//! What a server remembers of builds, and how clients ask for it: client version 14.

use crate::Uuid;
use crate::build_result::BuildResult;
use crate::signal;
use crate::text::Text;
use crate::time::Time;
use crate::wire::RawUuid;
use core::fmt;
use der::asn1::Null;
use der::{DecodeValue, EncodeValue, FixedTag, Header, Length, Reader, Tag, Writer};
use der_derive::{Choice, Sequence};

/// What is remembered of one build.
///
/// ```
/// use builder_proto::Uuid;
/// use builder_proto::history::{Build, BuildEnd, Cause};
/// use builder_proto::time::Time;
/// use builder_proto::wire::RawUuid;
///
/// let mut build = Build {
///     uuid: RawUuid(Uuid::nil()),
///     job: "hello".into(),
///     platform: "freebsd-14".into(),
///     started: Time::UNIX_EPOCH,
///     queued: None,
///     host: None,
///     end: None,
/// };
/// assert!(!build.has_failed(), "it runs");
/// build.end = Some(BuildEnd::new(Time::UNIX_EPOCH, Cause::Exited(1)));
/// assert!(build.has_failed());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Build {
    /// The build.
    pub uuid: RawUuid,
    /// The name of its job.
    pub job: Text,
    /// Where it ran.
    pub platform: Text,
    /// When a worker got it.
    pub started: Time,
    /// When its job entered the queue, if that is known.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub queued: Option<Time>,
    /// The address of the worker, if that is known: an IP address without its port.
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub host: Option<Text>,
    /// How it ended. Absent while it runs.
    #[asn1(context_specific = "2", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub end: Option<BuildEnd>,
}

/// How a build ended, and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct BuildEnd {
    /// When its result was known.
    pub finished: Time,
    /// Why it ended.
    pub cause: Cause,
    /// Lines of its console, as the server received them: after a crash or on a full disk, the stored result can have fewer. A
    /// server that was not there when they came says 0.
    pub console_lines: u64,
    /// Bytes of these lines, newlines included.
    pub console_bytes: u64,
    /// How many artifacts it left.
    pub artifacts: u64,
    /// Bytes of all artifacts together.
    pub artifact_bytes: u64,
    /// When the result was removed from the server. Absent while it is there, as far as the server knows.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub removed: Option<Time>,
}

/// Why a build ended. The stored result says the same in the words of [`BuildResult`].
#[derive(Clone, Debug, PartialEq, Eq, Choice)]
pub enum Cause {
    /// The script ended by itself, with this exit code.
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", constructed = "true")]
    Exited(i64),
    /// A signal killed the script; see [`signal::describe`] for the number.
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    Signalled(i64),
    /// A signal stopped the script; see [`signal::describe`] for the number.
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    Stopped(i64),
    /// It took too long.
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", constructed = "true")]
    Timeout(Null),
    /// It printed nothing for too long.
    #[asn1(context_specific = "4", tag_mode = "EXPLICIT", constructed = "true")]
    Silence(Null),
    /// Somebody stopped it: this is who.
    #[asn1(context_specific = "5", tag_mode = "EXPLICIT", constructed = "true")]
    Cancelled(Text),
    /// Its worker went away, or the server stopped.
    #[asn1(context_specific = "6", tag_mode = "EXPLICIT", constructed = "true")]
    Lost(Text),
    /// Its console or its artifacts exceed a limit of the server.
    #[asn1(context_specific = "7", tag_mode = "EXPLICIT", constructed = "true")]
    Limit(Text),
    /// The worker could not run it, or the server could not keep its result.
    #[asn1(context_specific = "8", tag_mode = "EXPLICIT", constructed = "true")]
    CannotRun(Text),
}

/// An artifact of a build.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Artifact {
    /// Where the job left it. Not empty and without NUL; nothing else is certain.
    pub path: Text,
    /// Bytes of its content.
    pub size: u64,
    /// The digest of its content. Absent where nobody has computed it.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub sha256: Option<Sha256>,
}

/// A SHA-256 digest. It prints as 64 hexadecimal digits, as `sha256sum` and `sha256` print it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sha256(pub [u8; 32]);

/// Which builds a client wants to hear of: those that fit everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Sequence)]
pub struct HistoryQuery {
    /// Whether only builds that failed: all that ended but those that exited 0.
    pub failed: bool,
    /// Of this job.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub job: Option<Text>,
    /// On this platform.
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub platform: Option<Text>,
    /// Whose uuid begins with these hexadecimal digits, hyphens aside.
    #[asn1(context_specific = "2", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub uuid: Option<Text>,
    /// Started then or later.
    #[asn1(context_specific = "3", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub since: Option<Time>,
    /// At most so many, those that started last.
    #[asn1(context_specific = "4", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub limit: Option<u64>,
}

impl Build {
    /// The build.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.uuid.0
    }

    /// Whether it has ended, and not as it should.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.end.as_ref().is_some_and(|end| !end.cause.is_success())
    }
}

impl BuildEnd {
    /// An end with an empty console and without artifacts.
    #[must_use]
    pub fn new(finished: Time, cause: Cause) -> BuildEnd {
        BuildEnd {
            finished,
            cause,
            console_lines: 0,
            console_bytes: 0,
            artifacts: 0,
            artifact_bytes: 0,
            removed: None,
        }
    }
}

impl Cause {
    /// Whether the job did what it should.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Cause::Exited(0)
    }

    /// One word for it, which stays the same from version to version.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Cause::Exited(_) => "exited",
            Cause::Signalled(_) => "signalled",
            Cause::Stopped(_) => "stopped",
            Cause::Timeout(_) => "timeout",
            Cause::Silence(_) => "silence",
            Cause::Cancelled(_) => "cancelled",
            Cause::Lost(_) => "lost",
            Cause::Limit(_) => "limit",
            Cause::CannotRun(_) => "cannot-run",
        }
    }
}

/// What can be said of a result alone: which of the server's reasons a text is, it does not say, except for the one that
/// builder 0.4.0 spells in the same way.
impl From<&BuildResult> for Cause {
    fn from(result: &BuildResult) -> Cause {
        match result {
            BuildResult::Exited(code) => Cause::Exited(*code),
            BuildResult::Signalled(number) => Cause::Signalled(*number),
            BuildResult::Stopped(number) => Cause::Stopped(*number),
            BuildResult::Message(text) if text.as_bytes() == b"timeout" => Cause::Timeout(Null),
            BuildResult::Message(text) => Cause::CannotRun(text.clone()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Exited(code) => write!(f, "exited {code}"),
            Cause::Signalled(number) => write!(f, "signalled {}", signal::describe(*number)),
            Cause::Stopped(number) => write!(f, "stopped {}", signal::describe(*number)),
            Cause::Timeout(_) => f.write_str("timeout"),
            Cause::Silence(_) => f.write_str("silence"),
            Cause::Cancelled(who) => write!(f, "cancelled by {who}"),
            // Servers begin their reasons with what was lost.
            Cause::Lost(reason) if reason.as_bytes().starts_with(b"worker lost") => write!(f, "{reason}"),
            Cause::Lost(reason) => write!(f, "lost: {reason}"),
            Cause::Limit(reason) => write!(f, "limit: {reason}"),
            Cause::CannotRun(reason) => write!(f, "cannot run: {reason}"),
        }
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl FixedTag for Sha256 {
    const TAG: Tag = Tag::OctetString;
}

impl EncodeValue for Sha256 {
    fn value_len(&self) -> der::Result<Length> {
        Length::try_from(self.0.len())
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        writer.write(&self.0)
    }
}

impl<'a> DecodeValue<'a> for Sha256 {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        let bytes = reader.read_slice(header.length())?;
        let digest = bytes.try_into().map_err(|_| reader.error(der::ErrorKind::Length { tag: Self::TAG }))?;
        Ok(Sha256(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use der::{Decode, Encode};

    fn build() -> Build {
        Build {
            uuid: RawUuid(Uuid::from_bytes([7; 16])),
            job: "j".into(),
            platform: "p".into(),
            started: Time::from_unix_milliseconds(1000),
            queued: None,
            host: None,
            end: None,
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn builds_are_spelled_as_the_page_says() {
        let mut build = build();
        let head = "0c1007070707070707070707070707070707\
                    0c016a0c0170180f31393730303130313030303030315a";
        assert_eq!(hex(&build.to_der().unwrap()), format!("3029{head}"));
        build.queued = Some(Time::UNIX_EPOCH);
        build.host = Some("::1".into());
        build.end = Some(BuildEnd {
            console_lines: 1,
            console_bytes: 200,
            artifacts: 2,
            artifact_bytes: 3,
            removed: Some(Time::UNIX_EPOCH),
            ..BuildEnd::new(Time::from_unix_milliseconds(2000), Cause::Exited(0))
        });
        let bytes = build.to_der().unwrap();
        assert_eq!(
            hex(&bytes),
            format!(
                "307d{head}a011180f31393730303130313030303030305aa1050c033a3a31\
                 a2383036180f31393730303130313030303030325aa0030201000201010202\
                 00c8020102020103a011180f31393730303130313030303030305a"
            )
        );
        assert_eq!(Build::from_der(&bytes).unwrap(), build);
    }

    #[test]
    fn causes_are_spelled_as_the_page_says() {
        for (cause, bytes, words) in [
            (Cause::Exited(0), "a003020100", "exited 0"),
            (Cause::Signalled(9), "a103020109", "signalled SIGKILL"),
            (Cause::Stopped(-16), "a2030201f0", "stopped SIGSTOP"),
            (Cause::Timeout(Null), "a3020500", "timeout"),
            (Cause::Silence(Null), "a4020500", "silence"),
            (Cause::Cancelled("eve".into()), "a5050c03657665", "cancelled by eve"),
            (Cause::Lost("x".into()), "a6030c0178", "lost: x"),
            (Cause::Lost("worker lost".into()), "a60d0c0b776f726b6572206c6f7374", "worker lost"),
            (Cause::Limit("x".into()), "a7030c0178", "limit: x"),
            (Cause::CannotRun("x".into()), "a8030c0178", "cannot run: x"),
        ] {
            let der = cause.to_der().unwrap();
            assert_eq!(hex(&der), bytes);
            assert_eq!(Cause::from_der(&der).unwrap(), cause);
            assert_eq!(cause.to_string(), words);
        }
    }

    #[test]
    fn artifacts_and_queries_are_spelled_as_the_page_says() {
        let mut artifact = Artifact { path: "a".into(), size: 1, sha256: None };
        assert_eq!(hex(&artifact.to_der().unwrap()), "30060c0161020101");
        artifact.sha256 = Some(Sha256([0xab; 32]));
        let bytes = artifact.to_der().unwrap();
        assert_eq!(hex(&bytes), format!("302a0c0161020101a0220420{}", "ab".repeat(32)));
        assert_eq!(Artifact::from_der(&bytes).unwrap(), artifact);
        let query = HistoryQuery::default();
        assert_eq!(hex(&query.to_der().unwrap()), "3003010100");
        let query = HistoryQuery {
            failed: true,
            job: Some("j".into()),
            platform: Some("p".into()),
            uuid: Some("07".into()),
            since: Some(Time::UNIX_EPOCH),
            limit: Some(20),
        };
        let bytes = query.to_der().unwrap();
        assert_eq!(
            hex(&bytes),
            "302b0101ffa0030c016aa1030c0170a2040c023037a311180f31393730303130313030303030305aa403020114"
        );
        assert_eq!(HistoryQuery::from_der(&bytes).unwrap(), query);
    }

    #[test]
    fn only_an_exit_with_0_is_a_success() {
        let ends = |result| Cause::from(&result).is_success();
        assert!(ends(BuildResult::Exited(0)));
        assert!(!ends(BuildResult::Exited(1)) && !ends(BuildResult::Signalled(9)));
        assert!(!ends(BuildResult::Message("".into())));
        assert_eq!(Cause::from(&BuildResult::Message("timeout".into())), Cause::Timeout(Null));
    }

    #[test]
    fn a_digest_of_another_length_is_refused() {
        assert!(Sha256::from_der(b"\x04\x03abc").is_err());
    }
}
