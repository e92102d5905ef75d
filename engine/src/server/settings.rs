//! What a server is told at its start, by flags and files.

use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use core::time::Duration;
use std::collections::BTreeMap;

/// Templates of orb-build jobs by platform.
pub type Templates = BTreeMap<Text, Vec<u8>>;

/// What the flags of the server decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a job may run by the clock of its worker; the server adds a minute.
    pub job_time: Duration,
    /// What counts for jobs that do not say it themselves. Their time limit is [`Settings::job_time`].
    pub defaults: JobSettings,
    /// Bytes of all artifacts of one build.
    pub artifact_bytes: u64,
    /// Bytes of the stored console of one build.
    pub console_bytes: u64,
    /// Builds that may be under way at the same time. Each may need a file for its console and one for its result.
    pub builds: usize,
    /// Observers at the same time. Each may need a file: that of a stored result, or the console of a build that has ended.
    pub observers: usize,
}
