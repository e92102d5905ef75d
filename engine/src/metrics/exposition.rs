//! The text format of Prometheus, version 0.0.4, as far as it is used here.

use core::fmt::Display;
use core::time::Duration;

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only grows, and begins at 0 with the server.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations, by how long they are.
    Histogram,
}

/// A page of metrics that is being written.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    text: String,
}

impl Exposition {
    /// Begins a metric; its samples have to follow, and nothing else in between. `help` is one line.
    pub(crate) fn metric(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (number, (label, text)) in labels.iter().enumerate() {
            self.text.push(if number == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            self.text.extend(text.chars().flat_map(escaped));
            self.text.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.text.push_str(&format!("{end} {value}\n"));
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// A character of a label's value, as it is spelled.
fn escaped(character: char) -> impl Iterator<Item = char> {
    let (escape, character) = match character {
        '\\' | '"' => (Some('\\'), character),
        '\n' => (Some('\\'), 'n'),
        _ => (None, character),
    };
    escape.into_iter().chain([character])
}

/// A duration in seconds, to the millisecond.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{}.{:03}", duration.as_secs(), duration.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_its_help_its_type_and_its_samples() {
        let mut page = Exposition::default();
        page.metric("builder_things", Kind::Gauge, "Things.");
        page.sample("builder_things", &[], 7);
        page.metric("builder_events_total", Kind::Counter, "Events.");
        page.sample("builder_events_total", &[("a", "x"), ("b", "y")], 8);
        assert_eq!(
            page.into_text(),
            "# HELP builder_things Things.\n\
             # TYPE builder_things gauge\n\
             builder_things 7\n\
             # HELP builder_events_total Events.\n\
             # TYPE builder_events_total counter\n\
             builder_events_total{a=\"x\",b=\"y\"} 8\n"
        );
    }

    #[test]
    fn no_name_ends_its_label_too_early() {
        let mut page = Exposition::default();
        page.sample("m", &[("l", "a\"b\\c\nd\u{e9}")], 1);
        assert_eq!(page.into_text(), "m{l=\"a\\\"b\\\\c\\nd\u{e9}\"} 1\n");
    }

    #[test]
    fn times_are_in_seconds() {
        assert_eq!(seconds(Duration::from_millis(61_005)), "61.005");
        assert_eq!(seconds(Duration::ZERO), "0.000");
    }
}
