//! The client that waits: what it prints, and what its exit status says.

use crate::site;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::job::File;
use builder_tests::{Peer, Server, Site, stored, wait_for};
use std::process::{Child, Output, Stdio};
use std::thread;

/// A client that waits beside the test.
fn begin(site: &Site, server: &Server, words: &[&str]) -> Child {
    let mut command = site.client_command(server);
    command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A server with a job that has run once.
fn server_with_job(site: &Site) -> Server {
    let server = site.start();
    server.schedule("hello", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.finish(uuid, BuildResult::Exited(0), Vec::new());
    site.wait_for_results("hello", 1);
    server
}

/// Has a worker run the next job to this end.
fn work(server: &Server, lines: &[&str], result: BuildResult) -> Uuid {
    let mut worker = Peer::worker(server, "linux");
    let (uuid, _) = worker.receive_job();
    lines.iter().for_each(|line| worker.print(uuid, line));
    let data = vec![File { path: "bin/made".into(), data: "made".into() }];
    worker.finish(uuid, result, data);
    uuid
}

/// The lines of a console, without the times in front of them.
fn untimed(console: &str) -> Vec<&str> {
    console.lines().map(|line| line.split_once("s ").map_or(line, |(_, rest)| rest)).collect()
}

#[test]
fn the_exit_status_is_that_of_the_build() {
    let site = site();
    let server = server_with_job(&site);
    for (result, status) in [
        (BuildResult::Exited(0), 0),
        (BuildResult::Exited(7), 7),
        (BuildResult::Exited(119), 119),
        (BuildResult::Exited(255), 120),
        (BuildResult::Signalled(9), 121),
        (BuildResult::Message("timeout".into()), 122),
        (BuildResult::Message("no space left".into()), 126),
    ] {
        let client = begin(&site, &server, &["execute", "hello", "--wait"]);
        let uuid = work(&server, &["one", "exited 0"], result.clone());
        let output = client.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{result}: {output:?}");
        let printed = stdout(&output);
        let (head, console) = printed.split_once('\n').unwrap();
        assert_eq!(head, format!("build {uuid}"));
        assert_eq!(untimed(console), ["one", "exited 0", result.to_string().as_str()], "{printed}");
        let observed = site.client(&server, ["observe", &uuid.to_string(), "--status"]);
        assert_eq!(observed.status.code(), Some(status), "{result}: {observed:?}");
        assert_eq!(untimed(&stdout(&observed)), untimed(console));
        assert_eq!(site.client(&server, ["observe", &uuid.to_string()]).status.code(), Some(0));
    }
}

#[test]
fn who_waits_learns_why_and_goes_on_after_a_loss() {
    let site = site();
    let server = server_with_job(&site);
    let client = begin(&site, &server, &["execute", "hello", "--wait"]);
    let mut lost = Vec::new();
    for _ in 0..3 {
        let mut worker = Peer::worker(&server, "linux");
        let (uuid, _) = worker.receive_job();
        worker.print(uuid, "one");
        lost.push(uuid);
    }
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    let printed = stdout(&output);
    for uuid in &lost {
        assert!(printed.contains(&format!("build {uuid}\n")), "{printed}");
    }
    let said = stderr(&output);
    for uuid in &lost[..2] {
        assert!(said.contains(&format!("build {uuid}: worker lost: ")), "{said}");
    }
    assert_eq!(said.matches("the job was queued again\n").count(), 2, "{said}");
}

#[test]
fn a_programs_reader_gets_objects() {
    let site = site();
    let server = server_with_job(&site);
    let client = begin(&site, &server, &["execute", "hello", "--wait", "--json"]);
    wait_for("the job to be queued", || server.queue("linux") == Some(vec!["hello".to_owned()]));
    let uuid = work(&server, &["one"], BuildResult::Exited(3));
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let printed = stdout(&output);
    let objects: Vec<serde_json::Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects[0]["waiting"], "job hello waits on linux: the platform has no worker", "{printed}");
    let [build, line, result] = &objects[objects.len() - 3..] else { panic!("{printed}") };
    assert_eq!(build["uuid"], uuid.to_string());
    assert_eq!((build["job"].as_str(), build["platform"].as_str()), (Some("hello"), Some("linux")));
    assert_eq!(line["line"], "one");
    assert_eq!((result["result"].as_str(), result["succeeded"].as_bool()), (Some("exited 3"), Some(false)));
}

#[test]
fn a_broken_connection_has_a_status_and_the_build_goes_on() {
    let site = site();
    let server = server_with_job(&site);
    let client = begin(&site, &server, &["execute", "hello", "--wait", "--env", "A=1"]);
    wait_for("the job to be queued", || server.queue("linux") == Some(vec!["hello".to_owned()]));
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, first) = worker.receive_job();
    worker.print(uuid, "one");
    server.kill();
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{output:?}");
    let complaint = stderr(&output);
    assert!(complaint.contains("closed the connection before the end of the build; the job"), "{complaint}");
    assert!(complaint.contains("'builder-client history hello' shows how its builds end"), "{complaint}");

    let server = site.start();
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, again) = worker.receive_job();
    assert_eq!(again, first, "with its environment");
    worker.finish(uuid, BuildResult::Exited(0), Vec::new());
    site.wait_for_results("hello", 3);
    let gone = site.client_command_at("127.0.0.1:1").args(["execute", "hello", "--wait"]).output().unwrap();
    assert_eq!(gone.status.code(), Some(127), "{gone:?}");
}

#[test]
fn what_is_refused_has_a_status_of_its_own() {
    let site = site();
    for platform in ["linux", "bsd"] {
        site.template(platform, "true");
    }
    let server = server_with_job(&site);
    server.schedule("other", "bsd");
    site.succeed(&server, ["orb-build", "web", "mirage-web", "--period", "never"]);
    for (words, status, text) in [
        (&["execute", "helo", "--wait"][..], 126, "job not found: helo; did you mean hello?"),
        (&["execute", "web", "--wait"], 126, "name it with --platform: bsd, linux"),
        (&["verify", "web"], 126, "name it with --platform: bsd, linux"),
        (&["execute", "hello", "--wait", "--platform", "bsd"], 126, "; leave --platform out"),
        (&["execute", "helo", "--env", "A=1"], 1, "job not found: helo; did you mean hello?"),
        (&["execute", "hello", "--env", "A"], 2, "--env A: there is no =; write NAME=VALUE"),
        (&["execute", "hello", "--env", "1=x"], 2, "--env: no variable can be called 1; use letters"),
        (
            &["execute", "hello", "--env", "A=1", "--env", "A=2"],
            2,
            "--env: variable A has two values; keep one",
        ),
        (&["execute", "hello", "--json"], 2, "--json goes with --wait; add that"),
        (&["observe", "12345678-1234-1234-1234-123456789abc", "--status"], 126, "uuid not found"),
    ] {
        let output = site.client(&server, words);
        assert_eq!(output.status.code(), Some(status), "{words:?}: {output:?}");
        assert!(stderr(&output).contains(text), "{words:?}: {output:?}");
    }
    assert_eq!(server.queue("linux"), Some(vec!["web".to_owned()]), "nothing else was queued");
}

#[test]
fn the_status_does_not_depend_on_who_reads() {
    let site = site();
    let server = server_with_job(&site);
    let mut client = begin(&site, &server, &["execute", "hello", "--wait"]);
    drop(client.stdout.take());
    work(&server, &["one", "two"], BuildResult::Exited(9));
    assert_eq!(client.wait().unwrap().code(), Some(9));
}

/// What several workers print who run until they have nothing more to do.
fn with_workers<T>(site: &Site, server: &Server, count: usize, test: impl FnOnce() -> T) -> T {
    let workers: Vec<Child> = (0..count).map(|_| site.worker(server, "linux")).collect();
    let outcome = test();
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}\n{}", server.log());
    }
    outcome
}

#[test]
fn a_job_is_scheduled_and_its_first_run_followed() {
    let site = site();
    let server = site.start();
    let script = site.file("script", "#!/bin/sh\necho \"hello $0\"\nexit 4\n");
    let words = ["schedule", "hello", "linux", script.to_str().unwrap(), "--wait"];
    let output = with_workers(&site, &server, 1, || site.client(&server, words));
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let printed = stdout(&output);
    assert!(printed.starts_with("build ") && printed.ends_with("s exited 4\n"), "{printed}");
    let again = site.client(&server, words);
    assert_eq!(again.status.code(), Some(126), "{again:?}");
    assert!(stderr(&again).contains("job name already used"), "{again:?}");
}

#[test]
fn a_first_run_that_is_over_already_is_found() {
    let site = site();
    let server = site.start();
    server.schedule("hello", "linux");
    work(&server, &["the first of that name"], BuildResult::Exited(1));
    site.wait_for_results("hello", 1);
    site.succeed(&server, ["unschedule", "hello"]);
    // Somebody is faster than the client, however fast that is.
    let script = site.file("script", "#!/bin/sh\necho again\n");
    let output = thread::scope(|scope| {
        let worker = scope.spawn(|| work(&server, &["again"], BuildResult::Exited(0)));
        let output = site.client(&server, ["schedule", "hello", "linux", script.to_str().unwrap(), "--wait"]);
        let uuid = worker.join().unwrap();
        assert!(stdout(&output).starts_with(&format!("build {uuid}\n")), "{output:?}");
        output
    });
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(untimed(stdout(&output).split_once('\n').unwrap().1), ["again", "exited 0"]);
}

#[test]
fn scripts_of_shells_and_of_others_find_their_variables() {
    let site = site();
    let server = site.start();
    let nasty = "it's \"$HOME\" `id` \\ %s !\n\ttwo  lines; ünïcode";
    let shell = "#!/bin/sh\nset -eu\nprintf '%s|%s\\n' \"$WHO\" \"$EMPTY\"\n";
    let awk = "#!/usr/bin/awk -f\nBEGIN { print ENVIRON[\"WHO\"] \"|\" ENVIRON[\"EMPTY\"] }\n";
    let plain = "printf '%s|%s\\n' \"$WHO\" \"$EMPTY\"";
    for (name, script) in [("shell", shell), ("awk", awk), ("plain", plain)] {
        site.schedule(&server, name, "linux", script);
        let result = with_workers(&site, &server, 1, || site.wait_for_results(name, 1));
        let without = stored(&result[0]);
        assert!(without.output.is_empty(), "{name}");
        let who = format!("WHO={nasty}");
        let words = ["execute", name, "--wait", "--env", &who, "--env", "EMPTY="];
        let output = with_workers(&site, &server, 1, || site.client(&server, words));
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        let printed = stdout(&output);
        let lines: Vec<&str> = printed.lines().collect();
        let expected: Vec<String> = format!("{nasty}|").lines().map(str::to_owned).collect();
        assert!(lines[1].ends_with(&expected[0]) && lines[2].ends_with(&expected[1]), "{name}: {printed}");
        let uuid = lines[0].strip_prefix("build ").unwrap();
        let path = site.data().join(name).join(uuid).join("full");
        let stored = stored(&path);
        assert!(stored.output.is_empty(), "{name}: what sets the variables leaves no artifact");
        assert!(stored.job.script.to_string().contains("export WHO='it'\\''s"), "{name}: what ran is stored");
    }
}

#[test]
fn a_job_that_makes_the_same_of_the_same_is_reproducible() {
    let site = site();
    let server = site.start();
    let make = "#!/bin/sh\nmkdir bin\necho \"${CONTENT-same}\" >bin/same\n";
    for (name, script, status, text) in [
        ("same", make.to_owned(), 0, "same on linux: reproducible\n"),
        ("other", format!("{make}echo \"$PWD\" >bin/other\n"), 1, "! bin/other, "),
        ("bad", format!("{make}exit 1\n"), 120, "the first run failed: exited 1; nothing was compared\n"),
    ] {
        site.schedule(&server, name, "linux", &script);
        with_workers(&site, &server, 1, || site.wait_for_results(name, 1));
        for workers in [["verify", name, "--env", "CONTENT=x"], ["verify", name, "--platform", "linux"]] {
            let output = with_workers(&site, &server, 2, || site.client(&server, workers));
            assert_eq!(output.status.code(), Some(status), "{name}: {output:?}");
            let said = stdout(&output) + &stderr(&output);
            assert!(said.contains(text), "{name}: {said}");
            assert!(said.contains("second run: build "), "{name}: {said}");
        }
    }
    let json = with_workers(&site, &server, 2, || site.client(&server, ["verify", "same", "--json", "-q"]));
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((value["same"].as_bool(), stderr(&json).as_str()), (Some(true), ""), "{json:?}");
    assert_ne!(value["old"]["uuid"], value["new"]["uuid"]);
}

#[test]
fn two_runs_with_one_worker_come_one_after_the_other() {
    let site = site();
    let server = server_with_job(&site);
    let client = begin(&site, &server, &["verify", "hello"]);
    let first = work(&server, &["one"], BuildResult::Exited(0));
    let second = work(&server, &["two"], BuildResult::Exited(0));
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = stdout(&output);
    assert!(printed.contains(&format!("- {first}")) && printed.contains(&format!("+ {second}")), "{printed}");
}
