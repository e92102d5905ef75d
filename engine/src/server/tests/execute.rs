//! Asking for a run now.

use super::rig::Rig;
use super::words::{daily, drop_platform, execute, execute_on, schedule_orb_build};
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::time::Period;

#[test]
fn an_executed_job_moves_to_the_front_once() {
    let mut rig = Rig::new();
    for name in ["a", "b", "c"] {
        rig.done(daily(name, "p"));
    }
    rig.done(execute("c"));
    assert_eq!(rig.queue("p"), ["c", "a", "b"]);
    rig.done(execute_on("b", "p"));
    rig.done(execute_on("b", "p"));
    assert_eq!(rig.queue("p"), ["b", "c", "a"]);
}

#[test]
fn an_executed_job_that_is_not_queued_is_added_to_the_front() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, _) = rig.build("p");
    rig.done(daily("b", "p"));
    rig.done(Command::ExecuteOld("a".into()));
    assert_eq!(rig.queue("p"), ["a", "b"], "while it runs, too");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    assert_eq!(rig.queue("p"), ["a", "b"]);
}

#[test]
fn an_orb_build_is_executed_on_one_platform_or_on_all_with_a_template() {
    let mut rig = Rig::new();
    rig.set_templates(&["p", "q"]);
    for (name, platform) in [("a", "p"), ("b", "q"), ("c", "r")] {
        rig.done(daily(name, platform));
    }
    rig.done(schedule_orb_build(Period::Never, "orb"));
    rig.done(execute_on("orb", "q"));
    assert_eq!(
        (rig.queue("p"), rig.queue("q")),
        (vec!["a".into(), "orb".into()], vec!["orb".into(), "b".into()])
    );
    rig.done(execute("orb"));
    assert_eq!(rig.queue("p"), ["orb", "a"]);
    assert_eq!(rig.queue("r"), ["c"]);
}

#[test]
fn what_cannot_be_executed_is_refused() {
    let mut rig = Rig::new();
    rig.set_templates(&["p"]);
    rig.done(daily("a", "p"));
    rig.done(daily("b", "q"));
    rig.done(schedule_orb_build(Period::Never, "orb"));
    for (command, text) in [
        (execute("x"), "execute failed: job not found"),
        (execute_on("x", "nowhere"), "execute failed: job not found"),
        (execute_on("a", "nowhere"), "execute failed: no such platform"),
        (execute_on("a", "q"), "execute failed: job is for a different platform: p"),
        (execute_on("orb", "nowhere"), "execute failed: no such platform"),
        (execute_on("orb", "q"), "execute failed: the server has no template orb-build.template.q"),
        (Command::ExecuteOld("x".into()), "execute failed: job not found"),
    ] {
        assert_eq!(rig.refusal(command), text);
    }
    assert_eq!(rig.queue("p"), ["a", "orb"]);
}

#[test]
fn an_orb_build_that_fits_nowhere_cannot_be_executed() {
    let mut rig = Rig::new();
    rig.set_templates(&["p"]);
    rig.done(schedule_orb_build(Period::Never, "orb"));
    assert_eq!(rig.refusal(execute("orb")), "execute failed: no such platform");
    rig.done(daily("a", "p"));
    rig.done(drop_platform("p"));
    assert_eq!(rig.refusal(execute("orb")), "execute failed: no such platform");
    assert_eq!(rig.refusal(execute("a")), "execute failed: job not found");
}
