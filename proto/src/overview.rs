//! What a server says of itself at a glance: client version 14.

use crate::history::Cause;
use crate::job_settings::JobSettings;
use crate::text::Text;
use crate::time::{Period, Time};
use crate::wire::RawUuid;
use core::fmt;
/// What is in a [`Reason`] that says everything by itself.
pub use der::asn1::Null;
use der_derive::{Choice, Sequence};

/// The server itself.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct ServerStatus {
    /// Its version, such as `0.5.0`.
    pub version: Text,
    /// When it was started.
    pub started: Time,
    /// Builds that are under way, and those that have just ended.
    pub under_way: u64,
    /// How many there may be.
    pub limit: u64,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Whether the disk has no room for another build or another job.
    pub is_full: bool,
    /// Whether nothing is handed out anywhere, as somebody wanted it.
    pub is_draining: bool,
    /// Whether it knows the builds of the past. While it cannot open the file of its history, it does not.
    pub has_history: bool,
    /// Bytes by which its files can grow, if that is known.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub free_bytes: Option<u64>,
    /// Results that wait to be uploaded. Absent when none does.
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub uploads: Option<UploadsStatus>,
    /// Builds of which a program is still to be told. Absent when there is none.
    #[asn1(context_specific = "2", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub notices: Option<u64>,
}

/// Results that wait to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct UploadsStatus {
    /// The URL of the upload server, or that there is none.
    pub destination: Text,
    /// How many results wait.
    pub waiting: u64,
    /// Those that have waited longest; not always all.
    pub first: Vec<WaitingUpload>,
    /// What is wrong and when the next attempt is, in words.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub trouble: Option<Text>,
}

/// A result that waits to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct WaitingUpload {
    /// The build.
    pub uuid: RawUuid,
    /// The name of its job.
    pub job: Text,
}

/// A platform and its workers.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct PlatformStatus {
    /// The platform.
    pub platform: Text,
    /// Workers that wait for a job.
    pub idle: u64,
    /// Workers that run one.
    pub busy: u64,
    /// Jobs that wait.
    pub queued: u64,
    /// Whether it has a template, so that orb-build jobs run there.
    pub has_template: bool,
    /// Whether it was dropped, so that its jobs are refused.
    pub is_dropped: bool,
    /// Whether nothing is handed out there, as somebody wanted it.
    pub is_paused: bool,
    /// How slowly jobs are handed out, while that is so.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub pace: Option<Pace>,
}

/// A job that waits in the queue of a platform.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct QueueStatus {
    /// The platform.
    pub platform: Text,
    /// The name of the job.
    pub job: Text,
    /// Why it waits.
    pub reason: Reason,
    /// How often in a row its builds were lost there. After several, it gives way to other jobs.
    pub losses: u64,
    /// Since when it waits, if that is known.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub since: Option<Time>,
}

/// A job of the schedule, on one platform. There is one of these for each platform on which the job was built, or one.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct JobStatus {
    /// The name of the job.
    pub job: Text,
    /// How often it runs.
    pub period: Period,
    /// When it runs next by itself.
    pub next: Time,
    /// Where it runs. Absent for an orb-build job that was built nowhere so far.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub platform: Option<Text>,
    /// The opam package of an orb-build job. A script job has none.
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub package: Option<Text>,
    /// How its builds ended there. Absent while none has ended, as far as the server knows.
    #[asn1(context_specific = "2", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub results: Option<Results>,
    /// What it wants besides. Absent when it wants nothing.
    #[asn1(context_specific = "3", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub settings: Option<JobSettings>,
}

/// How the builds of a job ended on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Results {
    /// The build that started last, of those that have ended.
    pub last: LastBuild,
    /// So many builds in a row have succeeded like it, or failed like it.
    pub count: u64,
    /// When the first of these started.
    pub since: Time,
    /// Milliseconds that a build usually takes: the median of the last ones that succeeded, if any has.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub usual: Option<u64>,
}

/// The last build of a job on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct LastBuild {
    /// The build.
    pub uuid: RawUuid,
    /// When a worker got it.
    pub started: Time,
    /// When its result was known.
    pub finished: Time,
    /// Why it ended.
    pub cause: Cause,
}

/// Why a job waits in the queue of a platform: what stands in its way first.
///
/// ```
/// use builder_proto::overview::{Null, Reason};
///
/// let reason = Reason::Busy(2);
/// assert_eq!(format!("it waits: {reason}"), "it waits: all 2 workers are busy");
/// assert_eq!(reason.word(), "busy", "for programs");
/// assert_eq!(Reason::Draining(Null).to_string(), "the server is draining");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Choice)]
pub enum Reason {
    /// It is an orb-build job, and the platform has no template.
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", constructed = "true")]
    NoTemplate(Null),
    /// Nothing is handed out anywhere, as somebody wanted it.
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    Draining(Null),
    /// Nothing is handed out on the platform, as somebody wanted it.
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    Paused(Null),
    /// The disk of the server has no room for another build.
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", constructed = "true")]
    DiskFull(Null),
    /// The system of the server gives no random numbers, of which the uuid of a build is made.
    #[asn1(context_specific = "4", tag_mode = "EXPLICIT", constructed = "true")]
    NoRandomness(Null),
    /// The workers of the platform lose one build after the other, so that jobs are handed out slowly.
    #[asn1(context_specific = "5", tag_mode = "EXPLICIT", constructed = "true")]
    Losses(Pace),
    /// The platform has no worker.
    #[asn1(context_specific = "6", tag_mode = "EXPLICIT", constructed = "true")]
    NoWorker(Null),
    /// Each worker of the platform runs a build; there are so many.
    #[asn1(context_specific = "7", tag_mode = "EXPLICIT", constructed = "true")]
    Busy(u64),
    /// A worker waits, but so many builds are under way on all platforms, the limit.
    #[asn1(context_specific = "8", tag_mode = "EXPLICIT", constructed = "true")]
    Limit(u64),
    /// Nothing: it is about to be handed out.
    #[asn1(context_specific = "9", tag_mode = "EXPLICIT", constructed = "true")]
    Next(Null),
}

/// How fast jobs leave the queue of a platform whose workers lose them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Sequence)]
pub struct Pace {
    /// Builds that were lost in a row.
    pub losses: u64,
    /// When the next job may be handed out.
    pub next: Time,
}

impl Reason {
    /// One word for it, which stays the same from version to version.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Reason::NoTemplate(_) => "no-template",
            Reason::Draining(_) => "draining",
            Reason::Paused(_) => "paused",
            Reason::DiskFull(_) => "disk-full",
            Reason::NoRandomness(_) => "no-randomness",
            Reason::Losses(_) => "losses",
            Reason::NoWorker(_) => "no-worker",
            Reason::Busy(_) => "busy",
            Reason::Limit(_) => "limit",
            Reason::Next(_) => "next",
        }
    }
}

/// Follows the words "it waits:".
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoTemplate(_) => f.write_str("the platform has no template"),
            Reason::Draining(_) => f.write_str("the server is draining"),
            Reason::Paused(_) => f.write_str("the platform is paused"),
            Reason::DiskFull(_) => f.write_str("the disk of the server is full"),
            Reason::NoRandomness(_) => f.write_str("the server gets no random numbers"),
            Reason::Losses(Pace { losses, next }) => {
                let whole = next.unix_milliseconds().div_euclid(1000).saturating_mul(1000);
                let next = Time::from_unix_milliseconds(whole);
                write!(f, "its workers lost {losses} builds in a row; the next try is at {next}")
            }
            Reason::NoWorker(_) => f.write_str("the platform has no worker"),
            Reason::Busy(1) => f.write_str("the only worker is busy"),
            Reason::Busy(workers) => write!(f, "all {workers} workers are busy"),
            Reason::Limit(1) => f.write_str("one build is under way, the limit of the server"),
            Reason::Limit(builds) => write!(f, "{builds} builds are under way, the limit of the server"),
            Reason::Next(_) => f.write_str("it is handed out next"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use der::{Decode, Encode};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn statuses_are_spelled_as_the_page_says() {
        let epoch = "180f31393730303130313030303030305a";
        let uuid = "0c1007070707070707070707070707070707";
        let raw = RawUuid(crate::Uuid::from_bytes([7; 16]));
        let pace = Pace { losses: 2, next: Time::UNIX_EPOCH };
        let platform = PlatformStatus {
            platform: "p".into(),
            idle: 1,
            busy: 2,
            queued: 3,
            has_template: true,
            is_dropped: false,
            is_paused: true,
            pace: Some(pace),
        };
        let bytes = format!("302d0c01700201010201020201030101ff0101000101ffa0163014020102{epoch}");
        assert_eq!(hex(&platform.to_der().unwrap()), bytes);
        let queue = QueueStatus {
            platform: "p".into(),
            job: "j".into(),
            reason: Reason::Busy(2),
            losses: 1,
            since: Some(Time::UNIX_EPOCH),
        };
        assert_eq!(hex(&queue.to_der().unwrap()), format!("30210c01700c016aa703020102020101a011{epoch}"));
        let last = LastBuild {
            uuid: raw,
            started: Time::UNIX_EPOCH,
            finished: Time::UNIX_EPOCH,
            cause: Cause::Exited(1),
        };
        let results = Results { last, count: 3, since: Time::UNIX_EPOCH, usual: Some(1500) };
        let job = JobStatus {
            job: "j".into(),
            period: Period::Daily,
            next: Time::UNIX_EPOCH,
            platform: Some("p".into()),
            package: Some("o".into()),
            results: Some(results),
            settings: Some(JobSettings { every: Some(60), ..JobSettings::NONE }),
        };
        let last = format!("3039{uuid}{epoch}{epoch}a003020101");
        let results = format!("a2573055{last}020103{epoch}a004020205dc");
        let settings = "a3073005a20302013c";
        let job_bytes = format!("3081840c016aa1020500{epoch}a0030c0170a1030c016f{results}{settings}");
        assert_eq!(hex(&job.to_der().unwrap()), job_bytes);
        let waiting = WaitingUpload { uuid: raw, job: "j".into() };
        let uploads = UploadsStatus {
            destination: "d".into(),
            waiting: 1,
            first: vec![waiting],
            trouble: Some("t".into()),
        };
        let server = ServerStatus {
            version: "1".into(),
            started: Time::UNIX_EPOCH,
            under_way: 1,
            limit: 2,
            log_bytes: 3,
            is_full: false,
            is_draining: true,
            has_history: true,
            free_bytes: Some(4),
            uploads: Some(uploads),
            notices: Some(5),
        };
        let uploads = format!("a12630240c016402010130173015{uuid}0c016aa0030c0174");
        let bytes =
            format!("30580c0131{epoch}0201010201020201030101000101ff0101ffa003020104{uploads}a203020105");
        assert_eq!(hex(&server.to_der().unwrap()), bytes);
        for one in [JobStatus { platform: None, results: None, settings: None, ..job.clone() }, job] {
            assert_eq!(JobStatus::from_der(&one.to_der().unwrap()).unwrap(), one);
        }
        assert_eq!(PlatformStatus::from_der(&platform.to_der().unwrap()).unwrap(), platform);
        assert_eq!(QueueStatus::from_der(&queue.to_der().unwrap()).unwrap(), queue);
        assert_eq!(ServerStatus::from_der(&server.to_der().unwrap()).unwrap(), server);
    }

    #[test]
    fn reasons_are_spelled_as_the_page_says() {
        let pace = Pace { losses: 4, next: Time::from_unix_milliseconds(1500) };
        for (reason, bytes, word, words) in [
            (Reason::NoTemplate(Null), "a0020500", "no-template", "the platform has no template"),
            (Reason::Draining(Null), "a1020500", "draining", "the server is draining"),
            (Reason::Paused(Null), "a2020500", "paused", "the platform is paused"),
            (Reason::DiskFull(Null), "a3020500", "disk-full", "the disk of the server is full"),
            (Reason::NoRandomness(Null), "a4020500", "no-randomness", "the server gets no random numbers"),
            (
                Reason::Losses(pace),
                "a51a3018020104181331393730303130313030303030312e3530305a",
                "losses",
                "its workers lost 4 builds in a row; the next try is at 1970-01-01T00:00:01Z",
            ),
            (Reason::NoWorker(Null), "a6020500", "no-worker", "the platform has no worker"),
            (Reason::Busy(3), "a703020103", "busy", "all 3 workers are busy"),
            (Reason::Limit(64), "a803020140", "limit", "64 builds are under way, the limit of the server"),
            (Reason::Next(Null), "a9020500", "next", "it is handed out next"),
        ] {
            let der = reason.to_der().unwrap();
            assert_eq!(hex(&der), bytes, "{word}");
            assert_eq!(Reason::from_der(&der).unwrap(), reason);
            assert_eq!((reason.word(), reason.to_string().as_str()), (word, words));
        }
        assert_eq!(Reason::Busy(1).to_string(), "the only worker is busy");
    }
}
