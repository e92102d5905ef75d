//! Clients: one command each, from people who are sometimes impatient.

use super::{Line, Peer, platform};
use crate::model::{OUT_OF_REACH, VARIABLE};
use crate::network::End;
use builder_engine::server::{ConnectionId, Role};
use builder_proto::command::{Command, PeerType, Sender};
use builder_proto::environment::Variable;
use builder_proto::job::{OrbBuildJob, ScriptJob};
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use builder_tests::world::Random;
use std::time::Duration;

/// Values that the variable of a run may have: few, so that they meet.
const ENVIRONMENTS: u64 = 3;

/// A client with one command.
pub(crate) struct Client {
    command: Command,
    /// Whether it sends hello and command in one go.
    hasty: bool,
    /// Whether it never reads what it asked for.
    deaf: bool,
}

impl Client {
    /// A client with a command that the model can follow, and that is carried out on a listener for this role; none when
    /// there is no such command right now.
    pub(crate) fn new(line: &mut Line, connection: ConnectionId, role: Role) -> Option<Client> {
        let command = choose_command(line)?;
        if role == Role::Viewers && command.kind().sender() != Sender::ClientLooks {
            return None;
        }
        if !line.environment.model.borrow_mut().begin(connection, &command) {
            return None;
        }
        Some(Client { command, hasty: line.random.coin(), deaf: line.random.per_mille(30) })
    }
}

impl Peer for Client {
    fn connected(&mut self, line: &mut Line) {
        if self.deaf {
            line.environment.network.borrow_mut().deafen(line.connection);
            line.wake_after(Duration::from_secs(60));
        }
        let version = self.command.kind().client_version();
        line.say(&Command::ClientHello { peer: PeerType::Client, version });
        if matches!(self.command, Command::Run { .. }) && line.random.per_mille(200) {
            // Somebody who waits, but not for ever.
            let patience = line.random.skewed(25);
            line.wake_after(Duration::from_micros(patience));
        }
        if self.hasty {
            line.say(&self.command);
        }
    }

    fn received(&mut self, line: &mut Line, _bytes: &[u8]) {
        // The first bytes are the hello, or the beginning of it; what is said twice the server refuses.
        if !std::mem::replace(&mut self.hasty, true) {
            line.say(&self.command);
        }
    }

    fn ended(&mut self, line: &mut Line, _end: End) {
        line.leave(End::Closed);
    }

    fn woken(&mut self, line: &mut Line) {
        line.leave(End::Reset);
    }
}

fn choose_command(line: &mut Line) -> Option<Command> {
    let plan = line.environment.plan.clone();
    if line.environment.is_calm.get()
        && let Some(resume) = line.environment.model.borrow().resume()
    {
        return Some(resume);
    }
    let is_calm = line.environment.is_calm.get();
    let random = &mut line.random;
    let job = random.below(plan.jobs);
    // The last job of all is an orb-build job.
    let is_orb_build = job + 1 == plan.jobs;
    let name = Text::from(format!("job-{job}"));
    let own_platform = Text::from(format!("platform-{}", job % plan.platforms));
    // In the end people wait for builds, remove what others wait for, or look.
    let choice = if is_calm { *random.pick(&[48, 48, 60, 97]) } else { random.below(100) };
    Some(match choice {
        0..35 => {
            let period = *random.pick(&[Period::Hourly, Period::Daily, Period::Weekly, Period::Never]);
            let settings = random.per_mille(300).then(|| random_settings(random, plan.retention));
            let at = random.per_mille(300).then(|| random.below(24 * 60) as i64);
            let replaces = random.coin();
            if is_orb_build {
                let opam_package = format!("package-{}", random.below(1000)).into();
                let job = OrbBuildJob { name, opam_package };
                match settings {
                    None => Command::ScheduleOrbBuild { period, job },
                    Some(settings) => Command::EnterOrbBuild { period, job, settings, replaces, at },
                }
            } else {
                let job = ScriptJob { name, script: random_script(random), platform: own_platform };
                match settings {
                    None => Command::Schedule { period, job },
                    Some(settings) => Command::Enter { period, job, settings, replaces, at },
                }
            }
        }
        35..48 => {
            let platform = (random.coin() && !is_orb_build).then_some(own_platform);
            Command::Execute { name, platform }
        }
        48..60 => {
            let variable = |random: &mut Random| Variable {
                name: VARIABLE.into(),
                value: random.below(ENVIRONMENTS).to_string().into(),
            };
            let environment = if random.coin() { vec![variable(random)] } else { Vec::new() };
            // An orb-build job may have several platforms.
            let platform = (random.coin() || is_orb_build).then_some(own_platform);
            let waits = random.below(4) > 0;
            Command::Run { name, platform, environment, waits, joins: waits && random.per_mille(200) }
        }
        60..68 => Command::Unschedule(name),
        68..76 => {
            let period = random.coin().then_some(Period::Hourly);
            Command::Reschedule { name, next: random_time(random, line.environment.host.now().wall), period }
        }
        76..77 => Command::DropPlatform(platform(random, plan.platforms)),
        77..82 => Command::UndropPlatform(platform(random, plan.platforms)),
        82..85 => Command::Info,
        85 => Command::Pause(own_platform),
        86 => Command::Drain { wait: random.coin() },
        87..90 => Command::Resume { platform: random.coin().then_some(own_platform) },
        97.. => Command::Overview,
        choice => {
            let model = line.environment.model.borrow();
            let builds = model.known_builds();
            // Most are interested in what happens now.
            let latest = builds.len().saturating_sub(4);
            let builds = if random.coin() { &builds[latest..] } else { builds };
            if builds.is_empty() {
                return None;
            }
            let uuid = *random.pick(builds);
            if choice < 92 { Command::Cancel(uuid) } else { Command::Observe(uuid) }
        }
    })
}

/// What makes builds end early and runs come at other times, and says which results are kept if that is not all of them.
fn random_settings(random: &mut Random, retention: bool) -> JobSettings {
    let silence = random.coin().then(|| 1 + random.below(10));
    let timeout = random.coin().then(|| 11 + random.below(15));
    let every = random.coin().then(|| 60 + random.below(100_000));
    let keep_builds = (retention && random.coin()).then(|| 1 + random.below(3));
    let keep_seconds = (retention && random.per_mille(200)).then(|| 1 + random.below(100));
    JobSettings {
        timeout,
        silence,
        every,
        skip_missed: random.coin().then_some(true),
        keep_builds,
        keep_seconds,
    }
}

fn random_script(random: &mut Random) -> Text {
    let length = random.skewed(10) as usize;
    Text::from(format!("#!/bin/sh\n# {}\n{}", random.number(), "x".repeat(length)))
}

fn random_time(random: &mut Random, now: Time) -> Time {
    match random.below(3) {
        0 => now.saturating_add(Duration::from_millis(random.below(2_000))),
        1 => Time::NEVER,
        _ => OUT_OF_REACH.saturating_add(Duration::from_secs(random.below(1_000_000))),
    }
}
