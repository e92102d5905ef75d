//! Results that are uploaded, and programs that are told of their builds.

use crate::harness::{build_with, result, site, start, wait_for_log, wait_until_empty};
use builder_proto::build_result::BuildResult;
use builder_tests::http::{Answer, HttpServer};
use builder_tests::{children, command_line, is_alive, signal, wait_for};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_result_that_is_uploaded_stays_as_long_as_a_program_is_told_of_it() {
    let http = HttpServer::answering("201 Created");
    let mut site = site(&http.url(), &[]);
    let script = "#!/bin/sh\n: >\"$0.begun\"\nuntil [ -e \"$0.gate\" ]; do sleep 0.1; done\n\
                  exec cp \"$BUILDER_RESULT_FILE\" \"$0.copy\"\n";
    let program = site.file("hook", script);
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    site.options.extend(["--on-finish".to_owned(), program.to_str().unwrap().to_owned()]);
    let server = start(&site);
    let uuid = build_with(&server, "job", BuildResult::Exited(0), 100_000);
    wait_until_empty(&server);
    wait_for_log(&server, &format!("uploaded the result of build {uuid} of job job"));
    wait_for("the program to begin", || program.with_file_name("hook.begun").exists());
    let stored = result(&site, "job", uuid);
    assert!(stored.exists(), "the program is to read it");
    fs::write(program.with_file_name("hook.gate"), "").unwrap();
    wait_for("the removal", || !stored.exists());
    assert_eq!(fs::read(program.with_file_name("hook.copy")).unwrap(), http.requests()[0].body);
}

#[test]
fn an_upload_and_a_program_that_end_at_the_same_time_are_both_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let opened = gate.clone();
    let http = HttpServer::start(move |_, _| {
        wait_for("the gate", || opened.exists());
        Answer::Status("201 Created")
    });
    let mut site = site(&http.url(), &[]);
    let script =
        format!("#!/bin/sh\n: >\"$0.begun\"\nuntil [ -e '{}' ]; do sleep 0.1; done\n", gate.display());
    let program = site.file("hook", script);
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    site.options.extend(["--on-finish".to_owned(), program.to_str().unwrap().to_owned()]);
    let server = start(&site);
    let uuid = build_with(&server, "job", BuildResult::Exited(0), 10);
    wait_for("the program to begin", || program.with_file_name("hook.begun").exists());
    wait_for("the upload to begin", || !http.requests().is_empty());
    let both = children(server.pid());
    assert_eq!(both.len(), 2);
    // Of two ends that it does not see, a process is told once.
    signal(server.pid(), "STOP");
    fs::write(&gate, "").unwrap();
    wait_for("both to end", || !both.iter().any(|pid| is_alive(*pid)));
    signal(server.pid(), "CONT");
    wait_for_log(&server, &format!("uploaded the result of build {uuid} of job job"));
    assert!(both.iter().all(|pid| command_line(*pid).is_empty()), "one of them waits to be looked at");
    wait_for_log(&server, &format!("gave the notice of build {uuid} of job job"));
}
