//! Platforms that come, are dropped and come back.

use super::rig::Rig;
use super::words::{daily, drop_platform, schedule, schedule_orb_build, undrop_platform};
use builder_proto::build_result::BuildResult;
use builder_proto::text::Text;
use builder_proto::time::Period;

#[test]
fn a_worker_brings_its_platform_into_being_with_the_orb_builds() {
    let mut rig = Rig::new();
    rig.set_templates(&["p"]);
    rig.done(schedule_orb_build(Period::Weekly, "orb2"));
    rig.done(schedule_orb_build(Period::Weekly, "orb1"));
    rig.done(schedule_orb_build(Period::Never, "never"));
    let worker = rig.worker("p");
    assert_eq!(rig.job_name(worker), "orb1");
    assert_eq!(rig.queue("p"), ["orb2"], "what runs only on demand is not swept in");
}

#[test]
fn a_platform_without_template_gets_no_orb_builds() {
    let mut rig = Rig::new();
    rig.done(schedule_orb_build(Period::Weekly, "orb"));
    let worker = rig.worker("p");
    assert_eq!(rig.job(worker), None);
    assert!(rig.queue("p").is_empty());
}

#[test]
fn the_first_script_job_brings_its_platform_into_being() {
    let mut rig = Rig::new();
    rig.set_templates(&["p"]);
    rig.done(schedule_orb_build(Period::Weekly, "orb"));
    rig.done(daily("a", "p"));
    assert_eq!(rig.queue("p"), ["a", "orb"]);
    rig.done(schedule(Period::Never, "b", "q"));
    assert_eq!(rig.queue("q"), ["b"]);
}

#[test]
fn dropping_a_platform_takes_its_queue_and_its_script_jobs_along() {
    let mut rig = Rig::new();
    rig.set_templates(&["p", "q"]);
    for (name, platform) in [("a", "p"), ("b", "q")] {
        rig.done(daily(name, platform));
    }
    rig.done(schedule_orb_build(Period::Daily, "orb"));
    rig.done(drop_platform("p"));
    assert!(!rig.has_queue("p"));
    assert_eq!(rig.queue("q"), ["b", "orb"]);
    let info = rig.info();
    let names: Vec<String> = info.schedule.iter().map(|item| item.job.name().to_string()).collect();
    assert_eq!(names, ["b", "orb"]);
    assert_eq!(info.dropped_platforms, [Text::from("p")]);
}

#[test]
fn only_a_platform_with_a_queue_can_be_dropped_and_only_a_dropped_one_undropped() {
    let mut rig = Rig::new();
    assert_eq!(rig.refusal(drop_platform("p")), "unknown platform p");
    assert_eq!(rig.refusal(undrop_platform("p")), "unknown platform p");
    rig.done(daily("a", "p"));
    assert_eq!(rig.refusal(undrop_platform("p")), "unknown platform p");
    rig.done(drop_platform("p"));
    assert_eq!(rig.refusal(drop_platform("p")), "unknown platform p");
    rig.done(undrop_platform("p"));
    assert_eq!(rig.refusal(undrop_platform("p")), "unknown platform p");
}

#[test]
fn a_build_on_a_dropped_platform_finishes() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.done(drop_platform("p"));
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    assert_eq!(rig.stored(uuid).result, BuildResult::Exited(0));
    assert!(!rig.has_queue("p"));
}

#[test]
fn workers_of_a_dropped_platform_wait_until_it_is_undropped() {
    let mut rig = Rig::new();
    rig.set_templates(&["p"]);
    let before = rig.worker("p");
    rig.done(drop_platform("p"));
    let after = rig.worker("p");
    rig.done(schedule_orb_build(Period::Daily, "orb"));
    assert_eq!((rig.job(before), rig.job(after)), (None, None));
    assert!(!rig.has_queue("p"));
    rig.done(undrop_platform("p"));
    assert_eq!(rig.job_name(before), "orb", "with the undrop the platform is filled again");
    rig.done(daily("a", "p"));
    assert_eq!(rig.job_name(after), "a");
}

#[test]
fn an_undropped_platform_without_workers_has_no_queue_yet() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.done(drop_platform("p"));
    rig.done(undrop_platform("p"));
    assert!(!rig.has_queue("p"));
    rig.done(daily("a", "p"));
    assert_eq!(rig.queue("p"), ["a"]);
}
