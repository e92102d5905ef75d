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

use super::outcome::{Outcome, counts, summary};
use crate::client::history::time_taken;
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
#[must_use]
pub fn strip(recent: &[Recent]) -> Markup {
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
#[must_use]
pub fn plot(builds: &[Build], usual: Option<Duration>, now: Time, base: &str) -> Markup {
    let shown: Vec<&Build> = builds.iter().take(MOST_BARS).rev().collect();
    let caption = caption(&shown, usual, now);
    let times = shown.iter().map(|build| time_taken(build, now));
    let scale = Scale::new(times.chain(usual).max().unwrap_or_default());
    let days = [shown.first(), shown.last()].map(|build| build.map(|build| day(build.started)));
    let days = if shown.len() == 1 { [None, days[1].clone()] } else { days };
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
    let mut caption = match shown.len() {
        0 => "No build to show".to_owned(),
        1 => format!("The only build: {}", summary(&outcomes)),
        count => format!("The last {count} builds: {}", summary(&outcomes)),
    };
    if let (Some(shortest), Some(longest)) = (ended().min(), ended().max()) {
        caption.push_str(&format!("; from {} to {}", Span(shortest), Span(longest)));
    }
    if let Some(usual) = usual {
        caption.push_str(&format!("; usually {}", Span(usual)));
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
            title { (cause) ", " (Span(taken)) ", started " (build.started) }
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
mod tests;
