//! Moving in from builder 0.4.0, and out again.

use super::rig::{Rig, SETTINGS};
use super::words::{SECOND, daily, drop_platform, orb_build, schedule_orb_build, script, unschedule};
use crate::limits::{OPAM_PACKAGE_BYTES, SCRIPT_BYTES};
use crate::server::migration::{export, import};
use crate::server::record::{Enqueued, Record};
use builder_proto::build_result::BuildResult;
use builder_proto::job::{Job, OrbBuildJob, ScheduleItem, ScriptJob};
use builder_proto::state_file::{StateFile, StateItem};
use builder_proto::time::{Period, Time};

const VECTOR: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/state-0.4.0.der"));
const TIME: Time = Time::from_unix_milliseconds(1_767_323_045_000);

fn scheduled(job: Job) -> StateItem {
    StateItem::Schedule(ScheduleItem { next: TIME, period: Period::Daily, job })
}

fn queue(platform: &str, jobs: &[Job]) -> StateItem {
    StateItem::Queue { platform: platform.into(), jobs: jobs.to_vec() }
}

fn dropped(platform: &str) -> StateItem {
    StateItem::Dropped { platform: platform.into() }
}

fn script_job(name: &str, platform: &str) -> Job {
    Job::Script(script(name, platform))
}

/// Imports items that are good, and runs a server on them.
fn rig(items: Vec<StateItem>) -> Rig {
    let (state, warnings) = import(StateFile { items });
    assert_eq!(warnings, [""; 0]);
    Rig::with(SETTINGS, state)
}

fn warnings(items: Vec<StateItem>) -> (Vec<Record>, Vec<String>) {
    let (state, warnings) = import(StateFile { items });
    (state.snapshot().collect(), warnings)
}

#[test]
fn a_state_that_builder_0_4_0_wrote_is_taken_over() {
    let (file, obsolete) = StateFile::decode(VECTOR).unwrap();
    assert_eq!(obsolete, [""; 0]);
    let mut rig = rig(file.items.clone());
    assert_eq!(rig.queue("deb12"), ["job1"]);
    let info = rig.info();
    assert_eq!(info.schedule.len(), 2);
    assert_eq!((info.schedule[0].period, &info.schedule[0].job), {
        let StateItem::Schedule(item) = &file.items[1] else { unreachable!() };
        (Period::Daily, &item.job)
    });
    let orb = OrbBuildJob { name: "orb1".into(), opam_package: "mirage".into() };
    assert_eq!(info.schedule[1].job, Job::OrbBuild(orb));
    assert_eq!(info.schedule[1].next, Time::parse_rfc3339("2026-11-30T17:55:15.343Z").unwrap());
    let (worker, uuid) = rig.build("deb12");
    rig.finish(worker, BuildResult::Exited(3), Vec::new());
    assert_eq!(rig.stored(uuid).job.name, "job1".into());
}

#[test]
fn a_state_that_builder_0_4_0_wrote_can_be_handed_back() {
    let (file, _) = StateFile::decode(VECTOR).unwrap();
    let (state, _) = import(file.clone());
    let back = export(&state);
    let sorted = |file: &StateFile| {
        let mut items: Vec<String> = file.items.iter().map(|item| format!("{item:?}")).collect();
        items.sort();
        items
    };
    assert_eq!(sorted(&back), sorted(&file));
    assert_eq!(StateFile::decode(&back.encode().unwrap()), Ok((back, Vec::new())));
}

#[test]
fn an_exported_state_is_imported_as_it_was() {
    let mut rig = Rig::new();
    rig.set_templates(&["p"]);
    for (name, platform) in [("b", "p"), ("a", "p"), ("c", "q"), ("z", "z")] {
        rig.done(daily(name, platform));
    }
    rig.done(schedule_orb_build(Period::Never, "orb"));
    rig.done(drop_platform("z"));
    let (state, warnings) = import(export(rig.server.state()));
    assert_eq!(warnings, [""; 0]);
    // The file does not say whether a person chose a next run: it stands. Nor does it say since when a job is queued.
    let appointed = |record| match record {
        Record::ScheduledOnGrid(item) => Record::Scheduled(item),
        Record::Enqueued(enqueued) => Record::Enqueued(Enqueued { at: None, ..enqueued }),
        other => other,
    };
    let expected: Vec<_> = rig.server.state().snapshot().map(appointed).collect();
    assert_eq!(state.snapshot().collect::<Vec<_>>(), expected);
}

#[test]
fn running_builds_are_exported_at_the_front_of_their_queues() {
    let mut rig = Rig::new();
    for name in ["b", "a", "gone", "waiting"] {
        rig.done(daily(name, "p"));
    }
    for _ in 0..3 {
        rig.build("p");
        rig.pass(SECOND);
    }
    rig.done(unschedule("gone"));
    let exported = export(rig.server.state());
    let jobs = ["b", "a", "waiting"].map(|name| script_job(name, "p"));
    assert!(exported.items.contains(&queue("p", &jobs)), "{exported:?}");
}

#[test]
fn the_order_of_the_items_makes_no_difference() {
    let mut items = vec![
        dropped("z"),
        queue("p", &[script_job("a", "p"), Job::OrbBuild(orb_build("orb"))]),
        scheduled(script_job("a", "p")),
        scheduled(script_job("b", "q")),
        scheduled(Job::OrbBuild(orb_build("orb"))),
    ];
    let (expected, none) = warnings(items.clone());
    assert_eq!(none, [""; 0]);
    items.reverse();
    assert_eq!(warnings(items), (expected, none));
}

#[test]
fn a_platform_without_queue_gets_one_for_its_script_jobs() {
    for item in [scheduled(script_job("a", "p")), queue("p", &[])] {
        let rig = rig(vec![item]);
        assert_eq!(rig.queue("p"), [""; 0]);
    }
}

#[test]
fn a_queued_job_without_schedule_still_runs_once() {
    let (state, warnings) = import(StateFile { items: vec![queue("p", &[script_job("a", "p")])] });
    assert_eq!(warnings, ["job a was queued but not scheduled; it is now scheduled with period never"]);
    let mut rig = Rig::with(SETTINGS, state);
    assert_eq!((rig.queue("p"), rig.next_run("a")), (vec!["a".to_owned()], Time::NEVER));
    rig.done(unschedule("a"));
}

#[test]
fn a_queued_job_runs_with_the_script_of_the_schedule() {
    let old = Job::Script(ScriptJob { script: "old".into(), ..script("a", "p") });
    let mut rig = rig(vec![scheduled(script_job("a", "p")), queue("p", &[old])]);
    let worker = rig.worker("p");
    assert_eq!(rig.job(worker).unwrap().1, script("a", "p"));
}

#[test]
fn what_cannot_be_taken_over_is_left_out_with_a_warning() {
    for (items, warning) in [
        (
            vec![scheduled(script_job("a/b", "p"))],
            "left out a scheduled job: job name a/b must not contain /",
        ),
        (
            vec![scheduled(script_job("a", "_cache"))],
            "left out a scheduled job: platform name _cache is reserved; choose another",
        ),
        (
            vec![scheduled(Job::OrbBuild(OrbBuildJob {
                name: "orb".into(),
                opam_package: "x".repeat(OPAM_PACKAGE_BYTES + 1).into(),
            }))],
            "left out a scheduled job: the opam package of job orb is 4097 bytes long; at most 4096",
        ),
        (
            vec![dropped(&"p".repeat(101))],
            "left out a dropped platform: the platform name is 101 bytes long; at most 100",
        ),
        (vec![queue(".p", &[])], "left out a queue: platform name .p must not start with a dot"),
        (vec![dropped("p"), scheduled(script_job("a", "p"))], "left out job a: its platform p is dropped"),
        (vec![dropped("p"), queue("p", &[])], "left out the queue of platform p, which is dropped"),
        (
            vec![scheduled(script_job("a", "p")), scheduled(script_job("a", "q"))],
            "left out an item: job a is scheduled twice",
        ),
        (
            vec![scheduled(script_job("a", "p")), queue("q", &[script_job("a", "q")])],
            "left out an item: job a is queued for platform q, where it cannot run",
        ),
        (
            vec![queue("p", &[script_job("a/b", "p")])],
            "left out a scheduled job: job name a/b must not contain /",
        ),
    ] {
        let (_, warnings) = warnings(items.clone());
        assert_eq!(warnings, [warning], "{items:?}");
    }
}

#[test]
fn a_script_too_long_for_a_worker_is_left_out_with_a_warning() {
    let text = vec![b'#'; SCRIPT_BYTES as usize + 1].into();
    let long = Job::Script(ScriptJob { script: text, ..script("big", "p") });
    let (records, warnings) = warnings(vec![scheduled(long), scheduled(script_job("small", "p"))]);
    assert_eq!(
        warnings,
        ["left out a scheduled job: the script of job big is 16777217 bytes long; at most 16777216: let it \
          fetch what is large"]
    );
    let names = records.iter().filter_map(|record| match record {
        Record::Scheduled(item) => Some(item.job.name().to_string()),
        _ => None,
    });
    assert_eq!(names.collect::<Vec<_>>(), ["small"]);
}
