//! `--on-finish`: programs that are told of builds.

use crate::site;
use builder_proto::build_result::BuildResult;
use builder_tests::{Peer, Server, Site, is_alive, signal, wait_for};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A site whose server runs a script for every build. In the script, `$0.` begins the paths of files beside it.
fn notifying(script: &str, options: &[&str]) -> (Site, PathBuf) {
    let mut site = site();
    let program = site.file("hook", format!("#!/bin/sh\nset -eu\n{script}\n"));
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    site.options = vec!["--on-finish".to_owned(), program.to_str().unwrap().to_owned()];
    site.options.extend(options.iter().map(|option| (*option).to_owned()));
    (site, program)
}

/// A file beside the script.
fn beside(program: &Path, name: &str) -> PathBuf {
    PathBuf::from(format!("{}.{name}", program.display()))
}

/// The lines of such a file, when it has so many.
fn lines(program: &Path, name: &str, count: usize) -> Vec<String> {
    let read = || fs::read_to_string(beside(program, name)).unwrap_or_default();
    wait_for(&format!("{count} lines of {name}"), || read().matches('\n').count() >= count);
    read().lines().map(str::to_owned).collect()
}

/// A script that waits for a process of its own, and does not end.
const HANGS: &str = r#"
    sleep 1000 & echo $! >>"$0.pids"
    echo $$ >>"$0.pids"
    wait"#;

/// Waits until neither is there any more.
fn wait_for_ends(program: &Path) {
    for pid in lines(program, "pids", 2) {
        wait_for("the process to end", || !is_alive(pid.parse().unwrap()));
    }
}

/// Has a worker run a job, which ends with this code. Gives the uuid.
fn run(server: &Server, name: &str, code: i64) -> String {
    server.schedule(name, "linux");
    let mut worker = Peer::worker(server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.finish(uuid, BuildResult::Exited(code), vec![]);
    uuid.to_string()
}

#[test]
fn a_program_is_told_of_every_build_and_gets_nothing_else() {
    let script = r#"
        [ -s "$BUILDER_RESULT_FILE" ]
        [ "$(pwd)" = / ]
        [ -z "$(cat)" ]
        env | sed -n 's/=.*//p' | sort >"$0.names"
        printf '%s\n' "$BUILDER_JOB|$BUILDER_UUID|$BUILDER_RESULT|$BUILDER_REASON|$BUILDER_PREVIOUS_RESULT" >>"$0.told""#;
    let (mut site, program) = notifying(script, &[]);
    // Relative paths are those of the server.
    site.options.extend(["--dir".to_owned(), ".".to_owned()]);
    site.options[1] = "../hook".to_owned();
    let mut command = std::process::Command::new(site.server_command().get_program());
    command.args(["-v", "--port", "0", "--config-dir"]).arg(site.config()).args(&site.options);
    command.current_dir(site.data()).env("SECRET", "x").env("BUILDER_UPLOAD_CREDENTIALS", "user:secret");
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let server = site.start_with(command);
    let first = run(&server, "a b;$(touch x)'\"|", 0);
    assert_eq!(lines(&program, "told", 1), [format!("a b;$(touch x)'\"||{first}|success|exited 0|")]);
    let second = run(&server, "other", 7);
    assert_eq!(lines(&program, "told", 2)[1], format!("other|{second}|failure|exited 7|"));
    // What a shell adds by itself.
    let own = ["PWD", "OLDPWD", "SHLVL", "_"];
    let usual = ["HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ"];
    for name in lines(&program, "names", 18) {
        let is_known = name.starts_with("BUILDER_") && name != "BUILDER_UPLOAD_CREDENTIALS";
        assert!(is_known || own.contains(&&*name) || usual.contains(&&*name), "{name}");
    }
}

#[test]
fn a_program_that_fails_is_run_again_and_the_log_says_why() {
    let script = r#"
        echo "attempt $BUILDER_ATTEMPT"
        if mkdir "$0.failed" 2>/dev/null; then echo >&2 "no route to host"; echo >&2 "usage: …"; exit 3; fi
        echo told >"$0.told""#;
    let (site, program) = notifying(script, &[]);
    let server = site.start();
    let uuid = run(&server, "job", 0);
    server.wait_for_log(&format!(
        "did not give the notice of build {uuid} of job job: it exited with status 3: no route to host; next \
         attempt in 10s; waiting: 1"
    ));
    server.wait_for_log(&format!("the notice of build {uuid}: attempt 1"));
    // SIGHUP tries it at once.
    signal(server.pid(), "HUP");
    lines(&program, "told", 1);
    server.wait_for_log(&format!("gave the notice of build {uuid} of job job; waiting: 0"));
}

#[test]
fn no_crash_swallows_a_notice() {
    let script = r#"
        echo "$BUILDER_UUID" >>"$0.begun"
        until [ -e "$0.gate" ]; do sleep 0.1; done
        echo "$BUILDER_UUID" >>"$0.told""#;
    let (site, program) = notifying(script, &[]);
    let server = site.start();
    let uuid = run(&server, "job", 0);
    assert_eq!(lines(&program, "begun", 1)[0], uuid);
    let other = run(&server, "job2", 0);
    server.kill();
    fs::write(beside(&program, "gate"), "").unwrap();
    let mut server = site.start();
    server.wait_for_log("notices waiting: 2");
    for uuid in [&uuid, &other] {
        server.wait_for_log(&format!("gave the notice of build {uuid}"));
    }
    let told = lines(&program, "told", 2);
    assert!(told.contains(&uuid) && told.contains(&other), "{told:?}");
    server.terminate();
    let server = site.start();
    assert!(!server.log().contains("notices waiting"), "{}", server.log());
}

#[test]
fn a_program_that_hangs_is_killed_with_what_it_started() {
    let (site, program) = notifying(HANGS, &["--on-finish-timeout", "1s"]);
    let mut server = site.start();
    let uuid = run(&server, "job", 0);
    server.wait_for_log(&format!(
        "did not give the notice of build {uuid} of job job: it took longer than 1s and was killed, with all that \
         it had started (--on-finish-timeout); next attempt in 10s"
    ));
    wait_for_ends(&program);
    assert_eq!(server.terminate().code(), Some(0));
}

#[test]
fn a_server_that_stops_waits_for_no_program_and_leaves_none() {
    let (site, program) = notifying(HANGS, &[]);
    let mut server = site.start();
    run(&server, "job", 0);
    lines(&program, "pids", 2);
    assert_eq!(server.terminate().code(), Some(0));
    wait_for_ends(&program);
    let export = site.file("state", "");
    let mut command = site.server_command();
    command.arg("--export-state").arg(&export);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("notices not given: 1; builder 0.4.0 will not give them"), "{said}");
}

#[test]
fn a_program_that_cannot_be_run_is_refused_at_the_start_in_one_line() {
    let (mut site, program) = notifying("", &[]);
    let mut complaint = |path: &Path| {
        site.options[1] = path.to_str().unwrap().to_owned();
        let complaint = site.complaint();
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        complaint
    };
    let missing = beside(&program, "missing");
    let said = complaint(&missing);
    let expected = format!("there is no program {}; correct --on-finish, or install it", missing.display());
    assert!(said.contains(&expected), "{said}");
    let said = complaint(program.parent().unwrap());
    assert!(said.contains("which --on-finish names: it is no file"), "{said}");
    fs::set_permissions(&program, Permissions::from_mode(0o644)).unwrap();
    let said = complaint(&program);
    assert!(said.contains("which --on-finish names: this user may not execute it; chmod it"), "{said}");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for (options, text) in [
        (
            ["--on-finish-timeout", "1m"].as_slice(),
            "--on-finish-timeout has no effect without --on-finish PROGRAM",
        ),
        (&["--on-finish", ""], "--on-finish needs the path of a program"),
        (
            &["--on-finish", "/bin/sh", "--on-finish-timeout", "0s"],
            "--on-finish-timeout 0s: the time must be",
        ),
    ] {
        let output = site().server_command().args(options).output().unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains(text), "{complaint}");
    }
}
