//! Clients that run a job and wait for its end: what they ask for, and what they are told of it.

use crate::Now;
use crate::environment::{Environment, EnvironmentScript};
use crate::limits::QUEUED_ENVIRONMENTS;
use crate::names::shown;
use crate::server::Server;
use crate::server::action::Deferred;
use crate::server::admission::check_script;
use crate::server::commands::{check_room, targets};
use crate::server::jobs::Jobs;
use crate::server::journal::News;
use crate::server::peer::{ConnectionId, Role};
use crate::server::sessions::{Phase, Step};
use crate::server::state::State;
use crate::server::waiters::{Fate, Run, Wish};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::history::Build;
use builder_proto::job::Job;
use builder_proto::text::Text;

/// Platforms that are named when there are too many.
const PLATFORMS_SHOWN: usize = 5;

impl Server {
    /// Carries out a command of `length` bytes that runs a job.
    pub(super) fn run(&mut self, now: Now, id: ConnectionId, role: Role, wish: Wish, length: usize) -> Step {
        let waits = wish.waits;
        let runs = match self.runs(now, wish, length) {
            Ok(runs) => runs,
            Err(refusal) => return Step::Refuse(refusal),
        };
        if waits && let Err(refusal) = self.sessions.admit_observer(id, role) {
            return Step::Refuse(refusal);
        }
        let mut jobs = Jobs { journal: &mut self.journal, templates: &self.templates, now: now.wall };
        for Wanted { run, .. } in runs.iter().filter(|wanted| wanted.is_new) {
            jobs.enqueue(&run.platform, &run.name, &run.environment, true);
        }
        let Some(Wanted { run, .. }) = runs.into_iter().next().filter(|_| waits) else {
            self.journal.send(id, &Command::Success);
            return Step::Finish;
        };
        match self.latest_build(&run).filter(|_| !is_queued(self.state(), &run)) {
            None => self.waiters.add(now, id, run),
            Some(uuid) => {
                self.waiters.add_to_build(now, id, run, uuid);
                self.show_build(id, uuid);
            }
        }
        self.journal.watch(true);
        Step::Enter(Phase::Observing)
    }

    /// The places in queues that are meant.
    fn runs(&mut self, now: Now, wish: Wish, length: usize) -> Result<Vec<Wanted>, String> {
        let Wish { name, platform, environment, waits, joins } = wish;
        let environment = Environment::new(environment).map_err(|error| error.to_string())?;
        let jobs = Jobs { journal: &mut self.journal, templates: &self.templates, now: now.wall };
        if !joins {
            check_room(jobs.journal, length)?;
        }
        let (job, platforms) = targets(&jobs, &name, platform.as_ref())?;
        if let Job::Script(script) = &*job {
            check_environment(&name, script.script.as_bytes(), &environment)?;
        }
        if waits && platforms.len() > 1 {
            return Err(too_many(&name, &platforms));
        }
        let wanted = |platform| {
            let run = Run { platform, name: name.clone(), environment: environment.clone() };
            Wanted { run, is_new: !joins }
        };
        let runs: Vec<Wanted> = platforms.into_iter().map(wanted).collect();
        for Wanted { run, .. } in &runs {
            if joins && !is_queued(self.state(), run) && self.latest_build(run).is_none() {
                let Run { platform, name, .. } = run;
                return Err(format!(
                    "nothing to wait for: job {name} is not queued on {platform}, and does not run"
                ));
            }
            check_places(self.state(), run)?;
        }
        Ok(runs)
    }

    /// The build of a run that started last, of those that are under way.
    fn latest_build(&self, run: &Run) -> Option<Uuid> {
        let builds = self.state().running.iter().filter(|(_, build)| {
            build.platform == run.platform
                && *build.script.name() == run.name
                && build.environment == run.environment
        });
        builds.max_by_key(|(uuid, build)| (build.started, **uuid)).map(|(uuid, _)| *uuid)
    }

    /// Tells waiters what has become of jobs and builds.
    pub(super) fn pass_on_news(&mut self, now: Now) {
        for news in self.journal.take_news() {
            match news {
                News::Started { uuid, run } => {
                    for id in self.waiters.on_started(uuid, &run) {
                        self.show_build(id, uuid);
                    }
                }
                News::RunsAgain(uuid) => {
                    let reason = self.state().ended_build(uuid).and_then(|ended| ended.build.end.as_ref());
                    let words = reason.map(|end| crate::history::words(&end.cause)).unwrap_or_default();
                    self.conclude_all(now, uuid, &Fate::RunsAgain(words));
                }
                News::Over(uuid) => {
                    let ended = self.state().ended_build(uuid).map(|ended| Box::new(ended.build.clone()));
                    if let Some(build) = ended {
                        self.conclude_all(now, uuid, &Fate::Over(build));
                    }
                }
                News::Left => {
                    for id in self.waiters.all_queued() {
                        self.check_queued(now, id);
                    }
                }
            }
        }
    }

    /// Tells those whose jobs have been queued for a while why that is so.
    pub(super) fn look_at_waiters(&mut self, now: Now) {
        while let Some(id) = self.waiters.pop_look(now) {
            if !self.check_queued(now, id) {
                continue;
            }
            let Some(run) = self.waiters.queued(id) else { continue };
            let Run { platform, name, .. } = run;
            let Some(reason) = self.reason(now, platform, name) else { continue };
            let reason = Text::from(format!("job {name} waits on {platform}: {reason}"));
            self.tell_waiter(id, reason);
        }
    }

    /// A waiter cannot be sent the console of a build, which changes nothing about how the build ends.
    pub(super) fn on_console_unsent(&mut self, now: Now, id: ConnectionId, error: &str) {
        self.tell_waiter(id, Text::from(format!("its console cannot be sent: {error}")));
        self.on_console_sent(now, id);
    }

    /// A waiter has been sent the console of a build.
    pub(super) fn on_console_sent(&mut self, now: Now, id: ConnectionId) {
        self.waiters.on_console_sent(id);
        self.conclude(now, id);
    }

    /// Forgets somebody who waits no longer.
    pub(super) fn dismiss_waiter(&mut self, id: ConnectionId) {
        self.waiters.remove(id);
        if self.waiters.is_empty() {
            self.journal.watch(false);
        }
    }

    fn conclude_all(&mut self, now: Now, uuid: Uuid, fate: &Fate) {
        for id in self.waiters.on_over(uuid, fate) {
            self.conclude(now, id);
        }
    }

    /// Tells a waiter what has become of the build whose console it has had, if that is known.
    fn conclude(&mut self, now: Now, id: ConnectionId) {
        match self.waiters.take_fate(now, id) {
            None => {}
            Some((_, Fate::Over(build))) => {
                self.journal.send(id, &Command::Build(*build));
                self.journal.send(id, &Command::Success);
                self.step_by_id(now, id, Step::Finish);
            }
            Some((uuid, Fate::RunsAgain(words))) => {
                self.tell_waiter(id, Text::from(format!("build {uuid}: {words}")));
                match self.waiters.build(id) {
                    Some(next) => self.show_build(id, next),
                    None => drop(self.check_queued(now, id)),
                }
            }
        }
    }

    /// Refuses a waiter whose job is in no queue any more. Says whether it is.
    fn check_queued(&mut self, now: Now, id: ConnectionId) -> bool {
        let Some(run) = self.waiters.queued(id) else { return false };
        if is_queued(self.state(), run) {
            return true;
        }
        let text = format!("job {} was taken out of the queue of {}", run.name, run.platform);
        self.refuse_by_id(now, id, &text);
        false
    }

    fn tell_waiter(&mut self, connection: ConnectionId, reason: Text) {
        if self.waiters.wants(connection, &reason)
            && let Ok(bytes) = Command::Waiting(reason).to_frame()
        {
            self.journal.act_after_commit(Deferred::SendPart { connection, bytes });
        }
    }

    /// Tells a waiter which build it is, and has it sent the console.
    fn show_build(&mut self, connection: ConnectionId, uuid: Uuid) {
        let state = self.journal.state();
        let under_way = state.build_under_way(uuid);
        let ended = || state.ended_build(uuid).map(|ended| Build { end: None, ..ended.build.clone() });
        let is_under_way = under_way.is_some();
        if let Some(build) = under_way.or_else(ended) {
            self.journal.send(connection, &Command::Build(build));
        }
        self.journal.act_after_commit(match is_under_way {
            true => Deferred::Follow { connection, uuid, waits: true, closes: false },
            false => Deferred::Replay { connection, uuid, closes: false },
        });
    }
}

/// A place in a queue, and whether it is still to be taken.
struct Wanted {
    run: Run,
    is_new: bool,
}

fn is_queued(state: &State, run: &Run) -> bool {
    state.queues.get(&run.platform).is_some_and(|queue| queue.contains(&run.name, &run.environment))
}

/// Refuses a script that could not run in this environment.
fn check_environment(name: &Text, script: &[u8], environment: &Environment) -> Result<(), String> {
    if environment.is_empty() {
        return Ok(());
    }
    let script = EnvironmentScript::new(script, environment)
        .map_err(|error| format!("the script of job {name} cannot run so: {error}"))?;
    check_script(name, script.length())
}

/// Refuses one environment too many: each is a place in the queue.
fn check_places(state: &State, run: &Run) -> Result<(), String> {
    let Run { platform, name, environment } = run;
    let Some(queue) = state.queues.get(platform) else { return Ok(()) };
    let count = queue.environments(name).filter(|queued| !queued.is_empty()).count();
    match environment.is_empty() || count < QUEUED_ENVIRONMENTS || queue.contains(name, environment) {
        true => Ok(()),
        false => Err(format!(
            "job {name} is queued on {platform} with {count} environments, the limit; try again when some have run"
        )),
    }
}

fn too_many(name: &Text, platforms: &[Text]) -> String {
    let mut names: Vec<String> = platforms.iter().take(PLATFORMS_SHOWN).map(Text::to_string).collect();
    if platforms.len() > PLATFORMS_SHOWN {
        names.push("…".to_owned());
    }
    format!(
        "job {} runs on several platforms, and only one can be waited for; name it with --platform: {}",
        shown(name),
        names.join(", ")
    )
}
