//! Several results: named, or found in directories as the server makes them.

use crate::{PROGRAM, Place, execution, make_fifo, read, stderr};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::Execution;
use builder_proto::job::File;
use builder_proto::time::Time;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

fn build(job: &str, number: u128, finished: i64, exit_code: i64) -> Execution {
    let mut execution = execution();
    execution.job.name = job.into();
    execution.uuid = Uuid::from_u128(number);
    execution.finished = Time::from_unix_milliseconds(finished);
    execution.result = BuildResult::Exited(exit_code);
    execution.output = vec![File { path: "made".into(), data: job.into() }];
    execution
}

impl Place {
    fn empty() -> Place {
        Place { directory: tempfile::tempdir().unwrap() }
    }

    /// Stores a result where the server would, and says where that is.
    fn store(&self, execution: &Execution) -> String {
        let path = format!("data/{}/{}/full", execution.job.name, execution.uuid);
        self.store_at(&path, &execution.encode().unwrap());
        path
    }

    fn store_at(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Two jobs with three builds. The modification times of the files say another order than the results, as after a restore.
fn data() -> (Place, [String; 3]) {
    let place = Place::empty();
    let paths = [build("a", 1, 3000, 0), build("a", 2, 1000, 7), build("b", 3, 2000, 0)];
    let paths = paths.map(|execution| place.store(&execution));
    place.store_at("data/.builder/staging/1/full", b"not a result yet");
    place.store_at("data/state", b"");
    (place, paths)
}

/// The paths in the titles, in their order.
fn titles(printed: &str) -> Vec<&str> {
    let strip = |line| str::strip_prefix(line, "==> ")?.strip_suffix(" <==");
    printed.lines().filter_map(strip).collect()
}

#[test]
fn a_directory_stands_for_its_results_with_the_newest_first() {
    let (place, [first, second, third]) = data();
    let printed = place.print(&["data"]);
    assert_eq!(titles(&printed), [&*first, &third, &second]);
    assert_eq!(printed.matches("\nresult    exited 0\n").count(), 2, "{printed}");
    assert!(printed.contains("\n\n==> "), "{printed}");
    assert_eq!(titles(&place.print(&["data/a"])), [&*first, &second]);
    assert_eq!(titles(&place.print(&[&second, "data/b", &first])), [&*first, &third, &second]);

    let alone = place.print(&["data/b"]);
    assert_eq!(alone, place.print(&[&third]), "one result needs no title");
    assert!(alone.starts_with("job       b\n"), "{alone}");
    let build = third.strip_suffix("/full").unwrap();
    assert_eq!(place.print(&[build]), alone);
    assert_eq!(place.print(&[&format!("{build}/")]), alone);
}

#[test]
fn each_part_of_several_results_has_a_title() {
    let (place, [first, second, _]) = data();
    let printed = place.print(&["--job", "--script", "data/a"]);
    let part = |path: &str, uuid: u128| {
        format!(
            "==> {path} <==\njob       a\nplatform  debian-12\nuuid      {}\n#!/bin/sh\n\techo hello",
            Uuid::from_u128(uuid)
        )
    };
    assert_eq!(printed, format!("{}\n{}", part(&first, 1), part(&second, 2)));
}

#[test]
fn the_latest_and_failed_ones_can_be_chosen() {
    let (place, [first, second, third]) = data();
    assert_eq!(place.print(&["--latest", "data"]), place.print(&[&first]));
    assert_eq!(place.print(&["--failed", "data"]), place.print(&[&second]));
    assert_eq!(
        place.print(&["--failed", "--latest", "data", "--console"]),
        place.print(&["--console", &second])
    );
    assert_eq!(place.print(&["--failed", "data/b"]), "", "no failures are good news");
    assert_eq!(place.print(&["--latest", &second, &third]), place.print(&[&third]));
}

#[test]
fn programs_get_an_object_a_line() {
    let (place, [first, second, third]) = data();
    let printed = place.print(&["--json", "data"]);
    let objects: Vec<serde_json::Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files: Vec<_> = objects.iter().map(|object| object["file"].as_str().unwrap()).collect();
    assert_eq!(files, [first, third, second]);
    assert_eq!(objects[0]["uuid"], Uuid::from_u128(1).to_string());
    assert_eq!(place.print(&["--json", "--failed", "data/b"]), "");
}

#[test]
fn artifacts_are_those_of_one_result() {
    let (place, [_, second, _]) = data();
    let complaints = place.fail(&["--output", "out", "data"]);
    assert_eq!(
        complaints,
        "builder-inspect: --output is for the artifacts of one result, and there are 3; add --latest, or name \
         the file of one\n"
    );
    let complaints = place.fail(&["--failed", "--output", "out", "data/b"]);
    assert!(complaints.contains("the build of the only result did not fail"), "{complaints}");
    assert!(!place.path("out").exists());

    place.print(&["--latest", "--output", "out", "data/a"]);
    assert_eq!(read(&place.path("out/made")), "a");
    place.print(&["--failed", "--output", "failed", "data"]);
    assert_eq!(place.inspect(&["--output", "second", &second]).status.code(), Some(0));
}

#[test]
fn a_result_that_is_reached_twice_is_shown_once() {
    let (place, [first, second, _]) = data();
    // A job whose directory is on another disk, and a link that somebody made for the latest build.
    fs::rename(place.path("data/b"), place.path("moved")).unwrap();
    symlink("../moved", place.path("data/b")).unwrap();
    symlink(format!("../../{}", first.strip_suffix("/full").unwrap()), place.path("data/a/latest")).unwrap();
    symlink("..", place.path("data/a/loop")).unwrap();
    let printed = place.print(&["data", "data/a", &second]);
    assert_eq!(printed.matches("result    ").count(), 3, "{printed}");
    assert!(printed.contains("job       b\n"), "{printed}");
}

#[test]
fn a_damaged_result_keeps_no_other_from_being_shown() {
    let (place, [first, second, third]) = data();
    place.store_at(&second, b"#!/bin/sh\n");
    place.store_at("data/full/1/full", &fs::read(place.path(&first)).unwrap());
    make_fifo(&place.path("data/b/fifo"));
    let output = place.inspect(&["data", "missing"]);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(titles(&printed), [&*first, "data/full/1/full", &third]);
    let complaints = stderr(&output);
    assert_eq!(complaints.lines().count(), 2, "{complaints}");
    let damaged = format!("builder-inspect: {second} is damaged or no stored result: ");
    assert!(complaints.starts_with(&damaged), "{complaints}");
    assert!(complaints.contains("builder-inspect: cannot open missing: "), "{complaints}");
}

#[test]
fn a_directory_without_results_is_a_failure_that_says_why_there_are_none() {
    let (place, [first, ..]) = data();
    fs::create_dir_all(place.path("none/job/uuid")).unwrap();
    for names in [&["none"][..], &["none", &first], &["--failed", "none"]] {
        let complaints = place.fail(names);
        let expected =
            "builder-inspect: there is no stored result in none; the server stores one when a build ends";
        assert!(complaints.starts_with(expected), "{complaints}");
        assert_eq!(complaints.lines().count(), 1, "{complaints}");
    }
}

/// What is read of a result to find its place in the order is little, so that a data directory may be large.
#[test]
fn a_choice_among_large_results_reads_little_of_the_others() {
    let (place, _) = data();
    let mut large = build("large", 9, 500, 0);
    large.job.script = vec![b'#'; 60 << 20].into();
    place.store(&large);
    // Not enough for that script.
    let inspect = format!("ulimit -v 50000 && exec {PROGRAM} --latest --job data");
    let output = Command::new("sh").current_dir(&place.directory).args(["-c", &inspect]).output().unwrap();
    assert_eq!(stderr(&output), "");
    assert!(output.stdout.starts_with(b"job       a\n"));
}
