//! The table of all that was measured.

use crate::process::Memory;
use std::fmt::Write;
use std::time::Duration;

/// One kind of work: what is to be reached, and what was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) work: String,
    pub(crate) reach: String,
    pub(crate) measured: String,
    /// What the machine did without a server, in the same run.
    pub(crate) beside: String,
    /// What was measured, as a multiple of what stands beside it.
    pub(crate) ratio: Option<f64>,
    /// Memory of the server at its peak.
    pub(crate) peak: Memory,
    pub(crate) is_reached: bool,
}

const HEADINGS: [&str; 7] =
    ["work", "reach", "measured", "beside it", "ratio", "server's peak memory", "reached"];

impl Line {
    /// One line for the impatient, while the others are still being measured.
    pub(crate) fn summary(&self) -> String {
        let [work, reach, measured, beside, ratio, peak, reached] = self.cells();
        format!(
            "{work}: {measured}; beside it {beside}; ratio {ratio}; peak {peak}; reach {reach}: {reached}"
        )
    }

    fn cells(&self) -> [String; 7] {
        let or_dash = |text: &str| if text.is_empty() { "–" } else { text }.to_owned();
        [
            self.work.clone(),
            self.reach.clone(),
            self.measured.clone(),
            or_dash(&self.beside),
            self.ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}")),
            mebibytes(self.peak),
            if self.is_reached { "yes" } else { "no" }.to_owned(),
        ]
    }
}

/// The table in markdown.
pub(crate) fn markdown(lines: &[Line]) -> String {
    let mut text = String::new();
    let mut row = |cells: [String; 7]| {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    row(HEADINGS.map(str::to_owned));
    row(HEADINGS.map(|_| "---".to_owned()));
    lines.iter().map(Line::cells).for_each(row);
    text
}

/// Memory for people.
pub(crate) fn mebibytes(memory: Memory) -> String {
    match memory {
        Some(bytes) => format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0)),
        None => "not measured".to_owned(),
    }
}

/// A time for people.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// A rate for people.
pub(crate) fn per_second(rate: f64) -> String {
    match rate {
        10_000.0.. => format!("{:.1} k/s", rate / 1000.0),
        rate => format!("{rate:.0}/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_one_row_for_each_line() {
        let line = Line {
            work: "work".to_owned(),
            ratio: Some(0.5),
            peak: Some(3 << 19),
            is_reached: true,
            ..Line::default()
        };
        let table = markdown(&[line]);
        let rows: Vec<&str> = table.lines().collect();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[2], "| work |  |  | – | 0.50 | 1.5 MiB | yes |");
    }

    #[test]
    fn rates_are_short() {
        assert_eq!(per_second(3211.7), "3212/s");
        assert_eq!(per_second(1_432_100.0), "1432.1 k/s");
    }
}
