//! What the driver is told at its start.

use super::connections::ConnectionLimits;
use super::rotation::RotationLimits;
use crate::limits::{LOG_PREALLOCATED_BYTES, LOG_ROTATION_BYTES};
use crate::server::{self, UploadSettings};
use core::time::Duration;

/// What the command line and the system decide.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the server is told.
    pub server: server::Settings,
    /// Whether to go on without the damaged parts of the log.
    pub salvage: bool,
    /// The most connections at a time.
    pub connections: usize,
    /// None when results are not uploaded.
    pub uploads: Option<Uploads>,
    /// Whether to write metrics to their file.
    pub metrics: bool,
    /// The longest that a program may take which is told of a build; none when none is told.
    pub notices: Option<Duration>,
    /// Sizes.
    pub limits: Limits,
}

/// How results are uploaded.
#[derive(Clone, Debug)]
pub struct Uploads {
    /// What the server is told.
    pub settings: UploadSettings,
    /// The longest that one upload may take; none to go by its size.
    pub time_limit: Option<Duration>,
}

/// Sizes, in bytes. The defaults are what the programs use; tests take smaller ones.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Read from one connection before others have their turn.
    pub read: usize,
    /// Of an outbox up to which it is filled with lines for an observer.
    pub observer_outbox: usize,
    /// Of a whole result that the log makes durable. Larger ones would be written twice for little gain.
    pub small_result: u64,
    /// Up to which the log is never rotated.
    pub log_rotation: u64,
    /// Of zeros written behind a frame of the log that ends beyond those written before.
    pub log_preallocated: u64,
    /// Of the reserve, and from which sizes on space is made.
    pub rotation: RotationLimits,
    /// Of what waits to be sent, and how many connections are accepted at a time.
    pub connections: ConnectionLimits,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            read: 256 * 1024,
            observer_outbox: 64 * 1024,
            small_result: 32 * 1024,
            log_rotation: LOG_ROTATION_BYTES,
            log_preallocated: LOG_PREALLOCATED_BYTES,
            rotation: RotationLimits::default(),
            connections: ConnectionLimits::default(),
        }
    }
}
