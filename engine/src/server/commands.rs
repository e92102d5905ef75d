//! What clients ask for: each command is checked against the state, then becomes records or a refusal.

use crate::Now;
use crate::environment::Environment;
use crate::names::shown;
use crate::server::Server;
use crate::server::action::Deferred;
use crate::server::entering::Entry;
use crate::server::jobs::Jobs;
use crate::server::journal::Journal;
use crate::server::peer::{ConnectionId, Role};
use crate::server::record::{Pause, Record, Rescheduled};
use crate::server::selection::Selection;
use crate::server::sessions::{Phase, Step, unexpected};
use crate::server::settings::Templates;
use crate::server::waiters::Wish;
use builder_proto::CLIENT_VERSION;
use builder_proto::command::Command;
use builder_proto::job::Job;
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use std::sync::Arc;

/// Why a command was refused, for the person who gave it.
type Refusal = String;

impl Server {
    /// Carries out the one command of a client, which took `length` bytes.
    ///
    /// This names every message, so that a new command that is forgotten here does not compile.
    pub(super) fn on_client_command(
        &mut self,
        now: Now,
        id: ConnectionId,
        role: Role,
        command: Command,
        length: usize,
    ) -> Step {
        let name = command.name();
        let mut jobs = Jobs { journal: &mut self.journal, templates: &self.templates, now: now.wall };
        let outcome = match command {
            Command::Info => return self.sessions.inform(now, id, &self.uploads, &mut self.journal),
            Command::Observe(uuid) => {
                return self.sessions.observe(id, role, uuid, true, &mut self.journal);
            }
            Command::Console(uuid) => {
                return self.sessions.observe(id, role, uuid, false, &mut self.journal);
            }
            Command::Fetch { uuid, path, skip, offset } => {
                let selection = Selection::new(uuid, path, skip, offset);
                return self.sessions.fetch(id, role, selection, &mut self.journal);
            }
            Command::Schedule { period, job } => check_room(jobs.journal, length)
                .and_then(|()| Entry::new(period, Job::Script(job)).enter(&mut jobs)),
            Command::ScheduleOrbBuild { period, job } => check_room(jobs.journal, length)
                .and_then(|()| Entry::new(period, Job::OrbBuild(job)).enter(&mut jobs)),
            Command::Enter { period, job, settings, replaces, at } => {
                let entry = Entry { settings, replaces, at, ..Entry::new(period, Job::Script(job)) };
                check_room(jobs.journal, length).and_then(|()| entry.enter(&mut jobs))
            }
            Command::EnterOrbBuild { period, job, settings, replaces, at } => {
                let entry = Entry { settings, replaces, at, ..Entry::new(period, Job::OrbBuild(job)) };
                check_room(jobs.journal, length).and_then(|()| entry.enter(&mut jobs))
            }
            Command::Execute { name, platform } => {
                check_room(jobs.journal, length).and_then(|()| execute(&mut jobs, &name, platform.as_ref()))
            }
            Command::ExecuteOld(name) => {
                check_room(jobs.journal, length).and_then(|()| execute(&mut jobs, &name, None))
            }
            Command::Reschedule { name, next, period } => {
                check_room(jobs.journal, length).and_then(|()| reschedule(jobs.journal, name, next, period))
            }
            // These give room or take next to none, so they are carried out even when the disk is full.
            Command::Unschedule(name) => unschedule(jobs.journal, name),
            Command::DropPlatform(platform) => {
                drop_platform(jobs.journal, &platform).map(|()| self.dispatcher.forget(&platform))
            }
            Command::UndropPlatform(platform) => undrop_platform(jobs.journal, platform),
            Command::Cancel(uuid) => self.cancel(now, id, uuid),
            Command::CancelJob(name) => self.cancel_job(now, id, &name),
            Command::Pause(platform) => pause(jobs.journal, platform),
            Command::Resume { platform } => {
                resume(jobs.journal, platform).map(|()| self.dispatcher.look_at_all())
            }
            Command::Drain { wait } => {
                drain(jobs.journal);
                if wait {
                    return self.sessions.await_drained(id, role);
                }
                Ok(())
            }
            Command::Run { name, platform, environment, waits, joins } => {
                let wish = Wish { name, platform, environment, waits, joins };
                return self.run(now, id, role, wish, length);
            }
            Command::History(query) => {
                let answer = Deferred::List { connection: id, query };
                return self.sessions.look_up(id, role, answer, &mut self.journal);
            }
            Command::Details(uuid) => {
                let answer = Deferred::Describe { connection: id, uuid };
                return self.sessions.look_up(id, role, answer, &mut self.journal);
            }
            Command::Overview => {
                let answer = Deferred::Overview { connection: id };
                return self.sessions.look_up(id, role, answer, &mut self.journal);
            }
            // No client sends these.
            Command::JobSchedule { .. }
            | Command::JobFinished { .. }
            | Command::Output { .. }
            | Command::InfoReplyOld { .. }
            | Command::ClientHello { .. }
            | Command::ServerHello
            | Command::JobRequested(_)
            | Command::Success
            | Command::Failure(_)
            | Command::InfoReply(_)
            | Command::Build(_)
            | Command::Artifact(_)
            | Command::Data(_)
            | Command::Remark(_)
            | Command::Waiting(_)
            | Command::JobStatus(_)
            | Command::PlatformStatus(_)
            | Command::QueueStatus(_)
            | Command::ServerStatus(_) => Err(unexpected(name, &Phase::Client { version: CLIENT_VERSION })),
        };
        match outcome {
            Ok(()) => {
                self.journal.send(id, &Command::Success);
                Step::Finish
            }
            Err(refusal) => Step::Refuse(refusal),
        }
    }
}

/// Refuses a command of so many bytes that makes the log grow for good, when the disk is full.
pub(super) fn check_room(journal: &Journal, length: usize) -> Result<(), Refusal> {
    if journal.has_room(length as u64) {
        return Ok(());
    }
    Err("disk full: the server cannot keep more jobs; free space there, then try again".to_owned())
}

fn unschedule(journal: &mut Journal, name: Text) -> Result<(), Refusal> {
    if journal.state().schedule.get(&name).is_none() {
        return Err(format!("unknown job {}", shown(&name)));
    }
    journal.commit(Record::Unscheduled(name));
    Ok(())
}

fn execute(jobs: &mut Jobs<'_>, name: &Text, platform: Option<&Text>) -> Result<(), Refusal> {
    for platform in targets(jobs, name, platform)?.1 {
        jobs.enqueue(&platform, name, &Environment::default(), true);
    }
    Ok(())
}

/// A job that is to run, and the platforms whose queues that means; there is one at least.
pub(super) fn targets(
    jobs: &Jobs<'_>,
    name: &Text,
    platform: Option<&Text>,
) -> Result<(Arc<Job>, Vec<Text>), Refusal> {
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
    Ok((job, platforms))
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
    // A job that gets a period gives up whatever it had in its place.
    let (period, every) = period.map_or((item.period, item.settings.every), |period| (period, None));
    journal.commit(Record::Rescheduled(Rescheduled { name, next, period, every }));
    Ok(())
}

/// Drops a platform, with its queue and its jobs.
fn drop_platform(journal: &mut Journal, platform: &Text) -> Result<(), Refusal> {
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

fn pause(journal: &mut Journal, platform: Text) -> Result<(), Refusal> {
    if !journal.state().queues.contains_key(&platform) {
        return Err(format!("unknown platform {}", shown(&platform)));
    }
    if !journal.state().pauses.is_paused(&platform) {
        ::log::info!("platform {platform} is paused; its jobs wait until it is resumed");
        journal.commit(Record::Paused(Pause { platform: Some(platform) }));
    }
    Ok(())
}

fn resume(journal: &mut Journal, platform: Option<Text>) -> Result<(), Refusal> {
    let pauses = &journal.state().pauses;
    match &platform {
        Some(platform) if !pauses.is_paused(platform) => {
            return Err(match journal.state().queues.contains_key(platform) {
                true => format!("platform {platform} is not paused"),
                false => format!("unknown platform {}", shown(platform)),
            });
        }
        None if !pauses.is_draining() => {
            return Err("the server is not draining; name the platform that is paused".to_owned());
        }
        Some(platform) => ::log::info!("platform {platform} is resumed"),
        None => ::log::info!("the server hands out jobs again"),
    }
    journal.commit(Record::Resumed(Pause { platform }));
    Ok(())
}

fn drain(journal: &mut Journal) {
    if !journal.state().pauses.is_draining() {
        ::log::info!("the server is drained: all jobs wait until it is resumed");
        journal.commit(Record::Paused(Pause { platform: None }));
    }
}
