//! What people asked for, what they were told, and what therefore has to be so.
//!
//! A command without an answer may have taken effect or not. So the model knows for each job a list of what may be, which
//! an answer makes shorter and a lost answer longer. What a server knows after a crash settles the matter: it has to be
//! on the list.

use super::builds::Builds;
use super::entry::{Entry, apply, name_of, touch_the_same};
use super::observation::Observation;
use super::places::{Place, value_of, without_variable};
use builder_engine::server::ConnectionId;
use builder_proto::command::Command;
use builder_proto::environment::Variable;
use builder_proto::job::{Job, ScriptJob};
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// All jobs and platforms that anybody ever named.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    jobs: BTreeMap<Text, Knowledge>,
    /// Whether a platform may be dropped, and may not be.
    platforms: BTreeMap<Text, Vec<bool>>,
    /// Commands under way.
    pending: BTreeMap<ConnectionId, Pending>,
    /// How many commands to drop a platform there were.
    drops: u64,
    /// How many commands were begun or came to an end.
    clock: u64,
    /// What [`Jobs::clock`] was when a platform was last dropped or taken back, or may have been.
    platforms_changed: u64,
}

#[derive(Debug)]
struct Knowledge {
    /// What may be; none stands for a job that is not scheduled.
    possible: Vec<Option<Entry>>,
    /// Everything that was ever to be scheduled under this name.
    ever: Vec<Job>,
    /// Values that the variable of its runs was ever to have.
    values: BTreeSet<Text>,
    /// Where it has yet to run, and since when.
    owed: BTreeMap<Place, Duration>,
    /// How many commands to remove it there were.
    removals: u64,
    /// What [`Jobs::clock`] was when something was last done about it, or may have been.
    changed: u64,
    /// Whether anybody ever wanted it to say how long it may take.
    may_have_limit: bool,
}

#[derive(Debug)]
struct Pending {
    command: Command,
    since: Duration,
}

impl Default for Knowledge {
    fn default() -> Knowledge {
        Knowledge {
            possible: vec![None],
            ever: Vec::new(),
            values: BTreeSet::new(),
            owed: BTreeMap::new(),
            removals: 0,
            changed: 0,
            may_have_limit: false,
        }
    }
}

impl Jobs {
    /// Takes note of a command that is about to be given. Refuses one that would touch what another under way touches, because
    /// nobody could tell then what has to be so.
    pub(super) fn begin(&mut self, time: Duration, connection: ConnectionId, command: &Command) -> bool {
        if self.pending.values().any(|pending| touch_the_same(&pending.command, command)) {
            return false;
        }
        match command {
            Command::Schedule { job, .. } | Command::Enter { job, .. } => {
                self.job(&job.name).ever.push(Job::Script(job.clone()));
            }
            Command::ScheduleOrbBuild { job, .. } | Command::EnterOrbBuild { job, .. } => {
                self.job(&job.name).ever.push(Job::OrbBuild(job.clone()))
            }
            Command::Run { name, environment, .. } => {
                self.job(name).values.extend(value_of(environment));
            }
            Command::Unschedule(name) => self.job(name).removals += 1,
            Command::DropPlatform(_) => self.drops += 1,
            _ => {}
        }
        if let Command::Enter { settings, .. } | Command::EnterOrbBuild { settings, .. } = command
            && let Some(name) = name_of(command)
        {
            self.job(name).may_have_limit |= settings.timeout.is_some();
        }
        self.touch(command);
        self.pending.insert(connection, Pending { command: command.clone(), since: time });
        true
    }

    /// Something is done about jobs and platforms, or was.
    fn touch(&mut self, command: &Command) {
        self.clock += 1;
        if matches!(command, Command::DropPlatform(_) | Command::UndropPlatform(_)) {
            self.platforms_changed = self.clock;
        }
        let clock = self.clock;
        for name in self.names_of(command) {
            self.job(&name).changed = clock;
        }
    }

    /// Grows whenever something may have changed.
    pub(super) fn clock(&self) -> u64 {
        self.clock
    }

    /// All names that jobs ever had.
    pub(super) fn names(&self) -> impl Iterator<Item = &Text> {
        self.jobs.keys()
    }

    /// What a job has been ever since then, if that is known: none for one that is not scheduled.
    pub(super) fn entry_since(&self, name: &Text, clock: u64) -> Option<Option<&Entry>> {
        let job = self.jobs.get(name)?;
        let is_under_way = |pending: &Pending| self.names_of(&pending.command).contains(name);
        match job.possible.as_slice() {
            [only] if job.changed <= clock && !self.pending.values().any(is_under_way) => Some(only.as_ref()),
            _ => None,
        }
    }

    /// Whether a platform has been dropped ever since then, or has not, if that is known.
    pub(super) fn is_dropped(&self, platform: &Text, clock: u64) -> Option<bool> {
        let is_about = |pending: &Pending| {
            matches!(pending.command, Command::DropPlatform(_) | Command::UndropPlatform(_))
        };
        let is_certain = self.platforms_changed <= clock && !self.pending.values().any(is_about);
        match self.platforms.get(platform)?.as_slice() {
            [only] if is_certain => Some(*only),
            _ => None,
        }
    }

    /// The command under way on a connection.
    pub(super) fn pending(&self, connection: ConnectionId) -> Option<&Command> {
        self.pending.get(&connection).map(|pending| &pending.command)
    }

    /// All commands under way.
    pub(super) fn all_pending(&self) -> impl Iterator<Item = &Command> {
        self.pending.values().map(|pending| &pending.command)
    }

    /// A command was answered.
    pub(super) fn answered(&mut self, connection: ConnectionId, answer: &Command) -> Result<(), String> {
        let Some(pending) = self.pending.remove(&connection) else { return Ok(()) };
        self.touch(&pending.command);
        match answer {
            Command::Success => self.succeeded(&pending),
            Command::Failure(text) => self.refused(&pending.command, &text.to_string()),
            _ => Ok(()),
        }
    }

    /// Somebody who waits was told something: the job is queued, or runs.
    pub(super) fn accepted(&mut self, connection: ConnectionId) -> Result<(), String> {
        match self.pending.remove(&connection) {
            Some(pending) => {
                self.touch(&pending.command);
                self.succeeded(&pending)
            }
            None => Ok(()),
        }
    }

    /// What a job wants besides, if that is known for certain.
    pub(super) fn settings(&self, name: &Text) -> Option<JobSettings> {
        let changes = |pending: &Pending| name_of(&pending.command) == Some(name);
        match self.jobs.get(name)?.possible.as_slice() {
            [Some(entry)] if !self.pending.values().any(changes) => Some(entry.settings),
            _ => None,
        }
    }

    /// Whether a job may say how long it may take.
    pub(super) fn may_have_limit(&self, name: &Text) -> bool {
        self.jobs.get(name).is_some_and(|job| job.may_have_limit)
    }

    /// How many commands there were so far that may have taken a job out of a queue.
    pub(super) fn removals(&self, name: &Text) -> u64 {
        self.drops + self.jobs.get(name).map_or(0, |job| job.removals)
    }

    /// Whether the job may be queued several times.
    pub(super) fn has_environments(&self, name: &Text) -> bool {
        self.jobs.get(name).is_some_and(|job| !job.values.is_empty())
    }

    /// A command will never be answered.
    pub(super) fn lost(&mut self, connection: ConnectionId) {
        let Some(pending) = self.pending.remove(&connection) else { return };
        self.touch(&pending.command);
        match &pending.command {
            Command::DropPlatform(platform) => self.platforms.insert(platform.clone(), vec![false, true]),
            Command::UndropPlatform(platform) => self.platforms.insert(platform.clone(), vec![false, true]),
            _ => None,
        };
        for name in self.names_of(&pending.command) {
            let job = self.job(&name);
            let after: Vec<_> =
                job.possible.iter().filter_map(|before| apply(&pending.command, before.as_ref())).collect();
            for entry in after {
                if !job.possible.contains(&entry) {
                    job.possible.push(entry);
                }
            }
        }
        self.forgive(&pending.command);
    }

    /// Holds a recovered schedule against what has to be so, and takes it as what is.
    pub(super) fn settle(&mut self, observed: &Observation) -> Result<(), String> {
        if let Some(unknown) = observed.schedule.keys().find(|name| !self.jobs.contains_key(*name)) {
            return Err(format!("job {unknown} is scheduled, which nobody asked for"));
        }
        for (name, job) in &mut self.jobs {
            let item = observed.schedule.get(name);
            let settings = observed.settings.get(name).copied().unwrap_or_default();
            let before = std::mem::take(&mut job.possible);
            job.possible = before
                .iter()
                .filter(|entry| match (entry, item) {
                    (None, None) => true,
                    (Some(entry), Some(item)) => entry.agrees_with(item, settings),
                    _ => false,
                })
                .cloned()
                .collect();
            if job.possible.is_empty() {
                return Err(format!("job {name} is {item:?}, but has to be one of {before:?}"));
            }
        }
        for (platform, possible) in &mut self.platforms {
            let dropped = observed.dropped.contains(platform);
            if !possible.contains(&dropped) {
                return Err(format!(
                    "platform {platform} is dropped: {dropped}, contrary to what was answered"
                ));
            }
            *possible = vec![dropped];
        }
        Ok(())
    }

    /// Every job that has yet to run waits or runs, or a build of it is on its way to a stored result, `before` if not now.
    pub(super) fn check_owed(
        &mut self,
        observed: &Observation,
        before: &Observation,
        builds: &Builds,
    ) -> Result<(), String> {
        for (name, job) in &mut self.jobs {
            job.owed.retain(|place, since| !builds.has_run(name, place, *since));
            let lost = job.owed.iter().find(|(place, _)| {
                !observed.is_queued(place, name)
                    && !observed.is_running(place, name)
                    && !observed.is_over(place, name)
                    && !before.is_over(place, name)
            });
            if let Some((place, since)) = lost {
                return Err(format!(
                    "job {name} was queued on {place} since {since:?}, but neither waits nor runs, nor has it run"
                ));
            }
        }
        Ok(())
    }

    /// What a server that was just recovered has in its queues has to run.
    pub(super) fn owe(&mut self, observed: &Observation, time: Duration) {
        for (name, place) in &observed.queued {
            self.job(name).owed.entry(place.clone()).or_insert(time);
        }
    }

    /// Whether somebody scheduled this job under its name, at whatever time.
    pub(super) fn was_scheduled(&self, script: &ScriptJob) -> bool {
        let Some(job) = self.jobs.get(&script.name) else { return false };
        let (value, script) = &without_variable(script);
        if value.as_ref().is_some_and(|value| !job.values.contains(value)) {
            return false;
        }
        job.ever.iter().any(|ever| match ever {
            Job::Script(job) => job == script,
            Job::OrbBuild(job) => {
                // The first line says which version of the template it is from.
                let expanded = format!("\nbuild {} on {}", job.opam_package, script.platform);
                script.script.as_bytes().ends_with(expanded.as_bytes())
            }
        })
    }

    fn succeeded(&mut self, pending: &Pending) -> Result<(), String> {
        let command = &pending.command;
        let mut was_absent = false;
        for name in self.names_of(command) {
            let job = self.job(&name);
            was_absent = job.possible == [None];
            let before = std::mem::take(&mut job.possible);
            for entry in before.iter().filter_map(|before| apply(command, before.as_ref())) {
                if !job.possible.contains(&entry) {
                    job.possible.push(entry);
                }
            }
            if job.possible.is_empty() {
                return Err(format!("{command:?} succeeded, although job {name} was one of {before:?}"));
            }
        }
        match command {
            Command::Enter { job, at, .. } => {
                if self.platforms.get(&job.platform).is_some_and(|dropped| *dropped == [true]) {
                    return Err(format!("job {} was entered on a dropped platform", job.name));
                }
                // What was owed is still owed, and a job that is new runs, unless it waits for its time.
                if was_absent && at.is_none() {
                    self.job(&job.name).owed.insert(Place::new(&job.platform, &[]), pending.since);
                }
            }
            Command::DropPlatform(platform) => {
                self.platforms.insert(platform.clone(), vec![true]);
            }
            Command::UndropPlatform(platform) => {
                self.platforms.insert(platform.clone(), vec![false]);
            }
            Command::Schedule { job, .. } => {
                if self.platforms.get(&job.platform).is_some_and(|dropped| *dropped == [true]) {
                    return Err(format!("job {} was scheduled on a dropped platform", job.name));
                }
                self.job(&job.name).owed.insert(Place::new(&job.platform, &[]), pending.since);
            }
            Command::Execute { name, .. } => self.owe_script(name, &[], pending.since),
            // Whoever joins may wait for a build that is lost later, and runs again.
            Command::Run { name, environment, joins: false, .. } => {
                self.owe_script(name, environment, pending.since);
            }
            _ => {}
        }
        self.forgive(command);
        Ok(())
    }

    /// A script job has to run in an environment.
    fn owe_script(&mut self, name: &Text, environment: &[Variable], since: Duration) {
        let job = self.job(name);
        if let Some(Some(Entry { job: Job::Script(script), .. })) = job.possible.first() {
            let place = Place::new(&script.platform, environment);
            job.owed.insert(place, since);
        }
    }

    fn refused(&mut self, command: &Command, text: &str) -> Result<(), String> {
        let must_be_scheduled = match text {
            "job name already used" => true,
            "execute failed: job not found" => false,
            _ if text.starts_with("unknown job ") || text.starts_with("couldn't find job ") => false,
            _ => return Ok(()),
        };
        for name in self.names_of(command) {
            let job = self.job(&name);
            let before = job.possible.clone();
            job.possible.retain(|entry| entry.is_some() == must_be_scheduled);
            if job.possible.is_empty() {
                return Err(format!(
                    "{command:?} was refused ({text}), although job {name} was one of {before:?}"
                ));
            }
        }
        Ok(())
    }

    /// A person removed jobs, or may have: they need not run.
    fn forgive(&mut self, command: &Command) {
        match command {
            Command::Unschedule(name) => self.job(name).owed.clear(),
            Command::DropPlatform(platform) => {
                for job in self.jobs.values_mut() {
                    job.owed.retain(|place, _| place.platform != *platform);
                }
            }
            _ => {}
        }
    }

    /// The jobs that a command changes.
    fn names_of(&self, command: &Command) -> Vec<Text> {
        match command {
            Command::DropPlatform(platform) => self
                .jobs
                .iter()
                .filter(|(_, job)| {
                    let on_it = |entry: &Option<Entry>| {
                        matches!(entry, Some(Entry { job: Job::Script(job), .. }) if job.platform == *platform)
                    };
                    job.possible.iter().any(on_it)
                })
                .map(|(name, _)| name.clone())
                .collect(),
            command => name_of(command).into_iter().cloned().collect(),
        }
    }

    fn job(&mut self, name: &Text) -> &mut Knowledge {
        self.jobs.entry(name.clone()).or_default()
    }
}
