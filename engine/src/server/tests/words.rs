//! The vocabulary of the tests: jobs and commands in a few letters.

use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::job::{File, OrbBuildJob, ScriptJob};
use builder_proto::time::{Period, Time};

pub(super) const SECOND: core::time::Duration = core::time::Duration::from_secs(1);
pub(super) const MINUTE: core::time::Duration = core::time::Duration::from_secs(60);
pub(super) const HOUR: core::time::Duration = core::time::Duration::from_secs(60 * 60);
pub(super) const DAY: core::time::Duration = core::time::Duration::from_secs(24 * 60 * 60);

pub(super) fn script(name: &str, platform: &str) -> ScriptJob {
    ScriptJob { name: name.into(), script: format!("echo {name}").into(), platform: platform.into() }
}

pub(super) fn orb_build(name: &str) -> OrbBuildJob {
    OrbBuildJob { name: name.into(), opam_package: format!("package-{name}").into() }
}

pub(super) fn file(path: &str, data: &str) -> File {
    File { path: path.into(), data: data.into() }
}

pub(super) fn message(text: &str) -> BuildResult {
    BuildResult::Message(text.into())
}

pub(super) fn schedule(period: Period, name: &str, platform: &str) -> Command {
    Command::Schedule { period, job: script(name, platform) }
}

pub(super) fn daily(name: &str, platform: &str) -> Command {
    schedule(Period::Daily, name, platform)
}

pub(super) fn schedule_orb_build(period: Period, name: &str) -> Command {
    Command::ScheduleOrbBuild { period, job: orb_build(name) }
}

pub(super) fn unschedule(name: &str) -> Command {
    Command::Unschedule(name.into())
}

pub(super) fn execute(name: &str) -> Command {
    Command::Execute { name: name.into(), platform: None }
}

pub(super) fn execute_on(name: &str, platform: &str) -> Command {
    Command::Execute { name: name.into(), platform: Some(platform.into()) }
}

pub(super) fn reschedule(name: &str, next: Time, period: Option<Period>) -> Command {
    Command::Reschedule { name: name.into(), next, period }
}

pub(super) fn drop_platform(platform: &str) -> Command {
    Command::DropPlatform(platform.into())
}

pub(super) fn undrop_platform(platform: &str) -> Command {
    Command::UndropPlatform(platform.into())
}
