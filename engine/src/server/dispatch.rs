//! Workers that wait, and the jobs they get: first come, first served.

use crate::Now;
use crate::limits::PLATFORMS;
use crate::server::admission::check_script;
use crate::server::connection::Phase;
use crate::server::conversation::Step;
use crate::server::record::{Record, Started};
use crate::server::template;
use crate::server::{ConnectionId, Server, State, Templates};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::job::{Job, ScriptJob};
use builder_proto::text::Text;
use builder_proto::wire::RawUuid;
use std::collections::BTreeSet;

/// What became of an attempt to hand out a job.
enum HandOut {
    /// One has left its queue.
    Job,
    /// Nobody waits, or nothing is queued, or the platform is to wait.
    Nothing,
    /// The disk or the source of randomness does not allow it for now.
    Later,
    /// Enough builds are under way.
    Busy,
}

/// A job that is about to leave its queue.
struct Prepared {
    /// What runs; the template as it is when the script made from it would be too long.
    script: ScriptJob,
    from_template: bool,
    /// Whether a worker takes it.
    check: Result<(), String>,
}

impl Server {
    /// Gives a worker its place behind all others.
    pub(crate) fn start_waiting(&mut self, platform: &Text, id: ConnectionId) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.waiting.entry(platform.clone()).or_default().insert(turn, id);
        self.undispatched.insert(platform.clone());
        turn
    }

    pub(crate) fn stop_waiting(&mut self, platform: &Text, turn: u64) {
        if let Some(workers) = self.waiting.get_mut(platform) {
            workers.remove(&turn);
            if workers.is_empty() {
                self.waiting.remove(platform);
            }
        }
    }

    pub(crate) fn set_templates(&mut self, templates: Templates) {
        self.templates = templates;
        self.undispatched.extend(self.waiting.keys().cloned());
    }

    /// Hands jobs to waiting workers, on every platform where something changed; whoever has waited longest goes first.
    ///
    /// Called once a turn and last, so that a worker whose connection ended in this turn gets nothing.
    pub(crate) fn dispatch(&mut self, now: Now) {
        self.dispatch_paused = false;
        self.undispatched.extend(self.pacing.take_due(now.monotonic));
        let was_busy = core::mem::take(&mut self.is_busy);
        if !self.has_room(0) {
            self.dispatch_paused = true;
            return;
        }
        self.adopt_platforms();
        let changed = core::mem::take(&mut self.undispatched);
        let first_turn = |platform: Text| Some((self.first_waiting(&platform)?.0, platform));
        let mut platforms: BTreeSet<(u64, Text)> = changed.into_iter().filter_map(first_turn).collect();
        while let Some((turn, platform)) = platforms.pop_first() {
            match self.hand_out(now, &platform) {
                HandOut::Job => {
                    if let Some((turn, _)) = self.first_waiting(&platform) {
                        platforms.insert((turn, platform));
                    }
                }
                HandOut::Nothing => {}
                HandOut::Later => {
                    self.dispatch_paused = true;
                    self.undispatched.insert(platform);
                }
                HandOut::Busy => {
                    self.is_busy = true;
                    platforms.insert((turn, platform));
                    break;
                }
            }
        }
        self.undispatched.extend(platforms.into_iter().map(|(_, platform)| platform));
        if self.is_busy && !was_busy {
            let limit = self.settings.builds;
            ::log::warn!("reached the limit of {limit} builds at once; other jobs wait until one ends");
        }
    }

    /// Hands the next job of a platform to the worker that has waited longest for it.
    fn hand_out(&mut self, now: Now, platform: &Text) -> HandOut {
        let Some((turn, id)) = self.first_waiting(platform) else { return HandOut::Nothing };
        let queue = self.state.queues.get(platform);
        if queue.and_then(|queue| queue.first(self.templates.contains_key(platform))).is_none() {
            return HandOut::Nothing;
        }
        if !self.pacing.allows(now.monotonic, platform) {
            return HandOut::Nothing;
        }
        // Before a script is copied: this is where every turn ends while no place is free.
        if self.builds_under_way() >= self.settings.builds {
            return HandOut::Busy;
        }
        let Some(Prepared { script, from_template, check }) = self.prepare(platform) else {
            return HandOut::Nothing;
        };
        // The log repeats a script only when it comes from a template.
        let octets = if from_template { script.script.as_bytes().len() } else { 0 };
        if !self.has_room(octets as u64) {
            return HandOut::Later;
        }
        let Some(uuid) = self.uuids.next() else {
            ::log::error!("no randomness for the uuid of a build; job {} stays queued", script.name);
            return HandOut::Later;
        };
        self.record_start(now, platform, uuid, &script, from_template);
        match check {
            Ok(()) => {
                self.stop_waiting(platform, turn);
                self.pacing.handed_out(now.monotonic, platform);
                self.hand_over(now, id, uuid, script);
            }
            // Handed out all the same, it would cost one worker after the other.
            Err(reason) => self.fail_unassigned(now, uuid, &reason),
        }
        HandOut::Job
    }

    /// Builds whose console and result may be open.
    fn builds_under_way(&self) -> usize {
        self.builds.len() + self.state.aborted.len() - self.unstorable.len()
    }

    /// Platforms that workers ask for get a queue, unless they were dropped.
    fn adopt_platforms(&mut self) {
        let State { queues, dropped, .. } = &self.state;
        let is_new = |platform: &&Text| {
            self.waiting.contains_key(*platform)
                && !queues.contains_key(*platform)
                && !dropped.contains(*platform)
        };
        let places = PLATFORMS.saturating_sub(queues.len());
        let new: Vec<Text> = self.undispatched.iter().filter(is_new).take(places).cloned().collect();
        for platform in new {
            self.add_platform(&platform);
        }
    }

    fn first_waiting(&self, platform: &Text) -> Option<(u64, ConnectionId)> {
        self.waiting.get(platform)?.first_key_value().map(|(turn, id)| (*turn, *id))
    }

    /// What the next worker of the platform runs.
    fn prepare(&self, platform: &Text) -> Option<Prepared> {
        let template = self.templates.get(platform);
        Some(match (&**self.state.queues.get(platform)?.first(template.is_some())?, template) {
            (Job::Script(script), _) => {
                let check = check_script(&script.name, script.script.as_bytes().len() as u64);
                Prepared { script: script.clone(), from_template: false, check }
            }
            (Job::OrbBuild(job), template) => {
                let template = template?;
                let check = check_script(&job.name, template::expanded_octets(template, job, platform))
                    .map_err(|error| format!("{error} (orb-build.template.{platform} makes it so long)"));
                let script = match &check {
                    Ok(()) => template::expand(template, job, platform),
                    Err(_) => template::keep(template, job, platform),
                };
                Prepared { script, from_template: true, check }
            }
        })
    }

    fn record_start(
        &mut self,
        now: Now,
        platform: &Text,
        uuid: Uuid,
        script: &ScriptJob,
        from_template: bool,
    ) {
        self.commit(Record::Started(Started {
            uuid: RawUuid(uuid),
            started: now.wall,
            platform: platform.clone(),
            name: script.name.clone(),
            job: from_template.then(|| script.clone()),
        }));
    }

    fn hand_over(&mut self, now: Now, id: ConnectionId, uuid: Uuid, job: ScriptJob) {
        ::log::debug!("connection {id}: job {} on {} starts as build {uuid}", job.name, job.platform);
        self.send(id, &Command::JobSchedule { uuid, job });
        self.step_by_id(now, id, Step::Enter(Phase::Building(uuid)));
        self.add_build(now, uuid, id);
    }
}
