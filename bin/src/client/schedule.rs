//! A job as a command line wants it: how often, when and how long it runs, what is kept, and its script; and its first run,
//! if somebody waits for that.

use super::change::send;
use super::connection::Connection;
use super::error::{ClientError, ScriptSource};
use super::flags::{AT, Form, KEEP, PERIOD, REPLACE, SILENCE, SKIP_MISSED, TIMEOUT};
use super::{builds, run};
use crate::command_line::{
    Address, Matches, Often, TimeOfDay, UsageError, keep_values, seconds_value, value, whole_seconds,
};
use builder_engine::job_settings::check_settings;
use builder_engine::limits::COMMAND_FRAME_BYTES;
use builder_proto::Uuid;
use builder_proto::command::{Command, Kind};
use builder_proto::history::{Build, Cause, HistoryQuery};
use builder_proto::job::{Job, OrbBuildJob, ScriptJob};
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::Period;
use std::thread;
use std::time::Duration;

/// How a server begins that has nothing to wait for.
const NOTHING: &[u8] = b"nothing to wait for";
/// How often a build is looked for that is neither queued nor running, and of which nobody may hear yet how it ended.
const LOOKS: u32 = 50;
/// The pause before each of these looks but the first.
const LOOK_TIME: Duration = Duration::from_millis(200);

/// How a job is to be entered into the schedule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entering {
    period: Period,
    settings: JobSettings,
    replaces: bool,
    /// Minutes after midnight.
    at: Option<i64>,
}

impl Entering {
    /// Reads the flags.
    pub(super) fn parse(matches: &Matches) -> Result<Entering, UsageError> {
        // How often a job runs when nobody says how often.
        let often = value(matches, PERIOD.long)?.unwrap_or(Often::Named(Period::Daily));
        let (period, every) = match often {
            Often::Named(period) => (period, None),
            // The server finds the nearest of the four by itself.
            Often::Every(time) => (Period::Daily, Some(whole_seconds(PERIOD.long, time)?)),
        };
        let (keep_builds, keep_seconds) = keep_values(matches, KEEP.long)?;
        let settings = JobSettings {
            timeout: seconds_value(matches, TIMEOUT.long)?,
            silence: seconds_value(matches, SILENCE.long)?,
            every,
            skip_missed: matches.opt_present(SKIP_MISSED.long).then_some(true),
            keep_builds,
            keep_seconds,
        };
        check_settings(&settings).map_err(UsageError::new)?;
        let at = value(matches, AT.long)?.map(|TimeOfDay(minutes)| minutes);
        Ok(Entering { period, settings, replaces: matches.opt_present(REPLACE.long), at })
    }

    /// The command that enters the job. What every server can do is said as every server understands it.
    fn into_command(self, job: Job) -> Command {
        let Entering { period, settings, replaces, at } = self;
        let is_plain = settings.is_empty() && !replaces && at.is_none();
        match (job, is_plain) {
            (Job::Script(job), true) => Command::Schedule { period, job },
            (Job::OrbBuild(job), true) => Command::ScheduleOrbBuild { period, job },
            (Job::Script(job), false) => Command::Enter { period, job, settings, replaces, at },
            (Job::OrbBuild(job), false) => Command::EnterOrbBuild { period, job, settings, replaces, at },
        }
    }

    /// The command that enters a script.
    pub(super) fn script(self, job: ScriptJob) -> Command {
        self.into_command(Job::Script(job))
    }

    /// The command that enters an opam package.
    pub(super) fn package(self, job: OrbBuildJob) -> Command {
        self.into_command(Job::OrbBuild(job))
    }
}

/// A script job whose script is still to be read.
#[derive(Debug)]
pub(super) struct ScheduleFile {
    pub(super) entering: Entering,
    pub(super) name: Text,
    pub(super) platform: Text,
    pub(super) source: ScriptSource,
}

impl ScheduleFile {
    /// Reads the script.
    pub(super) fn read(self) -> Result<Command, ClientError> {
        let ScheduleFile { entering, name, platform, source } = self;
        let script = match source.read_at_most(COMMAND_FRAME_BYTES) {
            Ok(Some(script)) => script,
            Ok(None) => return Err(ClientError::ScriptTooLong { source, limit: COMMAND_FRAME_BYTES }),
            Err(error) => return Err(ClientError::ReadScript { source, error }),
        };
        let length = script.len() as u64;
        let command = entering.script(ScriptJob { name, script: script.into(), platform });
        // The server counts what surrounds the script, too.
        let around = command.encode().map_err(ClientError::Encode)?.len() as u64 - length;
        match COMMAND_FRAME_BYTES.saturating_sub(around) {
            limit if length > limit => Err(ClientError::ScriptTooLong { source, limit }),
            _ => Ok(command),
        }
    }
}

/// Schedules a job, follows its first run, and says how that ended.
pub(super) fn follow_first_run(
    remote: &Address,
    file: ScheduleFile,
    form: Form,
    quiet: bool,
) -> Result<Cause, ClientError> {
    let name = file.name.clone();
    let command = file.read()?;
    // Before anything is scheduled, it should be clear that the server can do the rest.
    drop(Connection::open(remote, Kind::Run)?);
    let before = newest(remote, &name)?.map(|build| build.uuid());
    send(remote, &command, true)?;
    let joins = Command::Run {
        name: name.clone(),
        platform: None,
        environment: Vec::new(),
        waits: true,
        joins: true,
    };
    for look in 0..LOOKS {
        if look > 0 {
            thread::sleep(LOOK_TIME);
        }
        match run::run(remote, joins.clone(), form, quiet) {
            Err(ClientError::Refused { reason, .. }) if reason.as_bytes().starts_with(NOTHING) => {}
            outcome => return outcome,
        }
        // It was so quick that it has ended already.
        if let Some((build, cause)) = ended_since(remote, &name, before)? {
            run::replay(remote, &build, form)?;
            return Ok(cause);
        }
    }
    let reason = format!("job {name} is scheduled, but its first run is nowhere to be found");
    Err(ClientError::Refused { reason: reason.into(), hint: String::new() })
}

fn newest(remote: &Address, name: &Text) -> Result<Option<Build>, ClientError> {
    let query = HistoryQuery { job: Some(name.clone()), ..HistoryQuery::default() };
    Ok(builds::ask(remote, query, 1)?.pop())
}

/// The newest build of a job, if it has ended and is not that one: a job of the same name may have run earlier.
fn ended_since(
    remote: &Address,
    name: &Text,
    before: Option<Uuid>,
) -> Result<Option<(Build, Cause)>, ClientError> {
    let newest = newest(remote, name)?.filter(|build| Some(build.uuid()) != before);
    Ok(newest.and_then(|build| {
        let cause = build.end.as_ref()?.cause.clone();
        Some((build, cause))
    }))
}
