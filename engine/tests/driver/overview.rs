//! What clients are told of all that goes on.

use crate::site::{Site, notifying, schedule, settings};
use builder_engine::driver::{Event, Limits, NoticeEnd, Settings};
use builder_engine::limits::{OVERVIEW_PIECE_BYTES, WRITE_BACK_TIME};
use builder_engine::server::ConnectionId;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::history::{Build, Cause};
use builder_proto::job::ScriptJob;
use builder_proto::overview::{JobStatus, Null, PlatformStatus, QueueStatus, Reason, ServerStatus};
use builder_proto::text::Text;
use builder_proto::time::Period;

/// An overview, taken apart.
#[derive(Debug, Default)]
struct Told {
    server: Option<ServerStatus>,
    platforms: Vec<PlatformStatus>,
    queued: Vec<QueueStatus>,
    running: Vec<Build>,
    jobs: Vec<JobStatus>,
}

fn told(site: &mut Site, client: ConnectionId) -> Told {
    site.rest();
    let mut heard = site.heard(client);
    assert_eq!((heard.remove(0), heard.pop()), (Command::ServerHello, Some(Command::Success)));
    let mut told = Told::default();
    for command in heard {
        match command {
            Command::ServerStatus(server) => told.server = Some(server),
            Command::PlatformStatus(platform) => told.platforms.push(platform),
            Command::QueueStatus(entry) => told.queued.push(entry),
            Command::Build(build) => told.running.push(build),
            Command::JobStatus(job) => told.jobs.push(job),
            other => panic!("{other:?}"),
        }
    }
    told
}

fn ask(site: &mut Site) -> Told {
    let client = site.client(Command::Overview);
    told(site, client)
}

/// Runs the next job that waits, to this exit code, and has that remembered.
fn run(site: &mut Site, code: i64) {
    let worker = site.worker();
    site.rest();
    let uuid = match site.heard(worker).as_slice() {
        [Command::ServerHello, Command::JobSchedule { uuid, .. }] => *uuid,
        heard => panic!("the worker has no job: {heard:?}"),
    };
    let finished = Command::JobFinished { uuid, result: BuildResult::Exited(code), data: Vec::new() };
    site.say(worker, &finished.to_frame().unwrap());
    site.rest();
    site.pass(WRITE_BACK_TIME);
    site.rest();
}

#[test]
fn results_reasons_and_workers_are_told() {
    let mut site = Site::new(settings());
    site.client(schedule("a", "true"));
    site.rest();
    for code in [0, 1, 2] {
        if code > 0 {
            site.client(Command::Execute { name: "a".into(), platform: None });
            site.rest();
        }
        run(&mut site, code);
    }
    let (_, running) = site.build("b");
    site.client(schedule("c", "true"));
    let told = ask(&mut site);
    let server = told.server.unwrap();
    assert_eq!((server.under_way, server.limit, server.is_full, server.has_history), (1, 100, false, true));
    let [platform] = told.platforms.as_slice() else { panic!("{:?}", told.platforms) };
    assert_eq!((platform.idle, platform.busy, platform.queued, platform.is_dropped), (0, 1, 1, false));
    let [entry] = told.queued.as_slice() else { panic!("{:?}", told.queued) };
    assert_eq!((&entry.job, &entry.reason), (&"c".into(), &Reason::Busy(1)));
    assert!(entry.since.is_some());
    assert_eq!(told.running.iter().map(Build::uuid).collect::<Vec<_>>(), [running]);
    let names: Vec<String> = told.jobs.iter().map(|job| job.job.to_string()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let results = told.jobs[0].results.as_ref().unwrap();
    assert_eq!((&results.last.cause, results.count), (&Cause::Exited(2), 2));
    assert!(results.usual.is_some(), "from the build that succeeded");
    assert!(told.jobs[1].results.is_none());
}

#[test]
fn notices_that_wait_are_told_until_they_are_given() {
    let mut site = Site::new(notifying());
    let build = site.build("a");
    assert_eq!(ask(&mut site).server.unwrap().notices, None);
    site.finish(build);
    assert_eq!(ask(&mut site).server.unwrap().notices, Some(1));
    site.tell(Event::NoticeEnded { uuid: build.1, end: NoticeEnd::Done });
    assert_eq!(ask(&mut site).server.unwrap().notices, None);
}

#[test]
fn results_are_known_after_a_restart() {
    let mut site = Site::new(settings());
    site.client(schedule("a", "true"));
    site.rest();
    run(&mut site, 1);
    let before = ask(&mut site).jobs;
    assert!(before[0].results.is_some());
    let mut site = site.restart();
    assert_eq!(ask(&mut site).jobs, before);
}

#[test]
fn a_dropped_platform_and_one_that_only_workers_know_are_told() {
    let mut site = Site::new(settings());
    site.client(schedule("a", "true"));
    site.rest();
    let told_before = ask(&mut site);
    assert_eq!(told_before.queued[0].reason, Reason::NoWorker(Null));
    site.client(Command::DropPlatform("platform".into()));
    let worker = site.worker();
    site.rest();
    let told = ask(&mut site);
    let [platform] = told.platforms.as_slice() else { panic!("{:?}", told.platforms) };
    assert!(platform.is_dropped && platform.idle == 1, "a worker waits in vain: {platform:?}");
    assert!(told.queued.is_empty() && told.jobs.is_empty());
    assert_eq!(site.heard(worker), [Command::ServerHello]);
}

#[test]
fn a_long_answer_is_put_together_piece_by_piece_for_those_who_read() {
    let mut site = Site::new(settings());
    let count = 1000;
    for number in 0..count {
        site.client(schedule(&format!("{number:04}-{}", "x".repeat(60)), "true"));
        if number % 50 == 0 {
            site.rest();
        }
    }
    site.rest();
    let client = site.client(Command::Overview);
    site.turn();
    // Nothing is known of a client that reads nothing but what is in its outbox.
    let line = &site.machine().lines[&client];
    let first = line.sent.len();
    let told = told(&mut site, client);
    assert!(first < 2 * OVERVIEW_PIECE_BYTES, "{first} bytes in one turn");
    let jobs: Vec<String> = told.jobs.iter().map(|job| job.job.to_string()).collect();
    let queued: Vec<String> = told.queued.iter().map(|entry| entry.job.to_string()).collect();
    assert_eq!(jobs.len(), count);
    assert!(jobs.is_sorted_by(|one, other| one < other), "each of them once");
    assert_eq!(queued, jobs, "in the order of the queue");
}

#[test]
fn no_piece_of_a_long_answer_is_longer_than_a_piece() {
    // All that there is of a piece is sent in one turn.
    let settings = settings();
    let limits = Limits { observer_outbox: 1 << 30, ..settings.limits };
    let mut site = Site::new(Settings { limits, ..settings });
    for number in 0..900 {
        let name: Text = format!("{number:04}-{}", "x".repeat(90)).as_str().into();
        let job = ScriptJob { name: name.clone(), script: "true".into(), platform: name };
        site.client(Command::Schedule { period: Period::Hourly, job });
        if number % 50 == 0 {
            site.rest();
        }
    }
    site.rest();
    let client = site.client(Command::Overview);
    let mut sent = vec![0];
    for _ in 0..50 {
        site.turn();
        sent.push(site.machine().lines[&client].sent.len());
    }
    let pieces: Vec<usize> = sent.windows(2).map(|sent| sent[1] - sent[0]).collect();
    assert!(pieces.iter().all(|piece| *piece < OVERVIEW_PIECE_BYTES + 1024), "{pieces:?}");
    let told = told(&mut site, client);
    assert_eq!((told.platforms.len(), told.queued.len(), told.jobs.len()), (900, 900, 900));
}

#[test]
fn what_changes_while_it_is_told_does_no_harm() {
    let mut site = Site::new(settings());
    let names: Vec<String> = (0..1000).map(|number| format!("{number:04}-{}", "x".repeat(60))).collect();
    for some in names.chunks(50) {
        for name in some {
            site.client(schedule(name, "true"));
        }
        site.rest();
    }
    let client = site.client(Command::Overview);
    for name in names.iter().step_by(100) {
        site.client(Command::Unschedule(name.as_str().into()));
        site.turn();
    }
    let told = told(&mut site, client);
    let jobs: Vec<String> = told.jobs.iter().map(|job| job.job.to_string()).collect();
    assert!(jobs.is_sorted_by(|one, other| one < other), "none twice");
    assert!(names.iter().enumerate().all(|(number, name)| number % 100 == 0 || jobs.contains(name)));
}
