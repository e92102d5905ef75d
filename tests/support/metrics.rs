//! Pages of metrics in the text format of Prometheus, and the rules that `promtool check metrics` and the node exporter have for
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// A page that keeps the rules.
#[derive(Debug)]
pub struct Page {
    /// Values by their series, such as `builder_queue_jobs{platform="p"}`.
    values: BTreeMap<String, f64>,
}

/// A line that is no comment.
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

/// What is known of a metric.
#[derive(Default)]
struct Metric<'a> {
    kind: Option<&'a str>,
    samples: Vec<Sample<'a>>,
}

/// Words in names that stand for another unit than the base unit.
const OTHER_UNITS: [&str; 22] = [
    "milliseconds",
    "microseconds",
    "nanoseconds",
    "minutes",
    "hours",
    "days",
    "weeks",
    "kilobytes",
    "megabytes",
    "gigabytes",
    "kibibytes",
    "mebibytes",
    "gibibytes",
    "bits",
    "ms",
    "us",
    "ns",
    "sec",
    "b",
    "kb",
    "mb",
    "gb",
];
/// Words in names that the type says already.
const KINDS: [&str; 4] = ["counter", "gauge", "histogram", "summary"];

impl Page {
    /// Takes in a page.
    ///
    /// # Panics
    ///
    /// When it breaks a rule.
    pub fn new(text: &str) -> Page {
        let broken = broken_rules(text);
        assert!(broken.is_empty(), "{broken:#?} in:\n{text}");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let values = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        });
        Page { values: values.collect() }
    }

    /// Reads a file.
    ///
    /// # Panics
    ///
    /// When it is not there, or breaks a rule.
    pub fn read(path: &Path) -> Page {
        Page::new(&fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// The value of a series.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn value(&self, series: &str) -> f64 {
        self.find(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.values))
    }

    /// The value of a series, if there is one.
    pub fn find(&self, series: &str) -> Option<f64> {
        self.values.get(series).copied()
    }
}

/// The rules that a page breaks, in words.
pub fn broken_rules(text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut metrics: BTreeMap<&str, Metric<'_>> = BTreeMap::new();
    let mut series = BTreeSet::new();
    // The metric that samples belong to, and whether it has been given a help that still waits for its type.
    let (mut current, mut help) = ("", "");
    if !text.ends_with('\n') {
        broken.push("the last line has no end".to_owned());
    }
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').unwrap_or((rest, ""));
            if words.trim().is_empty() || words.contains('\\') {
                broken.push(format!("{name} has no help of one plain line"));
            }
            help = name;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, ""));
            if name != help {
                broken.push(format!("the type of {name} does not follow its help"));
            }
            if metrics.insert(name, Metric { kind: Some(kind), samples: Vec::new() }).is_some() {
                broken.push(format!("{name} comes twice"));
            }
            current = name;
        } else if let Some(sample) = parse(line) {
            let own = sample.name == current;
            let suffix = sample.name.strip_prefix(current).unwrap_or_default();
            let is_histogram = metrics.get(current).and_then(|metric| metric.kind) == Some("histogram");
            let is_part = is_histogram && matches!(suffix, "_bucket" | "_sum" | "_count");
            if !own && !is_part {
                broken.push(format!("{} is amid samples of {current}", sample.name));
            }
            let (name, _) = line.rsplit_once(' ').unwrap_or((line, ""));
            let mut labels = sample.labels.clone();
            labels.sort_unstable();
            if !series.insert((sample.name, labels)) {
                broken.push(format!("{name} comes twice"));
            }
            metrics.entry(current).or_default().samples.push(sample);
        } else {
            broken.push(format!("not a line of the format: {line}"));
        }
    }
    for (name, metric) in &metrics {
        check_name(name, metric.kind, &mut broken);
        check_samples(name, metric, &mut broken);
    }
    broken
}

fn check_name(name: &str, kind: Option<&str>, broken: &mut Vec<String>) {
    let is_counter = kind == Some("counter");
    let words = || name.split('_');
    let problems = [
        (!name.starts_with("builder_"), "does not begin with builder_"),
        (
            !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
            "has other characters than small letters, digits and _",
        ),
        (
            is_counter != name.ends_with("_total"),
            "has _total at its end although it does not count, or lacks it",
        ),
        (words().any(|word| OTHER_UNITS.contains(&word)), "is not in base units"),
        (words().any(|word| KINDS.contains(&word)), "says of which type it is"),
        (
            ["_bucket", "_sum", "_count"].iter().any(|suffix| name.ends_with(suffix)),
            "ends as parts of histograms do",
        ),
        (!matches!(kind, Some("counter" | "gauge" | "histogram")), "has no type"),
    ];
    broken.extend(problems.iter().filter(|(is_so, _)| *is_so).map(|(_, what)| format!("{name} {what}")));
}

fn check_samples(name: &str, metric: &Metric<'_>, broken: &mut Vec<String>) {
    let is_histogram = metric.kind == Some("histogram");
    for sample in &metric.samples {
        let bound = sample.labels.iter().find(|(label, _)| *label == "le");
        if bound.is_some() != (is_histogram && sample.name.ends_with("_bucket")) {
            broken.push(format!("{} has a bound although it is no bucket, or lacks one", sample.name));
        }
        if sample.value < 0.0 {
            broken.push(format!("{} is negative", sample.name));
        }
    }
    if is_histogram {
        check_histogram(name, &metric.samples, broken);
    }
}

fn check_histogram(name: &str, samples: &[Sample<'_>], broken: &mut Vec<String>) {
    let mut so_far: BTreeMap<Vec<(&str, &str)>, (f64, f64)> = BTreeMap::new();
    for sample in samples {
        let others: Vec<_> = sample.labels.iter().copied().filter(|(label, _)| *label != "le").collect();
        let (bound, count) = so_far.entry(others).or_insert((f64::NEG_INFINITY, 0.0));
        if let Some((_, next)) = sample.labels.iter().find(|(label, _)| *label == "le") {
            let next = if *next == "+Inf" { f64::INFINITY } else { next.parse().unwrap_or(f64::NAN) };
            // In words that a number which is none does not fulfil.
            if !(next > *bound && sample.value >= *count) {
                broken.push(format!("the buckets of {name} are not in order"));
            }
            (*bound, *count) = (next, sample.value);
        } else if sample.name.ends_with("_count") && (*bound, *count) != (f64::INFINITY, sample.value) {
            broken.push(format!("the count of {name} is not that of its last bucket"));
        }
    }
}

/// A sample with its labels as they are spelled; none when it is not one.
fn parse(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, value) = rest.split_once("=\"")?;
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            if label.is_empty() || !label.bytes().all(is_plain) {
                return None;
            }
            let end = end_of_value(value)?;
            labels.push((label, &value[..end]));
            rest = &value[end + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ')?.parse().ok()?;
    (!name.is_empty()).then_some(Sample { name, labels, value })
}

/// Where the quote is that ends a value, which has no other escapes than those of the format.
fn end_of_value(value: &str) -> Option<usize> {
    let mut characters = value.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return Some(place),
            '\\' => matches!(characters.next()?, (_, '\\' | '"' | 'n')).then_some(())?,
            _ => {}
        }
    }
    None
}

/// What `promtool` says about something that it reads from its standard input, or from the file that the words name; none where
/// there is no `promtool`.
pub fn promtool(words: &[&str], input: &str) -> Option<Result<(), String>> {
    let mut command = Command::new("promtool");
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        child => child.expect("promtool to start"),
    };
    // It need not read all of it.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("promtool to end");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Some(if output.status.success() { Ok(()) } else { Err(said) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "# HELP builder_a_total Help.\n# TYPE builder_a_total counter\nbuilder_a_total{x=\"1\"} 2\n";

    #[test]
    fn a_good_page_breaks_no_rule() {
        assert_eq!(broken_rules(GOOD), Vec::<String>::new());
        assert_eq!(Page::new(GOOD).value("builder_a_total{x=\"1\"}"), 2.0);
    }

    #[test]
    fn every_rule_can_be_broken() {
        let page = |name: &str, kind: &str, samples: &str| {
            format!("# HELP {name} Help.\n# TYPE {name} {kind}\n{samples}")
        };
        let histogram = |samples: &str| page("builder_t_seconds", "histogram", samples);
        let bad = [
            GOOD.trim_end().to_owned(),
            GOOD.replace(" Help.", ""),
            GOOD.replace("# HELP builder_a_total Help.\n", ""),
            GOOD.replace("# TYPE builder_a_total counter\n", ""),
            GOOD.replace("builder_", "build_"),
            GOOD.replace("_total", ""),
            GOOD.replace("counter", "gauge"),
            GOOD.replace("counter", "number"),
            GOOD.replace("_a_", "_A_"),
            GOOD.replace("_a_", "_minutes_"),
            GOOD.replace("_a_", "_counter_"),
            GOOD.replace(" 2", " two"),
            GOOD.replace(" 2", " -2"),
            GOOD.replace("{x=\"1\"}", "{x=\"1}"),
            GOOD.replace("{x=\"1\"}", "{x=\"\\1\"}"),
            GOOD.replace("{x=\"1\"}", "{le=\"1\"}"),
            format!("{GOOD}builder_a_total{{x=\"1\"}} 3\n"),
            format!("{GOOD}builder_b_total 3\n"),
            format!("{GOOD}{GOOD}"),
            format!("{GOOD}\n"),
            page("builder_a_sum", "gauge", "builder_a_sum 1\n"),
            histogram("builder_t_seconds_bucket{le=\"1\"} 2\nbuilder_t_seconds_bucket{le=\"+Inf\"} 1\n"),
            histogram("builder_t_seconds_bucket{le=\"2\"} 1\nbuilder_t_seconds_bucket{le=\"1\"} 1\n"),
            histogram("builder_t_seconds_bucket 1\n"),
            histogram("builder_t_seconds_bucket{le=\"+Inf\"} 1\nbuilder_t_seconds_count 2\n"),
        ];
        for text in bad {
            assert!(!broken_rules(&text).is_empty(), "{text}");
        }
    }
}
