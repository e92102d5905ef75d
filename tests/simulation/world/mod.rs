//! The world of one seed, from its beginning to where nothing is left to do.

mod lives;
mod outside;

use crate::environment::{Environment, say};
use crate::model::Model;
use crate::network::{Network, News, Side};
use crate::peers::{Line, Peer};
use crate::plan::Plan;
use crate::queue::{Event, Queue};
use crate::server::Server;
use crate::trace::Trace;
use crate::{legacy, salvage};
use builder_engine::server::ConnectionId;
use builder_tests::world::{DataDirectory, Disk, Faults, Host, Lie, PRIVATE, ROOT, Random};
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
    /// Builds of which a program has taken note.
    pub(crate) notices: usize,
    /// Ends of builds that somebody was told who waited.
    pub(crate) ends: usize,
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
        self.notices += other.notices;
        self.ends += other.ends;
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
    /// What people still want when the faults have stopped.
    last_wishes: u64,
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
            last_wishes: 0,
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
                return Err(self.failure(self.unrest()));
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
            notices: model.notices(),
            ends: model.ends(),
        })
    }

    /// Why it takes so long.
    fn unrest(&self) -> String {
        let waits: Vec<ConnectionId> = self.environment.model.borrow().waits().collect();
        let state = self.server.as_ref().map(|server| (server.state().summary(), server.is_at_rest()));
        format!(
            "what was queued has not run within {PATIENCE:?}, or these wait in vain: {waits:?}, {state:?}"
        )
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
            Event::Noticed { life, process, uuid, end, is_noted, result_of } => {
                if is_noted {
                    self.environment.model.borrow_mut().notice_taken(uuid);
                }
                if life == self.life
                    && let Some(server) = &mut self.server
                {
                    if let Some(job) = result_of {
                        self.environment.check_notice_result(&job, uuid);
                    }
                    server.notice_ended(process, uuid, end);
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
}
