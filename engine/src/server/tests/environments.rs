//! Runs of a job in environments: each finds its own variables, and its place in the queue.

use super::rig::Rig;
use super::waiting::{rig_with_job, run, told, told_lost, waiter};
use super::words::{execute, orb_build, script};
use crate::limits::QUEUED_ENVIRONMENTS;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::environment::Variable;
use builder_proto::job::ScriptJob;
use builder_proto::time::Period;

#[test]
fn a_run_finds_its_variables_and_a_loss_does_not_cost_them() {
    let mut rig = rig_with_job();
    let first = waiter(&mut rig, &run("a", "1", true));
    let second = waiter(&mut rig, &run("a", "it's", true));
    rig.done(execute("a"));
    assert_eq!(rig.queue("p"), ["a", "a", "a"]);
    let (plain, _) = rig.build("p");
    assert_eq!(rig.job(plain).unwrap().1, script("a", "p"));
    let made =
        |value: &str| ScriptJob { script: format!("export A={value}\necho a").into(), ..script("a", "p") };
    let (worker, uuid) = rig.build("p");
    assert_eq!(rig.job(worker).unwrap().1, made("'it'\\''s'"));
    assert_eq!(told(&mut rig, second).last().unwrap(), "build 3");
    rig.print(worker, "one");
    rig.lose(worker);
    assert_eq!(rig.stored(uuid).job, made("'it'\\''s'"), "the result says what ran");
    let (worker, _) = rig.build("p");
    assert_eq!(rig.job(worker).unwrap().1, made("'it'\\''s'"));
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let (worker, _) = rig.build("p");
    assert_eq!(rig.job(worker).unwrap().1, made("'1'"));
    rig.finish(worker, BuildResult::Exited(1), Vec::new());
    assert_eq!(told(&mut rig, first).last().unwrap(), "success");
    assert_eq!(told(&mut rig, second), ["one", &told_lost(3), "build 4", "build 4 exited 0", "success"]);
}

#[test]
fn an_environment_survives_a_crash_and_a_rotation() {
    let mut rig = rig_with_job();
    for value in ["1", "2"] {
        let client = waiter(&mut rig, &run("a", value, false));
        assert_eq!(told(&mut rig, client), ["success"]);
    }
    rig.build("p");
    for rotates in [false, true] {
        if rotates {
            rig.rotate();
        }
        rig.crash(usize::MAX);
        assert_eq!(rig.queue("p"), ["a", "a"]);
        let (worker, _) = rig.build("p");
        let script = rig.job(worker).unwrap().1.script;
        assert_eq!(script.to_string(), "export A='2'\\necho a");
    }
}

#[test]
fn an_orb_build_job_has_its_environment_in_what_the_template_makes() {
    let mut rig = Rig::new();
    rig.worker("q");
    rig.set_templates(&["p", "q"]);
    let (worker, _) = (rig.worker("p"), ());
    rig.done(Command::ScheduleOrbBuild { period: Period::Never, job: orb_build("a") });
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let client = waiter(&mut rig, &run("a", "1", true));
    let several = "failure: job a runs on several platforms, and only one can be waited for; name it with --platform: p, q";
    assert_eq!(told(&mut rig, client), [several]);
    let Command::Run { name, environment, .. } = run("a", "1", true) else { panic!("it is one") };
    let on = Command::Run { name, platform: Some("p".into()), environment, waits: true, joins: false };
    let client = waiter(&mut rig, &on);
    let (worker, _) = rig.build("p");
    assert_eq!(rig.job(worker).unwrap().1.script, "export A='1'\nbuild package-a".into());
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    assert_eq!(told(&mut rig, client).last().unwrap(), "success");
}

#[test]
fn what_cannot_run_is_refused_and_nothing_is_queued() {
    let mut rig = rig_with_job();
    let elf = ScriptJob { script: b"\x7fELF\0"[..].into(), ..script("elf", "z") };
    rig.done(Command::Schedule { period: Period::Never, job: elf });
    let variable = |name: &str| Variable { name: name.into(), value: "".into() };
    let with = |environment| Command::Run {
        name: "a".into(),
        platform: None,
        environment,
        waits: true,
        joins: false,
    };
    for (command, refusal) in [
        (run("x", "", true), "execute failed: job not found"),
        (with(vec![variable("1")]), "no variable can be called 1; use letters, digits and _"),
        (with(vec![variable("A"), variable("A")]), "variable A has two values; keep one"),
        (run("elf", "1", false), "the script of job elf cannot run so: it holds NUL bytes"),
    ] {
        let client = waiter(&mut rig, &command);
        let told = told(&mut rig, client);
        assert!(told[0].starts_with(&format!("failure: {refusal}")), "{told:?}");
    }
    assert_eq!(rig.queue("p"), [""; 0]);
    assert_eq!(rig.queue("z"), ["elf"], "as it was scheduled");
    assert!(rig.server.waiters.is_empty());
}

#[test]
fn there_is_an_end_to_places_with_environments() {
    let mut rig = rig_with_job();
    for number in 0..QUEUED_ENVIRONMENTS {
        let client = waiter(&mut rig, &run("a", &number.to_string(), false));
        assert_eq!(told(&mut rig, client), ["success"]);
    }
    let client = waiter(&mut rig, &run("a", "x", false));
    let refusal =
        "failure: job a is queued on p with 100 environments, the limit; try again when some have run";
    assert_eq!(told(&mut rig, client), [refusal]);
    for command in [run("a", "7", false), run("a", "", false)] {
        let client = waiter(&mut rig, &command);
        assert_eq!(told(&mut rig, client), ["success"], "it has a place, or needs none of these");
    }
}
