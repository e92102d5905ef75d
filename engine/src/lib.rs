//! What happens next in builder's server and worker.
//!
//! Every decision of the programs is made here, by machines that never touch a socket, a file, a process
//! or a clock. Whoever drives one hands in what happened and the time, then carries out the actions in the
//! order in which they come out:
//!
//! ```text
//! machine.handle(now, input);
//! while let Some(action) = machine.poll_action() { /* do it */ }
//! wait_until(machine.next_deadline());
//! ```
//!
//! The same inputs give the same actions, always; `clippy.toml` of this crate forbids what would break that.

#![forbid(unsafe_code)]

pub mod driver;
pub mod limits;
pub mod log;
pub mod names;
pub mod reconnecting;
pub mod server;
pub mod spool;
pub mod wording;
pub mod worker;

use builder_proto::time::Time;
use core::time::Duration;

/// The two clocks, read once before each call into a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall time, for schedules and for what is shown to people. It may jump in either direction.
    pub wall: Time,
    /// Time since an arbitrary start, for everything that is measured. It never goes back.
    pub monotonic: Duration,
}
