//! What clients ask for: each command is checked against the state, then becomes records or a refusal.

use crate::Now;
use crate::names::shown;
use crate::server::admission::check_job;
use crate::server::jobs::{Jobs, check_platform_count};
use crate::server::journal::Journal;
use crate::server::record::{Record, Rescheduled};
use crate::server::sessions::{Phase, unexpected};
use crate::server::settings::Templates;
use builder_proto::command::Command;
use builder_proto::job::{Job, ScheduleItem};
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};

/// Why a command was refused, for the person who gave it.
type Refusal = String;

/// Carries out a command of a client that changes the schedule or the queues, and took `length` bytes.
pub(crate) fn carry_out(
    jobs: &mut Jobs<'_>,
    now: Now,
    command: Command,
    length: usize,
) -> Result<(), Refusal> {
    if grows(&command) && !jobs.journal.has_room(length as u64) {
        return Err(
            "disk full: the server cannot keep more jobs; free space there, then try again".to_owned()
        );
    }
    match command {
        Command::Schedule { period, job } => schedule(jobs, now, period, Job::Script(job)),
        Command::ScheduleOrbBuild { period, job } => schedule(jobs, now, period, Job::OrbBuild(job)),
        Command::Unschedule(name) => unschedule(jobs.journal, name),
        Command::Execute { name, platform } => execute(jobs, &name, platform.as_ref()),
        Command::ExecuteOld(name) => execute(jobs, &name, None),
        Command::Reschedule { name, next, period } => reschedule(jobs.journal, name, next, period),
        Command::UndropPlatform(platform) => undrop_platform(jobs.journal, platform),
        // Those are answered by other parts of the server, or no client sends them.
        other @ (Command::Info
        | Command::Observe(_)
        | Command::DropPlatform(_)
        | Command::JobSchedule { .. }
        | Command::JobFinished { .. }
        | Command::Output { .. }
        | Command::InfoReplyOld { .. }
        | Command::ClientHello { .. }
        | Command::ServerHello
        | Command::JobRequested(_)
        | Command::Success
        | Command::Failure(_)
        | Command::InfoReply(_)) => Err(unexpected(other.name(), &Phase::Client)),
    }
}

fn schedule(jobs: &mut Jobs<'_>, now: Now, period: Period, job: Job) -> Result<(), Refusal> {
    check_job(&job)?;
    let name = job.name().clone();
    if jobs.journal.state().schedule.get(&name).is_some() {
        return Err("job name already used".to_owned());
    }
    let platform = match &job {
        Job::Script(script) => Some(&script.platform),
        Job::OrbBuild(_) => None,
    };
    if let Some(platform) = platform {
        if jobs.journal.state().dropped.contains(platform) {
            return Err("platform dropped; can't schedule jobs".to_owned());
        }
        check_platform_count(jobs.journal.state(), platform)?;
    }
    let next = period.duration().map_or(Time::NEVER, |step| now.wall.saturating_add(step));
    jobs.journal.commit(Record::ScheduledOnGrid(ScheduleItem { next, period, job: job.clone() }));
    if let Some(platform) = platform.filter(|platform| !jobs.journal.state().queues.contains_key(*platform)) {
        jobs.add_platform(platform);
    }
    for platform in jobs.platforms_of(&job) {
        jobs.enqueue(&platform, &name, false);
    }
    Ok(())
}

fn unschedule(journal: &mut Journal, name: Text) -> Result<(), Refusal> {
    if journal.state().schedule.get(&name).is_none() {
        return Err(format!("unknown job {}", shown(&name)));
    }
    journal.commit(Record::Unscheduled(name));
    Ok(())
}

fn execute(jobs: &mut Jobs<'_>, name: &Text, platform: Option<&Text>) -> Result<(), Refusal> {
    let Some(job) = jobs.journal.state().schedule.get(name).map(|item| item.job.clone()) else {
        return Err("execute failed: job not found".to_owned());
    };
    let platforms = match platform {
        None => jobs.platforms_of(&job),
        Some(platform) if !jobs.journal.state().queues.contains_key(platform) => Vec::new(),
        Some(platform) => {
            check_fit(jobs.templates, &job, platform)?;
            vec![platform.clone()]
        }
    };
    if platforms.is_empty() {
        return Err("execute failed: no such platform".to_owned());
    }
    for platform in platforms {
        jobs.enqueue(&platform, name, true);
    }
    Ok(())
}

fn check_fit(templates: &Templates, job: &Job, platform: &Text) -> Result<(), Refusal> {
    match job {
        Job::Script(script) if script.platform != *platform => {
            Err(format!("execute failed: job is for a different platform: {}", script.platform))
        }
        Job::OrbBuild(_) if !templates.contains_key(platform) => {
            Err(format!("execute failed: the server has no template orb-build.template.{platform}"))
        }
        Job::Script(_) | Job::OrbBuild(_) => Ok(()),
    }
}

fn reschedule(journal: &mut Journal, name: Text, next: Time, period: Option<Period>) -> Result<(), Refusal> {
    let Some(item) = journal.state().schedule.get(&name) else {
        return Err(format!("couldn't find job {}", shown(&name)));
    };
    let period = period.unwrap_or(item.period);
    journal.commit(Record::Rescheduled(Rescheduled { name, next, period }));
    Ok(())
}

/// Drops a platform, with its queue and its jobs.
pub(crate) fn drop_platform(journal: &mut Journal, platform: &Text) -> Result<(), Refusal> {
    if !journal.state().queues.contains_key(platform) {
        return Err(format!("unknown platform {}", shown(platform)));
    }
    journal.commit(Record::Dropped(platform.clone()));
    Ok(())
}

fn undrop_platform(journal: &mut Journal, platform: Text) -> Result<(), Refusal> {
    if !journal.state().dropped.contains(&platform) {
        return Err(format!("unknown platform {}", shown(&platform)));
    }
    journal.commit(Record::Undropped(platform));
    Ok(())
}

/// Commands that make the log grow for good; the others are taken even when the disk is full.
fn grows(command: &Command) -> bool {
    matches!(
        command,
        Command::Schedule { .. }
            | Command::ScheduleOrbBuild { .. }
            | Command::Execute { .. }
            | Command::ExecuteOld(_)
            | Command::Reschedule { .. }
    )
}
