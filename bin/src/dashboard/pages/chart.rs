//! Results and durations as pictures in a page. All that is said by a colour is said by a shape, too.
//!
//! No picture has a style of its own. The style sheet knows the classes `o` (ok), `x` (failed), `c` (cancelled) and `r`
//! (running), and needs these rules for a strip, whose cells are dashes of one line:
//!
//! ```css
//! .strip path { fill: none; stroke-dasharray: 1.6 .4 }
//! .strip .o { stroke-width: 4 }
//! .strip .x { stroke-width: 8 }
//! .strip .c { stroke-width: 2 }
//! ```
//!
//! In a plot, `.bar` is filled, `.grid` and `.usual` are lines, and `text` is their labels.

use super::words::took;
use crate::client::history::time_taken;
use crate::dashboard::outcome::{Outcome, counts, summary};
use builder_engine::dashboard::snapshot::{RECENT, Recent};
use builder_engine::wording::Span;
use builder_proto::history::Build;
use builder_proto::time::Time;
use maud::{Markup, PreEscaped, html};
use std::time::Duration;

/// How wide a cell of a strip is, with the gap behind it.
const CELL: usize = 2;

/// Builds that a plot shows at most.
const MOST_BARS: usize = 100;
const WIDTH: u32 = 640;
const HEIGHT: u32 = 180;
/// Left of the bars, for the durations.
const LEFT: u32 = 56;
/// Where bars end: above their spikes.
const TOP: u32 = 16;
/// Where bars begin: below are the days.
const BOTTOM: u32 = 156;
/// No bar is wider, however few there are.
const WIDEST_BAR: f64 = 24.0;
/// A build that took no time can still be seen.
const LOWEST_BAR: f64 = 2.0;

/// Seconds that a line of the grid may stand for.
const STEPS: [u64; 32] = [
    1, 2, 3, 5, 10, 15, 20, 30, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 2700, 3600, 5400,
    7200, 10_800, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000, 31_536_000,
];

/// The last results of a job, those that started first first, as one line of cells: that of a failed build is twice as high as
/// that of one that is ok, and twice as low is that of a cancelled one. The last is always at the right. What the last one is stands
/// beside it in words.
///
/// A page has hundreds of strips, so they are in the shortest form that is HTML.
pub(super) fn strip(recent: &[Recent]) -> Markup {
    let recent = recent.get(recent.len().saturating_sub(RECENT)..).unwrap_or_default();
    let outcomes: Vec<Outcome> = recent.iter().map(|recent| Outcome::of(&recent.cause)).collect();
    let label = if outcomes.is_empty() { "no result".to_owned() } else { counts(&outcomes) };
    let mut strip =
        format!("<svg class=strip viewBox=\"0 0 {} 8\" role=img aria-label=\"{label}\">", RECENT * CELL);
    for (kind, height) in [(Outcome::Good, 6), (Outcome::Bad, 4), (Outcome::Cancelled, 7)] {
        if outcomes.contains(&kind) {
            let path = runs(&outcomes, kind, height);
            strip.push_str(&format!("<path class={} d=\"{path}\"/>", kind.class()));
        }
    }
    PreEscaped(strip + "</svg>")
}

/// A line for each run of cells of one kind, as a path. That of cells that are ok goes on behind those of failed builds, which are
/// higher.
fn runs(outcomes: &[Outcome], kind: Outcome, height: u32) -> String {
    let is_shown =
        |outcome: &Outcome| *outcome == kind || (kind == Outcome::Good && *outcome == Outcome::Bad);
    let mut path = String::new();
    let mut place = (RECENT.saturating_sub(outcomes.len())) * CELL;
    for run in outcomes.chunk_by(|one, other| is_shown(one) == is_shown(other)) {
        let length = run.len() * CELL;
        if run.first().is_some_and(is_shown) {
            path.push_str(&format!("M{place} {height}h{length}"));
        }
        place += length;
    }
    path
}

/// How long the last builds of a job took, of which those that started last come first: as bars, the oldest at the left, each a
/// link to its page. `usual` is a line across them. `base` is what stands before the path of every page.
pub(super) fn plot(builds: &[Build], usual: Option<Duration>, now: Time, base: &str) -> Markup {
    let shown: Vec<&Build> = builds.iter().take(MOST_BARS).rev().collect();
    let caption = caption(&shown, usual, now);
    let times = shown.iter().map(|build| time_taken(build, now));
    let scale = Scale::new(times.chain(usual).max().unwrap_or_default());
    let days = [shown.first(), shown.last()].map(|build| build.map(|build| day(build.started)));
    // One day is not said twice.
    let days = if days[0] == days[1] { [None, days[1].clone()] } else { days };
    html! {
        figure class="plot" {
            figcaption { (caption) }
            @if !shown.is_empty() {
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="group" aria-label=(caption) {
                    @for step in 0..=2 {
                        @let height = scale.height(scale.step * step);
                        path class="grid" d={ "M" (LEFT) " " (height) "H" (WIDTH) } {}
                        text class="axis" x=(LEFT - 6) y=(height) text-anchor="end" dominant-baseline="middle" aria-hidden="true" {
                            (Span(scale.step * step))
                        }
                    }
                    @for (number, build) in shown.iter().enumerate() {
                        (bar(build, place(number, shown.len()), &scale, now, base))
                    }
                    @if let Some(usual) = usual {
                        path class="usual" d={ "M" (LEFT) " " (scale.height(usual)) "H" (WIDTH) } {}
                    }
                    @if let Some(day) = &days[0] {
                        text class="axis" x=(LEFT) y=(HEIGHT - 6) aria-hidden="true" { (day) }
                    }
                    @if let Some(day) = &days[1] {
                        text class="axis" x=(WIDTH) y=(HEIGHT - 6) text-anchor="end" aria-hidden="true" { (day) }
                    }
                }
            }
        }
    }
}

/// What one would read from the picture.
fn caption(shown: &[&Build], usual: Option<Duration>, now: Time) -> String {
    let outcomes: Vec<Outcome> = shown.iter().map(|build| Outcome::of_build(build)).collect();
    let ended = || shown.iter().filter(|build| build.end.is_some()).map(|build| time_taken(build, now));
    let mut caption = match outcomes.as_slice() {
        [] => "No build to show".to_owned(),
        [only] => format!("The only build: {}", only.word()),
        many => format!("The last {} builds: {}", many.len(), summary(many)),
    };
    if let (Some(shortest), Some(longest)) = (ended().min(), ended().max()) {
        match [shortest, longest].map(took) {
            [shortest, longest] if shortest == longest => {
                let each = if ended().count() > 1 { " each" } else { "" };
                caption.push_str(&format!("; {longest}{each}"));
            }
            [shortest, longest] => caption.push_str(&format!("; from {shortest} to {longest}")),
        }
    }
    if let Some(usual) = usual {
        caption.push_str(&format!("; usually {}", took(usual)));
    }
    caption
}

/// Which height stands for which duration.
struct Scale {
    /// Between two lines of the grid, of which there are two above the ground.
    step: Duration,
}

impl Scale {
    fn new(longest: Duration) -> Scale {
        let half = longest.div_f64(2.0);
        let steps = STEPS.into_iter().map(Duration::from_secs);
        Scale { step: steps.into_iter().find(|step| *step >= half).unwrap_or(half) }
    }

    /// Pixels from the top.
    fn height(&self, duration: Duration) -> Pixels {
        let part = duration.as_secs_f64() / (2.0 * self.step.as_secs_f64());
        Pixels(f64::from(BOTTOM) - part.min(1.0) * f64::from(BOTTOM - TOP))
    }
}

/// Where a bar begins, and how wide it is. The last one ends at the right.
fn place(number: usize, count: usize) -> (f64, f64) {
    let room = f64::from(WIDTH - LEFT);
    let count = u32::try_from(count).map_or(room, f64::from);
    let slot = (room / count).min(WIDEST_BAR);
    let number = u32::try_from(number).map_or(0.0, f64::from);
    (f64::from(WIDTH) - (count - number) * slot, slot - 1.0)
}

/// A build that is ok is flat at its top, and a failed one has a spike; a cancelled one is aslant, and one that runs has a notch.
fn bar(build: &Build, (left, width): (f64, f64), scale: &Scale, now: Time, base: &str) -> Markup {
    let outcome = Outcome::of_build(build);
    let taken = time_taken(build, now);
    let Pixels(height) = scale.height(taken);
    let height = height.min(f64::from(BOTTOM) - LOWEST_BAR);
    let (middle, right) = (Pixels(left + width / 2.0), Pixels(left + width));
    let (left, high, above) = (Pixels(left), Pixels(height), Pixels(height - 8.0));
    let top = match outcome {
        Outcome::Good => format!("{left} {high}H{right}"),
        Outcome::Bad => format!("{left} {high}L{middle} {above}L{right} {high}"),
        Outcome::Cancelled => format!("{left} {high}L{right} {above}"),
        Outcome::Running => format!("{left} {above}L{middle} {high}L{right} {above}"),
    };
    let cause = match &build.end {
        Some(end) if !end.cause.is_success() => end.cause.to_string(),
        _ => outcome.word().to_owned(),
    };
    html! {
        a href={ (base) "/build/" (build.uuid()) } {
            title { (cause) ", " (took(taken)) ", started " (build.started) }
            path class={ "bar " (outcome.class()) } d={ "M" (left) " " (BOTTOM) "L" (top) "V" (BOTTOM) "z" } {}
        }
    }
}

/// The day of a time, in UTC.
fn day(time: Time) -> String {
    time.to_string().chars().take_while(|character| *character != 'T').collect()
}

/// A place in a picture, to a tenth of a pixel.
#[derive(Clone, Copy)]
struct Pixels(f64);

impl std::fmt::Display for Pixels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rounded = (self.0 * 10.0).round() / 10.0;
        write!(f, "{rounded}")
    }
}

impl maud::Render for Pixels {
    fn render_to(&self, output: &mut String) {
        output.push_str(&self.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::Uuid;
    use builder_proto::history::{BuildEnd, Cause};
    use builder_proto::wire::RawUuid;

    fn at(seconds: i64) -> Time {
        Time::from_unix_milliseconds(seconds * 1000)
    }

    fn cause(end: char) -> Cause {
        match end {
            'o' => Cause::Exited(0),
            'x' => Cause::Exited(1),
            _ => Cause::Cancelled("eve\x1b<b>".into()),
        }
    }

    /// Builds that ended so, the oldest first: `o` for ok, `x` for failed, `c` for cancelled.
    fn recent(ends: &str) -> Vec<Recent> {
        let recent = |end| Recent { uuid: Uuid::nil(), started: at(0), finished: at(60), cause: cause(end) };
        ends.chars().map(recent).collect()
    }

    /// Builds that took so many seconds and ended so, `r` for one that runs, the oldest first. They are given as the server gives
    /// them, the last one first.
    fn builds(ends: &[(char, i64)]) -> Vec<Build> {
        let build = |(number, (end, seconds)): (u8, &(char, i64))| Build {
            uuid: RawUuid(Uuid::from_bytes([number; 16])),
            job: "j".into(),
            platform: "p".into(),
            started: at(i64::from(number) * 86_400),
            queued: None,
            host: None,
            end: (*end != 'r').then(|| BuildEnd::new(at(i64::from(number) * 86_400 + seconds), cause(*end))),
        };
        let mut builds: Vec<Build> = (0..).zip(ends).map(build).collect();
        builds.reverse();
        builds
    }

    /// What there is in a picture, which has to be well-formed as XML, too.
    fn elements(markup: &Markup, name: &str) -> Vec<(String, String)> {
        let document = scraper::Html::parse_fragment(&markup.0);
        let selector = scraper::Selector::parse(name).unwrap();
        let told = |element: scraper::ElementRef<'_>| {
            let attribute = |name| element.attr(name).unwrap_or_default().to_owned();
            let target = if name == "path" { attribute("d") } else { element.text().collect() };
            (attribute("class"), target)
        };
        document.select(&selector).map(told).collect()
    }

    fn label(markup: &Markup) -> String {
        let document = scraper::Html::parse_fragment(&markup.0);
        let svg = document.select(&scraper::Selector::parse("svg").unwrap()).next().unwrap();
        svg.attr("aria-label").unwrap().to_owned()
    }

    #[test]
    fn twenty_equal_results_are_one_line() {
        let strip = strip(&recent(&"o".repeat(20)));
        assert_eq!(
            strip.0,
            "<svg class=strip viewBox=\"0 0 40 8\" role=img aria-label=\"20 ok\"><path class=o d=\"M0 6h40\"/></svg>"
        );
        assert!(strip.0.len() <= 130, "{}", strip.0.len());
    }

    #[test]
    fn a_strip_has_a_line_for_each_run_and_the_last_result_at_its_right() {
        let strip = strip(&recent("ooxcoxx"));
        let lines = [("o", "M26 6h6M34 6h6"), ("x", "M30 4h2M36 4h4"), ("c", "M32 7h2")];
        let lines = lines.map(|(class, path)| (class.to_owned(), path.to_owned()));
        assert_eq!(elements(&strip, "path"), lines);
        assert_eq!(label(&strip), "3 ok, 3 failed, 1 cancelled");
    }

    #[test]
    fn a_strip_has_no_more_than_its_cells() {
        assert_eq!(label(&strip(&recent(&format!("{}{}", "x".repeat(20), "o".repeat(20))))), "20 ok");
        assert_eq!(label(&strip(&[])), "no result");
    }

    #[test]
    fn a_plot_has_a_bar_for_each_build_and_each_is_a_link() {
        let builds = builds(&[('o', 60), ('x', 30), ('c', 10), ('r', 0)]);
        let now = builds[0].started.saturating_add(Duration::from_secs(90));
        let plot = plot(&builds, Some(Duration::from_secs(60)), now, "/b");
        assert_eq!(
            label(&plot),
            "The last 4 builds: 1 ok, 1 failed, 1 cancelled, 1 running, last running; from 10s to 1m 0s; usually 1m 0s"
        );
        let titles: Vec<String> = elements(&plot, "title").into_iter().map(|(_, title)| title).collect();
        assert_eq!(
            titles,
            [
                "ok, 1m 0s, started 1970-01-01T00:00:00Z",
                "exited 1, 30s, started 1970-01-02T00:00:00Z",
                "cancelled by eve\\x1b<b>, 10s, started 1970-01-03T00:00:00Z",
                "running, 1m 30s, started 1970-01-04T00:00:00Z",
            ]
        );
        let bars: Vec<_> =
            elements(&plot, "path").into_iter().filter(|(class, _)| class.starts_with("bar")).collect();
        let expected = [
            ("bar o", "M544 156L544 86H567V156z"),
            ("bar x", "M568 156L568 121L579.5 113L591 121V156z"),
            ("bar c", "M592 156L592 144.3L615 136.3V156z"),
            ("bar r", "M616 156L616 43L627.5 51L639 43V156z"),
        ];
        assert_eq!(bars, expected.map(|(class, path)| (class.to_owned(), path.to_owned())));
        assert!(plot.0.contains("<a href=\"/b/build/03030303-0303-0303-0303-030303030303\">"), "{}", plot.0);
        let axes: Vec<String> = elements(&plot, "text").into_iter().map(|(_, text)| text).collect();
        assert_eq!(axes, ["0s", "1m 0s", "2m 0s", "1970-01-01", "1970-01-04"]);
        assert!(
            elements(&plot, "path").contains(&("usual".to_owned(), "M56 86H640".to_owned())),
            "{}",
            plot.0
        );
        assert!(!plot.0.contains("style="));
    }

    #[test]
    fn a_plot_shows_the_last_hundred_and_stays_in_its_frame() {
        let many: Vec<(char, i64)> = (0..150).map(|number| ('o', number)).collect();
        let plot = plot(&builds(&many), None, at(0), "");
        assert!(label(&plot).starts_with("The last 100 builds: 100 ok; from 50s to "), "{}", label(&plot));
        assert_eq!(elements(&plot, "title").len(), 100);
        assert!(plot.0.len() < 32_000, "{}", plot.0.len());
        let document = roxmltree::Document::parse(&plot.0).unwrap();
        for path in document.descendants().filter_map(|node| node.attribute("d")) {
            let numbers =
                path.split(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != '-');
            let numbers: Vec<f64> =
                numbers.filter(|word| !word.is_empty()).map(|word| word.parse().unwrap()).collect();
            assert!(numbers.iter().all(|number| (0.0..=640.0).contains(number)), "{path}");
        }
    }

    #[test]
    fn a_few_builds_are_not_counted_like_many() {
        let label = |ends: &[(char, i64)], usual| label(&plot(&builds(ends), usual, at(0), ""));
        let usual = Some(Duration::from_millis(12));
        assert_eq!(label(&[('o', 0)], usual), "The only build: ok; 0 ms; usually 12 ms");
        assert_eq!(label(&[('x', 60), ('x', 60)], None), "The last 2 builds: 2 failed; 1m 0s each");
        assert_eq!(
            label(&[('o', 3), ('r', 0)], None),
            "The last 2 builds: 1 ok, 1 running, last running; 3.0s"
        );
    }

    #[test]
    fn any_duration_has_a_scale() {
        for seconds in [0, 1, 3, 100, 86_400, 200_000_000_000] {
            let ends = [('x', seconds), ('o', 0)];
            let plot = plot(&builds(&ends), None, at(0), "");
            assert!(!plot.0.contains("NaN") && !plot.0.contains("inf"), "{}", plot.0);
        }
        assert_eq!(
            plot(&[], None, at(0), "").0,
            "<figure class=\"plot\"><figcaption>No build to show</figcaption></figure>"
        );
    }
}
