//! What is remembered of builds, whatever becomes of their results.
//!
//! How a build ended is a record of the log first, as durable as the end itself. From there it is carried over into the file of
//! the history, which is never written anew: it is a file of [frames](crate::log) like the log, with one [`Entry`] in each. A
//! start reads it once, from its beginning to its end, and keeps a row of some seventy bytes for each build in the [`Index`], and
//! a [`Summary`] for each job on each platform.
//!
//! | entry | says |
//! |---|---|
//! | `[0]` | how a build ended, and how many bytes before this frame that of its artifacts begins (0: it has none) |
//! | `[1]` | the artifacts of the build that follows |
//! | `[2]` | the result of a build was removed, and when |
//! | `[3]` | whether the file has every build of which a result is stored; the last one counts |
//!
//! Of the log, the records `Ended` (19) and `Gone` (20) hold what the file may not have yet, and `Remembered` (21) says for which
//! builds it has, and how long the file is then. One that is shorter has lost something. Before anything is appended to such a
//! file, it takes back that it has everything, as it may soon be longer than the log knows.
//!
//! A file that lacks what it should have, or has no history of an earlier version at all, is made whole by a look at all stored
//! results. Until that is over, and said in the file, each start begins with it again.

mod index;
mod key;
mod numbering;
mod running;
mod summaries;
mod uuid_range;

pub use index::sweep::{Keep, Sweep};
pub use index::{Found, Index, Listed, Place, Query};
pub use key::Key;
pub use running::running_builds;
pub use summaries::{COUNTED, Summary, median};
pub use uuid_range::range_of_uuids;

use builder_proto::Uuid;
use builder_proto::history::{Artifact, Build, Cause};
use builder_proto::text::Text;
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use der::{Decode, Encode};
use der_derive::{Choice, Sequence};

/// Bytes of a text in a cause. The stored result has all of it.
const CAUSE_BYTES: usize = 1000;

/// A build that has ended, with its artifacts.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct EndedBuild {
    /// The build. Its end is there.
    pub build: Build,
    /// Its artifacts, unless there are so many that nobody lists them.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub artifacts: Option<Vec<Artifact>>,
}

/// A build whose result was removed from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Sequence)]
pub struct Gone {
    /// The build.
    pub uuid: RawUuid,
    /// When.
    pub at: Time,
}

/// What one frame of the file says. The tags are the format on disk: never give one another meaning.
#[derive(Clone, Debug, PartialEq, Eq, Choice)]
pub enum Entry {
    /// A build that has ended.
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", constructed = "true")]
    Build(BuildEntry),
    /// The artifacts of the build that follows. A frame of their own, so that nobody has to read them who does not ask.
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    Artifacts(ArtifactsEntry),
    /// A result was removed.
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    Gone(Gone),
    /// Whether, from here on, the file has every build of which a result is stored.
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", constructed = "true")]
    IsWhole(bool),
}

/// A build in the file of the history.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct BuildEntry {
    /// The build.
    pub build: Build,
    /// How many bytes before this frame that of its artifacts begins; 0 when there is none.
    pub artifacts_before: u64,
}

/// The artifacts of a build in the file of the history.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct ArtifactsEntry {
    /// The build.
    pub uuid: RawUuid,
    /// Its artifacts, in the order in which they are stored.
    pub artifacts: Vec<Artifact>,
}

impl EndedBuild {
    /// Shortens the words of the cause to what the history keeps.
    #[must_use]
    pub fn shortened(mut self) -> EndedBuild {
        if let Some(end) = &mut self.build.end
            && let Cause::Cancelled(text) | Cause::Lost(text) | Cause::Limit(text) | Cause::CannotRun(text) =
                &mut end.cause
            && let Some(kept) = text.as_bytes().get(..CAUSE_BYTES)
        {
            *text = Text::from(kept);
        }
        self
    }

    /// The build.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.build.uuid()
    }
}

impl Entry {
    /// Its bytes in a frame.
    ///
    /// # Errors
    ///
    /// Fails when it would take 4 GiB or more.
    pub fn encode(&self) -> der::Result<Vec<u8>> {
        self.to_der()
    }

    /// Reads the payload of a frame.
    ///
    /// # Errors
    ///
    /// When it is no entry that this version knows.
    pub fn decode(payload: &[u8]) -> der::Result<Entry> {
        Entry::from_der(payload)
    }
}

/// The words of a cause as they are in the stored result.
#[must_use]
pub fn words(cause: &Cause) -> Text {
    match cause {
        Cause::Timeout(_) => "timeout".into(),
        Cause::Silence(_) => "silence".into(),
        Cause::Lost(text) | Cause::Limit(text) | Cause::CannotRun(text) => text.clone(),
        Cause::Exited(_) | Cause::Signalled(_) | Cause::Stopped(_) | Cause::Cancelled(_) => {
            cause.to_string().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::history::{BuildEnd, Sha256};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn build(cause: Cause) -> Build {
        Build {
            uuid: RawUuid(Uuid::from_bytes([7; 16])),
            job: "j".into(),
            platform: "p".into(),
            started: Time::UNIX_EPOCH,
            queued: None,
            host: None,
            end: Some(BuildEnd::new(Time::UNIX_EPOCH, cause)),
        }
    }

    #[test]
    fn entries_are_spelled_as_the_page_says() {
        let head = "0c1007070707070707070707070707070707\
                    0c016a0c0170180f31393730303130313030303030305a";
        let end = "a2243022180f31393730303130313030303030305aa003020100020100020100020100020100";
        let build = build(Cause::Exited(0));
        let artifact = Artifact { path: "a".into(), size: 1, sha256: Some(Sha256([0xab; 32])) };
        let uuid = RawUuid(Uuid::from_bytes([7; 16]));
        let digest = "ab".repeat(32);
        let list = format!("302c302a0c0161020101a0220420{digest}");
        for (entry, bytes) in [
            (
                Entry::Build(BuildEntry { build: build.clone(), artifacts_before: 9 }),
                format!("a0563054304f{head}{end}020109"),
            ),
            (
                Entry::Artifacts(ArtifactsEntry { uuid, artifacts: vec![artifact.clone()] }),
                format!("a1423040{}{list}", &head[..36]),
            ),
            (
                Entry::Gone(Gone { uuid, at: Time::UNIX_EPOCH }),
                format!("a2253023{}180f31393730303130313030303030305a", &head[..36]),
            ),
            (Entry::IsWhole(true), "a3030101ff".to_owned()),
        ] {
            let encoded = entry.encode().unwrap();
            assert_eq!(hex(&encoded), bytes);
            assert_eq!(Entry::decode(&encoded).unwrap(), entry);
        }
        let ended = EndedBuild { build, artifacts: Some(vec![artifact]) };
        assert_eq!(
            hex(&ended.to_der().unwrap()),
            format!("30818130 4f{head}{end}a02e{list}").replace(' ', "")
        );
    }

    #[test]
    fn a_long_cause_is_cut_and_a_short_one_is_not() {
        let kept = |length: usize| {
            let ended =
                EndedBuild { build: build(Cause::Lost("x".repeat(length).as_str().into())), artifacts: None };
            words(&ended.shortened().build.end.unwrap().cause).as_bytes().len()
        };
        assert_eq!((kept(999), kept(1000), kept(70_000)), (999, 1000, 1000));
    }
}
