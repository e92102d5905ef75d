//! How builds ended, and numbers, as pages show them. A colour never stands alone: there is always a sign and a word with it.

use crate::client::history::in_short;
use crate::dashboard::outcome::Outcome;
use builder_engine::wording::Span;
use builder_proto::history::{Build, Cause};
use builder_proto::job_settings::JobSettings;
use builder_proto::overview::{JobStatus, Results};
use maud::{Markup, html};
use std::fmt;
use std::time::Duration;

/// A number with commas: `12,345`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number(pub(super) u64);

/// A number of things: `1 job`, `2 jobs`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count(pub(super) u64, pub(super) &'static str, pub(super) &'static str);

/// How a build ended, or that it has not: a sign and a few words.
pub(super) fn outcome(build: &Build) -> Markup {
    match &build.end {
        None => html! { span.state.run { "▶ running" } },
        Some(end) => cause(&end.cause),
    }
}

/// How a build ended, in a few words; all of them are in the title.
pub(super) fn cause(cause: &Cause) -> Markup {
    let outcome = Outcome::of(cause);
    let class = format!("state {}", look(outcome));
    html! { span class=(class) title=[(!cause.is_success()).then(|| cause.to_string())] {
        (sign(outcome)) " " (verdict(cause))
    } }
}

/// How a build ended, in a few words.
pub(super) fn verdict(cause: &Cause) -> String {
    if cause.is_success() { "ok".to_owned() } else { in_short(cause) }
}

/// The class of what shows how a build ended.
pub(super) fn class(build: &Build) -> &'static str {
    look(Outcome::of_build(build))
}

/// The class of a result, as the style sheet knows it.
fn look(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Good => "ok",
        Outcome::Bad => "bad",
        Outcome::Cancelled => "aside",
        Outcome::Running => "run",
    }
}

/// What stands before a result, so that nobody has to see colours.
pub(super) fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Good => "✓",
        Outcome::Bad => "✗",
        Outcome::Cancelled => "⊘",
        Outcome::Running => "▶",
    }
}

/// Whether the last build of the job failed there.
pub(super) fn has_failed(status: &JobStatus) -> bool {
    status.results.as_ref().is_some_and(|results| !results.last.cause.is_success())
}

/// How long builds of a job usually take.
pub(super) fn usual(results: &Results) -> Option<Duration> {
    results.usual.map(Duration::from_millis)
}

/// How often a job runs.
pub(super) fn period(status: &JobStatus) -> String {
    match status.settings.and_then(|settings| settings.every()) {
        Some(every) => format!("every {}", Span(every)),
        None => status.period.to_string(),
    }
}

/// What a job wants besides, each with its name.
pub(super) fn settings(settings: JobSettings) -> Vec<(&'static str, String)> {
    let span = |duration: Duration| Span(duration).to_string();
    let kept = |builds| match builds {
        JobSettings::ALL_BUILDS => "all results".to_owned(),
        builds => Count(builds, "result on each platform", "results on each platform").to_string(),
    };
    [
        ("Ended after", settings.timeout().map(span)),
        ("Ended when silent for", settings.silence().map(span)),
        (
            "Missed runs",
            settings.skip_missed.map(|skips| if skips { "left out" } else { "made up for" }.to_owned()),
        ),
        ("Kept", settings.keep_builds.map(kept)),
        ("Kept for", settings.keep_seconds.map(Duration::from_secs).map(span)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            fmt::Write::write_char(f, digit)?;
        }
        Ok(())
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count(count, one, many) = *self;
        write!(f, "{} {}", Number(count), if count == 1 { one } else { many })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_words_for_one_and_many() {
        let words = [0, 999, 1000, 1_234_567].map(|number| Number(number).to_string());
        assert_eq!(words, ["0", "999", "1,000", "1,234,567"]);
        let jobs = [0, 1, 1500].map(|count| Count(count, "job", "jobs").to_string());
        assert_eq!(jobs, ["0 jobs", "1 job", "1,500 jobs"]);
    }

    #[test]
    fn a_result_has_a_sign_and_a_word() {
        assert_eq!(cause(&Cause::Exited(0)).into_string(), "<span class=\"state ok\">✓ ok</span>");
        let lost = cause(&Cause::Lost("\"><script>".into())).into_string();
        assert_eq!(lost, "<span class=\"state bad\" title=\"lost: &quot;&gt;&lt;script&gt;\">✗ lost</span>");
    }

    #[test]
    fn settings_are_named() {
        let some = JobSettings {
            timeout: Some(600),
            keep_builds: Some(1),
            skip_missed: Some(true),
            ..JobSettings::NONE
        };
        let words: Vec<String> =
            settings(some).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            words,
            ["Ended after: 10m 0s", "Missed runs: left out", "Kept: 1 result on each platform"]
        );
        assert!(settings(JobSettings::NONE).is_empty());
    }
}
