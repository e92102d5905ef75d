//! What each command does, and why it is refused, as the real client tells it.

use crate::{reason, site};
use builder_proto::CLIENT_VERSION;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::job::{OrbBuildJob, ScheduleItem};
use builder_proto::time::{Period, Time};
use builder_tests::{Peer, Server, Site, now, script, wait_for};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn scheduled(server: &Server, name: &str) -> ScheduleItem {
    let schedule = server.info().schedule;
    schedule.into_iter().find(|item| *item.job.name() == name.into()).unwrap()
}

/// Schedules a script as a person does.
fn schedule_every(site: &Site, server: &Server, period: &str, name: &str) {
    let script = site.file(&format!("{name}.sh"), "echo hello\n");
    site.succeed(server, ["schedule", name, "linux", script.to_str().unwrap(), "--period", period]);
}

/// Has a job run, so that it is queued no longer.
fn run(server: &Server, platform: &str, name: &str) {
    let mut worker = Peer::worker(server, platform);
    let (uuid, job) = worker.receive_job();
    assert_eq!(job.name, name.into());
    worker.finish(uuid, BuildResult::Exited(0), vec![]);
}

#[test]
fn every_refusal_says_why() {
    let site = site();
    let server = site.start();
    site.template("linux", "build %%OPAM_PACKAGE%%");
    server.schedule("known", "linux");
    server.schedule("other", "bsd");
    site.succeed(&server, ["orb-build", "web", "mirage-web"]);
    let file = site.file("script", "true");
    let file = file.to_str().unwrap();
    server.schedule("gone", "plan9");
    site.succeed(&server, ["drop-platform", "plan9"]);
    for (words, text) in [
        (
            &["schedule", "known", "linux", file][..],
            "job name already used: known; to change that job, add --replace",
        ),
        (
            &["schedule", "web", "linux", file],
            "job name already used: web; to change that job, add --replace",
        ),
        (
            &["schedule", "new", "plan9", file],
            "platform dropped; can't schedule jobs: plan9; 'builder-client undrop-platform plan9' accepts them again",
        ),
        (
            &["orb-build", "known", "package"],
            "job name already used: known; to change that job, add --replace",
        ),
        (&["orb-build", "web", "package"], "job name already used: web; to change that job, add --replace"),
        (&["unschedule", "unknown"], "unknown job unknown; did you mean known?"),
        (&["unschedule", "nothing"], "unknown job nothing; 'builder-client info' shows all jobs"),
        (&["execute", "unknown"], "execute failed: job not found: unknown; did you mean known?"),
        (
            &["execute", "known", "--platform", "vax"],
            "execute failed: no such platform: vax; 'builder-client info' shows all platforms",
        ),
        (
            &["execute", "known", "--platform", "bsd"],
            "execute failed: job is for a different platform: linux; leave --platform out",
        ),
        (
            &["execute", "web", "--platform", "bsd"],
            "execute failed: the server has no template orb-build.template.bsd",
        ),
        (
            &["reschedule", "unknown", "2030-01-01T00:00:00Z"],
            "couldn't find job unknown; did you mean known?",
        ),
        (
            &["observe", "988ad4a2-647b-4f84-9116-f936eeddac84"],
            "uuid not found: 988ad4a2-647b-4f84-9116-f936eeddac84; 'builder-client info' shows the builds that run, and \
             'builder-client history' those that have ended",
        ),
        (&["drop-platform", "linus"], "unknown platform linus; did you mean linux?"),
        (&["drop-platform", "plan9"], "unknown platform plan9; it is dropped already"),
        (&["undrop-platform", "linux"], "unknown platform linux; it is not dropped"),
        (
            &["undrop-platform", "vax"],
            "unknown platform vax; 'builder-client info' shows the dropped platforms",
        ),
    ] {
        let before = server.info();
        assert_eq!(site.refused(&server, words), format!("builder-client: {text}\n"), "{words:?}");
        assert_eq!(server.info(), before, "{words:?}: a refusal changes nothing");
    }
}

#[test]
fn names_that_could_lead_elsewhere_are_refused() {
    let site = site();
    let server = site.start();
    for (name, text) in [
        (&b""[..], "is empty"),
        (&[b'n'; 101], "at most 100"),
        (b".hidden", "must not start with a dot"),
        (b"..", "must not start with a dot"),
        (b"../../etc/passwd", "must not start with a dot"),
        (b"state", "is reserved"),
        (b"_staging", "is reserved"),
        (b"_artifacts", "is reserved"),
        (b"_cache", "is reserved"),
        (b"a/b", "must not contain /"),
        (b"a\0b", "must not contain control characters"),
        (b"a\nb", "must not contain control characters"),
        (b"a\xff", "is not UTF-8"),
    ] {
        let mut script = script("name", "platform");
        script.name = name.into();
        let orb_build = OrbBuildJob { name: name.into(), opam_package: "package".into() };
        let mut elsewhere = builder_tests::script("name", "platform");
        elsewhere.platform = name.into();
        for command in [
            Command::Schedule { period: Period::Daily, job: script },
            Command::Schedule { period: Period::Daily, job: elsewhere },
            Command::ScheduleOrbBuild { period: Period::Daily, job: orb_build },
        ] {
            let Command::Failure(answer) = server.ask(&command) else { panic!("{command:?} was accepted") };
            assert!(answer.to_string().contains(text), "{answer}");
        }
        let mut worker = Peer::unasked_worker(&server);
        worker.send(&Command::JobRequested(name.into()));
        assert!(worker.receive_failure().contains(text));
    }
    assert_eq!(server.info().schedule, []);
    server.schedule(&"n".repeat(100), "büild 13");
}

#[test]
fn what_is_scheduled_is_queued_now_and_again_after_its_period() {
    let site = site();
    let server = site.start();
    for (name, hours) in [("hourly", 1), ("daily", 24), ("weekly", 7 * 24)] {
        let before = now();
        schedule_every(&site, &server, name, name);
        let next = scheduled(&server, name).next;
        assert!(next >= before.saturating_add(hours * HOUR), "{name}: {next}");
        assert!(next <= now().saturating_add(hours * HOUR), "{name}: {next}");
    }
    schedule_every(&site, &server, "never", "never");
    assert_eq!(scheduled(&server, "never").next, Time::NEVER);
    assert_eq!(server.queue("linux").unwrap(), ["hourly", "daily", "weekly", "never"]);
}

#[test]
fn an_orb_build_is_queued_where_there_is_a_template() {
    let site = site();
    let server = site.start();
    site.template("linux", "#!/bin/sh\nbuild %%OPAM_PACKAGE%% on %%PLATFORM%%\n");
    server.schedule("first", "linux");
    server.schedule("second", "bsd");
    site.succeed(&server, ["orb-build", "web", "mirage-web", "--period", "weekly"]);
    assert_eq!(server.queue("linux").unwrap(), ["first", "web"]);
    assert_eq!(server.queue("bsd").unwrap(), ["second"]);
    run(&server, "linux", "first");

    let mut worker = Peer::worker(&server, "linux");
    let (_, job) = worker.receive_job();
    assert_eq!(job.script, "#!/bin/sh\nbuild mirage-web on linux\n".into());
    assert_eq!((job.name, job.platform), ("web".into(), "linux".into()));
    site.succeed(&server, ["execute", "web"]);
    assert_eq!(server.queue("linux").unwrap(), ["web"]);
    assert_eq!(server.queue("bsd").unwrap(), ["second"], "execute asks for a template too");
}

#[test]
fn what_is_unscheduled_leaves_schedule_and_queues_but_its_build_finishes() {
    let site = site();
    let server = site.start();
    server.schedule("running", "linux");
    server.schedule("lost", "linux");
    server.schedule("queued", "linux");
    let mut finishing = Peer::worker(&server, "linux");
    let (uuid, _) = finishing.receive_job();
    let mut vanishing = Peer::worker(&server, "linux");
    assert_eq!(vanishing.receive_job().1.name, "lost".into());
    for name in ["running", "lost", "queued"] {
        site.succeed(&server, ["unschedule", name]);
    }
    assert_eq!(server.info().schedule, []);
    assert_eq!(server.queue("linux").unwrap(), [""; 0]);

    finishing.finish(uuid, BuildResult::Exited(0), vec![]);
    site.wait_for_results("running", 1);
    drop(vanishing);
    let results = site.wait_for_results("lost", 1);
    assert!(reason(&results[0]).contains("no longer scheduled"), "{}", reason(&results[0]));
    assert_eq!(server.queue("linux").unwrap(), [""; 0], "a lost worker resurrects nothing");
    server.schedule("queued", "linux");
}

#[test]
fn what_is_executed_is_queued_first_and_once() {
    let site = site();
    let server = site.start();
    for name in ["a", "b", "c"] {
        server.schedule(name, "linux");
    }
    site.succeed(&server, ["execute", "c"]);
    site.succeed(&server, ["execute", "c", "--platform", "linux"]);
    assert_eq!(server.queue("linux").unwrap(), ["c", "a", "b"]);
    run(&server, "linux", "c");
    site.succeed(&server, ["execute", "c"]);
    assert_eq!(server.queue("linux").unwrap(), ["c", "a", "b"]);
    run(&server, "linux", "c");
    assert_eq!(server.ask(&Command::ExecuteOld("c".into())), Command::Success);
    assert_eq!(server.queue("linux").unwrap(), ["c", "a", "b"]);
    assert_eq!(scheduled(&server, "c").next, Time::NEVER, "its schedule is as before");
}

#[test]
fn a_rescheduled_job_waits_for_its_new_time() {
    let site = site();
    let server = site.start();
    schedule_every(&site, &server, "daily", "job");
    run(&server, "linux", "job");
    site.succeed(&server, ["reschedule", "job", "2999-01-02T04:04:05.250+01:00"]);
    let item = scheduled(&server, "job");
    assert_eq!((item.next.to_string().as_str(), item.period), ("2999-01-02T03:04:05.250Z", Period::Daily));
    assert_eq!(server.queue("linux").unwrap(), [""; 0], "it does not run at once");

    site.succeed(&server, ["reschedule", "job", "2999-01-02T03:04:05Z", "--period", "weekly"]);
    let item = scheduled(&server, "job");
    assert_eq!((item.next.to_string().as_str(), item.period), ("2999-01-02T03:04:05Z", Period::Weekly));
}

#[test]
fn a_job_runs_when_its_time_comes_and_stays_on_its_grid() {
    let site = site();
    let server = site.start();
    schedule_every(&site, &server, "hourly", "job");
    run(&server, "linux", "job");
    let mut worker = Peer::worker(&server, "linux");
    let due = now().saturating_add(Duration::from_millis(700));
    site.succeed(&server, ["reschedule", "job", &due.to_string()]);
    worker.receive_job();
    assert!(now() >= due, "it ran before {due}");
    assert_eq!(scheduled(&server, "job").next, due.saturating_add(HOUR));
}

#[test]
fn missed_runs_collapse_into_one() {
    let site = site();
    let server = site.start();
    schedule_every(&site, &server, "hourly", "job");
    server.schedule("other", "linux");
    run(&server, "linux", "job");
    let due = Time::from_unix_milliseconds(now().unix_milliseconds() - 11_400_000);
    site.succeed(&server, ["reschedule", "job", &due.to_string()]);
    wait_for("the job to be queued", || server.queue("linux").unwrap() == ["other", "job"]);
    assert_eq!(scheduled(&server, "job").next, due.saturating_add(4 * HOUR));
}

#[test]
fn what_is_due_but_queued_already_is_not_queued_twice() {
    let site = site();
    let server = site.start();
    schedule_every(&site, &server, "hourly", "job");
    server.schedule("other", "linux");
    let due = Time::from_unix_milliseconds(now().unix_milliseconds() - 1000);
    site.succeed(&server, ["reschedule", "job", &due.to_string()]);
    wait_for("the next run", || scheduled(&server, "job").next == due.saturating_add(HOUR));
    assert_eq!(server.queue("linux").unwrap(), ["job", "other"]);
}

#[test]
fn a_dropped_platform_loses_its_jobs_and_is_refused_until_it_comes_back() {
    let site = site();
    let server = site.start();
    site.template("linux", "true");
    server.schedule("a", "linux");
    server.schedule("b", "bsd");
    site.succeed(&server, ["orb-build", "web", "mirage-web"]);
    site.succeed(&server, ["drop-platform", "linux"]);
    let info = server.info();
    let names: Vec<_> = info.schedule.iter().map(|item| item.job.name().to_string()).collect();
    assert_eq!(names, ["web", "b"], "its script jobs are gone, the orb-build job is not");
    assert_eq!(info.dropped_platforms, ["linux".into()]);
    assert_eq!(server.queue("linux"), None);

    // Its worker waits, and is served when the platform is back.
    let mut worker = Peer::worker(&server, "linux");
    assert_eq!(server.queue("linux"), None);
    assert!(site.succeed(&server, ["info"]).contains("\nDropped platforms (1)\n  linux\n"));
    site.succeed(&server, ["undrop-platform", "linux"]);
    assert_eq!(worker.receive_job().1.name, "web".into());
    assert_eq!(server.info().dropped_platforms, []);
    server.schedule("a", "linux");
}

#[test]
fn jobs_and_platforms_survive_a_restart() {
    let site = site();
    let server = site.start();
    schedule_every(&site, &server, "daily", "job");
    server.schedule("gone", "plan9");
    site.succeed(&server, ["orb-build", "web", "mirage-web"]);
    site.succeed(&server, ["drop-platform", "plan9"]);
    let before = server.info();
    server.kill();
    let mut server = site.start();
    assert_eq!(server.info(), before);
    assert!(server.terminate().success());
    assert_eq!(site.start().info(), before);
}

#[test]
fn only_the_first_command_of_a_connection_counts() {
    let site = site();
    let server = site.start();
    let mut client = Peer::connect(&server);
    let mut bytes =
        Command::ClientHello { peer: PeerType::Client, version: CLIENT_VERSION }.to_frame().unwrap();
    for name in ["first", "second"] {
        let job = script(name, "linux");
        bytes.extend(Command::Schedule { period: Period::Daily, job }.to_frame().unwrap());
    }
    client.send_bytes(&bytes);
    assert_eq!(client.receive_all(), [Command::ServerHello, Command::Success]);
    assert_eq!(server.queue("linux").unwrap(), ["first"]);
}
