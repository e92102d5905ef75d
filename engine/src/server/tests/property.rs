//! Any sequence of commands, workers, time and crashes, against the model.

use super::events::{Event, NAMES, PLATFORMS, Request, event};
use super::model::{Job, Model, Worker};
use super::rig::{Rig, SETTINGS, Storing};
use super::words::{
    MINUTE, drop_platform, execute, execute_on, reschedule, schedule, schedule_orb_build, undrop_platform,
    unschedule,
};
use crate::server::{ConnectionId, Role, Settings, State};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::{WORKER_VERSION, job};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The machine and the model side by side.
struct Pair {
    rig: Rig,
    model: Model,
    /// The model as of the last commit, and the jobs that were touched since.
    committed: Model,
    touched: BTreeSet<String>,
    /// Commands whose answers are to come, and whether they are to be accepted.
    asked: Vec<(ConnectionId, bool)>,
    builds: BTreeMap<Worker, Uuid>,
    /// Complete results that the disk has not taken.
    held: Vec<Uuid>,
    /// Every build that ever started.
    started: BTreeSet<Uuid>,
}

impl Pair {
    fn new() -> Pair {
        let settings = Settings { console_bytes: 1 << 20, ..SETTINGS };
        Pair {
            rig: Rig::with(settings, State::default()),
            model: Model::default(),
            committed: Model::default(),
            touched: BTreeSet::new(),
            asked: Vec::new(),
            builds: BTreeMap::new(),
            held: Vec::new(),
            started: BTreeSet::new(),
        }
    }

    fn perform(&mut self, event: Event) {
        match event {
            Event::Ask(request) => self.ask(request),
            Event::Templates(platforms) => {
                self.end_turn();
                self.model.templates = platforms.iter().map(|platform| (*platform).to_owned()).collect();
                self.rig.set_templates(&platforms.into_iter().collect::<Vec<_>>());
                self.after_turn();
            }
            Event::Worker(platform) => self.add_worker(platform),
            Event::Print(number) => {
                if let Some(worker) = self.choose_running(number) {
                    self.rig.print(worker, "a line");
                    self.model.running.get_mut(&worker).unwrap().has_spoken = true;
                }
            }
            Event::Finish(number, storing) => self.finish(number, storing),
            Event::Release => self.release(),
            Event::LoseRunning(number) => {
                if let Some(worker) = self.choose_running(number) {
                    self.lose(worker);
                }
            }
            Event::DropJob(platform) => {
                self.add_worker(platform);
                self.end_turn();
                // Whoever has waited longest for the platform may have got the job instead.
                if let Some((worker, _)) = self.model.running.last_key_value() {
                    let worker = *worker;
                    if !self.model.running[&worker].is_complete {
                        self.lose(worker);
                    }
                }
            }
            Event::LoseWaiting(number) => {
                if !self.model.waiting.is_empty() {
                    let (worker, _) = self.model.waiting[number % self.model.waiting.len()];
                    self.lose(worker);
                }
            }
            Event::Pass(minutes) => self.pass(minutes),
            Event::Sleep(minutes) => {
                self.rig.set_clock(self.rig.now.monotonic + MINUTE * minutes);
                self.end_turn();
            }
            Event::WriteBack => {
                self.end_turn();
                self.rig.write_back(self.rig.results.pending.len() / 2);
            }
            Event::Rotate => {
                self.end_turn();
                self.rig.rotate();
            }
            Event::EndTurn => self.end_turn(),
            Event::Crash(surviving) => self.crash(surviving),
        }
    }

    fn ask(&mut self, request: Request) {
        let now = self.rig.now.wall;
        let model = &mut self.model;
        let (name, accepted, command) = match request {
            Request::Schedule(name, platform, period) => {
                let accepted = model.schedule(name, Some(platform), period, now);
                (name, accepted, schedule(period, name, platform))
            }
            Request::ScheduleOrbBuild(name, period) => {
                (name, model.schedule(name, None, period, now), schedule_orb_build(period, name))
            }
            Request::Unschedule(name) => (name, model.unschedule(name), unschedule(name)),
            Request::Execute(name, platform) => {
                let command = platform.map_or_else(|| execute(name), |platform| execute_on(name, platform));
                (name, model.execute(name, platform), command)
            }
            Request::Reschedule(name, minutes, period) => {
                let next = now.saturating_add(MINUTE * minutes);
                (name, model.reschedule(name, next, period), reschedule(name, next, period))
            }
            Request::DropPlatform(platform) => {
                self.touched.extend(model.jobs.keys().cloned());
                ("", model.drop_platform(platform), drop_platform(platform))
            }
            Request::UndropPlatform(platform) => {
                ("", model.undrop_platform(platform), undrop_platform(platform))
            }
        };
        let client = self.rig.client();
        self.rig.say(client, &command);
        self.asked.push((client, accepted));
        self.touched.insert(name.to_owned());
    }

    fn add_worker(&mut self, platform: &str) {
        let worker = self.rig.connect(Role::Any);
        let hello = Command::ClientHello { peer: PeerType::Worker, version: WORKER_VERSION };
        self.rig.say(worker, &hello);
        self.rig.say(worker, &Command::JobRequested(platform.into()));
        self.model.waiting.push((worker, platform.to_owned()));
    }

    /// A worker that runs a build and has not sent its result.
    fn choose_running(&self, number: usize) -> Option<Worker> {
        let running: Vec<_> = self.model.running.iter().filter(|(_, build)| !build.is_complete).collect();
        (!running.is_empty()).then(|| *running[number % running.len()].0)
    }

    fn lose(&mut self, worker: Worker) {
        self.touched.extend(self.model.running.get(&worker).map(|build| build.name.clone()));
        self.rig.close(worker);
        self.model.lose(worker, self.rig.now.wall);
    }

    fn finish(&mut self, number: usize, storing: Storing) {
        self.end_turn();
        let Some(worker) = self.choose_running(number) else { return };
        self.rig.storing = storing;
        self.rig.finish(
            worker,
            BuildResult::Exited(0),
            vec![job::File { path: "a".into(), data: "b".into() }],
        );
        self.rig.storing = Storing::InLog;
        self.model.deliver(worker);
        if storing == Storing::Held {
            self.held.push(self.builds[&worker]);
            self.model.running.get_mut(&worker).unwrap().is_complete = true;
        } else {
            self.model.finish(worker);
        }
        self.after_turn();
    }

    fn release(&mut self) {
        self.end_turn();
        for uuid in core::mem::take(&mut self.held) {
            self.rig.finish_storing(uuid);
            let (worker, _) = self.builds.iter().find(|(_, build)| **build == uuid).unwrap();
            self.model.finish(*worker);
        }
        self.rig.end_turn();
        self.after_turn();
    }

    fn pass(&mut self, minutes: u32) {
        self.end_turn();
        let end = self.rig.now.wall.saturating_add(MINUTE * minutes);
        let mut handed_out = Vec::new();
        let mut now = self.rig.now.wall;
        while let Some(event) = self.model.next_event(now).filter(|event| *event < end) {
            now = event;
            handed_out.append(&mut self.model.tick(now));
        }
        handed_out.append(&mut self.model.tick(end));
        self.rig.pass(MINUTE * minutes);
        self.compare(handed_out);
    }

    fn end_turn(&mut self) {
        self.rig.end_turn();
        self.after_turn();
    }

    /// A turn of the machine has ended: the model does the same.
    fn after_turn(&mut self) {
        let handed_out = self.model.tick(self.rig.now.wall);
        self.compare(handed_out);
    }

    /// Machine and model agree, also about who got which job.
    fn compare(&mut self, handed_out: Vec<(Worker, String)>) {
        for (worker, name) in handed_out {
            let (uuid, job) = self.rig.job(worker).unwrap_or_else(|| panic!("{worker} gets no {name}"));
            assert_eq!(job.name, name.as_str().into());
            assert!(self.started.insert(uuid), "build {uuid} starts twice");
            self.builds.insert(worker, uuid);
        }
        for (client, accepted) in core::mem::take(&mut self.asked) {
            let answers = self.rig.heard(client);
            assert_eq!(answers.last() == Some(&Command::Success), accepted, "{answers:?}");
        }
        assert_eq!(self.observed(), self.model);
        self.committed = self.model.clone();
        self.touched.clear();
    }

    /// The model that the machine amounts to, as `info` tells it.
    fn observed(&mut self) -> Model {
        let info = self.rig.info();
        let text = |text: &builder_proto::text::Text| text.to_string();
        let jobs = info.schedule.into_iter().map(|item| {
            let platform = match &item.job {
                job::Job::Script(script) => Some(text(&script.platform)),
                job::Job::OrbBuild(_) => None,
            };
            (text(item.job.name()), Job { platform, period: item.period, next: item.next })
        });
        let queues = info.queues.iter().map(|queue| {
            (text(&queue.platform), queue.jobs.iter().map(|job| text(job.name())).collect::<Vec<_>>())
        });
        let running: BTreeMap<Uuid, String> =
            info.running.iter().map(|build| (build.uuid, text(&build.job.name))).collect();
        for (worker, build) in &self.model.running {
            assert_eq!(running.get(&self.builds[worker]), Some(&build.name));
        }
        assert_eq!(running.len(), self.model.running.len());
        let pairs = NAMES.iter().flat_map(|name| PLATFORMS.iter().map(move |platform| (*name, *platform)));
        let losses = pairs.map(|(name, platform)| {
            let losses = self.rig.server.state().losses(&name.into(), &platform.into());
            ((name.to_owned(), platform.to_owned()), losses)
        });
        Model {
            jobs: jobs.collect(),
            queues: queues.collect(),
            dropped: info.dropped_platforms.iter().map(text).collect(),
            losses: losses.filter(|(_, losses)| *losses > 0).collect(),
            ..self.model.clone()
        }
    }

    fn crash(&mut self, surviving: usize) {
        let ran: Vec<_> = self.committed.running.values().cloned().collect();
        self.asked.clear();
        self.held.clear();
        self.rig.crash(surviving);
        if self.touched.is_empty() && self.model == self.committed {
            self.model.restart();
        } else {
            // Part of what nobody was told may have happened. The rest has to be as it was.
            self.model.running.clear();
            self.model.waiting.clear();
            self.model.rows.clear();
            self.model.proven.clear();
            let observed = self.observed();
            for (name, job) in self.committed.jobs.iter().filter(|(name, _)| !self.touched.contains(*name)) {
                assert_eq!(observed.jobs.get(name), Some(job));
                for (platform, queue) in &self.committed.queues {
                    // A job of the same name may have taken the place of the one that ran.
                    let fits = job.platform.as_ref().is_none_or(|of_job| of_job == platform);
                    let ran =
                        fits && ran.iter().any(|build| build.name == *name && build.platform == *platform);
                    let is_queued = observed.queues[platform].contains(name);
                    assert!(is_queued || !(ran || queue.contains(name)), "{name} is lost on {platform}");
                }
            }
            self.model = observed;
        }
        for uuid in &self.started {
            assert!(self.rig.results.in_place.contains_key(uuid), "build {uuid} has no result");
        }
        self.after_turn();
    }

    /// Enough workers come that everything queued runs, and everything that runs finishes.
    fn run_out(&mut self) {
        self.release();
        // Or one that is lost meanwhile might slow its platform down.
        while self.choose_running(0).is_some() {
            self.finish(0, Storing::InLog);
        }
        // Results that could not be stored are tried again by then, and no platform has to wait.
        self.pass(6);
        loop {
            self.perform(Event::EndTurn);
            while let Some(worker) = self.choose_running(0) {
                self.finish(0, Storing::InLog);
                assert!(self.rig.peers[&worker].finished);
            }
            let idle: Vec<_> = PLATFORMS
                .iter()
                .filter(|platform| {
                    !self.model.waiting.iter().any(|(_, waiting_for)| waiting_for == *platform)
                })
                .collect();
            if idle.is_empty() {
                break;
            }
            idle.into_iter().for_each(|platform| self.perform(Event::Worker(platform)));
        }
        for (platform, queue) in &self.model.queues {
            let runs = |name: &String| self.model.jobs[name].platform.is_some();
            assert!(!queue.iter().any(runs), "what is left on {platform} waits for a template");
            assert!(queue.is_empty() || !self.model.templates.contains(platform));
        }
        for uuid in &self.started {
            self.rig.stored(*uuid);
        }
    }
}

fn run(events: &[Event]) -> Vec<String> {
    let mut pair = Pair::new();
    for event in events {
        pair.perform(event.clone());
    }
    pair.end_turn();
    pair.run_out();
    pair.rig.trace
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_does_what_the_model_says(events in prop::collection::vec(event(), 0..100)) {
        let trace = run(&events);
        prop_assert!(trace == run(&events), "the same inputs give the same actions");
    }
}
