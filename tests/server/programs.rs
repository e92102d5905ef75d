//! All four programs together.

use crate::site;
use builder_proto::build_result::BuildResult;
use builder_tests::{Site, signal, stored, uuid_of, wait_for};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

/// Schedules a script, has a real worker run it, and gives its stored result.
fn result_of(site: &Site, name: &str, script: &str, worker_options: &[&str]) -> PathBuf {
    let server = site.start();
    site.schedule(&server, name, "linux", script);
    let worker = site.worker_command(&server, "linux").args(worker_options).output().unwrap();
    assert!(worker.status.success(), "{worker:?}\n{}", server.log());
    site.wait_for_results(name, 1).remove(0)
}

#[test]
fn a_job_is_scheduled_run_observed_and_inspected() {
    let site = site();
    let server = site.start();
    let gate = site.data().join("gate");
    let script = format!(
        "#!/bin/sh\necho one\nwhile [ ! -e {} ]; do sleep 0.01; done\necho two >&2\n\
         mkdir bin\nprintf '\\377artifact' > bin/program\nexit 3\n",
        gate.display()
    );
    site.schedule(&server, "hello", "linux", &script);
    assert!(site.succeed(&server, ["info"]).contains("  hello  linux     queued #1  "));
    let mut worker = site.worker(&server, "linux");
    wait_for("the build to start", || !server.info().running.is_empty());

    let observe = ["observe-latest", "--job", "hello", "--platform", "linux"];
    let mut observer = site.client_command(&server).args(observe).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(observer.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().ends_with("s one"), "a line is seen while the job goes on");
    assert!(site.succeed(&server, ["info"]).starts_with("Running (1)\n"));
    fs::write(gate, "").unwrap();
    let rest: Vec<String> = lines.collect();
    assert!(rest[0].ends_with("s two") && rest[1].ends_with("s exited 3") && rest.len() == 2, "{rest:?}");
    assert!(observer.wait().unwrap().success());
    assert!(worker.wait().unwrap().success());

    let result = site.wait_for_results("hello", 1).remove(0);
    let path = result.to_str().unwrap();
    let summary = site.inspect([path]);
    for part in ["hello", "linux", &uuid_of(&result), "exited 3", "bin/program"] {
        assert!(summary.contains(part), "{summary}");
    }
    let console = site.inspect(["--console", path]);
    let positions = ["started", "one", "two", "stopped"].map(|word| console.find(word).unwrap());
    assert!(positions.is_sorted(), "{console}");
    assert_eq!(site.inspect(["--script", path]), script);
    let output = site.data().join("output");
    site.inspect(["--output", output.to_str().unwrap(), path]);
    assert_eq!(fs::read(output.join("bin/program")).unwrap(), b"\xffartifact");
    let again = site.succeed(&server, ["observe", &uuid_of(&result)]);
    assert_eq!(again.lines().count(), 3, "a finished build is replayed: {again}");
    assert!(site.succeed(&server, ["info"]).starts_with("Running (0)\n"));
}

#[test]
fn an_orb_build_runs_its_template() {
    let site = site();
    site.template("linux", "#!/bin/sh\necho '%%OPAM_PACKAGE%%' on %%PLATFORM%%\n");
    let server = site.start();
    site.succeed(&server, ["orb-build", "web", "mirage-web.1.0", "--period", "hourly"]);
    site.work(&server, "linux");
    let result = stored(&site.wait_for_results("web", 1)[0]);
    assert_eq!(result.console[0].line, "mirage-web.1.0 on linux".into());
    assert_eq!(result.result, BuildResult::Exited(0));
}

#[test]
fn a_job_that_a_signal_kills_says_so_and_keeps_its_artifacts() {
    let site = site();
    let result = result_of(&site, "killed", "#!/bin/sh\necho data > kept\nkill -9 $$\n", &[]);
    let stored = stored(&result);
    assert_eq!(stored.result, BuildResult::Signalled(9));
    assert_eq!(stored.output[0].path, "kept".into());
    assert!(site.inspect([result.to_str().unwrap()]).contains("signalled SIGKILL"));
}

#[test]
fn a_job_that_takes_too_long_is_ended_and_keeps_its_artifacts() {
    let site = site();
    let script = "#!/bin/sh\necho data > kept\nsleep 1000\n";
    let result = result_of(&site, "slow", script, &["--timeout", "1s"]);
    let stored = stored(&result);
    assert_eq!(stored.result, BuildResult::Message("timeout after 1s".into()));
    assert_eq!(stored.output[0].path, "kept".into());
}

#[test]
fn a_console_and_artifacts_of_megabytes_arrive_whole() {
    let site = site();
    let script = "#!/bin/sh\ni=0\nwhile [ $i -lt 20000 ]; do echo \"line $i\"; i=$((i+1)); done\n\
                  dd if=/dev/zero of=zeros bs=65536 count=64 2>&1\n";
    let result = stored(&result_of(&site, "large", script, &[]));
    assert!(result.console.len() > 20_000);
    for (number, line) in result.console.iter().take(20_000).enumerate() {
        assert_eq!(line.line, format!("line {number}").into());
    }
    assert!(result.console.is_sorted_by_key(|line| line.delta_nanoseconds));
    assert_eq!(result.output[0].data, vec![0; 64 * 65536].into());
}

#[test]
fn a_worker_that_is_asked_to_go_leaves_its_job_to_the_next() {
    let site = site();
    let server = site.start();
    site.schedule(
        &server,
        "job",
        "linux",
        "#!/bin/sh\n[ -e \"$TMPDIR/second\" ] || exec sleep 1000\necho done\n",
    );
    server.schedule("other", "linux");
    let mut worker = site.worker(&server, "linux");
    wait_for("the build to start", || !server.info().running.is_empty());
    signal(worker.id(), "TERM");
    assert_eq!(worker.wait().unwrap().code(), Some(1));
    wait_for("the job to be queued", || server.queue("linux").unwrap() == ["job", "other"]);
    site.file("second", "");
    site.work(&server, "linux");
    let results: Vec<_> = site.wait_for_results("job", 2).iter().map(|path| stored(path)).collect();
    assert!(results.iter().any(|result| result.result == BuildResult::Exited(0)));
    assert!(results.iter().any(|result| matches!(result.result, BuildResult::Message(_))));
}

#[test]
fn a_worker_whose_server_goes_away_ends() {
    let site = site();
    let mut server = site.start();
    site.schedule(&server, "job", "linux", "#!/bin/sh\nexec sleep 1000\n");
    let mut busy = site.worker(&server, "linux");
    wait_for("the build to start", || !server.info().running.is_empty());
    let mut waiting = site.worker(&server, "linux");
    server.terminate();
    assert_eq!(busy.wait().unwrap().code(), Some(1));
    assert_eq!(waiting.wait().unwrap().code(), Some(1));
}

#[test]
fn each_job_runs_once_however_many_workers_there_are() {
    let site = site();
    let server = site.start();
    for number in 0..12 {
        site.schedule(&server, &format!("job-{number}"), "linux", "echo hello\n");
    }
    for _ in 0..3 {
        let workers: Vec<_> = (0..4).map(|_| site.worker(&server, "linux")).collect();
        for worker in workers {
            assert!(worker.wait_with_output().unwrap().status.success(), "{}", server.log());
        }
    }
    for number in 0..12 {
        assert_eq!(site.wait_for_results(&format!("job-{number}"), 1).len(), 1);
    }
    assert_eq!(server.queue("linux").unwrap(), [""; 0]);
}
