//! Room on the disk, as in `bin/src/server/space.rs`.

use super::turn::encode_all;
use super::{Server, Stop};
use crate::environment::say;
use crate::variant::Variant;
use builder_engine::driver::RotationLimits;
use builder_engine::log::{Salt, WriteError};
use builder_engine::server::record::Record;
use builder_engine::server::{Input, Server as Machine, Settling};

/// Far less than the real ones, as here no disk has more than this unless it has plenty.
pub(super) fn rotation_limits(reserve_bytes: u64) -> RotationLimits {
    RotationLimits { short_bytes: 4 * 1024 * 1024, worthwhile_bytes: 2_000, reserve_bytes }
}

impl Server {
    pub(super) fn update_space(&mut self) -> Result<(), Stop> {
        let on_disk = self.environment.disk.borrow().free();
        let now = self.environment.host.time();
        if !self.log.reserve_available() && self.rotation.restores_reserve(now, on_disk, u64::MAX) {
            self.restore_reserve()?;
        }
        self.rotation.set_room(on_disk);
        self.input(Input::LogSpace(on_disk), &[])
    }

    /// Replaces the log by a snapshot when it has grown well beyond one.
    pub(super) fn rotate_log(&mut self) -> Result<(), Stop> {
        if self.release_queue.has_uncommitted() {
            return Ok(());
        }
        let now = self.environment.host.time();
        let records = || snapshot(&self.machine, &self.settling, self.environment.variant);
        let due = self.log.needs_rotation(self.rotation.snapshot_bytes())
            || self
                .rotation
                .could_make_room(now, self.log.length(), || records().iter().map(Record::octets).sum());
        if !due {
            return Ok(());
        }
        self.rotation.attempted(now);
        let records = records();
        let salt = Salt(*self.random.bytes(16).first_chunk().unwrap());
        match self.log.rotate(salt, encode_all(records.into_iter())) {
            Ok(()) => {
                self.rotation.rotated(self.log.length());
                self.order.durable = self.order.appended;
                say!(self.environment, "rotated the log: {} octets", self.log.length());
                Ok(())
            }
            Err(WriteError::Failed(reason)) => Err(Stop::Log(WriteError::Failed(reason))),
            Err(error) => {
                say!(self.environment, "cannot rotate the log: {error}");
                Ok(())
            }
        }
    }

    fn restore_reserve(&mut self) -> Result<(), Stop> {
        match self.log.restore_reserve() {
            Ok(()) => Ok(()),
            Err(WriteError::Failed(reason)) => Err(Stop::Log(WriteError::Failed(reason))),
            Err(_) => {
                self.rotation.attempted(self.environment.host.time());
                Ok(())
            }
        }
    }
}

fn snapshot(machine: &Machine, settling: &Settling, variant: Variant) -> Vec<Record> {
    match variant {
        Variant::RotateUnsettled => machine.state().snapshot().collect(),
        _ => machine.state().snapshot().chain(settling.snapshot()).collect(),
    }
}
