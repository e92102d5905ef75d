//! Workers that wait, and the jobs they get: first come, first served.

use crate::Now;
use crate::limits::PLATFORMS;
use crate::server::connection::Phase;
use crate::server::conversation::Step;
use crate::server::record::{Record, Started};
use crate::server::template;
use crate::server::{ConnectionId, Server, Templates};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::job::{Job, ScriptJob};
use builder_proto::text::Text;
use builder_proto::wire::RawUuid;

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

    /// Hands jobs to waiting workers, on every platform where something changed.
    ///
    /// Called once a turn and last, so that a worker whose connection ended in this turn gets nothing.
    pub(crate) fn dispatch(&mut self, now: Now) {
        self.dispatch_paused = false;
        while let Some(platform) = self.undispatched.first().cloned() {
            if !self.dispatch_on(now, &platform) {
                self.dispatch_paused = true;
                return;
            }
            self.undispatched.remove(&platform);
        }
    }

    /// Hands jobs to the workers of one platform; false when it has to go on later.
    fn dispatch_on(&mut self, now: Now, platform: &Text) -> bool {
        if !self.has_room(0) {
            return false;
        }
        self.adopt_platform(platform);
        while let Some((turn, id)) = self.first_waiting(platform) {
            let Some((script, expanded)) = self.next_script(platform) else { return true };
            // The log repeats a script only when it was expanded.
            let octets = if expanded { script.script.as_bytes().len() } else { 0 };
            if !self.has_room(octets as u64) {
                return false;
            }
            let Some(uuid) = self.uuids.next() else {
                ::log::error!("no randomness for the uuid of a build; job {} stays queued", script.name);
                return false;
            };
            self.stop_waiting(platform, turn);
            self.start(now, id, platform, uuid, script, expanded);
        }
        true
    }

    /// A platform that a worker asks for gets a queue, unless it was dropped.
    fn adopt_platform(&mut self, platform: &Text) {
        let wanted = self.waiting.contains_key(platform) && !self.state.dropped.contains(platform);
        if wanted && !self.state.queues.contains_key(platform) && self.state.queues.len() < PLATFORMS {
            self.add_platform(platform);
        }
    }

    fn first_waiting(&self, platform: &Text) -> Option<(u64, ConnectionId)> {
        self.waiting.get(platform)?.first_key_value().map(|(turn, id)| (*turn, *id))
    }

    /// What the next worker of the platform runs, and whether a template was expanded for it.
    fn next_script(&self, platform: &Text) -> Option<(ScriptJob, bool)> {
        let template = self.templates.get(platform);
        match (&**self.state.queues.get(platform)?.first(template.is_some())?, template) {
            (Job::Script(script), _) => Some((script.clone(), false)),
            (Job::OrbBuild(orb_build), template) => {
                Some((template::expand(template?, orb_build, platform), true))
            }
        }
    }

    fn start(
        &mut self,
        now: Now,
        id: ConnectionId,
        platform: &Text,
        uuid: Uuid,
        script: ScriptJob,
        expanded: bool,
    ) {
        self.commit(Record::Started(Started {
            uuid: RawUuid(uuid),
            started: now.wall,
            platform: platform.clone(),
            name: script.name.clone(),
            job: expanded.then(|| script.clone()),
        }));
        ::log::info!("connection {id}: job {} on {platform} starts as build {uuid}", script.name);
        self.send(id, &Command::JobSchedule { uuid, job: script });
        self.step_by_id(now, id, Step::Enter(Phase::Building(uuid)));
        self.add_build(now, uuid, id);
    }
}
