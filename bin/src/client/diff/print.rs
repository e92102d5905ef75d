//! What is different between two builds, as people read it, and then as programs do: one object, of which the manual page
//! `builder-client` promises the shape.

use super::report::{ArtifactComparison, Report, Verdict};
use crate::client::history;
use crate::comparison::lines::{Comparison, Difference, Hunk, Origin, Place};
use crate::comparison::{Artifacts, Change};
use crate::json::{self, string};
use crate::terminal::{Look, Palette};
use crate::wording::{Size, Span, append_for_terminal, whole_seconds};
use builder_proto::history::{Artifact, Build};
use builder_proto::text::Text;
use serde_json::{Value, json};
use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

/// Prints a report for people. Of a terminal, its lines control nothing; elsewhere they are as the job printed them.
pub(super) fn print(report: &Report, stdout: &Stdout) -> io::Result<()> {
    let style = Style { palette: Palette::of(stdout), escapes: stdout.is_terminal() };
    let mut output = BufWriter::new(stdout.lock());
    style.print(report, &mut output)?;
    output.flush()
}

/// Prints for people whether the artifacts of two builds are the same, and what differs.
pub(super) fn print_artifacts(comparison: &ArtifactComparison, stdout: &Stdout) -> io::Result<()> {
    let style = Style { palette: Palette::of(stdout), escapes: stdout.is_terminal() };
    let mut output = BufWriter::new(stdout.lock());
    let [old, new] = &comparison.builds;
    let (verdict, look) = match comparison.verdict() {
        Verdict::Same => ("reproducible", Look::Good),
        Verdict::Different => ("not reproducible", Look::Bad),
        Verdict::Unknown => ("not compared", Look::Title),
    };
    let title = style.palette.paint(Look::Title, title(old));
    writeln!(output, "{title}: {}", style.palette.paint(look, verdict))?;
    style.line(&mut output, Origin::Old, &introduction(old))?;
    style.line(&mut output, Origin::New, &introduction(new))?;
    style.print_artifacts_or_reason(&mut output, &comparison.artifacts)?;
    output.flush()
}

/// What the lines look like.
#[derive(Clone, Copy)]
struct Style {
    palette: Palette,
    escapes: bool,
}

impl Style {
    fn print(self, report: &Report, output: &mut impl Write) -> io::Result<()> {
        let [old, new] = &report.builds;
        writeln!(output, "{}", self.palette.paint(Look::Title, title(old)))?;
        self.line(output, Origin::Old, &introduction(old))?;
        self.line(output, Origin::New, &introduction(new))?;
        self.print_changes(output, "Environment", &report.environment)?;
        self.print_text(output, "Script", &report.script)?;
        self.print_changes(output, "Cause", report.cause.as_slice())?;
        self.print_text(output, "Console", &report.console)?;
        self.print_artifacts_or_reason(output, &report.artifacts)
    }

    fn print_artifacts_or_reason(
        self,
        output: &mut impl Write,
        artifacts: &Result<Artifacts, String>,
    ) -> io::Result<()> {
        match artifacts {
            Ok(artifacts) => self.print_artifacts(output, artifacts),
            Err(reason) => self.head(output, "Artifacts", format_args!("not compared\n  {reason}")),
        }
    }

    fn head(self, output: &mut impl Write, name: &str, text: impl fmt::Display) -> io::Result<()> {
        writeln!(output, "{}", self.palette.paint(Look::Title, format_args!("{name}: {text}")))
    }

    fn print_changes(self, output: &mut impl Write, name: &str, changes: &[Change]) -> io::Result<()> {
        if changes.is_empty() {
            return self.head(output, name, "the same");
        }
        self.head(output, name, "different")?;
        for Change { name: field, values } in changes {
            let is_alone = name.eq_ignore_ascii_case(field);
            for (origin, value) in [Origin::Old, Origin::New].into_iter().zip(values) {
                let text = if is_alone { value.to_string() } else { format!("{field} {value}") };
                self.line(output, origin, &text)?;
            }
        }
        Ok(())
    }

    fn print_text(self, output: &mut impl Write, name: &str, text: &Comparison) -> io::Result<()> {
        match text {
            Comparison::Same(0) => self.head(output, name, "the same, empty"),
            Comparison::Same(lines) => {
                self.head(output, name, format_args!("the same, {}", count(*lines, "line")))
            }
            Comparison::Unknown(reason) => self.head(output, name, format_args!("not compared\n  {reason}")),
            Comparison::Different(difference) => {
                self.head(output, name, summary(difference))?;
                difference.hunks().try_for_each(|hunk| self.print_hunk(output, &hunk))
            }
        }
    }

    fn print_hunk(self, output: &mut impl Write, hunk: &Hunk<'_>) -> io::Result<()> {
        let [old, new] = hunk.places();
        let head = format!("@@ -{} +{} @@", range(old), range(new));
        writeln!(output, "{}", self.palette.paint(Look::Aside, head))?;
        hunk.lines().try_for_each(|(origin, line)| self.text_line(output, origin, line))
    }

    /// A line of somebody else.
    fn text_line(self, output: &mut impl Write, origin: Origin, line: &Text) -> io::Result<()> {
        if !self.escapes {
            output.write_all(sign(origin).as_bytes())?;
            output.write_all(line.as_bytes())?;
            return output.write_all(b"\n");
        }
        // The colours of the job would hide ours.
        let mut shown = Vec::new();
        append_for_terminal(&mut shown, line.as_bytes(), Palette::PLAIN);
        self.paint(output, origin, format_args!("{}{}", sign(origin), String::from_utf8_lossy(&shown)))
    }

    /// A line of ours.
    fn line(self, output: &mut impl Write, origin: Origin, text: &str) -> io::Result<()> {
        self.paint(output, origin, format_args!("{} {text}", sign(origin)))
    }

    fn paint(self, output: &mut impl Write, origin: Origin, text: fmt::Arguments<'_>) -> io::Result<()> {
        match origin {
            Origin::Both => writeln!(output, "{text}"),
            Origin::Old => writeln!(output, "{}", self.palette.paint(Look::Bad, text)),
            Origin::New => writeln!(output, "{}", self.palette.paint(Look::Good, text)),
        }
    }

    fn print_artifacts(self, output: &mut impl Write, artifacts: &Artifacts) -> io::Result<()> {
        let Artifacts { removed, added, changed, same, same_size } = artifacts;
        let lengths = [removed.len(), added.len(), changed.len()].map(|length| length as u64);
        let counts = lengths.into_iter().zip(["removed", "added", "changed"]);
        let mut parts: Vec<String> = counts.filter(|(count, _)| *count > 0).map(of).collect();
        match (*same, parts.is_empty()) {
            (0, true) if *same_size == 0 => parts.push("the same, none".to_owned()),
            (0, _) => {}
            (same, true) => parts.push(format!("the same, {}", count(same, "file"))),
            (same, false) => parts.push(format!("{same} the same")),
        }
        if *same_size > 0 {
            parts.push(format!("{same_size} of the same size, whose content is not known"));
        }
        self.head(output, "Artifacts", parts.join(", "))?;
        for artifact in removed {
            self.line(output, Origin::Old, &whole(artifact))?;
        }
        for artifact in added {
            self.line(output, Origin::New, &whole(artifact))?;
        }
        for [old, new] in changed {
            match old.size == new.size {
                true => writeln!(output, "! {}, other content", whole(new))?,
                false => writeln!(output, "! {}, {} before", whole(new), Size(old.size))?,
            }
        }
        Ok(())
    }
}

/// What is compared.
fn title(build: &Build) -> String {
    format!("{} on {}", build.job, build.platform)
}

/// Which build it is; how long it took makes no difference.
fn introduction(build: &Build) -> String {
    let took = build.end.as_ref().map(|end| end.finished.duration_since(build.started));
    let took = took.map_or_else(|| "it runs".to_owned(), |took| format!("took {}", Span(took)));
    format!("{}  {}  {took}", build.uuid(), whole_seconds(build.started))
}

fn of((count, what): (u64, &str)) -> String {
    format!("{count} {what}")
}

fn count(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn summary(difference: &Difference) -> String {
    let [removed, added] = difference.counts();
    let Some(shortened) = difference.shortened else {
        return format!("{} removed, {added} added", count(removed, "line"));
    };
    let [old, new] = difference.sides.each_ref().map(|side| (side.total, side.lines.len()));
    format!(
        "{} now, {} before; different from line {} on.\nThat is too much to be compared as a whole. Of the last {}: {removed} removed, {added} added",
        count(new.0, "line"),
        old.0,
        shortened.first_difference,
        count(old.1.max(new.1) as u64, "line"),
    )
}

fn sign(origin: Origin) -> &'static str {
    match origin {
        Origin::Both => " ",
        Origin::Old => "-",
        Origin::New => "+",
    }
}

/// As diff(1) writes it.
fn range(place: Place) -> String {
    match place.count {
        1 => place.start.to_string(),
        count => format!("{},{count}", place.start),
    }
}

fn whole(artifact: &Artifact) -> String {
    format!("{}, {}", artifact.path, Size(artifact.size))
}

/// Prints a report for programs, piece by piece, as there may be many lines in it.
pub(super) fn print_json(report: &Report, output: &mut impl Write) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    let [old, new] = report.builds.each_ref().map(|build| json::line(&history::describe(build, None)));
    let same = describe_verdict(report.verdict());
    write!(output, "{{\"old\":{old},\"new\":{new},\"same\":{same}")?;
    write!(output, ",\"environment\":{}", json::line(&describe_changes(&report.environment)))?;
    output.write_all(b",\"script\":")?;
    write_text_json(&mut output, &report.script)?;
    write!(output, ",\"cause\":{}", json::line(&describe_changes(report.cause.as_slice())))?;
    output.write_all(b",\"console\":")?;
    write_text_json(&mut output, &report.console)?;
    writeln!(output, ",\"artifacts\":{}}}", json::line(&describe_artifacts(&report.artifacts)))?;
    output.flush()
}

/// Prints a comparison of artifacts for programs.
pub(super) fn print_artifacts_json(
    comparison: &ArtifactComparison,
    output: &mut impl Write,
) -> io::Result<()> {
    let [old, new] = comparison.builds.each_ref().map(|build| json::line(&history::describe(build, None)));
    let same = describe_verdict(comparison.verdict());
    let artifacts = json::line(&describe_artifacts(&comparison.artifacts));
    writeln!(output, "{{\"old\":{old},\"new\":{new},\"same\":{same},\"artifacts\":{artifacts}}}")?;
    output.flush()
}

fn describe_verdict(verdict: Verdict) -> Value {
    match verdict {
        Verdict::Same => Value::Bool(true),
        Verdict::Different => Value::Bool(false),
        Verdict::Unknown => Value::Null,
    }
}

fn describe_changes(changes: &[Change]) -> Value {
    let list = changes.iter().map(
        |Change { name, values: [old, new] }| json!({ "name": name, "old": string(old), "new": string(new) }),
    );
    json!({ "same": changes.is_empty(), "changes": list.collect::<Vec<_>>() })
}

fn write_text_json(output: &mut impl Write, text: &Comparison) -> io::Result<()> {
    let empty = |same: Value, reason: Value| json!({ "same": same, "reason": reason, "hunks": [] });
    match text {
        Comparison::Same(_) => write!(output, "{}", empty(true.into(), Value::Null)),
        Comparison::Unknown(reason) => {
            write!(output, "{}", json::line(&empty(Value::Null, reason.as_str().into())))
        }
        Comparison::Different(difference) => {
            write!(output, "{{\"same\":false,\"reason\":{},\"hunks\":[", reason(difference))?;
            for (number, hunk) in difference.hunks().enumerate() {
                output.write_all(if number == 0 { b"" } else { b"," })?;
                write_hunk_json(output, &hunk)?;
            }
            output.write_all(b"]}")
        }
    }
}

/// Why the hunks are not all that is different.
fn reason(difference: &Difference) -> Value {
    difference.shortened.map_or(Value::Null, |shortened| {
        let line = shortened.first_difference;
        format!("different from line {line} on, and too long: the ends were compared").into()
    })
}

fn write_hunk_json(output: &mut impl Write, hunk: &Hunk<'_>) -> io::Result<()> {
    let [old, new] = hunk.places();
    write!(
        output,
        "{{\"old_start\":{},\"old_lines\":{},\"new_start\":{},\"new_lines\":{},\"lines\":[",
        old.start, old.count, new.start, new.count
    )?;
    for (number, (origin, line)) in hunk.lines().enumerate() {
        output.write_all(if number == 0 { b"" } else { b"," })?;
        let origin = match origin {
            Origin::Both => "both",
            Origin::Old => "old",
            Origin::New => "new",
        };
        write!(output, "{}", json::line(&json!({ "in": origin, "text": string(line) })))?;
    }
    output.write_all(b"]}")
}

fn describe_artifacts(artifacts: &Result<Artifacts, String>) -> Value {
    match artifacts {
        Err(reason) => json!({
            "same": null, "reason": reason, "removed": [], "added": [], "changed": [], "unchanged": 0,
        }),
        Ok(artifacts) => {
            let reason = (artifacts.same_size > 0).then(|| {
                let count = artifacts.same_size;
                format!("the content of {count} of the same size is not known")
            });
            let list = |artifacts: &[Artifact]| artifacts.iter().map(describe_artifact).collect::<Vec<_>>();
            let changed = artifacts.changed.iter().map(|[old, new]| {
                let parts = |one: &Artifact| json!({ "size": one.size, "sha256": digest(one) });
                json!({ "path": string(&new.path), "old": parts(old), "new": parts(new) })
            });
            json!({
                "same": if artifacts.has_differences() { Some(false) } else { reason.is_none().then_some(true) },
                "reason": reason,
                "removed": list(&artifacts.removed),
                "added": list(&artifacts.added),
                "changed": changed.collect::<Vec<_>>(),
                "unchanged": artifacts.same,
            })
        }
    }
}

fn describe_artifact(artifact: &Artifact) -> Value {
    json!({ "path": string(&artifact.path), "size": artifact.size, "sha256": digest(artifact) })
}

fn digest(artifact: &Artifact) -> Option<String> {
    artifact.sha256.map(|digest| digest.to_string())
}
