//! What the bytes of builder mean: the wire protocol and the stored files.
//!
//! Everything here is a function of its input. There is no socket, no file and no clock; `clippy.toml` of this
//! crate forbids them. The formats are those of builder 0.4.0, so its workers, clients and stored results can be
//! read, and it can read ours.
//!
//! * [`frame`] cuts a stream into messages, [`command`] gives each message its meaning.
//! * [`finished_frame`] writes the message of a finished build, [`finished`] walks over it while it arrives,
//!   [`execution`] is how it is stored; none of them holds it whole.
//! * [`state_file`] reads and writes the `state` file of 0.4.0.
//! * [`text`], [`time`], [`job`], [`build_result`] and [`signal`] are the vocabulary; [`header`] and [`wire`] are the
//!   letters in which it is written.
//! * [`error`] says what is wrong with what was held whole, [`malformed`] with what was walked over.

#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod budget;
pub mod build_result;
pub mod command;
pub mod error;
pub mod execution;
pub mod finished;
pub mod finished_frame;
pub mod frame;
pub mod header;
pub mod job;
pub mod malformed;
pub mod signal;
pub mod state_file;
pub mod text;
pub mod time;
pub mod wire;

pub use uuid::Uuid;

/// Version of the protocol between client and server that this crate speaks. Builder 0.4.0 speaks the same.
pub const CLIENT_VERSION: i64 = 13;

/// Version of the protocol between worker and server that this crate speaks. Builder 0.4.0 speaks the same.
pub const WORKER_VERSION: i64 = 5;
