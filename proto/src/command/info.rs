//! What a server tells about itself.

use crate::Uuid;
use crate::job::{Job, ScheduleItem, ScriptJob};
use crate::text::Text;
use crate::time::Time;
use crate::wire::RawUuid;
use der::{Decode, DecodeValue, Encode, EncodeValue, FixedTag, Header, Length, Reader, Tag, Writer};
use der_derive::Sequence;

/// What is going on in a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Sequence)]
pub struct InfoReply {
    /// Every job, in no particular order.
    pub schedule: Vec<ScheduleItem>,
    /// What waits on each platform.
    pub queues: Vec<QueueInfo>,
    /// What runs.
    pub running: Vec<RunningInfo>,
    /// Platforms whose jobs are refused.
    pub dropped_platforms: Vec<Text>,
}

/// What waits on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct QueueInfo {
    /// The platform, or [`UPLOADS`] and where to.
    pub platform: Text,
    /// The jobs, the next one first.
    pub jobs: Vec<Job>,
}

/// What the platform of a queue begins with when it is none: results of these jobs wait to be uploaded, and a URL
/// follows, or `n/a`, and what is wrong. No platform has a name with a slash. The job's own platform is the uuid of
/// the build then.
pub const UPLOADS: &str = "uploads to ";

/// A build that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningInfo {
    /// When a worker got it.
    pub started: Time,
    /// The build.
    pub uuid: Uuid,
    /// What runs.
    pub job: ScriptJob,
}

impl FixedTag for RunningInfo {
    const TAG: Tag = Tag::Sequence;
}

impl<'a> DecodeValue<'a> for RunningInfo {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, _header: Header) -> der::Result<Self> {
        Ok(RunningInfo {
            started: Time::decode(reader)?,
            uuid: RawUuid::decode(reader)?.0,
            job: ScriptJob::decode(reader)?,
        })
    }
}

impl EncodeValue for RunningInfo {
    fn value_len(&self) -> der::Result<Length> {
        self.started.encoded_len()? + RawUuid(self.uuid).encoded_len()? + self.job.encoded_len()?
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        self.started.encode(writer)?;
        RawUuid(self.uuid).encode(writer)?;
        self.job.encode(writer)
    }
}
