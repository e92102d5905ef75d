//! The server: the real machine, log and recovery, driven the way the real reactor drives them.
//!
//! This mirrors `bin/src/server` step by step, with the simulated disk and network in the place of files and sockets. What is
//! decided in `builder_engine` is the same code in both.
//!
//! | here | there |
//! |---|---|
//! | `startup` | `startup` |
//! | `turn`, `actions`, `release`, `space` | `reactor`, `actions`, `release`, `space` |
//! | `results`, `tasks` | `result`, `disk` |
//! | `uploads` | `uploads`, `uploader` |
//! | `spools`, `observers` | `spool`, `observer` |
//! | `sockets` | `network`, `peer` |

mod actions;
mod observers;
mod release;
mod results;
mod sockets;
mod space;
mod spools;
mod startup;
mod tasks;
mod turn;
mod uploads;

pub(crate) use results::{ROOT, result_path};
pub(crate) use startup::PRIVATE;
pub(crate) use uploads::Ending;

use crate::environment::Environment;
use builder_engine::driver::{ReleaseQueue, Rotation};
use builder_engine::log::{LogFile, OpenError, WriteError};
use builder_engine::server::{ConnectionId, Deferred, Server as Machine, Settling};
use builder_proto::Uuid;
use builder_tests::world::{LogStorage, Random};
use observers::Observer;
use results::Staged;
use sockets::Sockets;
use spools::Spools;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;
use tasks::Tasks;
use uploads::Uploader;

/// One life of the server.
pub(crate) struct Server {
    environment: Rc<Environment>,
    /// Which life it is.
    life: u64,
    machine: Machine,
    log: LogFile<LogStorage>,
    rotation: Rotation,
    sockets: Sockets,
    spools: Spools,
    staged: BTreeMap<Uuid, Staged>,
    settling: Settling,
    tasks: Tasks,
    uploader: Option<Uploader>,
    observers: BTreeMap<ConnectionId, Observer>,
    active_observers: BTreeSet<ConnectionId>,
    followers: BTreeMap<Uuid, BTreeSet<ConnectionId>>,
    release_queue: ReleaseQueue<Waiting>,
    record: Vec<u8>,
    order: Order,
    random: Random,
}

/// What waits for the commit, and how many records were appended before it.
#[derive(Debug)]
struct Waiting {
    what: Awaited,
    depends_on: u64,
}

#[derive(Debug)]
enum Awaited {
    /// What others can see.
    Action(Deferred),
    /// A large result is to be put in place.
    Store { uuid: Uuid },
}

/// How many records there were, and how many of them would survive anything.
#[derive(Clone, Copy, Debug, Default)]
struct Order {
    appended: u64,
    durable: u64,
}

/// Why the server stops by itself.
#[derive(Debug)]
pub(crate) enum Stop {
    Log(WriteError),
    Open(OpenError),
    Start(io::Error),
    Results(io::Error),
    Encoding(String),
    Contradiction(String),
}

impl Stop {
    /// Whether it stopped for want of room on the disk.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Stop::Log(WriteError::Full(_)) => true,
            Stop::Start(error) => error.kind() == io::ErrorKind::StorageFull,
            Stop::Open(OpenError::Storage(error)) => error.is_full(),
            _ => false,
        }
    }

    /// Whether it stopped because the disk failed, as far as it can tell.
    pub(crate) fn is_disk_failure(&self) -> bool {
        match self {
            Stop::Log(WriteError::Failed(_)) | Stop::Results(_) | Stop::Start(_) => true,
            Stop::Open(OpenError::Storage(error)) => !error.is_full(),
            _ => false,
        }
    }
}

impl Server {
    /// The state as a snapshot would hold it.
    pub(crate) fn state(&self) -> &builder_engine::server::State {
        self.machine.state()
    }

    /// Whether nothing is under way that would go on without anybody's doing.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.settling.is_settled()
            && self.uploader.as_ref().is_none_or(Uploader::is_idle)
            && self.tasks.is_empty()
            && self.release_queue.is_empty()
            && !self.log.has_pending()
    }

    /// Makes durable what was appended, while threads go on with their tasks.
    fn commit(&mut self) -> Result<(), Stop> {
        let steps = if self.random.coin() { 0 } else { self.random.below(12) };
        for _ in 0..steps {
            let Some(task) = self.tasks.any(&mut self.random) else { break };
            self.step(task);
        }
        self.log.commit().map_err(Stop::Log)?;
        self.order.durable = self.order.appended;
        let mut model = self.environment.model.borrow_mut();
        if model.checks_order() && !self.environment.disk.borrow().is_durable(&format!("{PRIVATE}/log")) {
            model.violate("the log was committed, but is not durable".to_owned());
        }
        Ok(())
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Log(error) => write!(f, "{error}"),
            Stop::Open(error) => write!(f, "cannot open the log: {error}"),
            Stop::Start(error) => write!(f, "cannot start: {error}"),
            Stop::Results(error) => write!(f, "cannot sync results: {error}"),
            Stop::Encoding(error) => write!(f, "cannot encode a record: {error}"),
            Stop::Contradiction(reason) => write!(f, "the state contradicts itself: {reason}"),
        }
    }
}
