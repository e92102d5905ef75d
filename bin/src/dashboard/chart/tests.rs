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
    assert!(elements(&plot, "path").contains(&("usual".to_owned(), "M56 86H640".to_owned())), "{}", plot.0);
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
        let numbers = path.split(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != '-');
        let numbers: Vec<f64> =
            numbers.filter(|word| !word.is_empty()).map(|word| word.parse().unwrap()).collect();
        assert!(numbers.iter().all(|number| (0.0..=640.0).contains(number)), "{path}");
    }
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
