//! What people want of one job besides when it runs and what it does: client version 14.

use core::time::Duration;
use der_derive::Sequence;

/// What a job wants of the server. What is absent is as the server has it for all jobs.
///
/// Times are whole seconds on the wire. Which values a server takes, the engine says.
///
/// ```
/// use builder_proto::job_settings::JobSettings;
///
/// let job = JobSettings { timeout: Some(600), ..JobSettings::default() };
/// let server = JobSettings { timeout: Some(3600), keep_builds: Some(10), ..JobSettings::default() };
/// let effective = job.or(server);
/// assert_eq!((effective.timeout, effective.keep_builds), (Some(600), Some(10)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Sequence)]
pub struct JobSettings {
    /// Seconds after which a build is ended.
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub timeout: Option<u64>,
    /// Seconds without a console line after which a build is ended.
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub silence: Option<u64>,
    /// Seconds from one run to the next, in place of a [`Period`](crate::time::Period).
    #[asn1(context_specific = "2", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub every: Option<u64>,
    /// Whether a run is left out when its time passed while no server was there.
    #[asn1(context_specific = "3", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub skip_missed: Option<bool>,
    /// How many results are kept on each platform; [`JobSettings::ALL_BUILDS`] for all of them.
    #[asn1(context_specific = "4", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub keep_builds: Option<u64>,
    /// Seconds for which results are kept, from the start of their builds.
    #[asn1(context_specific = "5", optional = "true", tag_mode = "EXPLICIT", constructed = "true")]
    pub keep_seconds: Option<u64>,
}

impl JobSettings {
    /// Nothing is said.
    pub const NONE: JobSettings = JobSettings {
        timeout: None,
        silence: None,
        every: None,
        skip_missed: None,
        keep_builds: None,
        keep_seconds: None,
    };

    /// What [`JobSettings::keep_builds`] is when every result is to be kept.
    pub const ALL_BUILDS: u64 = u32::MAX as u64;

    /// These settings, and where they say nothing, those. Of which results are kept, one of the two says everything.
    #[must_use]
    pub fn or(self, others: JobSettings) -> JobSettings {
        let keeps = self.keep_builds.is_some() || self.keep_seconds.is_some();
        let kept = if keeps { self } else { others };
        JobSettings {
            timeout: self.timeout.or(others.timeout),
            silence: self.silence.or(others.silence),
            every: self.every.or(others.every),
            skip_missed: self.skip_missed.or(others.skip_missed),
            keep_builds: kept.keep_builds,
            keep_seconds: kept.keep_seconds,
        }
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == JobSettings::NONE
    }

    /// The time after which a build is ended.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout.map(Duration::from_secs)
    }

    /// The time without a console line after which a build is ended.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        self.silence.map(Duration::from_secs)
    }

    /// The time between two runs, if it is not that of a [`Period`](crate::time::Period).
    #[must_use]
    pub fn every(&self) -> Option<Duration> {
        self.every.map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use der::{Decode, Encode};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    const ALL: JobSettings = JobSettings {
        timeout: Some(600),
        silence: Some(60),
        every: Some(21_600),
        skip_missed: Some(true),
        keep_builds: Some(10),
        keep_seconds: Some(86_400),
    };

    #[test]
    fn settings_are_spelled_as_the_page_says() {
        assert_eq!(hex(&JobSettings::default().to_der().unwrap()), "3000");
        let one = JobSettings { silence: Some(60), ..JobSettings::default() };
        assert_eq!(hex(&one.to_der().unwrap()), "3005a10302013c");
        let bytes = ALL.to_der().unwrap();
        assert_eq!(hex(&bytes), "3022a00402020258a10302013ca20402025460a3030101ffa40302010aa5050203015180");
        assert_eq!(JobSettings::from_der(&bytes).unwrap(), ALL);
        assert!(JobSettings::from_der(b"\x30\x05\xa6\x03\x02\x01\x01").is_err(), "of a later version");
        assert!(JobSettings::from_der(b"\x30\x05\xa0\x03\x02\x01\xff").is_err(), "less than nothing");
    }

    #[test]
    fn what_a_job_does_not_say_is_as_the_server_has_it() {
        assert_eq!(JobSettings::default().or(ALL), ALL);
        assert_eq!(ALL.or(JobSettings { timeout: Some(1), silence: None, ..ALL }), ALL);
        let five = JobSettings { keep_builds: Some(5), ..JobSettings::default() };
        let kept = five.or(ALL);
        assert_eq!((kept.keep_builds, kept.keep_seconds), (Some(5), None), "what is kept is said as a whole");
    }

    #[test]
    fn only_settings_that_say_nothing_are_empty() {
        assert!(JobSettings::default().is_empty() && JobSettings::NONE.is_empty());
        assert!(!JobSettings { skip_missed: Some(false), ..JobSettings::default() }.is_empty());
    }
}
