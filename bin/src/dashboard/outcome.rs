//! What a result means, and how pages show it. A colour never stands alone: there is always a sign and a word with it.

use crate::client::history::in_short;
use builder_proto::history::{Build, Cause};
use builder_proto::overview::JobStatus;
use maud::{Markup, html};

/// How a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It did what it should.
    Good,
    /// It did not.
    Bad,
    /// Somebody stopped it, which says nothing about the job.
    Cancelled,
    /// It runs.
    Running,
}

impl Outcome {
    pub(super) fn of(cause: &Cause) -> Outcome {
        match cause {
            Cause::Cancelled(_) => Outcome::Cancelled,
            cause if cause.is_success() => Outcome::Good,
            _ => Outcome::Bad,
        }
    }

    pub(super) fn of_build(build: &Build) -> Outcome {
        build.end.as_ref().map_or(Outcome::Running, |end| Outcome::of(&end.cause))
    }

    /// The class that style sheets know it by.
    pub(super) fn class(self) -> &'static str {
        match self {
            Outcome::Good => "o",
            Outcome::Bad => "x",
            Outcome::Cancelled => "c",
            Outcome::Running => "r",
        }
    }

    /// Follows a number, or the word "last".
    pub(super) fn word(self) -> &'static str {
        match self {
            Outcome::Good => "ok",
            Outcome::Bad => "failed",
            Outcome::Cancelled => "cancelled",
            Outcome::Running => "running",
        }
    }
}

/// How many there are of each, and what the last one is, such as `17 ok, 3 failed, last failed`. That is left out when all are
/// alike.
pub(super) fn summary(outcomes: &[Outcome]) -> String {
    let counted = counts(outcomes);
    match outcomes.last().filter(|_| counted.contains(',')) {
        Some(last) => format!("{counted}, last {}", last.word()),
        None => counted,
    }
}

/// How many there are of each kind, in words.
pub(super) fn counts(outcomes: &[Outcome]) -> String {
    let kinds = [Outcome::Good, Outcome::Bad, Outcome::Cancelled, Outcome::Running];
    let count = |kind: Outcome| outcomes.iter().filter(|outcome| **outcome == kind).count();
    let counted = kinds.into_iter().map(|kind| (kind, count(kind))).filter(|(_, count)| *count > 0);
    let parts: Vec<String> = counted.map(|(kind, count)| format!("{count} {}", kind.word())).collect();
    parts.join(", ")
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_and_names_the_last() {
        use Outcome::{Bad, Cancelled, Good, Running};
        assert_eq!(summary(&[]), "");
        assert_eq!(summary(&[Good, Good]), "2 ok");
        assert_eq!(summary(&[Good, Bad]), "1 ok, 1 failed, last failed");
        assert_eq!(
            summary(&[Bad, Cancelled, Running, Good]),
            "1 ok, 1 failed, 1 cancelled, 1 running, last ok"
        );
    }

    #[test]
    fn who_stops_a_build_does_not_make_the_job_fail() {
        assert_eq!(Outcome::of(&Cause::Exited(0)), Outcome::Good);
        assert_eq!(Outcome::of(&Cause::Exited(1)), Outcome::Bad);
        assert_eq!(Outcome::of(&Cause::Lost("worker".into())), Outcome::Bad);
        assert_eq!(Outcome::of(&Cause::Cancelled("eve".into())), Outcome::Cancelled);
    }

    #[test]
    fn a_result_has_a_sign_and_a_word() {
        assert_eq!(cause(&Cause::Exited(0)).into_string(), "<span class=\"state ok\">✓ ok</span>");
        let lost = cause(&Cause::Lost("\"><script>".into())).into_string();
        assert_eq!(lost, "<span class=\"state bad\" title=\"lost: &quot;&gt;&lt;script&gt;\">✗ lost</span>");
    }
}
