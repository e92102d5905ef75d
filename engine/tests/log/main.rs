//! The log in a directory on a simulated disk, which fills up, breaks and crashes as each test says.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code"
)]

mod crashes;
mod file;
mod recovery;
mod rotation;

use builder_engine::log::Salt;
use builder_tests::world::{Faults, LogStorage, Random};
use std::io::ErrorKind;

const SALT: Salt = Salt(*b"sixteen bytes!!!");
const SECOND_SALT: Salt = Salt(*b"for the rotation");
/// Power failures that are tried for each state of a disk. Each one keeps something else of what was not synced.
const CRASHES: u64 = 12;

/// Only what is synced gets to the platter, and a power failure leaves nothing else.
fn worst() -> Random {
    Random::scripted(&[])
}

fn empty_disk() -> LogStorage {
    LogStorage::alone(worst())
}

fn failing_syncs(error: ErrorKind) -> Faults {
    Faults { failed_syncs: 1000, error: Some(error), ..Faults::default() }
}

/// Disks that the next start may find when the power fails now, among them the worst one.
fn crashes(disk: &LogStorage) -> impl Iterator<Item = LogStorage> {
    let others = (1..CRASHES).map(Random::new);
    [worst()].into_iter().chain(others).map(|random| disk.after_power_failure(random))
}
