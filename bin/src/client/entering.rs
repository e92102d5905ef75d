//! What a command line wants of a job besides its script: how often, when and how long it runs, and what is kept.

use super::flags::{AT, KEEP, PERIOD, REPLACE, SILENCE, SKIP_MISSED, TIMEOUT};
use crate::command_line::{
    Matches, Often, TimeOfDay, UsageError, keep_values, seconds_value, value, whole_seconds,
};
use builder_engine::job_settings::check_settings;
use builder_proto::command::Command;
use builder_proto::job::{Job, OrbBuildJob, ScriptJob};
use builder_proto::job_settings::JobSettings;
use builder_proto::time::Period;

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
