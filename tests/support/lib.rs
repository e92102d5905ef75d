//! What tests of whole programs share: the programs on directories of their own, and peers that speak the protocol byte by
//! byte.
//!
//! Everything here panics when something is not as it should be; it is for tests only.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code"
)]

pub mod dashboard;
pub mod fuzz;
pub mod http;
pub mod metrics;
mod peer;
mod process;
pub mod results;
mod system;
mod unused_port;
mod usage;
pub mod vectors;
pub mod world;
pub mod wrong_servers;

pub use peer::{Peer, framed, header, tlv};
pub use process::{Programs, Server, Site, patience, script, signal, stored, uuid_of, wait_for};
pub use system::{PublicCopy, children, command_line, is_alive};
pub use unused_port::UnusedPort;
pub use usage::{is_root, limited, now, peak_memory, processor_ticks};
