//! Records: the facts that the write-ahead log keeps.
//!
//! A record says what happened, not what was asked. The list of all records of a log, applied in order,
//! is the durable state; a snapshot is the shortest list that rebuilds it. Both are read by the same code.

use crate::history::{EndedBuild, Gone};
use builder_proto::environment::Variable;
use builder_proto::history::Build;
use builder_proto::job::{ScheduleItem, ScriptJob};
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use builder_proto::wire::RawUuid;
use der::{
    Decode, DecodeValue, Encode, EncodeValue, FixedTag, Header, Length, Reader, SliceReader, Tag, Writer,
};
use der_derive::{Choice, Enumerated, Sequence};
use std::sync::Arc;

/// One durable fact. The tags are the format of the log on disk: never give one another meaning.
#[derive(Clone, Debug, PartialEq, Eq, Choice)]
pub enum Record {
    /// A job entered the schedule, or was there when the log was written anew. A person may have chosen its next run: earlier
    /// versions do not say so, and this one says so by the use of this record.
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", constructed = "true")]
    Scheduled(ScheduleItem),
    /// A job left the schedule and every queue.
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    Unscheduled(Text),
    /// A person chose the next run of a job; in logs of earlier versions also: the job was due.
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    Rescheduled(Rescheduled),
    /// A platform got its queue.
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", constructed = "true")]
    PlatformAdded(Text),
    /// A job entered a queue, or moved to its front.
    #[asn1(context_specific = "4", tag_mode = "EXPLICIT", constructed = "true")]
    Enqueued(Enqueued),
    /// A job left the queue for a worker.
    #[asn1(context_specific = "5", tag_mode = "EXPLICIT", constructed = "true")]
    Started(Started),
    /// The result of a build is stored, or is in this record.
    #[asn1(context_specific = "6", tag_mode = "EXPLICIT", constructed = "true")]
    Finished(Finished),
    /// A build ended without its worker's result.
    #[asn1(context_specific = "7", tag_mode = "EXPLICIT", constructed = "true")]
    Aborted(Aborted),
    /// Results that earlier records hold are safe in their files.
    #[asn1(context_specific = "8", tag_mode = "EXPLICIT", constructed = "true")]
    WrittenBack(WrittenBack),
    /// A platform was dropped, with its queue and its script jobs.
    #[asn1(context_specific = "9", tag_mode = "EXPLICIT", constructed = "true")]
    Dropped(Text),
    /// A dropped platform may be used again.
    #[asn1(context_specific = "10", tag_mode = "EXPLICIT", constructed = "true")]
    Undropped(Text),
    /// How often in a row builds of a job were lost: in snapshots, and where an aborted build does not say it.
    #[asn1(context_specific = "11", tag_mode = "EXPLICIT", constructed = "true")]
    Losses(Losses),
    /// An aborted build whose result is not stored yet; only snapshots say so.
    #[asn1(context_specific = "12", tag_mode = "EXPLICIT", constructed = "true")]
    Unstored(Unstored),
    /// The result of a build is to be uploaded. Comes before the build is finished, so that no crash comes in between.
    #[asn1(context_specific = "13", tag_mode = "EXPLICIT", constructed = "true")]
    UploadQueued(UploadQueued),
    /// The upload server has the result of a build.
    #[asn1(context_specific = "14", tag_mode = "EXPLICIT", constructed = "true")]
    Uploaded(Uploaded),
    /// The result of a build is not in its file any longer.
    #[asn1(context_specific = "15", tag_mode = "EXPLICIT", constructed = "true")]
    Removed(Removed),
    /// The result of a finished build, which may not be safe in its file yet; only snapshots say so.
    #[asn1(context_specific = "16", tag_mode = "EXPLICIT", constructed = "true")]
    Pending(Pending),
    /// A job entered the schedule, or was there when the log was written anew, with a next run that the server set.
    #[asn1(context_specific = "17", tag_mode = "EXPLICIT", constructed = "true")]
    ScheduledOnGrid(ScheduleItem),
    /// The server set the next run of a job: it was due, or the clock has gone back.
    #[asn1(context_specific = "18", tag_mode = "EXPLICIT", constructed = "true")]
    Advanced(Rescheduled),
    /// How a build ended, for the history. It comes before the build is finished, and the last one counts. In a snapshot it may
    /// stand alone: the build has finished then, and the history files do not have it yet.
    #[asn1(context_specific = "19", tag_mode = "EXPLICIT", constructed = "true")]
    Ended(EndedBuild),
    /// The result of a build was removed, for the history.
    #[asn1(context_specific = "20", tag_mode = "EXPLICIT", constructed = "true")]
    Gone(Gone),
    /// What earlier records say for the history is safe in its file.
    #[asn1(context_specific = "21", tag_mode = "EXPLICIT", constructed = "true")]
    Remembered(Remembered),
    /// A platform is paused, or without one, all are: no jobs are handed out.
    #[asn1(context_specific = "22", tag_mode = "EXPLICIT", constructed = "true")]
    Paused(Pause),
    /// The opposite.
    #[asn1(context_specific = "23", tag_mode = "EXPLICIT", constructed = "true")]
    Resumed(Pause),
    /// A job with settings entered the schedule, or was there when the log was written anew; or it took the place of the one of
    /// its name, and of that one's entries in the queues of platforms where it runs.
    #[asn1(context_specific = "24", tag_mode = "EXPLICIT", constructed = "true")]
    Configured(Configured),
    /// A job left a queue, and does not run.
    #[asn1(context_specific = "25", tag_mode = "EXPLICIT", constructed = "true")]
    Dequeued(Dequeued),
    /// A program is to be told that a build has finished. Comes before the build is finished, so that no crash comes in between;
    /// the last one counts.
    #[asn1(context_specific = "26", tag_mode = "EXPLICIT", constructed = "true")]
    NoticeQueued(NoticeQueued),
    /// The program was told, or that was given up.
    #[asn1(context_specific = "27", tag_mode = "EXPLICIT", constructed = "true")]
    NoticeGiven(NoticeGiven),
}

/// A job with its settings.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Configured {
    /// The job and its next run. If its settings say how often it runs, the period here is the nearest one.
    pub item: ScheduleItem,
    /// Whether a person chose the next run.
    pub appointed: bool,
    /// Its settings.
    pub settings: JobSettings,
}

/// The next run of a job.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Rescheduled {
    /// The job.
    pub name: Text,
    /// When it runs next.
    pub next: Time,
    /// How often it runs from then on, or the nearest to that.
    pub period: Period,
    /// Seconds from one run to the next, if that is not the period.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub every: Option<u64>,
}

/// A place in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Enqueued {
    /// The platform whose queue it is.
    pub platform: Text,
    /// The job; it is in the schedule.
    pub name: Text,
    /// Whether the job went to the front, from wherever it was.
    pub front: bool,
    /// When; earlier versions do not say it.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub at: Option<Time>,
    /// What this run finds in its environment in addition. It has a place of its own in the queue then.
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub environment: Option<Vec<Variable>>,
}

/// A job that has left a queue.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Dequeued {
    /// The platform whose queue it was.
    pub platform: Text,
    /// The job.
    pub name: Text,
}

/// Where no jobs are handed out.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Pause {
    /// The platform; everywhere when it is absent.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub platform: Option<Text>,
}

/// A build that was handed to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Started {
    /// The build.
    pub uuid: RawUuid,
    /// When it started.
    pub started: Time,
    /// The platform whose queue the job left.
    pub platform: Text,
    /// The job.
    pub name: Text,
    /// What runs, when it is not the script that the schedule holds under that name.
    pub job: Option<ScriptJob>,
    /// When the job entered the queue, if that is known.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub queued: Option<Time>,
    /// The address of the worker, if it has one.
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub host: Option<Text>,
    /// What it finds in its environment in addition: which place in the queue it left, and where it goes back to. The script
    /// that runs sets it already.
    #[asn1(context_specific = "2", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub environment: Option<Vec<Variable>>,
}

/// A build whose result is stored.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Finished {
    /// The build.
    pub uuid: RawUuid,
    /// The whole result file, when this record is what makes it durable.
    pub contents: Option<Contents>,
}

/// A build that ended without its worker's result.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Aborted {
    /// The build.
    pub uuid: RawUuid,
    /// When it ended.
    pub finished: Time,
    /// Why, for people; it becomes the result.
    pub reason: Text,
    /// Whether the job runs again.
    pub requeue: Requeue,
}

/// What becomes of the job of an aborted build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumerated)]
#[asn1(type = "ENUMERATED")]
#[repr(u8)]
pub enum Requeue {
    /// It waits for its schedule.
    No = 0,
    /// It goes to the front of its queue.
    Front = 1,
    /// It goes to the front of its queue, and the loss counts.
    FrontAfterLoss = 2,
}

/// Results that the log need not hold any longer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Sequence)]
pub struct WrittenBack {
    /// Their builds.
    pub uuids: Vec<RawUuid>,
}

/// A result that the log has to hold.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Pending {
    /// The build.
    pub uuid: RawUuid,
    /// The job.
    pub name: Text,
    /// The whole result file.
    pub contents: Contents,
}

/// How often in a row builds of a job were lost on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Losses {
    /// The job.
    pub name: Text,
    /// The platform.
    pub platform: Text,
    /// The number of losses.
    pub count: u32,
}

/// An aborted build whose result is not stored yet.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Unstored {
    /// The build.
    pub uuid: RawUuid,
    /// When it started.
    pub started: Time,
    /// When it ended.
    pub finished: Time,
    /// What ran.
    pub job: ScriptJob,
    /// Why it ended.
    pub reason: Text,
}

/// A result that is to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct UploadQueued {
    /// The build.
    pub uuid: RawUuid,
    /// The name of its job, which leads to the file.
    pub name: Text,
}

/// A result that the upload server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Sequence)]
pub struct Uploaded {
    /// The build.
    pub uuid: RawUuid,
    /// Whether its file stays, too.
    pub keep_local: bool,
}

/// A result whose file is gone: removed after its upload, or by someone else before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Sequence)]
pub struct Removed {
    /// The build.
    pub uuid: RawUuid,
}

/// Builds about which the log need not say anything for the history any longer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Sequence)]
pub struct Remembered {
    /// The builds.
    pub uuids: Vec<RawUuid>,
    /// Bytes that the file of the history is known to have. A shorter one has lost something.
    pub length: u64,
}

/// A build of which a program is to be told.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct NoticeQueued {
    /// The build, and how it ended. Its end is absent if an earlier version recorded nothing of it.
    pub build: Build,
}

/// A build of which nobody need be told any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Sequence)]
pub struct NoticeGiven {
    /// The build.
    pub uuid: RawUuid,
}

/// The bytes of a whole result file, shared between the log and whoever writes the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents(pub Arc<Vec<u8>>);

impl core::fmt::Debug for Contents {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Contents({} bytes)", self.0.len())
    }
}

impl FixedTag for Contents {
    const TAG: Tag = Tag::OctetString;
}

impl EncodeValue for Contents {
    fn value_len(&self) -> der::Result<Length> {
        Length::try_from(self.0.len())
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        writer.write(&self.0)
    }
}

impl<'a> DecodeValue<'a> for Contents {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        Ok(Contents(Arc::new(reader.read_vec(header.length())?)))
    }
}

impl Record {
    /// Appends the record to `batch`; a frame of the log holds any number of records one after another.
    ///
    /// # Errors
    ///
    /// Fails when the record would take 4 GiB or more; the limits of commands and of results in the log are far below.
    pub fn append_to(&self, batch: &mut Vec<u8>) -> der::Result<()> {
        self.encode_to_vec(batch).map(|_| ())
    }

    /// Bytes that [`Record::append_to`] appends.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.encoded_len().map_or(u64::MAX, |length| u64::from(u32::from(length)))
    }

    /// Reads all records of a batch.
    ///
    /// # Errors
    ///
    /// The iterator ends after the first error: bytes that are no record.
    pub fn read_batch(batch: &[u8]) -> impl Iterator<Item = der::Result<Record>> + '_ {
        let mut reader = SliceReader::new(batch);
        core::iter::from_fn(move || {
            let step = match &mut reader {
                Ok(records) if records.is_finished() => return None,
                Ok(records) => Record::decode(records),
                Err(error) => Err(*error),
            };
            if step.is_err() {
                reader = SliceReader::new(&[]);
            }
            Some(step)
        })
    }
}
