//! Jobs with settings of their own, with the real programs.

use crate::site;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_tests::{Peer, Server, Site, stored, uuid_of, wait_for};
use std::collections::BTreeSet;

fn said(site: &Site, server: &Server, words: &[&str]) -> String {
    site.succeed(server, words)
}

/// The cells in the first column of `history`, which say how builds ended.
fn ends(site: &Site, server: &Server) -> Vec<String> {
    let history = said(site, server, &["history"]);
    history
        .lines()
        .skip(1)
        .map(|line| line.split("  ").map(str::trim).find(|cell| !cell.is_empty()).unwrap().to_owned())
        .collect()
}

#[test]
fn a_job_that_hangs_is_ended_by_its_own_limits() {
    let site = site();
    let server = site.start();
    let script = site.file("hang.sh", "echo begun; exec sleep 1000");
    let script = script.to_str().unwrap();
    for (name, flag) in [("timeout", "--timeout=1s"), ("silence", "--silence=1s")] {
        site.succeed(&server, ["schedule", name, "linux", script, flag, "--period=never"]);
        let mut worker = site.worker(&server, "linux");
        let result = stored(&site.wait_for_results(name, 1)[0]);
        assert_eq!(result.result, BuildResult::Message(name.into()));
        let lines: Vec<String> = result.printed().iter().map(|entry| entry.line.to_string()).collect();
        assert_eq!(lines, ["begun"], "what it printed is kept");
        assert!(!worker.wait().unwrap().success(), "the worker kills the job, and says that it was ended");
    }
    assert_eq!(ends(&site, &server), ["silence", "timeout"]);
    let failed = said(&site, &server, &["history", "--failed", "--json"]);
    for cause in ["\"cause\":\"timeout\"", "\"cause\":\"silence\""] {
        assert!(failed.contains(cause), "{failed}");
    }
}

#[test]
fn a_job_keeps_its_history_when_it_is_replaced_and_its_settings_when_the_server_starts_anew() {
    let site = site();
    let server = site.start();
    let script = site.file("old.sh", "echo old");
    site.succeed(&server, ["schedule", "hello", "linux", script.to_str().unwrap()]);
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.finish(uuid, BuildResult::Exited(0), Vec::new());
    site.wait_for_results("hello", 1);

    let script = site.file("new.sh", "echo new");
    let schedule = ["schedule", "hello", "linux", script.to_str().unwrap()];
    let refusal = site.refused(&server, schedule);
    assert!(
        refusal.ends_with("job name already used: hello; to change that job, add --replace\n"),
        "{refusal}"
    );
    let next = server.info().schedule[0].next;
    site.succeed(&server, [&schedule[..], &["--replace", "--silence=1s"]].concat());
    assert_eq!(server.info().schedule[0].next, next, "its next run is the same");
    assert_eq!(server.queue("linux"), Some(Vec::new()), "and it does not run because of that");

    server.kill();
    let server = site.start();
    site.succeed(&server, ["execute", "hello"]);
    let mut worker = Peer::worker(&server, "linux");
    let (second, job) = worker.receive_job();
    assert_eq!(job.script, "echo new".into());
    let results = site.wait_for_results("hello", 2);
    let ended = results.iter().find(|path| uuid_of(path).parse::<Uuid>() == Ok(second)).unwrap();
    assert_eq!(stored(ended).result, BuildResult::Message("silence".into()));
    assert_eq!(ends(&site, &server), ["silence", "ok"]);
}

#[test]
fn a_job_with_a_time_of_day_does_not_run_at_once() {
    let site = site();
    let server = site.start();
    let script = site.file("new.sh", "echo new");
    let words = ["schedule", "hello", "linux", script.to_str().unwrap(), "--period=6h", "--at=03:00"];
    site.succeed(&server, words);
    assert_eq!(server.queue("linux"), Some(Vec::new()));
    let next = server.info().schedule[0].next.to_string();
    assert!(
        ["03:00:00Z", "09:00:00Z", "15:00:00Z", "21:00:00Z"].iter().any(|time| next.ends_with(time)),
        "{next}"
    );
}

#[test]
fn a_server_ends_silent_builds_of_jobs_that_do_not_say_otherwise() {
    let site = site();
    let mut command = site.usual_server_command();
    command.args(["--silence", "1s"]);
    let server = site.start_with(command);
    server.schedule("quiet", "linux");
    let mut worker = Peer::worker(&server, "linux");
    worker.receive_job();
    let result = stored(&site.wait_for_results("quiet", 1)[0]).result;
    assert_eq!(result, BuildResult::Message("silence".into()));
}

#[test]
fn an_export_for_0_4_0_says_that_settings_are_left_out() {
    let site = site();
    let mut server = site.start();
    let script = site.file("new.sh", "echo new");
    let words = ["schedule", "hello", "linux", script.to_str().unwrap(), "--period=6h"];
    site.succeed(&server, words);
    server.terminate();
    let file = site.config().join("exported");
    let output = site.server_command().arg("--export-state").arg(&file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let warning =
        "job hello has settings that builder 0.4.0 does not know, which are left out; other such jobs: 0";
    assert!(said.contains(warning), "{said}");
}

#[test]
fn results_that_are_not_kept_are_removed_and_stay_in_the_history() {
    let site = site();
    let server = site.start();
    let script = site.file("hello.sh", "echo hello");
    let words = ["schedule", "hello", "linux", script.to_str().unwrap(), "--keep=2", "--period=never"];
    site.succeed(&server, words);
    let mut builds = Vec::new();
    for code in [1, 0, 0, 0] {
        if !builds.is_empty() {
            site.succeed(&server, ["execute", "hello"]);
        }
        let mut worker = Peer::worker(&server, "linux");
        let (uuid, _) = worker.receive_job();
        worker.finish(uuid, BuildResult::Exited(code), Vec::new());
        builds.push(uuid.to_string());
        let is_told = || said(&site, &server, &["history"]).contains(&uuid.to_string());
        wait_for("the build is in the history", is_told);
    }
    let left = || site.results("hello").iter().map(|path| uuid_of(path)).collect::<BTreeSet<String>>();
    let kept = [&builds[0], &builds[2], &builds[3]].map(String::clone).into();
    wait_for("only the newest two and the failure are there", || left() == kept);
    wait_for("the history says so", || said(&site, &server, &["history"]).matches("removed").count() == 1);
    let line = said(&site, &server, &["history"]);
    let line = line.lines().find(|line| line.contains("removed")).unwrap();
    assert!(line.contains(&builds[1]), "{line}");
    assert_eq!(ends(&site, &server), ["ok", "ok", "ok", "exited 1"]);
}
