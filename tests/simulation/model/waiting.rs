//! Clients that wait for a build: what each is told while it waits, and how all of that fits what is stored in the end.

use super::build::is_queued_again;
use super::builds::Builds;
use super::history::check_build;
use super::jobs::Jobs;
use super::observation::Observation;
use super::places::{Place, value_of};
use builder_engine::history::words;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::history::Build;
use builder_proto::text::Text;

/// Somebody who waits, on a connection.
#[derive(Debug)]
pub(super) struct Wait {
    name: Text,
    platform: Option<Text>,
    value: Option<Text>,
    /// How many commands had been given by then that may have removed the job.
    removals: u64,
    /// The build that it is shown now, and how many lines of it.
    shown: Option<(Uuid, usize)>,
    /// Whether it was told that a console cannot be sent.
    lacks_lines: bool,
    /// Whether it was told how the build ended.
    is_over: bool,
}

/// What those who waited were told.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// How builds ended, and how many lines they had, if all were sent.
    ends: Vec<(Build, Option<usize>)>,
    /// Builds after which they waited on.
    lost: Vec<Uuid>,
    /// Builds that they were shown, and where they wanted them to run.
    shown: Vec<(Uuid, Place)>,
}

impl Wait {
    /// None for a command after which nobody waits.
    pub(super) fn new(command: &Command, jobs: &Jobs) -> Option<Wait> {
        let Command::Run { name, platform, environment, waits: true, .. } = command else { return None };
        Some(Wait {
            name: name.clone(),
            platform: platform.clone(),
            value: value_of(environment),
            removals: jobs.removals(name),
            shown: None,
            lacks_lines: false,
            is_over: false,
        })
    }

    pub(super) fn name(&self) -> &Text {
        &self.name
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// It is told why nothing happens, or what has just happened.
    pub(super) fn reason(&mut self, reason: &Text) -> Result<(), String> {
        self.lacks_lines |= reason.to_string().contains("its console cannot be sent");
        match self.is_over {
            false => Ok(()),
            true => Err(format!("who waited for job {} was told the end, and then: {reason}", self.name)),
        }
    }

    pub(super) fn line(&mut self, uuid: Uuid, line: &Text, builds: &mut Builds) -> Result<(), String> {
        match &mut self.shown {
            Some((shown, lines)) if *shown == uuid && !self.is_over => {
                *lines += 1;
                builds.get(uuid).map_or(Ok(()), |build| build.observed_line(*lines - 1, line))
            }
            shown => Err(format!("who waits for {shown:?} was sent a line of build {uuid}: {line}")),
        }
    }

    /// It is told which build it is, or how it ended.
    pub(super) fn build(&mut self, build: Build, ends: &mut Ends) -> Result<(), String> {
        let uuid = build.uuid();
        if build.job != self.name
            || self.platform.as_ref().is_some_and(|platform| build.platform != *platform)
        {
            return Err(format!(
                "who waits for job {} on {:?} was shown {build:?}",
                self.name, self.platform
            ));
        }
        if build.end.is_none() && !self.is_over {
            if let Some((lost, _)) = self.shown.replace((uuid, 0)) {
                ends.lost.push(lost);
            }
            self.lacks_lines = false;
            let place = Place { platform: build.platform, value: self.value.clone() };
            ends.shown.push((uuid, place));
            return Ok(());
        }
        match self.shown {
            Some((shown, lines)) if shown == uuid && !self.is_over => {
                self.is_over = true;
                ends.ends.push((build, (!self.lacks_lines).then_some(lines)));
                Ok(())
            }
            shown => Err(format!("somebody was told how build {uuid} ended, but waits for {shown:?}")),
        }
    }

    /// It is told that this was all.
    pub(super) fn success(&self) -> Result<(), String> {
        match self.is_over {
            true => Ok(()),
            false => Err(format!("who waits for job {} was told no end, but that this is all", self.name)),
        }
    }

    /// It is told that it waits in vain; `removals` commands were given so far that may have removed the job.
    pub(super) fn failure(&self, reason: &Text, removals: u64) -> Result<(), String> {
        if self.is_over {
            return Err(format!("who waited for job {} was told the end, and then: {reason}", self.name));
        }
        let is_removed = reason.to_string().contains("was taken out of the queue");
        match is_removed && removals == self.removals {
            true => Err(format!("somebody was told that {reason}, but nobody removed it")),
            false => Ok(()),
        }
    }
}

impl Ends {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// No server finds a build unfinished of which somebody was told how it ended.
    pub(super) fn check_finished(&self, observed: &Observation) -> Result<(), String> {
        let runs = |uuid: &Uuid| {
            let again = |(_, _, reason): &(Text, Place, Text)| is_queued_again(&reason.to_string());
            observed.running.contains_key(uuid) || observed.unstored.get(uuid).is_some_and(again)
        };
        match self.ends.iter().map(|(build, _)| build.uuid()).find(runs) {
            Some(uuid) => Err(format!("somebody was told how build {uuid} ended, which has not finished")),
            None => Ok(()),
        }
    }

    /// Holds everything against the stored results, when nothing is left to do.
    pub(super) fn check(&self, builds: &Builds) -> Result<(), String> {
        for (build, lines) in &self.ends {
            check_end(build, *lines, builds)?;
        }
        for uuid in self.lost.iter().filter(|uuid| !builds.retention.may_be_gone(**uuid)) {
            let stored = builds.result(*uuid);
            if !stored.as_ref().is_some_and(|stored| is_queued_again(&stored.result.to_string())) {
                let result = stored.map(|stored| stored.result);
                return Err(format!("after build {uuid} somebody waited on, although it says {result:?}"));
            }
        }
        for (uuid, wanted) in &self.shown {
            let ran = builds.result(*uuid).map(|stored| Place::of_script(&stored.job));
            if let Some(ran) = ran.filter(|ran| ran != wanted) {
                return Err(format!("build {uuid} was shown to who waits for {wanted}, but ran on {ran}"));
            }
        }
        Ok(())
    }
}

fn check_end(build: &Build, lines: Option<usize>, builds: &Builds) -> Result<(), String> {
    let uuid = build.uuid();
    let cause = build.end.as_ref().map(|end| words(&end.cause).to_string()).unwrap_or_default();
    if is_queued_again(&cause) {
        return Err(format!("somebody was told that it ends with build {uuid}: {cause}"));
    }
    let Some(stored) = builds.result(uuid) else {
        if builds.retention.may_be_gone(uuid) {
            return Ok(());
        }
        return Err(format!("build {uuid} has no result, but somebody was told how it ended"));
    };
    check_build(build, &stored).map_err(|problem| format!("of build {uuid} was told: {problem}"))?;
    let stored_lines = stored.printed().len();
    // Lines that are not stored yet may be lost in a crash, which the result says.
    let says_so = stored.result.to_string().contains("the server stopped");
    match lines.is_none_or(|lines| lines == stored_lines || (stored_lines < lines && says_so)) {
        true => Ok(()),
        false => Err(format!("of build {uuid} {lines:?} lines were sent, but {stored_lines} are stored")),
    }
}
