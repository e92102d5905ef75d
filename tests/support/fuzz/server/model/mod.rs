//! The server said once more and as simply as possible: who may say what, and what comes of it.

mod builds;
mod pacing;

use super::entering::Entry;
use super::jobs::{Jobs, Running};
use super::peers::{Closed, Peer, Phase, Said, Verdict};
use builder_engine::Now;
use builder_engine::limits::{
    ARTIFACT_PROGRESS_TIME, CLOCK_PATIENCE, COMMAND_TIME, HELLO_TIME, INFO_PIECE_BYTES, LINGER_TIME,
    OPAM_PACKAGE_BYTES, TIMEOUT_GRACE, UNREAD_ANSWERS,
};
use builder_engine::names::{NameKind, check_name};
use builder_engine::server::{ConnectionId, Input, Settings, Templates, UploadOutcome, UploadSettings};
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, OutputRef, PeerType};
use builder_proto::finished::FinishedWalker;
use builder_proto::frame::{FrameError, FrameEvent};
use builder_proto::job::{Job, ScriptJob};
use builder_proto::text::Text;
use builder_proto::{CLIENT_VERSION, HISTORY_VERSION, Uuid, WORKER_VERSION};
use core::time::Duration;
use pacing::Pacing;
use std::collections::{BTreeMap, BTreeSet};

/// What the server is to be and to say.
pub(super) struct Model {
    pub(super) jobs: Jobs,
    pub(super) said: BTreeMap<ConnectionId, Vec<Said>>,
    /// What each build printed, and when in nanoseconds since its start. Kept for good.
    pub(super) consoles: BTreeMap<Uuid, Vec<(i64, Vec<u8>)>>,
    /// Set when an answer is so long that it is sent in parts, of which this model knows nothing.
    pub(super) is_out_of_its_depth: bool,
    settings: Settings,
    uploads: Option<UploadSettings>,
    templates: Templates,
    peers: BTreeMap<ConnectionId, Peer>,
    /// First come, first served.
    waiting: Vec<(ConnectionId, Text)>,
    builds: BTreeMap<Uuid, Build>,
    pacing: Pacing,
    /// From when on jobs return to their grid.
    trusts_clock_at: Duration,
    /// When aborted builds whose result could not be stored are tried again.
    retries: BTreeMap<Uuid, Duration>,
    has_room: bool,
    /// Whether builds can be named, and the last name.
    has_uuids: bool,
    last_uuid: u128,
}

struct Build {
    connection: ConnectionId,
    started: Duration,
    deadline: Duration,
    /// When it is to be over.
    end: Duration,
    /// Whether its job says how long it may take.
    has_own_end: bool,
    /// The longest that it may print nothing.
    silence: Option<Duration>,
    console_bytes: u64,
    /// Whether any message about it came from its worker.
    has_spoken: bool,
    stage: Stage,
}

enum Stage {
    Running,
    /// The worker sends its result; when bytes last came.
    Receiving {
        last_bytes: Duration,
    },
    Storing {
        result: BuildResult,
    },
}

impl Model {
    pub(super) fn new(settings: Settings, uploads: Option<UploadSettings>, now: Now) -> Model {
        Model {
            jobs: Jobs::default(),
            said: BTreeMap::new(),
            consoles: BTreeMap::new(),
            is_out_of_its_depth: false,
            settings,
            uploads,
            templates: Templates::new(),
            peers: BTreeMap::new(),
            waiting: Vec::new(),
            builds: BTreeMap::new(),
            pacing: Pacing::default(),
            trusts_clock_at: now.monotonic + CLOCK_PATIENCE,
            retries: BTreeMap::new(),
            has_room: true,
            has_uuids: true,
            last_uuid: 0,
        }
    }

    pub(super) fn set_uuids(&mut self, available: bool) {
        self.has_uuids = available;
    }

    /// The server starts again with what is on disk; `stored` are the builds whose results are in place.
    pub(super) fn restart(&mut self, now: Now, jobs: Jobs, stored: &BTreeSet<Uuid>) {
        self.jobs = jobs;
        self.said.clear();
        self.peers.clear();
        self.waiting.clear();
        self.builds.clear();
        self.pacing = Pacing::default();
        self.trusts_clock_at = now.monotonic + CLOCK_PATIENCE;
        self.retries.clear();
        self.templates.clear();
        self.has_room = true;
        for uuid in stored {
            self.finish(*uuid);
        }
        self.jobs.restart(now.wall);
    }

    pub(super) fn handle(&mut self, now: Now, input: &Input<'_>) {
        match input {
            Input::Connected { connection, role, .. } => {
                self.peers.insert(*connection, Peer::new(*role, now.monotonic + HELLO_TIME));
            }
            Input::Received { connection, bytes } => self.receive(now, *connection, bytes),
            Input::Closed { connection, .. } => {
                if let Some(peer) = self.peers.remove(connection) {
                    self.leave(now, *connection, &peer.phase);
                }
            }
            Input::ObserverDone { connection } => self.end_by_id(now, *connection, Verdict::Done),
            Input::ObserverFailed { connection, .. } => self.end_by_id(now, *connection, Verdict::Refused),
            Input::PartSent { .. } => {}
            Input::Tick => self.tick(now),
            Input::Templates(templates) => self.templates.clone_from(templates),
            Input::SpoolFailed { uuid, .. } => self.fail_build(now, *uuid),
            Input::ResultStored { uuid, .. } => self.on_result_stored(now, *uuid),
            Input::ResultFailed { uuid, .. } => self.on_result_failed(now, *uuid),
            Input::ResultDigested { .. }
            | Input::ResultsWrittenBack(_)
            | Input::Remembered { .. }
            | Input::ResultNotKept { .. } => {}
            Input::UploadEnded { uuid, outcome: UploadOutcome::Done } => {
                let keep_local = self.uploads.as_ref().is_some_and(|settings| settings.keep_local);
                self.jobs.upload(*uuid, keep_local);
            }
            Input::UploadEnded { uuid, outcome: UploadOutcome::Missing } => self.jobs.upload(*uuid, true),
            Input::UploadEnded { .. } | Input::NoticeEnded { .. } | Input::Resume => {}
            Input::ResultRemoved { uuid } => drop(self.jobs.leaving.remove(uuid)),
            Input::LogSpace(bytes) => self.has_room = *bytes > 0,
        }
    }

    /// When the server has to be awake at the latest, as far as peers and builds are concerned.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let peers = self.peers.values().filter_map(|peer| peer.deadline);
        let builds = self.builds.values().filter(|build| !matches!(build.stage, Stage::Storing { .. }));
        let builds = builds.map(|build| build.deadline);
        let paced = self.waiting.iter().filter_map(|(_, platform)| {
            self.next_script(platform).filter(|_| self.has_room && self.has_uuids)?;
            self.pacing.next(platform)
        });
        peers.chain(builds).chain(self.retries.values().copied()).chain(paced).min()
    }

    fn tick(&mut self, now: Now) {
        let is_over = |deadline: Duration| deadline <= now.monotonic;
        let peers = self.peers.iter().filter(|(_, peer)| peer.deadline.is_some_and(is_over));
        let peers: Vec<ConnectionId> = peers.map(|(id, _)| *id).collect();
        for id in peers {
            self.expire_peer(now, id);
        }
        // One after the other, as each may be given more time.
        loop {
            let builds = self.builds.iter().filter(|(_, build)| is_over(build.deadline));
            let waits = |stage: &Stage| !matches!(stage, Stage::Storing { .. });
            let builds = builds.filter(|(_, build)| waits(&build.stage));
            let Some((_, uuid)) = builds.map(|(uuid, build)| (build.deadline, *uuid)).min() else { break };
            self.expire_build(now, uuid);
        }
        self.retries.retain(|_, at| !is_over(*at));
        if self.has_room {
            if now.monotonic >= self.trusts_clock_at {
                self.jobs.return_to_grid(now.wall);
            }
            self.jobs.queue_due(now.wall, &self.templates);
            self.dispatch(now);
        }
    }

    fn expire_peer(&mut self, now: Now, id: ConnectionId) {
        if matches!(self.peers[&id].phase, Phase::Closing) {
            self.peers.remove(&id);
            self.say(id, Said::Closed(Closed::Dropped));
        } else {
            self.end_by_id(now, id, Verdict::Refused);
        }
    }

    /// Whoever has waited longest goes first.
    fn dispatch(&mut self, now: Now) {
        let platforms: BTreeSet<Text> = self.waiting.iter().map(|(_, platform)| platform.clone()).collect();
        for platform in platforms {
            if !self.jobs.dropped.contains(&platform) {
                self.jobs.add_platform(&platform, &self.templates);
            }
        }
        while let Some((place, job)) = self.next_handed_out(now.monotonic) {
            if !self.has_uuids {
                return;
            }
            let (connection, platform) = self.waiting.remove(place);
            self.pacing.handed_out(now.monotonic, &platform);
            self.last_uuid += 1;
            let uuid = Uuid::from_u128(self.last_uuid);
            let name = job.name.clone();
            self.jobs.start(uuid, Running { started: now.wall, platform, job: job.clone() });
            self.say(connection, Said::Message(Command::JobSchedule { uuid, job }));
            self.peers.get_mut(&connection).expect("a worker").enter(Phase::Building(uuid), None);
            let settings = self.jobs.settings_of(&name);
            let usual = self.settings.job_time + TIMEOUT_GRACE;
            let build = Build {
                connection,
                started: now.monotonic,
                deadline: Duration::ZERO,
                end: now.monotonic + settings.timeout().unwrap_or(usual),
                has_own_end: settings.timeout.is_some(),
                silence: settings.silence(),
                console_bytes: 0,
                has_spoken: false,
                stage: Stage::Running,
            };
            self.builds.insert(uuid, build);
            self.give_time(now, uuid);
            self.consoles.insert(uuid, Vec::new());
        }
    }

    /// The first place among those who wait for which there is a job, and the job.
    fn next_handed_out(&self, now: Duration) -> Option<(usize, ScriptJob)> {
        let may_be = |platform: &Text| self.pacing.next(platform).is_none_or(|next| next <= now);
        let waiting = self.waiting.iter().enumerate().filter(|(_, (_, platform))| may_be(platform));
        waiting.filter_map(|(place, (_, platform))| Some((place, self.next_script(platform)?))).next()
    }

    /// What the next worker of a platform is to run.
    fn next_script(&self, platform: &Text) -> Option<ScriptJob> {
        self.jobs.next_script(platform, self.templates.get(platform).map(Vec::as_slice))
    }

    fn receive(&mut self, now: Now, id: ConnectionId, bytes: &[u8]) {
        let Some(mut peer) = self.peers.remove(&id) else { return };
        let mut input = bytes;
        while !matches!(peer.phase, Phase::Storing | Phase::Closing) {
            let verdict = match peer.decoder.next(&mut input) {
                Ok(None) => break,
                Ok(Some(FrameEvent::Frame(frame))) => match Command::decode(frame) {
                    Ok(command) => self.on_message(now, id, &mut peer, command),
                    Err(_) => Verdict::Refused,
                },
                Ok(Some(FrameEvent::StreamStart { length })) => {
                    let Phase::Building(uuid) = peer.phase else { panic!("only builds end") };
                    let build = self.builds.get_mut(&uuid).expect("a build");
                    build.stage = Stage::Receiving { last_bytes: now.monotonic };
                    build.deadline = now.monotonic + ARTIFACT_PROGRESS_TIME;
                    build.has_spoken = true;
                    let walker = FinishedWalker::new(length, super::artifact_limits());
                    peer.enter(Phase::Finishing { uuid, walker: Box::new(walker), result: None }, None);
                    Verdict::GoesOn
                }
                Ok(Some(FrameEvent::StreamBytes { bytes, .. })) => {
                    let bytes = bytes.to_vec();
                    self.on_result_bytes(now, &mut peer, &bytes)
                }
                Err(FrameError::TooLong { .. }) if OutputRef::begins(input) => match peer.phase {
                    Phase::Building(uuid) => {
                        self.end_build(now, uuid, Jobs::fail);
                        Verdict::Told
                    }
                    _ => Verdict::Refused,
                },
                Err(_) => Verdict::Refused,
            };
            self.judge(now, id, &mut peer, verdict);
        }
        self.peers.insert(id, peer);
    }

    fn on_message(&mut self, now: Now, id: ConnectionId, peer: &mut Peer, command: Command) -> Verdict {
        match (&peer.phase, command) {
            (Phase::Hello, Command::ClientHello { peer: kind, version }) => {
                let (phase, spoken): (_, &[i64]) = match kind {
                    PeerType::Client => (Phase::Client(version), &[CLIENT_VERSION, HISTORY_VERSION]),
                    PeerType::Worker => (Phase::Worker, &[WORKER_VERSION]),
                };
                if !peer.may_be(kind) || !spoken.contains(&version) {
                    return Verdict::Refused;
                }
                self.say(id, Said::Message(Command::ServerHello));
                peer.enter(phase, Some(now.monotonic + COMMAND_TIME));
                Verdict::GoesOn
            }
            (Phase::Client(_), Command::Observe(uuid)) => {
                let known = self.jobs.running.contains_key(&uuid) || self.jobs.aborted.contains_key(&uuid);
                self.say(id, if known { Said::Follow(uuid) } else { Said::Replay(uuid) });
                peer.enter(Phase::Observing, None);
                Verdict::GoesOn
            }
            (Phase::Client(_), Command::Info) => {
                let reply = Command::InfoReply(self.jobs.to_info());
                self.is_out_of_its_depth |= reply.encode().expect("a short answer").len() >= INFO_PIECE_BYTES;
                // Somebody may have to wait.
                self.is_out_of_its_depth |= self.said.len() >= UNREAD_ANSWERS;
                self.say(id, Said::Message(reply));
                self.say(id, Said::Message(Command::Success));
                Verdict::Done
            }
            (Phase::Client(version), command) => {
                let is_known = command.kind().client_version() <= *version;
                if !is_known || !peer.may_change() || !self.carry_out(now, command) {
                    return Verdict::Refused;
                }
                self.say(id, Said::Message(Command::Success));
                Verdict::Done
            }
            (Phase::Worker, Command::JobRequested(platform))
                if check_name(NameKind::Platform, &platform).is_ok() =>
            {
                self.waiting.push((id, platform));
                peer.enter(Phase::Waiting, None);
                Verdict::GoesOn
            }
            (Phase::Building(uuid), Command::Output { uuid: claimed, line, .. }) if claimed == *uuid => {
                self.on_output(now, *uuid, line)
            }
            _ => Verdict::Refused,
        }
    }

    /// Carries out the command of a client; false when it is to be refused.
    fn carry_out(&mut self, now: Now, command: Command) -> bool {
        let (jobs, templates) = (&mut self.jobs, &self.templates);
        match command {
            Command::Schedule { period, job } => self.enter(now, Entry::new(Job::Script(job), period)),
            Command::ScheduleOrbBuild { period, job } => {
                self.enter(now, Entry::new(Job::OrbBuild(job), period))
            }
            Command::Enter { period, job, settings, replaces, at } => {
                self.enter(now, Entry { settings, replaces, at, ..Entry::new(Job::Script(job), period) })
            }
            Command::EnterOrbBuild { period, job, settings, replaces, at } => {
                self.enter(now, Entry { settings, replaces, at, ..Entry::new(Job::OrbBuild(job), period) })
            }
            Command::Unschedule(name) => jobs.unschedule(&name),
            Command::Execute { name, platform } => {
                self.has_room && jobs.execute(&name, platform.as_ref(), templates)
            }
            Command::ExecuteOld(name) => self.has_room && jobs.execute(&name, None, templates),
            Command::Reschedule { name, next, period } => {
                self.has_room && jobs.reschedule(&name, next, period)
            }
            Command::DropPlatform(platform) => {
                let dropped = jobs.drop_platform(&platform);
                if dropped {
                    self.pacing.forget(&platform);
                }
                dropped
            }
            Command::UndropPlatform(platform) => jobs.dropped.remove(&platform),
            _ => false,
        }
    }

    fn enter(&mut self, now: Now, entry: Entry) -> bool {
        let has_good_parts = match &entry.job {
            Job::Script(job) => {
                check_name(NameKind::Platform, &job.platform).is_ok()
                    && !self.jobs.dropped.contains(&job.platform)
            }
            Job::OrbBuild(job) => job.opam_package.as_bytes().len() <= OPAM_PACKAGE_BYTES,
        };
        let name = entry.job.name();
        let is_good = has_good_parts
            && self.has_room
            && check_name(NameKind::Job, name).is_ok()
            && entry.makes_sense()
            && (entry.replaces || !self.jobs.schedule.contains_key(name));
        if is_good {
            self.jobs.enter(entry, now.wall, &self.templates);
        }
        is_good
    }

    fn end_by_id(&mut self, now: Now, id: ConnectionId, verdict: Verdict) {
        let Some(mut peer) = self.peers.remove(&id) else { return };
        if !matches!(peer.phase, Phase::Closing) {
            self.judge(now, id, &mut peer, verdict);
        }
        self.peers.insert(id, peer);
    }

    fn judge(&mut self, now: Now, id: ConnectionId, peer: &mut Peer, verdict: Verdict) {
        match verdict {
            Verdict::GoesOn => return,
            Verdict::Refused => {
                self.leave(now, id, &peer.phase);
                self.say(id, Said::Refusal);
            }
            Verdict::Told => self.say(id, Said::Refusal),
            Verdict::Done => {}
        }
        self.say(id, Said::Closed(Closed::Finished));
        peer.enter(Phase::Closing, Some(now.monotonic + LINGER_TIME));
    }

    fn leave(&mut self, now: Now, id: ConnectionId, phase: &Phase) {
        match phase {
            Phase::Waiting => self.waiting.retain(|(waiting, _)| *waiting != id),
            Phase::Building(uuid) | Phase::Finishing { uuid, .. } => self.lose_build(now, *uuid, false),
            _ => {}
        }
    }

    fn say(&mut self, id: ConnectionId, said: Said) {
        self.said.entry(id).or_default().push(said);
    }
}
