//! What a server says of itself at a glance: client version 14.

use crate::time::Time;
use core::fmt;
use der::asn1::Null;
use der_derive::{Choice, Sequence};

/// Why a job waits in the queue of a platform: what stands in its way first.
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
