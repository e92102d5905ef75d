//! What clients ask for: each command is checked against the state, then becomes records or a refusal.

use crate::Now;
use crate::names::shown;
use crate::server::admission::check_job;
use crate::server::connection::{Phase, unexpected};
use crate::server::conversation::Step;
use crate::server::record::{Record, Rescheduled};
use crate::server::{ConnectionId, Deferred, Server};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::job::{Job, ScheduleItem};
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};

/// Why a command was refused, for the person who gave it.
type Refusal = String;

impl Server {
    /// Carries out the one command of a client, which took `octets` octets.
    pub(crate) fn on_client_command(
        &mut self,
        now: Now,
        id: ConnectionId,
        command: Command,
        octets: usize,
    ) -> Step {
        if grows(&command) && !self.has_room(octets as u64) {
            return Step::Refuse(
                "disk full: the server cannot keep more jobs; free space there, then try again".to_owned(),
            );
        }
        let outcome = match command {
            Command::Schedule { period, job } => self.schedule(now, period, Job::Script(job)),
            Command::ScheduleOrbBuild { period, job } => self.schedule(now, period, Job::OrbBuild(job)),
            Command::Unschedule(name) => self.unschedule(name),
            Command::Execute { name, platform } => self.execute(&name, platform.as_ref()),
            Command::ExecuteOld(name) => self.execute(&name, None),
            Command::Reschedule { name, next, period } => self.reschedule(name, next, period),
            Command::DropPlatform(platform) => self.drop_platform(platform),
            Command::UndropPlatform(platform) => self.undrop_platform(platform),
            Command::Info => return self.inform(now, id),
            Command::Observe(uuid) => return self.observe(id, uuid),
            other => Err(unexpected(other.name(), &Phase::Client)),
        };
        match outcome {
            Ok(()) => {
                self.send(id, &Command::Success);
                Step::Finish
            }
            Err(refusal) => Step::Refuse(refusal),
        }
    }

    fn schedule(&mut self, now: Now, period: Period, job: Job) -> Result<(), Refusal> {
        check_job(&job)?;
        let name = job.name().clone();
        if self.state.schedule.get(&name).is_some() {
            return Err("job name already used".to_owned());
        }
        let platform = match &job {
            Job::Script(script) => Some(&script.platform),
            Job::OrbBuild(_) => None,
        };
        if let Some(platform) = platform {
            if self.state.dropped.contains(platform) {
                return Err("platform dropped; can't schedule jobs".to_owned());
            }
            self.check_platform_count(platform)?;
        }
        let next = period.duration().map_or(Time::NEVER, |step| now.wall.saturating_add(step));
        self.commit(Record::ScheduledOnGrid(ScheduleItem { next, period, job: job.clone() }));
        if let Some(platform) = platform.filter(|platform| !self.state.queues.contains_key(*platform)) {
            self.add_platform(platform);
        }
        for platform in self.platforms_of(&job) {
            self.enqueue(&platform, &name, false);
        }
        Ok(())
    }

    fn unschedule(&mut self, name: Text) -> Result<(), Refusal> {
        if self.state.schedule.get(&name).is_none() {
            return Err(format!("unknown job {}", shown(&name)));
        }
        self.commit(Record::Unscheduled(name));
        Ok(())
    }

    fn execute(&mut self, name: &Text, platform: Option<&Text>) -> Result<(), Refusal> {
        let Some(job) = self.state.schedule.get(name).map(|item| item.job.clone()) else {
            return Err("execute failed: job not found".to_owned());
        };
        let platforms = match platform {
            None => self.platforms_of(&job),
            Some(platform) if !self.state.queues.contains_key(platform) => Vec::new(),
            Some(platform) => {
                self.check_fit(&job, platform)?;
                vec![platform.clone()]
            }
        };
        if platforms.is_empty() {
            return Err("execute failed: no such platform".to_owned());
        }
        for platform in platforms {
            self.enqueue(&platform, name, true);
        }
        Ok(())
    }

    fn check_fit(&self, job: &Job, platform: &Text) -> Result<(), Refusal> {
        match job {
            Job::Script(script) if script.platform != *platform => {
                Err(format!("execute failed: job is for a different platform: {}", script.platform))
            }
            Job::OrbBuild(_) if !self.templates.contains_key(platform) => {
                Err(format!("execute failed: the server has no template orb-build.template.{platform}"))
            }
            Job::Script(_) | Job::OrbBuild(_) => Ok(()),
        }
    }

    fn reschedule(&mut self, name: Text, next: Time, period: Option<Period>) -> Result<(), Refusal> {
        let Some(item) = self.state.schedule.get(&name) else {
            return Err(format!("couldn't find job {}", shown(&name)));
        };
        let period = period.unwrap_or(item.period);
        self.commit(Record::Rescheduled(Rescheduled { name, next, period }));
        Ok(())
    }

    fn drop_platform(&mut self, platform: Text) -> Result<(), Refusal> {
        if !self.state.queues.contains_key(&platform) {
            return Err(format!("unknown platform {}", shown(&platform)));
        }
        self.commit(Record::Dropped(platform));
        Ok(())
    }

    fn undrop_platform(&mut self, platform: Text) -> Result<(), Refusal> {
        if !self.state.dropped.contains(&platform) {
            return Err(format!("unknown platform {}", shown(&platform)));
        }
        self.commit(Record::Undropped(platform));
        Ok(())
    }

    fn observe(&mut self, id: ConnectionId, uuid: Uuid) -> Step {
        let limit = self.settings.observers;
        if self.observers.len() >= limit {
            return Step::Refuse(format!("busy: {limit} observers, the limit; try again later"));
        }
        self.observers.insert(id);
        let known = self.state.running.contains_key(&uuid) || self.state.aborted.contains_key(&uuid);
        self.act_after_commit(match known {
            true => Deferred::Follow { connection: id, uuid },
            false => Deferred::Replay { connection: id, uuid },
        });
        Step::Enter(Phase::Observing)
    }
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
