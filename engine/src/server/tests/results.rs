//! Console, result and artifacts on their way to the stored result.

use super::rig::{Rig, SETTINGS, Storing};
use super::words::{MINUTE, SECOND, daily, file, message, script};
use crate::limits::{ARTIFACT_PROGRESS_TIME, RETRY_TIME};
use crate::server::{Input, Settings, State};
use crate::spool::LINE_BYTES;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::history::{Artifact, Cause, Sha256};
use builder_proto::job::File;
use builder_proto::text::Text;
use sha2::Digest;

fn finished(uuid: Uuid, result: BuildResult, data: Vec<File>) -> Vec<u8> {
    Command::JobFinished { uuid, result, data }.to_frame().unwrap()
}

#[test]
fn a_result_is_stored_as_the_worker_sent_it() {
    for storing in [Storing::InLog, Storing::InFile] {
        let mut rig = Rig::new();
        rig.storing = storing;
        let (worker, uuid) = rig.started();
        let begin = rig.now.wall;
        for line in ["one", "", "three"] {
            rig.pass(SECOND);
            rig.print(worker, line);
        }
        let artifacts = vec![file("bin/a", "bytes"), file("../up", "")];
        rig.finish(worker, BuildResult::Exited(7), artifacts.clone());
        let stored = rig.stored(uuid);
        assert_eq!(stored.job, script("a", "p"));
        assert_eq!((stored.started, stored.finished), (begin, begin.saturating_add(3 * SECOND)));
        assert_eq!(stored.result, BuildResult::Exited(7));
        assert_eq!(stored.output, artifacts);
        let console: Vec<_> = stored.console.iter().map(|line| line.line.to_string()).collect();
        assert_eq!(console, ["one", "", "three"]);
        assert_eq!(stored.console[2].delta_nanoseconds, 3_000_000_000);
        assert!(rig.peers[&worker].finished, "the end of the conversation tells the worker that it may go");
        assert!(rig.heard(worker).iter().all(|command| !matches!(command, Command::Failure(_))));
        assert!(rig.queue("p").is_empty());
    }
}

#[test]
fn the_log_says_for_the_history_how_a_build_came_about_and_ended() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let queued = rig.now.wall;
    rig.pass(MINUTE);
    let (worker, uuid) = rig.build("p");
    let started = rig.now.wall;
    rig.print(worker, "one");
    rig.print(worker, "two");
    rig.pass(SECOND);
    rig.finish(worker, BuildResult::Exited(1), vec![file("bin/a", "bytes"), file("b", "")]);
    let ended = rig.server.state().ended_build(uuid).unwrap().clone();
    let build = &ended.build;
    assert_eq!((build.queued, build.started), (Some(queued), started));
    assert_eq!(build.host.as_ref().unwrap().to_string(), "10.0.0.1");
    let end = build.end.as_ref().unwrap();
    assert_eq!((&end.cause, end.finished), (&Cause::Exited(1), started.saturating_add(SECOND)));
    assert_eq!((end.console_lines, end.console_bytes), (2, 8));
    assert_eq!((end.artifacts, end.artifact_bytes), (2, 5));
    let paths = ended.artifacts.as_ref().unwrap().iter().map(|artifact| artifact.path.to_string());
    assert_eq!(paths.collect::<Vec<_>>(), ["bin/a", "b"]);
    // Once the file of the history has it, the log need not; on a full disk it does not say so.
    rig.hand_in(Input::LogSpace(0));
    rig.hand_in(Input::Remembered { uuids: vec![uuid], length: 1 });
    rig.end_turn();
    assert!(rig.server.state().ended_build(uuid).is_some());
    rig.hand_in(Input::LogSpace(u64::MAX));
    rig.end_turn();
    assert_eq!(rig.server.state().ended_build(uuid), None);
    assert_eq!(rig.server.state().history_length(), 1);
}

#[test]
fn how_the_bytes_of_a_result_arrive_makes_no_difference() {
    let artifacts = vec![file("a", &"x".repeat(300)), file("b", "y")];
    let mut stored = Vec::new();
    for size in [1, 2, 7, 100, 10_000] {
        let mut rig = Rig::new();
        let (worker, uuid) = rig.started();
        let line = Command::Output { uuid, line: "one".into(), timestamp: None }.to_frame().unwrap();
        let bytes = [line, finished(uuid, BuildResult::Exited(0), artifacts.clone())].concat();
        for piece in bytes.chunks(size) {
            rig.say_bytes(worker, piece);
        }
        rig.end_turn();
        assert_eq!(rig.stored(uuid).output, artifacts);
        stored.push(rig.results.in_place[&uuid].clone());
    }
    assert!(stored.iter().all(|bytes| *bytes == stored[0]));
}

#[test]
fn a_result_that_is_complete_has_the_digests_of_its_artifacts() {
    let artifacts = vec![file("a", &"x".repeat(300)), file("../b", ""), file("c", "y\0z")];
    let expected: Vec<_> = artifacts
        .iter()
        .map(|file| {
            let content = file.data.as_bytes();
            let sha256 = Some(Sha256(sha2::Sha256::digest(content).into()));
            Artifact { path: file.path.clone(), size: content.len() as u64, sha256 }
        })
        .collect();
    for size in [1, 2, 7, 100, 10_000] {
        let mut rig = Rig::new();
        rig.storing = Storing::Held;
        let (worker, uuid) = rig.started();
        let bytes = finished(uuid, BuildResult::Exited(1), artifacts.clone());
        let (last, before) = bytes.split_last().unwrap();
        for piece in before.chunks(size) {
            rig.say_bytes(worker, piece);
        }
        assert_eq!(rig.server.state().ended_build(uuid), None, "a byte is missing");
        rig.say_bytes(worker, &[*last]);
        let ended = rig.server.state().ended_build(uuid).expect("the result is complete");
        let end = ended.build.end.as_ref().unwrap();
        assert_eq!((end.artifacts, end.artifact_bytes), (3, 303));
        assert_eq!(ended.artifacts.as_ref(), Some(&expected));
    }
}

#[test]
fn of_a_result_with_too_many_artifacts_their_number_and_bytes_are_known() {
    let mut rig = Rig::with(Settings { artifact_bytes: 10_000_000, ..SETTINGS }, State::default());
    rig.storing = Storing::Held;
    let (worker, uuid) = rig.started();
    let path = "x".repeat(4096);
    rig.finish(worker, BuildResult::Exited(0), vec![file(&path, "12345"); 300]);
    let ended = rig.server.state().ended_build(uuid).unwrap();
    let end = ended.build.end.as_ref().unwrap();
    assert_eq!((end.artifacts, end.artifact_bytes, &ended.artifacts), (300, 1500, &None));
    rig.finish_storing(uuid);
    rig.end_turn();
    assert_eq!(rig.stored(uuid).output.len(), 300, "the result itself is whole");
}

#[test]
fn every_kind_of_result_is_kept() {
    for result in [
        BuildResult::Exited(255),
        BuildResult::Signalled(-7),
        BuildResult::Stopped(19),
        message("cannot write the script: no space left"),
    ] {
        let mut rig = Rig::new();
        let (worker, uuid) = rig.started();
        rig.finish(worker, result.clone(), Vec::new());
        assert_eq!(rig.stored(uuid).result, result);
    }
}

#[test]
fn a_line_beyond_the_length_of_an_entry_is_split() {
    let mut rig = Rig::new();
    rig.settings.console_bytes = 1_000_000;
    rig.crash(0);
    let (worker, uuid) = rig.started();
    rig.print(worker, &"x".repeat(LINE_BYTES + 1));
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let lengths: Vec<_> = rig.stored(uuid).printed().iter().map(|line| line.line.as_bytes().len()).collect();
    assert_eq!(lengths, [LINE_BYTES, 1]);
}

#[test]
fn a_console_beyond_the_limit_ends_the_build_and_is_kept_up_to_it() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    // An entry takes 7 bytes besides its line.
    for _ in 0..10 {
        rig.print(worker, &"x".repeat(93));
    }
    rig.end_turn();
    assert!(rig.is_running(uuid), "the limit itself is allowed");
    rig.print(worker, "");
    rig.print(worker, "more");
    rig.end_turn();
    let text = "the console exceeds the limit of 1000 bytes (--console-limit)";
    assert_eq!(rig.failure(worker), text);
    let stored = rig.stored(uuid);
    assert_eq!(stored.result, message(text));
    assert_eq!(stored.printed().len(), 10);
    assert!(rig.queue("p").is_empty(), "the job is to blame: it waits for its schedule");
}

#[test]
fn artifacts_beyond_the_limit_are_not_kept_and_the_result_says_so() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    rig.print(worker, "one");
    rig.finish(worker, BuildResult::Exited(0), vec![file("a", &"x".repeat(10_000))]);
    let text = "the artifacts take 10015 bytes; at most 10000 bytes of artifacts are stored for a build; the artifacts were not kept; the job itself: exited 0";
    assert_eq!(rig.failure(worker), text);
    let stored = rig.stored(uuid);
    assert_eq!(stored.result, message(text));
    assert_eq!((stored.output.len(), stored.printed().len()), (0, 1));
    assert!(rig.queue("p").is_empty());
}

#[test]
fn the_limit_of_artifacts_itself_is_allowed() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    rig.finish(worker, BuildResult::Exited(0), vec![file("a", &"x".repeat(9985))]);
    assert_eq!(rig.stored(uuid).result, BuildResult::Exited(0));
}

#[test]
fn paths_and_messages_have_limits() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    rig.finish(worker, BuildResult::Exited(0), vec![file(&"p".repeat(4097), "")]);
    assert_eq!(
        rig.stored(uuid).result,
        message(
            "the path of an artifact is 4097 bytes long; at most 4096 bytes are accepted; the artifacts were not kept; the job itself: exited 0"
        )
    );
    rig.done(super::words::execute("a"));
    let (worker, uuid) = rig.build("p");
    rig.finish(worker, message(&"m".repeat(65_537)), Vec::new());
    assert_eq!(
        rig.stored(uuid).result,
        message(
            "the message of the result is 65537 bytes long; at most 65536 bytes are accepted; the artifacts were not kept"
        )
    );
}

#[test]
fn artifacts_may_take_long_as_long_as_they_come() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    rig.pass(60 * MINUTE);
    let bytes = finished(uuid, BuildResult::Exited(0), vec![file("a", "0123456789")]);
    let (start, rest) = bytes.split_at(20);
    rig.say_bytes(worker, start);
    for byte in rest.chunks(1) {
        rig.say_bytes(worker, byte);
        rig.pass(ARTIFACT_PROGRESS_TIME - SECOND);
    }
    assert_eq!(rig.stored(uuid).result, BuildResult::Exited(0));
}

#[test]
fn a_worker_that_stops_sending_its_result_is_lost() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    let bytes = finished(uuid, BuildResult::Exited(0), vec![file("a", "0123456789")]);
    rig.say_bytes(worker, &bytes[..bytes.len() - 5]);
    rig.pass(ARTIFACT_PROGRESS_TIME / 2);
    rig.say_bytes(worker, &bytes[bytes.len() - 5..][..1]);
    rig.pass(ARTIFACT_PROGRESS_TIME - SECOND);
    assert!(rig.is_running(uuid));
    rig.pass(SECOND);
    assert_eq!(rig.failure(worker), "no byte of the result for 60 seconds");
    assert_eq!(rig.queue("p"), ["a"]);
    assert_eq!(
        rig.stored(uuid).result,
        message("worker lost: no byte of the result for 60 seconds; the job was queued again")
    );
    rig.say_bytes(worker, &bytes[bytes.len() - 5..]);
    rig.end_turn();
    assert_eq!(rig.queue("p"), ["a"], "what comes too late is ignored");
}

#[test]
fn a_result_that_cannot_be_stored_gives_way_to_one_that_says_so() {
    let mut rig = Rig::new();
    rig.storing = Storing::Failing;
    let (worker, uuid) = rig.started();
    rig.print(worker, "one");
    rig.finish(worker, BuildResult::Exited(0), vec![file("a", "b")]);
    let text = "the server could not store the result (exited 0): no space left";
    assert_eq!(rig.failure(worker), text);
    assert!(rig.server.state().aborted.contains_key(&uuid), "and is tried again");
    assert_eq!(rig.server.builds.next_deadline(), Some(rig.now.monotonic + RETRY_TIME));
    rig.pass(RETRY_TIME + RETRY_TIME);
    rig.storing = Storing::InFile;
    rig.pass(RETRY_TIME);
    let stored = rig.stored(uuid);
    assert_eq!(stored.result, message(text));
    assert_eq!((stored.printed().len(), stored.output.len()), (1, 0));
    assert!(rig.queue("p").is_empty());
}

#[test]
fn a_disk_that_fails_while_artifacts_arrive_ends_the_build() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    let bytes = finished(uuid, BuildResult::Exited(0), vec![file("a", "0123456789")]);
    let (first, rest) = bytes.split_at(bytes.len() - 5);
    rig.say_bytes(worker, first);
    rig.hand_in(Input::ResultFailed { uuid, error: "no space left" });
    rig.hand_in(Input::ResultFailed { uuid, error: "no space left" });
    rig.say_bytes(worker, rest);
    rig.end_turn();
    assert_eq!(
        rig.stored(uuid).result,
        message("the server could not store the result (exited 0): no space left")
    );
    assert_eq!(rig.server.sessions.next_expiry(), Some(rig.now.monotonic + crate::limits::LINGER_TIME));
}

#[test]
fn a_console_that_cannot_be_written_ends_the_build() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    rig.print(worker, "one");
    rig.hand_in(Input::SpoolFailed { uuid, error: "no space left" });
    rig.hand_in(Input::SpoolFailed { uuid, error: "no space left" });
    rig.end_turn();
    let text = "the server could not keep the console: no space left";
    assert_eq!(rig.failure(worker), text);
    assert_eq!(rig.stored(uuid).result, message(text));
    assert!(rig.queue("p").is_empty());
}

#[test]
fn a_result_that_came_with_lines_that_cannot_be_written_is_not_stored() {
    for storing in [Storing::InLog, Storing::InFile] {
        let mut rig = Rig::new();
        let (worker, uuid) = rig.started();
        rig.storing = storing;
        rig.spools_fail = true;
        let line = Command::Output { uuid, line: "one".into(), timestamp: None }.to_frame().unwrap();
        let bytes = [line, finished(uuid, BuildResult::Exited(0), vec![file("a", "x")])].concat();
        rig.say_bytes(worker, &bytes);
        rig.end_turn();
        let text = "the server could not keep the console: no space left";
        assert_eq!(rig.failure(worker), text);
        let stored = rig.stored(uuid);
        assert_eq!((stored.result, stored.output), (message(text), Vec::new()));
    }
}

#[test]
fn a_worker_may_go_while_its_result_is_being_stored() {
    let mut rig = Rig::new();
    rig.storing = Storing::Held;
    let (worker, uuid) = rig.started();
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    rig.lose(worker);
    rig.finish_storing(uuid);
    rig.end_turn();
    assert_eq!(rig.stored(uuid).result, BuildResult::Exited(0));
    assert!(rig.queue("p").is_empty());
}

#[test]
fn a_second_result_is_ignored() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    let both =
        [BuildResult::Exited(0), BuildResult::Exited(1)].map(|result| finished(uuid, result, Vec::new()));
    rig.say_bytes(worker, &both.concat());
    rig.say_bytes(worker, &both[1]);
    rig.end_turn();
    assert_eq!(rig.stored(uuid).result, BuildResult::Exited(0));
}

#[test]
fn outcomes_of_unknown_builds_are_ignored() {
    let mut rig = Rig::new();
    let uuid = Uuid::from_u128(99);
    rig.hand_in(Input::ResultStored { uuid, contents: None });
    rig.hand_in(Input::ResultFailed { uuid, error: "what" });
    rig.hand_in(Input::SpoolFailed { uuid, error: "what" });
    rig.hand_in(Input::ResultsWrittenBack(Vec::new()));
    assert!(rig.trace.is_empty());
    assert_eq!(rig.settings, SETTINGS);
}

#[test]
fn small_results_stay_in_the_log_until_their_files_are_safe() {
    let mut rig = Rig::new();
    let mut uuids = Vec::new();
    for name in ["a", "b", "c"] {
        rig.done(daily(name, "p"));
        let (worker, uuid) = rig.build("p");
        rig.finish(worker, BuildResult::Exited(0), Vec::new());
        uuids.push(uuid);
    }
    rig.write_back(2);
    rig.rotate();
    let left = rig.log.recover().pending;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].uuid, &left[0].name), (uuids[0], &Text::from("a")));
    assert_eq!(*left[0].contents.0, rig.results.in_place[&uuids[0]]);
    rig.write_back(1);
    assert_eq!(rig.log.recover().pending, []);
}
