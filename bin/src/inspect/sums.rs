//! The SHA-256 of each artifact, in the form that `sha256sum -c` reads.
//!
//! It reads them in the directory to which `--output` has written the artifacts, so what that refuses is left out here.

use super::digests::for_each;
use super::error::{Complaints, InspectError};
use super::report::{PrintError, Printer};
use crate::artifact_writing::ArtifactPath;
use crate::result_file::ResultFile;
use builder_proto::execution::StoredExecution;
use builder_proto::history::Artifact;
use std::io::Write;

/// Prints a line for each artifact that `--output` would write, and complains about the others.
pub(super) fn print_sums<W: Write>(
    printer: &mut Printer<W>,
    file: &ResultFile,
    stored: &StoredExecution,
    complaints: &mut Complaints,
) -> Result<(), PrintError> {
    let mut unlisted = 0;
    for_each(file, stored, |Artifact { path, sha256, .. }| {
        let name = path.as_bytes();
        if let Err(error) = ArtifactPath::parse(name) {
            complaints.add(&format_args!("artifact {path}: {error}"));
            unlisted += 1;
            return Ok(());
        }
        let Some(digest) = sha256 else { return Ok(()) };
        let line = Line::of(name);
        printer.text(format_args!("{}{digest}  ", line.mark))?;
        printer.bytes(&line.name)?;
        printer.line(format_args!(""))
    })?;
    if unlisted > 0 {
        complaints.add(&InspectError::Unlisted(unlisted));
    }
    Ok(())
}

/// A name as it stands behind a digest.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    /// In front of the digest: says whether the name is escaped.
    mark: &'static str,
    name: Vec<u8>,
}

impl Line {
    /// As GNU coreutils spells it: a backslash, a newline or a carriage return would be taken for something else.
    fn of(name: &[u8]) -> Line {
        // By itself, it would stand for the standard input.
        if name == b"-" {
            return Line { mark: "", name: b"./-".to_vec() };
        }
        let mut escaped = Vec::with_capacity(name.len());
        for &byte in name {
            match byte {
                b'\\' => escaped.extend_from_slice(br"\\"),
                b'\n' => escaped.extend_from_slice(br"\n"),
                b'\r' => escaped.extend_from_slice(br"\r"),
                byte => escaped.push(byte),
            }
        }
        let mark = if escaped == name { "" } else { "\\" };
        Line { mark, name: escaped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_so_that_they_are_read_as_what_they_are() {
        for (name, mark, spelled) in [
            (&b"bin/a b"[..], "", &b"bin/a b"[..]),
            (b" *\t\xff\x1b", "", b" *\t\xff\x1b"),
            (b"a\nb", "\\", br"a\nb"),
            (b"a\rb", "\\", br"a\rb"),
            (br"a\nb", "\\", br"a\\nb"),
            (b"-", "", b"./-"),
            (b"--", "", b"--"),
        ] {
            assert_eq!(Line::of(name), Line { mark, name: spelled.to_vec() });
        }
    }
}
