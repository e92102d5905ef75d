//! What is counted while the server runs, from 0 on: a restart is known to Prometheus as a reset.

use super::exposition::{Exposition, Kind};
use super::histogram::Histogram;
use crate::history::EndedBuild;
use crate::server::UploadOutcome;
use crate::server::record::Started;
use builder_proto::history::Cause;
use builder_proto::text::Text;
use std::collections::BTreeMap;

/// Bounds for the time that jobs wait in their queues, in seconds: from a free worker to a day in which none came.
const WAITS: [u64; 8] = [1, 10, 60, 300, 1800, 3600, 4 * 3600, 24 * 3600];
/// Bounds for the time that builds take, in seconds. Without a flag, none takes more than an hour.
const DURATIONS: [u64; 9] = [1, 10, 60, 300, 900, 1800, 3600, 3 * 3600, 12 * 3600];

/// How builds end: the values of two labels.
const ENDS: [(&str, &str); 10] = [
    ("success", "exited"),
    ("failure", "exited"),
    ("failure", "signalled"),
    ("failure", "stopped"),
    ("failure", "timeout"),
    ("failure", "silence"),
    ("failure", "cancelled"),
    ("failure", "lost"),
    ("failure", "limit"),
    ("failure", "cannot-run"),
];
/// How attempts to upload a result end.
const ATTEMPTS: [&str; 6] = ["done", "missing", "unavailable", "refused", "forbidden", "unauthorized"];

/// Everything that is counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    platforms: BTreeMap<Text, PlatformTally>,
    attempts: [u64; ATTEMPTS.len()],
    output: Output,
}

/// What is counted of each platform.
#[derive(Clone, Debug)]
struct PlatformTally {
    ends: [u64; ENDS.len()],
    waits: Histogram<{ WAITS.len() }>,
    durations: Histogram<{ DURATIONS.len() }>,
}

/// What builds left that have ended.
#[derive(Clone, Copy, Debug, Default)]
struct Output {
    console_lines: u64,
    console_bytes: u64,
    artifacts: u64,
    artifact_bytes: u64,
}

impl Default for PlatformTally {
    fn default() -> PlatformTally {
        let (waits, durations) = (Histogram::new(WAITS), Histogram::new(DURATIONS));
        PlatformTally { ends: [0; ENDS.len()], waits, durations }
    }
}

impl Tally {
    /// A job has left its queue. How long it had waited is not known of one that an earlier version queued.
    pub(crate) fn started(&mut self, started: &Started) {
        if let Some(queued) = started.queued {
            self.platform(&started.platform).waits.observe(started.started.duration_since(queued));
        }
    }

    /// A build has ended, and its result is stored.
    pub(crate) fn ended(&mut self, ended: &EndedBuild) {
        let Some(end) = &ended.build.end else { return };
        let tally = self.platform(&ended.build.platform);
        if let Some(count) = tally.ends.get_mut(place(&end.cause)) {
            *count += 1;
        }
        tally.durations.observe(end.finished.duration_since(ended.build.started));
        let output = &mut self.output;
        output.console_lines += end.console_lines;
        output.console_bytes += end.console_bytes;
        output.artifacts += end.artifacts;
        output.artifact_bytes += end.artifact_bytes;
    }

    /// An attempt to upload a result has ended.
    pub(crate) fn uploaded(&mut self, outcome: &UploadOutcome<'_>) {
        let place = match outcome {
            UploadOutcome::Done => 0,
            UploadOutcome::Missing => 1,
            UploadOutcome::Unavailable(_) => 2,
            UploadOutcome::Refused(_) => 3,
            UploadOutcome::Forbidden(_) => 4,
            UploadOutcome::Unauthorized(_) => 5,
        };
        if let Some(count) = self.attempts.get_mut(place) {
            *count += 1;
        }
    }

    /// Forgets all platforms but these. There may be any number of them in time, one after the other.
    pub(crate) fn keep(&mut self, is_there: impl Fn(&Text) -> bool) {
        self.platforms.retain(|platform, _| is_there(platform));
    }

    pub(super) fn platforms(&self) -> impl Iterator<Item = &Text> {
        self.platforms.keys()
    }

    /// Writes what was counted of these platforms, and of all together. Of a platform where nothing has happened so far, it
    /// says so: Prometheus sees a rise only from a number that was there before.
    pub(super) fn write(&self, page: &mut Exposition, platforms: &[(&Text, String)]) {
        let none = PlatformTally::default();
        let all: Vec<_> = platforms
            .iter()
            .map(|(name, label)| (label.as_str(), self.platforms.get(*name).unwrap_or(&none)))
            .collect();
        let name = "builder_builds_total";
        let help = "Builds that have ended and whose results are stored, by result and cause.";
        page.metric(name, Kind::Counter, help);
        for (platform, tally) in &all {
            for ((result, cause), count) in ENDS.iter().zip(tally.ends) {
                page.sample(name, &[("platform", platform), ("result", result), ("cause", cause)], count);
            }
        }
        let name = "builder_build_duration_seconds";
        page.metric(name, Kind::Histogram, "How long builds took, however they ended.");
        all.iter().for_each(|(platform, tally)| tally.durations.write(page, name, ("platform", platform)));
        let name = "builder_queue_wait_seconds";
        page.metric(
            name,
            Kind::Histogram,
            "How long jobs had waited in their queues when a worker got them.",
        );
        all.iter().for_each(|(platform, tally)| tally.waits.write(page, name, ("platform", platform)));
        let name = "builder_upload_attempts_total";
        page.metric(name, Kind::Counter, "Attempts to upload a result that have ended, by outcome.");
        for (outcome, count) in ATTEMPTS.iter().zip(self.attempts) {
            page.sample(name, &[("outcome", outcome)], count);
        }
        self.output.write(page);
    }

    fn platform(&mut self, name: &Text) -> &mut PlatformTally {
        self.platforms.entry(name.clone()).or_default()
    }
}

impl Output {
    fn write(&self, page: &mut Exposition) {
        let totals = [
            ("builder_console_lines_total", "Console lines of builds that have ended.", self.console_lines),
            ("builder_console_bytes_total", "Bytes of these lines, newlines included.", self.console_bytes),
            ("builder_artifacts_total", "Artifacts of builds that have ended.", self.artifacts),
            ("builder_artifact_bytes_total", "Bytes of these artifacts.", self.artifact_bytes),
        ];
        for (name, help, total) in totals {
            page.metric(name, Kind::Counter, help);
            page.sample(name, &[], total);
        }
    }
}

/// Where a cause is among [`ENDS`].
fn place(cause: &Cause) -> usize {
    match cause {
        Cause::Exited(0) => 0,
        Cause::Exited(_) => 1,
        Cause::Signalled(_) => 2,
        Cause::Stopped(_) => 3,
        Cause::Timeout(_) => 4,
        Cause::Silence(_) => 5,
        Cause::Cancelled(_) => 6,
        Cause::Lost(_) => 7,
        Cause::Limit(_) => 8,
        Cause::CannotRun(_) => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::Uuid;
    use builder_proto::history::{Build, BuildEnd};
    use builder_proto::time::Time;
    use builder_proto::wire::RawUuid;
    use der::asn1::Null;

    fn at(seconds: i64) -> Time {
        Time::from_unix_milliseconds(seconds * 1000)
    }

    fn started(queued: Option<Time>) -> Started {
        Started {
            uuid: RawUuid(Uuid::nil()),
            started: at(100),
            platform: "p".into(),
            name: "job".into(),
            job: None,
            queued,
            host: None,
            environment: None,
        }
    }

    fn ended(platform: &str, cause: Cause) -> EndedBuild {
        let end = BuildEnd {
            console_lines: 2,
            console_bytes: 30,
            artifacts: 1,
            artifact_bytes: 500,
            ..BuildEnd::new(at(107), cause)
        };
        let build = Build {
            uuid: RawUuid(Uuid::nil()),
            job: "job".into(),
            platform: platform.into(),
            started: at(100),
            queued: None,
            host: None,
            end: Some(end),
        };
        EndedBuild { build, artifacts: None }
    }

    /// The lines about a platform, and those about none.
    fn text(tally: &Tally) -> String {
        let mut page = Exposition::default();
        tally.write(&mut page, &[(&"p".into(), "p".to_owned())]);
        page.into_text()
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|other| other == line), "no line {line} in:\n{text}");
    }

    #[test]
    fn every_cause_is_counted_under_its_own_word() {
        let causes = [
            Cause::Exited(0),
            Cause::Exited(3),
            Cause::Signalled(9),
            Cause::Stopped(19),
            Cause::Timeout(Null),
            Cause::Silence(Null),
            Cause::Cancelled("who".into()),
            Cause::Lost("why".into()),
            Cause::Limit("why".into()),
            Cause::CannotRun("why".into()),
        ];
        assert_eq!(causes.len(), ENDS.len());
        for (number, cause) in causes.into_iter().enumerate() {
            let result = if cause.is_success() { "success" } else { "failure" };
            assert_eq!(ENDS[place(&cause)], (result, cause.word()));
            assert_eq!(place(&cause), number, "no two share a place");
        }
    }

    #[test]
    fn a_build_counts_by_its_end_its_time_and_what_it_left() {
        let mut tally = Tally::default();
        tally.ended(&ended("p", Cause::Exited(0)));
        tally.ended(&ended("p", Cause::Exited(1)));
        tally.ended(&ended("p", Cause::Exited(2)));
        let text = text(&tally);
        has(&text, r#"builder_builds_total{platform="p",result="success",cause="exited"} 1"#);
        has(&text, r#"builder_builds_total{platform="p",result="failure",cause="exited"} 2"#);
        has(&text, r#"builder_builds_total{platform="p",result="failure",cause="lost"} 0"#);
        has(&text, r#"builder_build_duration_seconds_bucket{platform="p",le="1"} 0"#);
        has(&text, r#"builder_build_duration_seconds_bucket{platform="p",le="10"} 3"#);
        has(&text, r#"builder_build_duration_seconds_sum{platform="p"} 21.000"#);
        has(&text, "builder_console_lines_total 6");
        has(&text, "builder_console_bytes_total 90");
        has(&text, "builder_artifacts_total 3");
        has(&text, "builder_artifact_bytes_total 1500");
    }

    #[test]
    fn a_wait_counts_when_it_is_known() {
        let mut tally = Tally::default();
        tally.started(&started(None));
        has(&text(&tally), r#"builder_queue_wait_seconds_count{platform="p"} 0"#);
        tally.started(&started(Some(at(40))));
        // The clock has gone back.
        tally.started(&started(Some(at(200))));
        let text = text(&tally);
        has(&text, r#"builder_queue_wait_seconds_count{platform="p"} 2"#);
        has(&text, r#"builder_queue_wait_seconds_sum{platform="p"} 60.000"#);
        has(&text, r#"builder_queue_wait_seconds_bucket{platform="p",le="10"} 1"#);
        has(&text, r#"builder_queue_wait_seconds_bucket{platform="p",le="60"} 2"#);
    }

    #[test]
    fn uploads_count_by_their_outcome() {
        let mut tally = Tally::default();
        let outcomes = [
            UploadOutcome::Done,
            UploadOutcome::Missing,
            UploadOutcome::Unavailable(""),
            UploadOutcome::Refused(""),
            UploadOutcome::Forbidden(""),
            UploadOutcome::Unauthorized(""),
        ];
        for (number, outcome) in outcomes.iter().enumerate() {
            for _ in 0..=number {
                tally.uploaded(outcome);
            }
        }
        let text = text(&tally);
        for (number, outcome) in ATTEMPTS.iter().enumerate() {
            has(&text, &format!("builder_upload_attempts_total{{outcome=\"{outcome}\"}} {}", number + 1));
        }
    }

    #[test]
    fn a_platform_that_is_gone_is_forgotten() {
        let mut tally = Tally::default();
        tally.ended(&ended("gone", Cause::Exited(0)));
        tally.ended(&ended("p", Cause::Exited(0)));
        tally.keep(|platform| *platform == "p".into());
        assert_eq!(tally.platforms().collect::<Vec<_>>(), [&Text::from("p")]);
        has(&text(&tally), "builder_console_lines_total 4");
    }
}
