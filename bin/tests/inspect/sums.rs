//! What `--sha256` prints, and that `sha256sum` reads it.

use crate::{Place, execution, stderr, with_files};
use builder_proto::execution::Execution;
use builder_proto::job::File;
use std::fs;
use std::process::{Command, Output, Stdio};

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What the system's sha256sum says to these sums in the directory `out`; `None` where there is none.
fn check(place: &Place, sums: &[u8]) -> Option<Output> {
    fs::write(place.path("sums"), sums).unwrap();
    let sums = fs::File::open(place.path("sums")).unwrap();
    let out = place.path("out");
    Command::new("sha256sum").arg("-c").stdin(sums).stderr(Stdio::piped()).current_dir(out).output().ok()
}

/// Whether the system's sha256sum unescapes names as we escape them: FreeBSD's does not, and that of GNU since version 9.
fn is_gnu() -> bool {
    let Ok(output) = Command::new("sha256sum").arg("--version").output() else { return false };
    let version = String::from_utf8_lossy(&output.stdout);
    let major = version.split_once("(GNU coreutils) ").and_then(|(_, rest)| rest.split('.').next());
    major.and_then(|major| major.trim().parse().ok()).is_some_and(|major: u32| major >= 9)
}

#[test]
fn each_artifact_has_a_line_that_sha256sum_checks() {
    let place = Place::with(&with_files(&[("bin/a b", "abc"), ("./c//d", ""), (" *e", "abc")]));
    let sums = place.print(&["--sha256", "--output", "out", "full"]);
    assert_eq!(sums, format!("{ABC}  bin/a b\n{EMPTY}  ./c//d\n{ABC}   *e\n"));
    if is_gnu() {
        let output = check(&place, sums.as_bytes()).unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        fs::write(place.path("out/c/d"), "changed").unwrap();
        assert!(!check(&place, sums.as_bytes()).unwrap().status.success(), "it does check");
    }
}

#[test]
fn names_that_could_be_taken_for_something_else_are_escaped() {
    let names: [&[u8]; 8] =
        [b"new\nline", br"back\slash", br"no\new", b"\r", b"\x1b[2J\x7f", b"-", b"--help", b"caf\xe9\t"];
    let output =
        names.iter().map(|&name| File { path: name.into(), data: b"abc".as_slice().into() }).collect();
    let place = Place::with(&Execution { output, ..execution() });
    let output = place.inspect(&["--sha256", "--output", "out", "full"]);
    assert_eq!((stderr(&output).as_str(), output.status.code()), ("", Some(0)));
    let spelled: [&[u8]; 8] = [
        br"new\nline",
        br"back\\slash",
        br"no\\new",
        br"\r",
        b"\x1b[2J\x7f",
        b"./-",
        b"--help",
        b"caf\xe9\t",
    ];
    let lines: Vec<_> = output.stdout.split(|&byte| byte == b'\n').collect();
    let expected: Vec<_> = spelled
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let mark = if number < 4 { "\\" } else { "" };
            [format!("{mark}{ABC}  ").as_bytes(), name].concat()
        })
        .chain([Vec::new()])
        .collect();
    assert_eq!(lines, expected);
    if is_gnu() {
        let checked = check(&place, &output.stdout).unwrap();
        assert!(checked.status.success(), "{}", stderr(&checked));
    }
}

#[test]
fn paths_that_are_never_written_have_no_line() {
    let files = [("../up", "1"), ("/abs", "2"), ("a/../b", "3"), ("dir/", "4"), ("good", "abc")];
    let place = Place::with(&with_files(&files));
    let output = place.inspect(&["--sha256", "full"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{ABC}  good\n"));
    for text in [
        "artifact ../up: the path contains ..\n",
        "artifact /abs: the path is absolute\n",
        "artifact a/../b: the path contains ..\n",
        "artifact dir/: the path names a directory, not a file\n",
        "builder-inspect: 4 artifacts have no line, as --output would not write them\n",
    ] {
        let complaints = stderr(&output);
        assert!(complaints.contains(text), "{text} is missing in {complaints}");
    }
}

#[test]
fn sums_of_several_results_are_not_mixed() {
    let place = Place::with(&with_files(&[("a", "abc")]));
    fs::copy(place.path("full"), place.path("other")).unwrap();
    assert_eq!(
        place.fail(&["--sha256", "full", "other"]),
        "builder-inspect: --sha256 is for the artifacts of one result, and there are 2; add --latest, or name the \
         file of one\n"
    );
    assert_eq!(place.print(&["--sha256", "--latest", "full", "other"]), format!("{ABC}  a\n"));
    let objects = place.print(&["--sha256", "--json", "full", "other"]);
    assert_eq!(objects.lines().count(), 2);
}

#[test]
fn an_object_has_the_digest_of_every_artifact() {
    let place = Place::with(&with_files(&[("../up", "abc"), ("empty", "")]));
    let object: serde_json::Value =
        serde_json::from_str(&place.print(&["--json", "--sha256", "full"])).unwrap();
    assert_eq!(
        object["artifacts"],
        serde_json::json!([
            { "path": "../up", "bytes": 3, "sha256": ABC },
            { "path": "empty", "bytes": 0, "sha256": EMPTY },
        ])
    );
    let object: serde_json::Value = serde_json::from_str(&place.print(&["--json", "full"])).unwrap();
    assert_eq!(object["artifacts"][0], serde_json::json!({ "path": "../up", "bytes": 3 }));
}

#[test]
fn a_damaged_result_is_no_silent_end_of_the_list() {
    let bytes = with_files(&[("a", "abc"), ("b", "abc")]).encode().unwrap();
    let place = Place::with_bytes(&bytes);
    // The tag of the second artifact.
    let second = bytes.len() - 10;
    assert_eq!(bytes[second], 0x30);
    let mut damaged = bytes.clone();
    damaged[second] = 0x31;
    fs::write(place.path("full"), damaged).unwrap();
    let output = place.inspect(&["--sha256", "full"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("full is damaged or no stored result: artifact at byte"),
        "{}",
        stderr(&output)
    );
}
