//! The world of one seed, from its beginning to where nothing is left to do.

use crate::environment::{Environment, say};
use crate::model::{Model, Observation};
use crate::network::{Network, News, Side};
use crate::peers::{Client, Line, Peer, Rogue, Worker, platform};
use crate::plan::Plan;
use crate::queue::{Event, Queue};
use crate::server::{Server, Stop};
use crate::trace::Trace;
use crate::{legacy, salvage};
use builder_engine::driver::Next;
use builder_engine::server::{ConnectionId, Role};
use builder_tests::world::{Crash, DataDirectory, Disk, Faults, Host, Lie, PRIVATE, ROOT, Random};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// Peers that are there at the same time, at most.
const PEERS: usize = 60;
/// Time within which everything that is queued has run once the faults have stopped.
const PATIENCE: Duration = Duration::from_secs(60 * 60);
/// Turns without time passing, after which the server is said to spin.
const IDLE_TURNS: u64 = 10_000;

/// What a run amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// A number that two runs share only if they were the same in every event.
    pub(crate) hash: u64,
    pub(crate) events: u64,
    /// Kills and power failures.
    pub(crate) crashes: u64,
    /// Times the server stopped by itself, because of its disk.
    pub(crate) stops: u64,
    /// Builds that were handed out.
    pub(crate) builds: usize,
    /// Results that were found stored.
    pub(crate) results: usize,
    pub(crate) uploads: usize,
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Summary) {
        self.hash ^= other.hash;
        self.events += other.events;
        self.crashes += other.crashes;
        self.stops += other.stops;
        self.builds += other.builds;
        self.results += other.results;
        self.uploads += other.uploads;
    }
}

/// Why a run is wrong, and what came before.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) violation: String,
    pub(crate) crashes: u64,
    pub(crate) events: String,
}

/// How a run is to be watched.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watching {
    /// Whether the last events are kept for the report of a failure.
    pub(crate) keeps_events: bool,
    /// Whether all events are printed.
    pub(crate) prints_events: bool,
    /// Whether the order of commits and messages is not looked at, so that only what follows from it can show a mistake.
    pub(crate) from_without: bool,
}

pub(crate) struct World {
    environment: Rc<Environment>,
    random: Random,
    server: Option<Server>,
    /// Counts the lives of the server.
    life: u64,
    /// When the server takes its next turn.
    turn_at: Option<Duration>,
    turns_at_once: u64,
    peers: BTreeMap<ConnectionId, (Box<dyn Peer>, Line)>,
    crashes: u64,
    stops: u64,
    /// By how many decades the wall clock is wrong.
    decade: i64,
    /// Until when many visit.
    busy_until: Duration,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Everything that can go wrong does.
    Stormy,
    /// The faults have stopped, and what was queued has to run until then.
    Calm {
        until: Duration,
    },
    /// All has run; one more power failure must not change that.
    Epilogue,
    Over,
}

impl World {
    pub(crate) fn new(seed: u64, crashes: u64, lie: Lie, watching: Watching) -> World {
        let mut random = Random::new(seed);
        let mut plan = Plan::new(&mut random, crashes);
        plan.provoke(lie);
        let settings = std::env::var("SIMULATION_PLAN").unwrap_or_default();
        plan.adjust(&settings).unwrap_or_else(|problem| panic!("SIMULATION_PLAN: {problem}"));
        let host = Host::new();
        let disk = Rc::new(RefCell::new(Disk::new(host.clone(), random.fork(), plan.disk)));
        let mut files = DataDirectory::new(host.clone(), disk.clone());
        (files.lie, files.syncs_everything) = (lie, plan.syncs_everything);
        let environment = Environment {
            host,
            disk,
            files,
            network: RefCell::new(Network::new(random.fork())),
            queue: RefCell::new(Queue::default()),
            model: RefCell::new(Model::new(!watching.from_without)),
            trace: Rc::new(Trace::new(watching.keeps_events, watching.prints_events)),
            time: Cell::new(Duration::ZERO),
            templates: RefCell::default(),
            is_calm: Cell::new(false),
            random: RefCell::new(random.fork()),
            plan,
        };
        World {
            environment: Rc::new(environment),
            random,
            server: None,
            life: 0,
            turn_at: None,
            turns_at_once: 0,
            peers: BTreeMap::new(),
            crashes: 0,
            stops: 0,
            decade: 0,
            busy_until: Duration::from_secs(1),
            phase: Phase::Stormy,
        }
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> Result<Summary, Failure> {
        self.begin();
        while self.phase != Phase::Over {
            let Some((at, event)) = self.environment.queue.borrow_mut().next() else {
                return Err(self.failure("nothing is left to happen".to_owned()));
            };
            self.environment.time.set(at);
            self.environment.host.advance_to(at);
            self.environment.model.borrow_mut().time = at;
            self.happen(at, event);
            self.bury();
            if let Phase::Calm { until } = self.phase
                && at > until
            {
                let state = self.server.as_ref().map(|server| server.state().summary());
                return Err(
                    self.failure(format!("what was queued has not run within {PATIENCE:?}: {state:?}"))
                );
            }
            let violation = self.environment.model.borrow().violation().map(str::to_owned);
            if let Some(violation) = violation {
                return Err(self.failure(violation));
            }
        }
        self.server = None;
        if let Err(violation) = salvage::check(&self.environment, &mut self.random) {
            return Err(self.failure(violation));
        }
        let model = self.environment.model.borrow();
        Ok(Summary {
            hash: self.environment.trace.hash(),
            events: self.environment.trace.events(),
            crashes: self.crashes,
            stops: self.stops,
            builds: model.builds(),
            results: model.results(),
            uploads: model.uploads(),
        })
    }

    fn failure(&self, violation: String) -> Failure {
        let events = self.environment.trace.last_lines();
        Failure { violation, crashes: self.crashes, events }
    }

    fn begin(&mut self) {
        let environment = &self.environment;
        say!(environment, "{:?}", environment.plan);
        {
            let mut disk = environment.disk.borrow_mut();
            disk.set_faults(Faults::default());
            disk.create_directory(PRIVATE).unwrap();
            disk.sync_directory(ROOT).unwrap();
        }
        if environment.plan.imports {
            legacy::leave_state(environment, &mut self.random);
        }
        environment.disk.borrow_mut().set_faults(environment.plan.disk);
        environment.enter(Duration::ZERO, Event::Start);
        environment.enter(Duration::from_millis(1), Event::Visit);
        environment.enter(Duration::from_millis(50), Event::Jump);
        environment.enter(Duration::from_millis(70), Event::Room);
        environment.write_templates();
        environment.enter(Duration::from_millis(1), Event::Templates);
        environment.enter(Duration::from_millis(200), Event::Reload);
    }

    fn happen(&mut self, at: Duration, event: Event) {
        match event {
            Event::Start => self.start(),
            Event::Turn(life) => {
                if life == self.life && self.turn_at == Some(at) {
                    self.turn();
                }
            }
            Event::Uploaded { life, process, uuid, end, contents } => {
                if let Some(contents) = contents {
                    self.environment.model.borrow_mut().uploaded(uuid, contents);
                }
                if life == self.life
                    && let Some(server) = &mut self.server
                {
                    server.upload_ended(process, end);
                    self.request_turn(at);
                }
            }
            Event::Step { life, task } => {
                if life == self.life
                    && let Some(server) = &mut self.server
                    && server.step(task)
                {
                    self.request_turn(at);
                }
            }
            Event::Deliver(delivery) => {
                let environment = self.environment.clone();
                match delivery.to {
                    Side::Server => {
                        let wakes =
                            environment.network.borrow_mut().deliver_to_server(&environment, delivery);
                        if wakes {
                            self.request_turn(at);
                        }
                    }
                    Side::Peer => {
                        let connection = delivery.connection;
                        let (news, writable) = environment.network.borrow_mut().deliver_to_peer(delivery);
                        if let Some(news) = news {
                            self.tell(connection, news);
                        }
                        if writable {
                            self.request_turn(at);
                        }
                    }
                }
            }
            Event::Timer { connection, number } => {
                if self.peers.get(&connection).is_some_and(|(_, line)| line.is_last_timer(number)) {
                    self.with_peer(connection, |peer, line| peer.woken(line));
                }
            }
            Event::Visit => self.visit(),
            Event::Crash(crash) => self.crash(crash),
            Event::Jump => self.jump(),
            Event::Templates => self.change_templates(),
            Event::Reload => self.reload(),
            Event::Stop { life } => self.stop(life),
            Event::Room => self.change_room(),
        }
    }

    // The server.

    fn start(&mut self) {
        let environment = self.environment.clone();
        environment.trace.note(b'S', &[self.life], &[]);
        say!(environment, "start {}", self.life);
        if self.phase == Phase::Stormy && self.random.per_mille(150) {
            let operations = self.random.skewed(6);
            environment.host.crash_after(operations, self.choose_crash());
        }
        let salvage = self.phase == Phase::Stormy && self.random.per_mille(environment.plan.salvages);
        match Server::start(&environment, self.life, salvage, self.random.fork()) {
            _ if environment.host.crashed().is_some() => {}
            Err(stop) => self.stopped(&stop),
            Ok(server) => {
                let observed = Observation::new(server.state());
                environment.model.borrow_mut().started(&environment, &observed);
                if self.phase == Phase::Epilogue {
                    self.phase = Phase::Over;
                }
                self.server = Some(server);
                self.request_turn(environment.host.time());
                self.busy_until =
                    environment.host.time() + Duration::from_micros(4 * environment.plan.crash_gap);
                if self.phase == Phase::Stormy {
                    let gap = match self.random.below(40) {
                        // Long enough for every deadline to come.
                        0 => self.random.between(1, 200_000_000),
                        // Trouble rarely comes alone.
                        1..8 => self.random.below(3_000),
                        _ => self.random.below(2 * environment.plan.crash_gap),
                    };
                    let at = environment.host.time() + Duration::from_micros(gap);
                    environment.enter(at, Event::Crash(self.choose_crash()));
                    if self.random.per_mille(environment.plan.stops) {
                        let at = environment.host.time() + Duration::from_micros(self.random.below(gap + 1));
                        environment.enter(at, Event::Stop { life: self.life });
                    }
                }
            }
        }
    }

    fn request_turn(&mut self, at: Duration) {
        let at = at.max(self.environment.host.time());
        if self.server.is_some() && self.turn_at.is_none_or(|turn_at| turn_at > at) {
            self.turn_at = Some(at);
            self.environment.enter(at, Event::Turn(self.life));
        }
    }

    fn turn(&mut self) {
        let environment = self.environment.clone();
        let started = environment.host.time();
        let turn_at = self.turn_at.take();
        if turn_at.is_some_and(|turn_at| turn_at < started) {
            return self.request_turn(started);
        }
        let Some(server) = &mut self.server else { return };
        environment.trace.note(b'T', &[started.as_nanos() as u64], &[]);
        match server.turn() {
            _ if environment.host.crashed().is_some() => {}
            Err(stop) => self.stopped(&Stop::Turn(stop)),
            // It ends as if it were killed, or the power fails at once.
            Ok(Next::Over) => environment.host.crash_now(self.choose_crash()),
            Ok(Next::Turn(next)) => {
                if let Some(due) = server.next_deadline()
                    && next.is_none_or(|next| next > due)
                {
                    let words = format!("the driver sleeps until {next:?}, but the server is due at {due:?}");
                    environment.model.borrow_mut().violate(words);
                }
                if let Some(next) = next {
                    let soon = environment.host.time() + Duration::from_micros(1);
                    self.spins(next <= started);
                    self.request_turn(next.max(soon));
                }
                self.look_for_the_end();
            }
        }
    }

    fn spins(&mut self, at_once: bool) {
        self.turns_at_once = if at_once { self.turns_at_once + 1 } else { 0 };
        if self.turns_at_once > IDLE_TURNS {
            self.environment.model.borrow_mut().violate("the server spins".to_owned());
        }
    }

    /// The server has stopped by itself. Only its disk is a reason.
    fn stopped(&mut self, stop: &Stop) {
        let environment = &self.environment;
        say!(environment, "the server stops: {stop}");
        let Faults { failed_syncs, write_errors, other_errors, .. } = environment.plan.disk;
        let faults = failed_syncs + write_errors + other_errors > 0;
        let excused = (stop.is_full() && environment.disk.borrow().is_short_of_room())
            || (stop.is_disk_failure() && faults && self.phase == Phase::Stormy);
        if !excused {
            environment.model.borrow_mut().violate(format!("the server stopped: {stop}"));
        }
        self.stops += 1;
        environment.host.crash_now(Crash::Kill);
    }

    /// Somebody wants the server to stop. It gets its time, and no more.
    fn stop(&mut self, life: u64) {
        if let Some(server) = self.server.as_mut().filter(|_| life == self.life) {
            say!(self.environment, "the server is stopped");
            server.stop();
            let at = self.environment.host.time();
            self.request_turn(at);
        }
    }

    fn reload(&mut self) {
        let at = self.environment.time.get();
        if let Some(server) = &mut self.server {
            server.reload();
            self.request_turn(at);
        }
        if self.phase == Phase::Stormy {
            let gap = self.random.micros(0, 2_000_000);
            self.environment.enter(at + gap, Event::Reload);
        }
    }

    /// The server is not told; it has to look.
    fn change_templates(&mut self) {
        let environment = &self.environment;
        if self.phase == Phase::Stormy {
            environment.change_templates();
            let gap = Duration::from_micros(self.random.below(2 * environment.plan.template_gap));
            environment.enter(environment.time.get() + gap, Event::Templates);
        }
    }

    fn choose_crash(&mut self) -> Crash {
        match self.random.per_mille(self.environment.plan.power_failures) {
            true => Crash::Power,
            false => Crash::Kill,
        }
    }

    fn crash(&mut self, crash: Crash) {
        if self.server.is_none() || self.phase != Phase::Stormy {
            return;
        }
        let environment = &self.environment;
        if !environment.host.is_doomed() && self.random.per_mille(environment.plan.amid) {
            environment.host.crash_after(self.random.skewed(6), crash);
            // In case that the server has nothing to do.
            environment.enter(environment.host.time() + Duration::from_millis(100), Event::Crash(crash));
        } else {
            environment.host.crash_now(crash);
        }
    }

    /// Clears up after a crash, if there was one.
    fn bury(&mut self) {
        let environment = self.environment.clone();
        let Some(crash) = environment.host.crashed() else { return };
        environment.trace.note(b'C', &[crash as u64, environment.host.operations()], &[]);
        say!(environment, "crash: {crash:?}");
        self.server = None;
        self.turn_at = None;
        self.life += 1;
        self.crashes += 1;
        environment.disk.borrow_mut().crash(crash);
        let connections = environment.network.borrow_mut().lose_server(&environment, crash);
        environment.model.borrow_mut().server_crashed(&connections);
        environment.host.revive();
        if self.phase == Phase::Stormy && self.crashes >= environment.plan.crashes {
            self.calm_down();
        }
        let delay = self.random.micros(10, 5_000);
        environment.enter(environment.host.time() + delay, Event::Start);
    }

    /// From here on nothing goes wrong any more.
    fn calm_down(&mut self) {
        let environment = &self.environment;
        say!(environment, "the faults stop");
        environment.is_calm.set(true);
        environment.write_templates();
        let mut disk = environment.disk.borrow_mut();
        disk.set_faults(Faults::default());
        disk.leave(None);
        self.phase = Phase::Calm { until: environment.host.time() + PATIENCE };
    }

    fn look_for_the_end(&mut self) {
        let (Phase::Calm { .. }, Some(server)) = (self.phase, &self.server) else { return };
        if !server.is_at_rest() {
            return;
        }
        let observed = Observation::new(server.state());
        if observed.is_idle() {
            self.environment.model.borrow_mut().drained(&self.environment, &observed);
            self.phase = Phase::Epilogue;
            self.environment.host.crash_now(Crash::Power);
        }
    }

    // The others.

    fn tell(&mut self, connection: ConnectionId, news: News) {
        self.with_peer(connection, |peer, line| match news {
            News::Connected => peer.connected(line),
            News::Bytes(bytes) => peer.received(line, &bytes),
            News::Ended(end) => peer.ended(line, end),
        });
    }

    fn with_peer(&mut self, connection: ConnectionId, act: impl FnOnce(&mut dyn Peer, &mut Line)) {
        let Some((peer, line)) = self.peers.get_mut(&connection) else { return };
        act(peer.as_mut(), line);
        if line.has_left() {
            self.peers.remove(&connection);
        }
    }

    fn visit(&mut self) {
        let environment = self.environment.clone();
        let plan = &environment.plan;
        let usual = Duration::from_micros(self.random.below(2 * plan.visit_gap));
        // Where the next crash is far away, the deadlines of those who are there shall pass.
        let busy = environment.time.get() < self.busy_until;
        let gap = if busy { usual } else { usual * 1000 };
        environment.enter(environment.time.get() + gap, Event::Visit);
        let calm = self.phase != Phase::Stormy;
        // Some places are kept free from workers that may have to wait for long. In the end there are enough for all.
        let choice = if calm || self.peers.len() < PEERS / 2 { self.random.below(100) } else { 0 };
        if self.peers.len() >= if calm { 4 * PEERS } else { PEERS } {
            return;
        }
        let rogue = !calm && self.random.per_mille(plan.rogues);
        let client = !rogue && !calm && choice < 50;
        let speaks = |role: &Role| rogue || *role != if client { Role::Workers } else { Role::Clients };
        let listeners: Vec<usize> =
            (0..plan.listeners.len()).filter(|number| speaks(&plan.listeners[*number])).collect();
        let listener = *self.random.pick(&listeners);
        let connection = environment.network.borrow_mut().connect(&environment, listener);
        let mut line = Line::new(environment.clone(), connection, self.random.fork());
        let platform = platform(&mut self.random, plan.platforms);
        let peer: Box<dyn Peer> = match client {
            _ if rogue => Box::new(Rogue::new(&mut line, platform)),
            true => match Client::new(&mut line, connection) {
                Some(client) => Box::new(client),
                None => return line.leave(crate::network::End::Reset),
            },
            false => Box::new(Worker::new(platform)),
        };
        self.peers.insert(connection, (peer, line));
    }

    fn jump(&mut self) {
        let environment = &self.environment;
        if !environment.plan.jumps || self.phase != Phase::Stormy {
            return;
        }
        const HOUR: i64 = 3_600_000;
        const DECADE: i64 = 10 * 365 * 24 * HOUR;
        // By a decade only there and back, so that the clock stays in this century.
        let milliseconds = match self.random.below(4) {
            0 => HOUR,
            1 => -HOUR,
            _ => {
                let decade = if self.decade == 0 { *self.random.pick(&[-1, 1]) } else { -self.decade };
                self.decade += decade;
                decade * DECADE
            }
        };
        say!(environment, "the wall clock jumps by {milliseconds} ms");
        environment.host.jump_wall_clock(milliseconds);
        let gap = self.random.micros(0, 2_000_000);
        environment.enter(environment.time.get() + gap, Event::Jump);
    }

    fn change_room(&mut self) {
        let environment = &self.environment;
        if !environment.plan.full_disk || self.phase != Phase::Stormy {
            return;
        }
        let mut disk = environment.disk.borrow_mut();
        let room = match disk.is_short_of_room() {
            true => None,
            false => Some(*self.random.pick(&[0, 500, 5_000, 1_050_000])),
        };
        say!(environment, "room on the disk: {room:?}");
        disk.leave(room);
        let gap = self.random.micros(0, 1_000_000);
        environment.enter(environment.time.get() + gap, Event::Room);
    }
}
