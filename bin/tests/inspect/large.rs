//! Results that are larger than memory may be.

use crate::{PROGRAM, Place, execution, stderr};
use builder_proto::execution::{Execution, ExecutionHead, append_console_entry};
use builder_proto::header::{Header, SEQUENCE, UTF8_STRING};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Writes a result with a console of `lines` lines of 100 bytes and one artifact of `bytes` zeros.
fn write_large_result(path: &Path, lines: i64, bytes: u64) {
    let mut console = Vec::new();
    for line in (0..lines).rev() {
        append_console_entry(&mut console, line * 1_000_000, &[b'x'; 100]);
    }
    let name = b"\x0c\x03big";
    let content = Header { tag: UTF8_STRING, length: bytes };
    let file = Header { tag: SEQUENCE, length: name.len() as u64 + content.total_length().unwrap() };
    let files = Header { tag: SEQUENCE, length: file.total_length().unwrap() };
    let Execution { job, uuid, started, finished, result, .. } = execution();
    let head = ExecutionHead {
        job,
        uuid,
        console_length: console.len() as u64,
        started,
        finished,
        result,
        last_line: None,
        output_length: files.total_length().unwrap(),
    };
    let layout = head.layout().unwrap();
    let mut output = layout.after_console;
    files.append_to(&mut output);
    file.append_to(&mut output);
    output.extend_from_slice(name);
    content.append_to(&mut output);
    let mut file = fs::File::create(path).unwrap();
    for part in [&layout.before_console, &console, &output] {
        file.write_all(part).unwrap();
    }
    file.set_len(layout.total_length).unwrap();
}

#[test]
fn memory_does_not_depend_on_the_size_of_the_result() {
    const LINES: i64 = 1_000_000;
    const BYTES: u64 = 100 << 20;
    let place = Place { directory: tempfile::tempdir().unwrap() };
    write_large_result(&place.path("full"), LINES, BYTES);
    let inspect = format!("ulimit -v 50000 && exec {PROGRAM} --console --sha256 --output out full");
    let output = Command::new("sh").current_dir(&place.directory).args(["-c", &inspect]).output().unwrap();
    assert_eq!(stderr(&output), "");
    assert!(output.status.success());
    let lines = output.stdout.split(|&byte| byte == b'\n').filter(|line| line.ends_with(b"xxxx")).count();
    assert_eq!(lines as i64, LINES);
    assert_eq!(fs::metadata(place.path("out/big")).unwrap().len(), BYTES);
    let sum = b"20492a4d0d84f8beb1767f6616229f85d44c2827b64bdbfb260ee12fa1109e0e  big\n";
    assert!(output.stdout.ends_with(sum), "the digest of so many zeros");
}

#[test]
fn an_artifact_of_more_than_4_gib_is_listed() {
    let place = Place { directory: tempfile::tempdir().unwrap() };
    // Sparse: it takes no room.
    write_large_result(&place.path("full"), 1, 5 << 30);
    assert!(place.print(&["full"]).ends_with("artifact  big (5.0 GiB)\nartifacts 1 (5.0 GiB)\n"));
}
