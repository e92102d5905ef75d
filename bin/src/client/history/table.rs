//! Builds as people read them: a line a build; and how long builds usually take, so that one that was slow or fast stands out.

use crate::terminal::table::{Cell, Fit, Table};
use crate::terminal::{Look, Palette};
use crate::wording::{Size, Span, shortened_uuid, whole_seconds};
use builder_engine::history::{COUNTED, median};
use builder_proto::history::{Build, Cause};
use builder_proto::signal;
use builder_proto::text::Text;
use builder_proto::time::Time;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Less than this makes no build slow or fast.
const LEAST_DIFFERENCE: Duration = Duration::from_secs(10);

/// A list of builds.
pub(super) struct List<'a> {
    pub(super) builds: &'a [Build],
    pub(super) usual: &'a Usual,
    /// So many digits of a uuid are shown on a terminal.
    pub(super) digits: usize,
    /// Whether all of them are of one job, which was named.
    pub(super) omits_job: bool,
    pub(super) now: Time,
    pub(super) palette: Palette,
    /// How many characters a line may have; `None` where it may have any number.
    pub(super) columns: Option<usize>,
}

/// Head and fit of each column. Names stay whole, however short a line is.
const COLUMNS: [(&str, Fit); 10] = [
    ("RESULT", Fit::Whole),
    ("JOB", Fit::Whole),
    ("PLATFORM", Fit::Drop(3)),
    ("STARTED (UTC)", Fit::Drop(1)),
    ("AGO", Fit::Whole),
    ("TOOK", Fit::Whole),
    ("USUAL", Fit::Drop(2)),
    ("ARTIFACTS", Fit::Drop(4)),
    ("UUID", Fit::Whole),
    ("HOST", Fit::Drop(0)),
];

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table(Cause::to_string);
        match table.fits() {
            true => table.fmt(f),
            false => self.table(in_short).fmt(f),
        }
    }
}

impl List<'_> {
    fn table(&self, cause: impl Fn(&Cause) -> String) -> Table<{ COLUMNS.len() }> {
        let mut table = Table::new(self.palette, self.columns, COLUMNS);
        for build in self.builds {
            let name = if self.omits_job { String::new() } else { build.job.to_string() };
            let usual = self.usual.of(build);
            table.push([
                self.result(build, &cause),
                name.into(),
                build.platform.to_string().into(),
                whole_seconds(build.started).to_string().into(),
                Span(self.now.duration_since(build.started)).to_string().into(),
                self.took(build),
                usual.map_or_else(|| "-".to_owned(), |usual| Span(usual).to_string()).into(),
                artifacts(build),
                self.uuid(build).into(),
                self.host(build).into(),
            ]);
        }
        table
    }

    fn result(&self, build: &Build, cause: impl Fn(&Cause) -> String) -> Cell {
        let (sign, text, look) = match &build.end {
            None => return format!("{}running", if self.palette.has_signs() { "  " } else { "" }).into(),
            Some(end) if end.cause.is_success() => ("✓ ", "ok".to_owned(), Look::Good),
            Some(end) => ("✗ ", cause(&end.cause), Look::Bad),
        };
        let sign = if self.palette.has_signs() { sign } else { "" };
        Cell::new(format_args!("{sign}{text}"), look)
    }

    fn took(&self, build: &Build) -> Cell {
        let took = Span(time_taken(build, self.now));
        match self.usual.pace(build, self.now) {
            Pace::Usual => took.to_string().into(),
            Pace::Slow => Cell::new(format_args!("{took} slow"), Look::Bad),
            Pace::Fast => Cell::new(format_args!("{took} fast"), Look::Bad),
        }
    }

    fn uuid(&self, build: &Build) -> String {
        match self.columns {
            Some(_) => shortened_uuid(build.uuid(), self.digits),
            None => build.uuid().to_string(),
        }
    }

    fn host(&self, build: &Build) -> String {
        // A column without any goes on a terminal. Elsewhere all are there, so that they can be counted.
        let none = if self.columns.is_some() { "" } else { "-" };
        build.host.as_ref().map_or_else(|| none.to_owned(), ToString::to_string)
    }
}

/// How a build ended, without the reason that its server gives.
pub(crate) fn in_short(cause: &Cause) -> String {
    match cause {
        Cause::Exited(_) | Cause::Timeout(_) | Cause::Silence(_) => cause.to_string(),
        Cause::Signalled(number) | Cause::Stopped(number) => signal::describe(*number).to_string(),
        Cause::Cancelled(_) | Cause::Lost(_) | Cause::Limit(_) => cause.word().to_owned(),
        Cause::CannotRun(_) => "cannot run".to_owned(),
    }
}

fn artifacts(build: &Build) -> Cell {
    match &build.end {
        Some(end) if end.removed.is_some() => Cell::new("removed", Look::Aside),
        Some(end) if end.artifacts > 0 => format!("{}, {}", end.artifacts, Size(end.artifact_bytes)).into(),
        _ => "-".to_owned().into(),
    }
}

/// For each job, on each platform, the median of the last builds that succeeded.
pub(super) struct Usual(BTreeMap<(Text, Text), Duration>);

/// How far a build is from what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// About the usual.
    Usual,
    /// Longer by half, and by ten seconds at least.
    Slow,
    /// The usual is longer by as much. Only builds that succeeded: others end when they fail.
    Fast,
}

impl Usual {
    /// Looks at these builds, of which those that started last come first.
    pub(super) fn new(builds: &[Build]) -> Usual {
        let mut times: BTreeMap<(Text, Text), Vec<Duration>> = BTreeMap::new();
        for build in builds {
            let Some(end) = build.end.as_ref().filter(|end| end.cause.is_success()) else { continue };
            let times = times.entry((build.job.clone(), build.platform.clone())).or_default();
            if times.len() < COUNTED {
                times.push(end.finished.duration_since(build.started));
            }
        }
        Usual(times.into_iter().filter_map(|(key, times)| Some((key, median(times)?))).collect())
    }

    /// How long builds of the same job take on the same platform, if any of them has succeeded.
    pub(super) fn of(&self, build: &Build) -> Option<Duration> {
        self.0.get(&(build.job.clone(), build.platform.clone())).copied()
    }

    /// How a build compares with that; one that runs, with the time that it has taken so far.
    pub(super) fn pace(&self, build: &Build, now: Time) -> Pace {
        let Some(usual) = self.of(build) else { return Pace::Usual };
        let took = time_taken(build, now);
        let is_success = build.end.is_some() && !build.has_failed();
        if exceeds(took, usual) {
            Pace::Slow
        } else if is_success && exceeds(usual, took) {
            Pace::Fast
        } else {
            Pace::Usual
        }
    }
}

/// How long a build took, or has taken so far.
pub(crate) fn time_taken(build: &Build, now: Time) -> Duration {
    build.end.as_ref().map_or(now, |end| end.finished).duration_since(build.started)
}

/// By half, and by ten seconds.
pub(crate) fn exceeds(one: Duration, other: Duration) -> bool {
    let difference = one.saturating_sub(other);
    difference > LEAST_DIFFERENCE && difference > other / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::builds::digits_to_tell_apart;
    use crate::client::builds::samples::{build, ended};

    fn list(builds: &[Build], palette: Palette, columns: Option<usize>, omits_job: bool) -> String {
        let (usual, now) = (Usual::new(builds), Time::from_unix_milliseconds(100_000_000));
        let digits = digits_to_tell_apart(builds);
        List { builds, usual: &usual, digits, omits_job, now, palette, columns }.to_string()
    }

    /// One of everything: the job runs for too long, was removed, failed, was fast.
    fn samples() -> Vec<Build> {
        let ok = || Cause::Exited(0);
        let mut builds = vec![
            build(1, "hello", 99_000),
            ended(build(2, "hello", 90_000), 61, ok()),
            ended(build(3, "x\x1b[2J", 80_000), 5, Cause::Lost("the worker\x1b[2J left".into())),
            ended(build(4, "hello", 70_000), 300, Cause::Signalled(9)),
            ended(build(5, "hello", 10_000), 63, ok()),
            ended(build(6, "hello", 10_000), 12, ok()),
        ];
        let end = builds[1].end.as_mut().unwrap();
        (end.artifacts, end.artifact_bytes) = (12, 1_600_000);
        builds[4].end.as_mut().unwrap().removed = Some(Time::UNIX_EPOCH);
        builds[1].host = Some("192.0.2.1".into());
        builds
    }

    #[test]
    fn a_pipe_gets_everything_and_nothing_controls_a_terminal() {
        let text = list(&samples(), Palette::PLAIN, None, false);
        let cells = |line: usize| {
            let line = text.lines().nth(line).unwrap_or_default();
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("|")
        };
        assert_eq!(cells(0), "RESULT|JOB|PLATFORM|STARTED (UTC)|AGO|TOOK|USUAL|ARTIFACTS|UUID|HOST");
        assert_eq!(
            cells(2),
            "ok|hello|p|1970-01-02T01:00:00Z|2h 46m|1m 1s|1m 1s|12, 1.5 MiB|02020202-0202-0202-0202-020202020202|192.0.2.1"
        );
        assert_eq!(
            cells(3),
            "lost: the worker\\x1b[2J left|x\\x1b[2J|p|1970-01-01T22:13:20Z|5h 33m|5s|-|-|03030303-0303-0303-0303-030303030303|-"
        );
    }

    #[test]
    fn a_narrow_terminal_gets_what_matters_most_on_one_line_a_build() {
        let expected = [
            "  RESULT   JOB       AGO      TOOK          ARTIFACTS    UUID",
            "  running  hello     16m 40s  16m 40s slow  -            01010101",
            "  ok       hello     2h 46m   1m 1s         12, 1.5 MiB  02020202",
            "  lost     x\\x1b[2J  5h 33m   5s            -            03030303",
            "  SIGKILL  hello     8h 20m   5m 0s slow    -            04040404",
            "  ok       hello     1d 1h    1m 3s         removed      05050505",
            "  ok       hello     1d 1h    12s fast      -            06060606",
        ];
        let text = list(&samples(), Palette::PLAIN, Some(70), false);
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        let lines = list(&samples(), Palette::PLAIN, Some(80), true);
        assert!(!lines.contains("hello") && lines.contains("USUAL"), "{lines}");
    }

    #[test]
    fn results_have_colours_and_signs_where_the_terminal_has_them() {
        let text = list(&samples(), Palette::FULL, Some(80), true);
        for cell in [
            "\x1b[32m✓ ok\x1b[0m",
            "\x1b[31m✗ lost\x1b[0m",
            "    running",
            "\x1b[31m5m 0s slow\x1b[0m",
            "\x1b[2mremoved\x1b[0m",
        ] {
            assert!(text.contains(cell), "{cell}: {text}");
        }
    }

    /// Builds that succeeded after so many seconds.
    fn successes(seconds: &[u64]) -> Vec<Build> {
        seconds.iter().map(|seconds| ended(build(1, "hello", 0), *seconds, Cause::Exited(0))).collect()
    }

    fn usual(builds: &[Build]) -> Option<u64> {
        Usual::new(builds).of(&build(2, "hello", 0)).map(|duration| duration.as_secs())
    }

    #[test]
    fn the_usual_is_the_median_of_the_last_successes_there() {
        assert_eq!(usual(&[]), None);
        assert_eq!(usual(&successes(&[10, 1000, 20])), Some(20));
        assert_eq!(usual(&successes(&[10, 20])), Some(15));
        let mut builds = successes(&[60; COUNTED]);
        builds.extend(successes(&[1000; 2 * COUNTED]));
        assert_eq!(usual(&builds), Some(60), "those before do not count");
        let mut others = vec![ended(build(1, "hello", 0), 5, Cause::Exited(1)), build(1, "hello", 0)];
        others.extend(successes(&[30]));
        let elsewhere = Build { platform: "q".into(), ..successes(&[900]).remove(0) };
        others.push(elsewhere);
        assert_eq!(usual(&others), Some(30));
    }

    #[test]
    fn far_off_is_by_half_and_by_ten_seconds() {
        let pace = |usual: u64, took: u64, cause: Option<Cause>| {
            let mut one = build(3, "hello", 0);
            if let Some(cause) = cause {
                one = ended(one, took, cause);
            }
            Usual::new(&successes(&[usual])).pace(&one, Time::from_unix_milliseconds(took as i64 * 1000))
        };
        let success = || Some(Cause::Exited(0));
        assert_eq!(pace(100, 151, success()), Pace::Slow);
        assert_eq!(pace(100, 150, success()), Pace::Usual);
        assert_eq!(pace(5, 15, success()), Pace::Usual, "seconds are nothing");
        assert_eq!(pace(5, 16, success()), Pace::Slow);
        assert_eq!(pace(100, 151, Some(Cause::Exited(1))), Pace::Slow);
        assert_eq!(pace(100, 151, None), Pace::Slow, "it still runs");
        assert_eq!(pace(100, 66, success()), Pace::Fast);
        assert_eq!(pace(100, 67, success()), Pace::Usual);
        assert_eq!(pace(100, 1, Some(Cause::Exited(1))), Pace::Usual, "it failed early");
        assert_eq!(pace(100, 1, None), Pace::Usual);
    }
}
