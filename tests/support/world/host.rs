//! The machine on which the server runs: its clocks, and the moment at which it dies.

use builder_engine::Now;
use builder_proto::time::Time;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// How a server ends against its will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Crash {
    /// The process is killed; the kernel keeps what was written.
    Kill,
    /// The power fails; what was not synced is kept or lost as it happens.
    Power,
}

/// The machine of the server, shared by all that happens on it.
///
/// Bytes that reach the disk or the network are counted as operations, and a crash comes instead of one of them. Time passes
/// while the disk is busy.
#[derive(Debug)]
pub struct Host {
    time: Cell<Duration>,
    wall_offset_milliseconds: Cell<i64>,
    operations: Cell<u64>,
    fuse: Cell<Option<(u64, Crash)>>,
    crashed: Cell<Option<Crash>>,
}

/// The machine went away in the middle of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl Host {
    /// A machine that has just begun, on the first of January 2026.
    pub fn new() -> Rc<Host> {
        Rc::new(Host {
            time: Cell::new(Duration::ZERO),
            // 2026-01-01.
            wall_offset_milliseconds: Cell::new(1_767_225_600_000),
            operations: Cell::new(0),
            fuse: Cell::new(None),
            crashed: Cell::new(None),
        })
    }

    /// What both clocks say.
    pub fn now(&self) -> Now {
        let time = self.time.get();
        let milliseconds = i64::try_from(time.as_millis()).unwrap();
        let wall = Time::from_unix_milliseconds(self.wall_offset_milliseconds.get() + milliseconds);
        Now { wall, monotonic: time }
    }

    /// Time since the machine began.
    pub fn time(&self) -> Duration {
        self.time.get()
    }

    /// Time never goes back, even when the server was busy for longer than the world knew.
    pub fn advance_to(&self, time: Duration) {
        self.time.set(self.time.get().max(time));
    }

    /// Lets time pass.
    pub fn spend(&self, time: Duration) {
        self.time.set(self.time.get() + time);
    }

    /// Sets the wall clock forward, or back; the other one goes on as it was.
    pub fn jump_wall_clock(&self, milliseconds: i64) {
        self.wall_offset_milliseconds.set(self.wall_offset_milliseconds.get() + milliseconds);
    }

    /// Lets the machine crash instead of one of the next operations.
    pub fn crash_after(&self, operations: u64, crash: Crash) {
        self.fuse.set(Some((operations, crash)));
    }

    /// Whether a crash is due within some operations.
    pub fn is_doomed(&self) -> bool {
        self.fuse.get().is_some()
    }

    /// The machine is gone from now on.
    pub fn crash_now(&self, crash: Crash) {
        self.fuse.set(None);
        self.crashed.set(Some(crash));
    }

    /// How the machine went, if it has.
    pub fn crashed(&self) -> Option<Crash> {
        self.crashed.get()
    }

    /// Ready for the next life.
    pub fn revive(&self) {
        self.fuse.set(None);
        self.crashed.set(None);
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.operations.get()
    }

    /// Counts an operation, unless the machine goes down instead.
    pub fn operate(&self) -> Result<(), Gone> {
        if self.crashed.get().is_some() {
            return Err(Gone);
        }
        if let Some((left, crash)) = self.fuse.get() {
            if left == 0 {
                self.crash_now(crash);
                return Err(Gone);
            }
            self.fuse.set(Some((left - 1, crash)));
        }
        self.operations.set(self.operations.get() + 1);
        Ok(())
    }
}

impl From<Gone> for std::io::Error {
    fn from(_: Gone) -> std::io::Error {
        std::io::Error::other("the machine is gone")
    }
}
