//! What is different between two builds, as programs read it: one object. The manual page `builder-client` promises its shape.

use super::report::{ArtifactComparison, Report, Verdict};
use crate::client::history;
use crate::comparison::artifacts::Artifacts;
use crate::comparison::builds::Change;
use crate::comparison::lines::{Comparison, Difference, Hunk, Origin};
use crate::json::{self, string};
use builder_proto::history::Artifact;
use serde_json::{Value, json};
use std::io::{self, BufWriter, Write};

/// Prints a report, piece by piece, as there may be many lines in it.
pub(super) fn print(report: &Report, output: &mut impl Write) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    let [old, new] = report.builds.each_ref().map(|build| json::line(&history::describe(build, None)));
    let same = same(report.verdict());
    write!(output, "{{\"old\":{old},\"new\":{new},\"same\":{same}")?;
    write!(output, ",\"environment\":{}", json::line(&changes(&report.environment)))?;
    output.write_all(b",\"script\":")?;
    write_text(&mut output, &report.script)?;
    write!(output, ",\"cause\":{}", json::line(&changes(report.cause.as_slice())))?;
    output.write_all(b",\"console\":")?;
    write_text(&mut output, &report.console)?;
    writeln!(output, ",\"artifacts\":{}}}", json::line(&artifacts(&report.artifacts)))?;
    output.flush()
}

/// Prints a comparison of artifacts.
pub(super) fn print_artifacts(comparison: &ArtifactComparison, output: &mut impl Write) -> io::Result<()> {
    let [old, new] = comparison.builds.each_ref().map(|build| json::line(&history::describe(build, None)));
    let same = same(comparison.verdict());
    let artifacts = json::line(&artifacts(&comparison.artifacts));
    writeln!(output, "{{\"old\":{old},\"new\":{new},\"same\":{same},\"artifacts\":{artifacts}}}")?;
    output.flush()
}

fn same(verdict: Verdict) -> Value {
    match verdict {
        Verdict::Same => Value::Bool(true),
        Verdict::Different => Value::Bool(false),
        Verdict::Unknown => Value::Null,
    }
}

fn changes(changes: &[Change]) -> Value {
    let list = changes.iter().map(
        |Change { name, values: [old, new] }| json!({ "name": name, "old": string(old), "new": string(new) }),
    );
    json!({ "same": changes.is_empty(), "changes": list.collect::<Vec<_>>() })
}

fn write_text(output: &mut impl Write, text: &Comparison) -> io::Result<()> {
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
                write_hunk(output, &hunk)?;
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

fn write_hunk(output: &mut impl Write, hunk: &Hunk<'_>) -> io::Result<()> {
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

fn artifacts(artifacts: &Result<Artifacts, String>) -> Value {
    match artifacts {
        Err(reason) => json!({
            "same": null, "reason": reason, "removed": [], "added": [], "changed": [], "unchanged": 0,
        }),
        Ok(artifacts) => {
            let reason = (artifacts.same_size > 0).then(|| {
                let count = artifacts.same_size;
                format!("the content of {count} of the same size is not known")
            });
            let list = |artifacts: &[Artifact]| artifacts.iter().map(artifact).collect::<Vec<_>>();
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

fn artifact(artifact: &Artifact) -> Value {
    json!({ "path": string(&artifact.path), "size": artifact.size, "sha256": digest(artifact) })
}

fn digest(artifact: &Artifact) -> Option<String> {
    artifact.sha256.map(|digest| digest.to_string())
}
