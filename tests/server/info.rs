//! The answer to `info`, short and long.

use crate::site;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::job::{Job, ScriptJob};
use builder_proto::time::Period;
use builder_tests::{Peer, Server, Site, script, wait_for};
use serde_json::Value;

#[test]
fn a_long_answer_arrives_whole_while_others_are_served() {
    let site = site();
    let server = site.start();
    let large = ScriptJob { script: vec![b'#'; 1_000_000].into(), ..script("large-0", "linux") };
    for number in 0..8 {
        let job = ScriptJob { name: format!("large-{number}").into(), ..large.clone() };
        assert_eq!(server.ask(&Command::Schedule { period: Period::Never, job }), Command::Success);
    }
    // Asks, but does not read: more than the sockets can hold waits in the server.
    let mut patient = Peer::client(&server);
    patient.send(&Command::Info);
    server.schedule("after", "linux");

    let Command::InfoReply(info) = patient.receive() else { panic!("no infoReply") };
    assert_eq!(info.schedule.len(), 8, "the answer is from when it was asked for");
    assert!(
        info.schedule.iter().all(|item| matches!(&item.job, Job::Script(job) if job.script == large.script))
    );
    assert_eq!(info.queues.len(), 1);
    assert_eq!(info.queues[0].jobs.len(), 8);
    assert_eq!(patient.receive(), Command::Success);
    assert_eq!(patient.try_receive(), None);
}

#[test]
fn the_answer_tells_schedule_queues_running_builds_and_dropped_platforms() {
    let site = site();
    let server = site.start();
    server.schedule("running", "linux");
    server.schedule("queued", "linux");
    server.schedule("gone", "plan9");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, job) = worker.receive_job();
    assert_eq!(server.ask(&Command::DropPlatform("plan9".into())), Command::Success);

    let Command::InfoReply(info) = server.ask(&Command::Info) else { panic!("no infoReply") };
    let names: Vec<String> = info.schedule.iter().map(|item| item.job.name().to_string()).collect();
    assert_eq!(names, ["queued", "running"]);
    assert_eq!(info.queues.len(), 1);
    assert_eq!(info.queues[0].jobs, [Job::Script(script("queued", "linux"))]);
    assert_eq!(info.running.len(), 1);
    assert_eq!((info.running[0].uuid, &info.running[0].job), (uuid, &job));
    assert_eq!(info.dropped_platforms, ["plan9".into()]);
}

/// Has a job run once more, to this end.
fn build(site: &Site, server: &Server, name: &str, result: BuildResult) {
    let before = site.results(name).len();
    site.succeed(server, ["execute", name]);
    let mut worker = Peer::worker(server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.finish(uuid, result, Vec::new());
    site.wait_for_results(name, before + 1);
}

fn overview(site: &Site, server: &Server) -> Value {
    serde_json::from_str(&site.succeed(server, ["info", "--json"])).unwrap()
}

#[test]
fn info_says_whether_all_is_well_and_if_not_why() {
    let site = site();
    let server = site.start();
    for job in ["good", "bad"] {
        server.schedule(job, "linux");
        let mut worker = Peer::worker(&server, "linux");
        let (uuid, _) = worker.receive_job();
        worker.finish(uuid, BuildResult::Exited(0), Vec::new());
        site.wait_for_results(job, 1);
    }
    for code in [3, 4] {
        build(&site, &server, "bad", BuildResult::Exited(code));
    }
    server.schedule("lonely", "plan9");
    server.schedule("running", "linux");
    server.schedule("patient", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    let idle = Peer::worker(&server, "vax");
    // The history has what has just ended a moment later; then nothing changes any more.
    wait_for("the results and the workers", || {
        let all = overview(&site, &server);
        all["schedule"].as_array().unwrap().iter().all(|job| {
            let is_built = ["good", "bad"].contains(&job["job"].as_str().unwrap());
            job["results"].as_array().unwrap().is_empty() != is_built
        }) && all["platforms"].as_array().unwrap().len() == 3
    });
    let all = overview(&site, &server);
    let job = |name: &str| {
        let jobs = all["schedule"].as_array().unwrap();
        jobs.iter().find(|job| job["job"] == name).unwrap()["results"][0].clone()
    };
    assert_eq!((&job("good")["failed"], &job("good")["in_a_row"]), (&false.into(), &1.into()));
    let bad = job("bad");
    assert_eq!(
        [&bad["failed"], &bad["cause"], &bad["exit_code"], &bad["in_a_row"]],
        [&true.into(), &Value::from("exited"), &4.into(), &2.into()]
    );
    assert!(bad["usual_seconds"].is_number(), "{bad}");
    let waiting = |platform: &str| {
        let queues = all["queues"].as_array().unwrap();
        queues.iter().find(|queue| queue["platform"] == platform).unwrap()["jobs"].clone()
    };
    assert_eq!(waiting("plan9")[0]["reason"], "no-worker");
    assert_eq!(
        (&waiting("linux")[0]["job"], &waiting("linux")[0]["reason"]),
        (&"patient".into(), &"busy".into())
    );
    assert!(waiting("linux")[0]["since"].is_string());
    assert_eq!(all["running"][0]["uuid"], uuid.to_string());
    let platforms = |field: &str| {
        let platforms = all["platforms"].as_array().unwrap();
        platforms.iter().map(|platform| platform[field].clone()).collect::<Vec<_>>()
    };
    assert_eq!(platforms("platform"), ["linux", "plan9", "vax"]);
    assert_eq!(platforms("busy_workers"), [1, 0, 0]);
    assert_eq!(platforms("idle_workers"), [0, 0, 1]);
    assert_eq!(all["server"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(all["server"]["builds"], 1);
    assert_eq!(all["server"]["has_history"], true);

    let text = site.succeed(&server, ["info"]);
    assert!(text.contains("\nWaiting (2)\n") && text.contains("  the only worker is busy\n"), "{text}");
    assert!(text.contains("  exited 4  2      "), "{text}");
    let of_one = site.succeed(&server, ["info", "bad"]);
    assert!(of_one.contains("\nSchedule (1)\n") && !of_one.contains("Waiting"), "{of_one}");
    drop(idle);
}

#[test]
fn what_info_says_of_results_is_the_same_after_a_restart() {
    let site = site();
    let server = site.start();
    server.schedule("job", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.finish(uuid, BuildResult::Exited(0), Vec::new());
    site.wait_for_results("job", 1);
    build(&site, &server, "job", BuildResult::Exited(1));
    build(&site, &server, "job", BuildResult::Message("timeout".into()));
    let results = |server: &Server| overview(&site, server)["schedule"][0]["results"].clone();
    wait_for("the last result", || results(&server)[0]["in_a_row"] == 2);
    let before = results(&server);
    assert_eq!(before[0]["cause"], "timeout");
    server.kill();
    assert_eq!(results(&site.start()), before);
}

#[test]
fn thousands_of_jobs_are_told_of_a_piece_at_a_time() {
    let site = site();
    let server = site.start();
    for number in 0..600 {
        server.schedule(&format!("{number:03}-{}", "x".repeat(90)), "linux");
    }
    // Asks, but does not read; others are served meanwhile.
    let mut patient = Peer::versed_client(&server);
    patient.send(&Command::Overview);
    server.schedule("after", "linux");
    let heard = patient.receive_all();
    assert_eq!(heard.last(), Some(&Command::Success));
    let names = |job: fn(&Command) -> Option<String>| heard.iter().filter_map(job).collect::<Vec<_>>();
    let jobs = names(|command| match command {
        Command::JobStatus(status) => Some(status.job.to_string()),
        _ => None,
    });
    let queued = names(|command| match command {
        Command::QueueStatus(status) => Some(status.job.to_string()),
        _ => None,
    });
    assert!(jobs.len() >= 600 && jobs.is_sorted(), "each once, in order");
    assert!(queued.len() >= 600 && queued[..600].is_sorted());
    assert!(matches!(heard[0], Command::ServerStatus(_)), "{:?}", heard[0]);
}

#[test]
fn what_shells_complete_is_asked_from_the_server() {
    let site = site();
    let server = site.start();
    server.schedule("nightly", "linux");
    server.schedule("weekly", "freebsd");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    // Somebody who has pressed Tab is not kept waiting on a slow machine; here there is time for another attempt.
    let names = |kinds: &[&str]| {
        let mut names = String::new();
        wait_for("names within half a second", || {
            let output = site.client(&server, [&["names"][..], kinds].concat());
            names = String::from_utf8(output.stdout).unwrap();
            output.status.success()
        });
        names
    };
    assert_eq!(names(&["jobs"]), "nightly\nweekly\n");
    assert_eq!(names(&["platforms"]), "freebsd\nlinux\n");
    assert_eq!(names(&["jobs", "builds"]), format!("nightly\nweekly\n{uuid}\n"));
    let output = site.client(&server, ["names", "cats"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    server.kill();
}
