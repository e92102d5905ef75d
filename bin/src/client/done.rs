//! What a person gets to see of a command that was done: what came of it.
//!
//! A server answers no more than that it was done. The rest is asked for, before where it is gone afterwards.

use super::{info, info_filter};
use crate::clock;
use crate::command_line::Address;
use crate::wording::{Span, whole_seconds};
use builder_proto::command::{Command, InfoReply, RunningInfo};
use builder_proto::job::{Job, OrbBuildJob, ScriptJob};
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use std::fmt::Write;
use std::time::Duration;

/// A command that somebody in front of a terminal is about to give.
#[derive(Debug)]
pub(super) struct Witness<'a> {
    remote: &'a Address,
    command: &'a Command,
    /// What was there before, if the command may take it away.
    before: Option<InfoReply>,
}

impl<'a> Witness<'a> {
    /// Looks at what may be gone afterwards.
    pub(super) fn before(remote: &'a Address, command: &'a Command) -> Witness<'a> {
        let takes_away = matches!(command, Command::DropPlatform(_));
        Witness { remote, command, before: takes_away.then(|| ask(remote)).flatten() }
    }

    /// Says what came of the command, which was done.
    pub(super) fn tell(self) -> String {
        let after = match self.command {
            Command::DropPlatform(_)
            | Command::UndropPlatform(_)
            | Command::Cancel(_)
            | Command::CancelJob(_)
            | Command::Resume { .. } => None,
            _ => ask(self.remote),
        };
        describe(self.command, self.before.as_ref(), after.as_ref(), clock::wall_time())
    }
}

/// The command is done or refused in any case, so that a failure here makes the text shorter and nothing else.
fn ask(remote: &Address) -> Option<InfoReply> {
    let answer = info::ask(remote);
    answer.inspect_err(|error| log::info!("cannot find out the outcome: {error}")).ok()
}

fn describe(command: &Command, before: Option<&InfoReply>, after: Option<&InfoReply>, now: Time) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match command {
        Command::Schedule { job: ScriptJob { name, .. }, .. }
        | Command::ScheduleOrbBuild { job: OrbBuildJob { name, .. }, .. } => {
            write_job(&mut text, "is scheduled", name, None, after, now)
        }
        Command::Enter { job: ScriptJob { name, .. }, settings, .. }
        | Command::EnterOrbBuild { job: OrbBuildJob { name, .. }, settings, .. } => {
            write_job(&mut text, "is scheduled", name, settings.every(), after, now)
        }
        Command::Execute { name, .. } | Command::Run { name, .. } => {
            write_job(&mut text, "is queued", name, None, after, now)
        }
        Command::Reschedule { name, .. } => write_job(&mut text, "is rescheduled", name, None, after, now),
        Command::Unschedule(name) => write_unscheduled(&mut text, name, after),
        Command::DropPlatform(platform) => write_dropped(&mut text, platform, before),
        Command::UndropPlatform(platform) => writeln!(
            text,
            "{platform} accepts jobs again; jobs that were removed with it do not come back, so schedule them \
             again"
        ),
        Command::Pause(platform) => write_paused(&mut text, Some(platform), after),
        Command::Drain { wait: false } => write_paused(&mut text, None, after),
        Command::Drain { wait: true } => {
            writeln!(text, "no build runs; to hand out jobs again:\n    builder-client resume")
        }
        Command::Resume { platform: Some(platform) } => writeln!(text, "{platform} hands out jobs again"),
        Command::Resume { platform: None } => {
            writeln!(text, "all platforms hand out jobs again, except for those that are paused one by one")
        }
        // Of builds that are cancelled the server says itself what came of it, and what else there is changes nothing.
        _ => Ok(()),
    };
    text
}

/// Where nothing is handed out any longer, what still runs there, and how to end it.
fn write_paused(text: &mut String, platform: Option<&Text>, after: Option<&InfoReply>) -> std::fmt::Result {
    match platform {
        Some(platform) => writeln!(
            text,
            "{platform} hands out no jobs; to end that:\n    builder-client resume {platform}"
        )?,
        None => writeln!(text, "no platform hands out jobs; to end that:\n    builder-client resume")?,
    }
    let running = after.iter().flat_map(|reply| &reply.running);
    for build in running.filter(|build| platform.is_none_or(|platform| build.job.platform == *platform)) {
        let RunningInfo { uuid, job, .. } = build;
        writeln!(text, "build {uuid} of {} on {} continues to its end", job.name, job.platform)?;
    }
    Ok(())
}

fn write_job(
    text: &mut String,
    done: &str,
    name: &Text,
    every: Option<Duration>,
    after: Option<&InfoReply>,
    now: Time,
) -> std::fmt::Result {
    let item = after.and_then(|reply| reply.schedule.iter().find(|item| item.job.name() == name));
    let (Some(reply), Some(item)) = (after, item) else { return writeln!(text, "{name} {done}") };
    match (item.period, item.next) {
        (Period::Never, Time::NEVER) => writeln!(text, "{name} {done}, and has no next run")?,
        (period, next) => {
            let away = Span(next.duration_since(now) + Duration::from_millis(999));
            let then = match every {
                Some(every) => format!("every {}", humantime::format_duration(every)),
                None => period.to_string(),
            };
            writeln!(text, "{name} {done}; next run: {}, in {away}, then {then}", whole_seconds(next))?;
        }
    }
    write_places(text, name, reply)?;
    if matches!(item.job, Job::OrbBuild(_)) && places(reply, name) == 0 {
        writeln!(text, "it is in no queue: it needs a platform with a template, and a worker there")?;
    }
    Ok(())
}

fn running_builds<'a>(reply: &'a InfoReply, name: &'a Text) -> impl Iterator<Item = &'a RunningInfo> {
    reply.running.iter().filter(move |build| build.job.name == *name)
}

/// Where a job runs, and where it waits for how many others.
fn write_places(text: &mut String, name: &Text, reply: &InfoReply) -> std::fmt::Result {
    for RunningInfo { uuid, job, .. } in running_builds(reply, name) {
        writeln!(text, "it runs on {}; to follow it:\n    builder-client observe {uuid}", job.platform)?;
    }
    for (platform, position) in info_filter::queued(reply, name) {
        let running = reply.running.iter().filter(|build| build.job.platform == *platform).count();
        let before = match position {
            0 => "it is the next one".to_owned(),
            1 => "it waits behind another one".to_owned(),
            more => format!("it waits behind {more} others"),
        };
        match running {
            // Had a worker been waiting, it would have the job by now, unless the server holds it back.
            0 => writeln!(
                text,
                "{before} on {platform}; if no worker takes it, start one:\n    builder-worker {platform}"
            )?,
            1 => writeln!(text, "{before} on {platform}, where one build is running")?,
            running => writeln!(text, "{before} on {platform}, where {running} builds are running")?,
        }
    }
    Ok(())
}

/// At how many places a job runs or waits.
fn places(reply: &InfoReply, name: &Text) -> usize {
    running_builds(reply, name).count() + info_filter::queued(reply, name).count()
}

fn write_unscheduled(text: &mut String, name: &Text, after: Option<&InfoReply>) -> std::fmt::Result {
    writeln!(text, "{name} is removed from the schedule and from all queues")?;
    for RunningInfo { uuid, job, .. } in after.into_iter().flat_map(|reply| running_builds(reply, name)) {
        writeln!(text, "its build {uuid} on {} continues to its end", job.platform)?;
    }
    Ok(())
}

fn write_dropped(text: &mut String, platform: &Text, before: Option<&InfoReply>) -> std::fmt::Result {
    let Some(before) = before else { return writeln!(text, "{platform} is dropped with all its jobs") };
    let is_of_platform = |job: &Job| matches!(job, Job::Script(script) if script.platform == *platform);
    let mut names: Vec<String> = before
        .schedule
        .iter()
        .filter(|item| is_of_platform(&item.job))
        .map(|item| item.job.name().to_string())
        .collect();
    names.sort();
    match names.as_slice() {
        [] => writeln!(text, "{platform} is dropped; it had no jobs of its own")?,
        [name] => writeln!(text, "{platform} is dropped, and with it the job {name}")?,
        names => {
            writeln!(text, "{platform} is dropped, and with it {} jobs: {}", names.len(), names.join(", "))?
        }
    }
    for build in before.running.iter().filter(|build| build.job.platform == *platform) {
        writeln!(text, "build {} of {} continues to its end", build.uuid, build.job.name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::info_filter::samples::info_reply;
    use builder_proto::Uuid;
    use builder_proto::command::{Kind, Sender};
    use builder_proto::job_settings::JobSettings;

    /// What is told of a command on the server of the samples, where it is half past midnight.
    fn told(command: &Command) -> String {
        let now = Time::from_unix_milliseconds(-23 * 3_600_000 - 1_800_000);
        let reply = info_reply();
        describe(command, Some(&reply), Some(&reply), now)
    }

    fn execute(name: &str) -> Command {
        Command::Execute { name: name.into(), platform: None }
    }

    #[test]
    fn a_job_is_told_its_next_run_and_where_it_runs_and_waits() {
        assert_eq!(
            told(&execute("hello")),
            "hello is queued; next run: 1970-01-01T00:00:00Z, in 23h 30m, then daily\n\
             it runs on p; to follow it:\n    builder-client observe 02020202-0202-0202-0202-020202020202\n\
             it is the next one on freebsd-13; if no worker takes it, start one:\n    builder-worker freebsd-13\n"
        );
        assert_eq!(
            told(&execute("web")),
            "web is queued, and has no next run\n\
             it waits behind another one on freebsd-13; if no worker takes it, start one:\n    builder-worker freebsd-13\n"
        );
    }

    #[test]
    fn a_platform_on_which_something_runs_has_workers() {
        let mut reply = info_reply();
        reply.running[0].job.platform = "freebsd-13".into();
        let text = describe(&execute("web"), None, Some(&reply), Time::UNIX_EPOCH);
        assert!(
            text.ends_with("it waits behind another one on freebsd-13, where one build is running\n"),
            "{text}"
        );
    }

    #[test]
    fn an_orb_build_that_is_queued_nowhere_is_told_what_it_needs() {
        let mut reply = info_reply();
        reply.queues.clear();
        let text = describe(&execute("web"), None, Some(&reply), Time::UNIX_EPOCH);
        assert!(text.ends_with("it needs a platform with a template, and a worker there\n"), "{text}");
        reply.running[0].job.name = "web".into();
        let text = describe(&execute("web"), None, Some(&reply), Time::UNIX_EPOCH);
        assert!(!text.contains("template"), "{text}");
    }

    #[test]
    fn what_goes_with_a_platform_is_named() {
        let drop = |platform: &str| told(&Command::DropPlatform(platform.into()));
        assert_eq!(drop("freebsd-13"), "freebsd-13 is dropped, and with it the job hello\n");
        assert_eq!(drop("debian-12"), "debian-12 is dropped; it had no jobs of its own\n");
        let running = format!("build {} of hello continues to its end\n", Uuid::from_bytes([2; 16]));
        assert_eq!(drop("p"), format!("p is dropped; it had no jobs of its own\n{running}"));
        let undrop = told(&Command::UndropPlatform("gone".into()));
        assert!(undrop.contains("do not come back, so schedule them again"), "{undrop}");
    }

    #[test]
    fn an_unscheduled_job_leaves_its_builds() {
        assert_eq!(
            told(&Command::Unschedule("hello".into())),
            "hello is removed from the schedule and from all queues\n\
             its build 02020202-0202-0202-0202-020202020202 on p continues to its end\n"
        );
    }

    /// Commands that change something, but for [`TOLD_ELSEWHERE`].
    fn changes() -> Vec<Command> {
        let (period, settings, replaces, at) = (Period::Daily, JobSettings::NONE, false, None);
        let script = || ScriptJob { name: "hello".into(), script: "".into(), platform: "p".into() };
        let orb_build = || OrbBuildJob { name: "web".into(), opam_package: "web".into() };
        vec![
            Command::Schedule { period, job: script() },
            Command::ScheduleOrbBuild { period, job: orb_build() },
            Command::Enter { period, job: script(), settings, replaces, at },
            Command::EnterOrbBuild { period, job: orb_build(), settings, replaces, at },
            execute("hello"),
            Command::Run {
                name: "hello".into(),
                platform: None,
                environment: Vec::new(),
                waits: false,
                joins: false,
            },
            Command::Reschedule { name: "hello".into(), next: Time::NEVER, period: None },
            Command::Unschedule("hello".into()),
            Command::DropPlatform("p".into()),
            Command::UndropPlatform("gone".into()),
            Command::Pause("p".into()),
            Command::Resume { platform: None },
            Command::Drain { wait: false },
        ]
    }

    /// The server says what came of the first two; this client does not give the last one.
    const TOLD_ELSEWHERE: [Kind; 3] = [Kind::Cancel, Kind::CancelJob, Kind::ExecuteOld];

    #[test]
    fn of_every_change_it_is_told_what_came_of_it() {
        let changes = changes();
        for kind in Kind::ALL.iter().filter(|kind| kind.sender() == Sender::ClientChanges) {
            let is_there = changes.iter().any(|command| command.kind() == *kind);
            assert!(is_there || TOLD_ELSEWHERE.contains(kind), "{}", kind.name());
        }
        for command in changes {
            assert!(told(&command).ends_with('\n'), "{}", command.name());
        }
    }

    #[test]
    fn without_an_answer_less_is_told() {
        let told = |command: &Command| describe(command, None, None, Time::UNIX_EPOCH);
        assert_eq!(told(&execute("hello")), "hello is queued\n");
        assert_eq!(told(&Command::DropPlatform("p".into())), "p is dropped with all its jobs\n");
        assert_eq!(told(&Command::Info), "");
    }
}
