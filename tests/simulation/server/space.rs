//! Room on the disk, as in `bin/src/server/space.rs`.

use super::turn::encode_all;
use super::{Server, Stop};
use crate::environment::say;
use crate::variant::Variant;
use builder_engine::limits::RETRY_TIME;
use builder_engine::log::{Salt, WriteError};
use builder_engine::server::Input;
use builder_engine::server::record::Record;
use std::time::Duration;

/// The real one is 33 MiB; here no disk has more than this unless it has plenty.
const SHORT: u64 = 4 * 1024 * 1024;
/// The real one is 64 KiB.
const WORTHWHILE: u64 = 2_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    room: u64,
    snapshot: u64,
    examined: u64,
    next_attempt: Duration,
}

impl Space {
    pub(super) fn unknown() -> Space {
        Space { room: u64::MAX, snapshot: 0, examined: 0, next_attempt: Duration::ZERO }
    }
}

impl Server {
    pub(super) fn update_space(&mut self) -> Result<(), Stop> {
        let on_disk = self.environment.disk.borrow().free();
        if !self.log.reserve_available() && on_disk > self.environment.plan.reserve_octets * 4 {
            self.restore_reserve()?;
        }
        self.space.room = on_disk;
        self.input(Input::LogSpace(on_disk), &[])
    }

    /// Replaces the log by a snapshot when it has grown well beyond one.
    pub(super) fn rotate_log(&mut self) -> Result<(), Stop> {
        if !self.log.needs_rotation(self.space.snapshot) && !self.could_make_room() {
            return Ok(());
        }
        if !self.deferred.is_empty() {
            return Ok(());
        }
        self.delay_attempts();
        let salt = Salt(*self.random.octets(16).first_chunk().unwrap());
        let records = self.snapshot();
        match self.log.rotate(salt, encode_all(records.into_iter())) {
            Ok(()) => {
                self.space.snapshot = self.log.length();
                self.order.durable = self.order.appended;
                say!(self.environment, "rotated the log: {} octets", self.space.snapshot);
                Ok(())
            }
            Err(WriteError::Failed(reason)) => Err(Stop::Log(WriteError::Failed(reason))),
            Err(error) => {
                say!(self.environment, "cannot rotate the log: {error}");
                Ok(())
            }
        }
    }

    fn snapshot(&self) -> Vec<Record> {
        let state = self.machine.state().snapshot();
        match self.environment.variant {
            Variant::RotateUnsettled => state.collect(),
            _ => state.chain(self.settling.snapshot()).collect(),
        }
    }

    fn could_make_room(&mut self) -> bool {
        let length = self.log.length();
        let has_changed = length != self.space.examined && length > WORTHWHILE;
        if self.space.room >= SHORT || !has_changed || self.environment.host.time() < self.space.next_attempt
        {
            return false;
        }
        self.delay_attempts();
        self.space.examined = length;
        let snapshot: u64 = self.snapshot().iter().map(Record::octets).sum();
        length > snapshot.saturating_mul(2)
    }

    fn restore_reserve(&mut self) -> Result<(), Stop> {
        if self.environment.host.time() < self.space.next_attempt {
            return Ok(());
        }
        match self.log.restore_reserve() {
            Ok(()) => Ok(()),
            Err(WriteError::Failed(reason)) => Err(Stop::Log(WriteError::Failed(reason))),
            Err(_) => {
                self.delay_attempts();
                Ok(())
            }
        }
    }

    fn delay_attempts(&mut self) {
        self.space.next_attempt = self.environment.host.time().saturating_add(RETRY_TIME);
    }
}
