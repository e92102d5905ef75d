//! What the bytes of builder mean: the wire protocol and the stored files.
//!
//! Everything here is a function of its input. There is no socket, no file and no clock; `clippy.toml` of this
//! crate forbids them. The formats are those of builder 0.4.0, so its workers, clients and stored results can be
//! read, and it can read ours. `PROTOCOL.md` describes them as a reference, with a table of all messages.
//!
//! # In which order to read
//!
//! 1. [`text`], [`time`], [`job`], [`environment`], [`build_result`] and [`signal`] are the vocabulary: what a message or a file says.
//! 2. [`frame`] cuts a stream into payloads, and [`command`] gives each payload its meaning. The table of messages,
//!    `command/table.rs`, is where a new one begins.
//! 3. [`finished_frame`] writes the message of a finished build, [`finished`] walks over it while it arrives, and
//!    [`execution`] is how it is stored; none of them holds it whole.
//!    [`artifacts`] is for whoever looks at what passes by.
//! 4. [`history`] is what a server remembers of builds, [`overview`] what it says of itself, and [`job_settings`] what it is
//!    told of jobs besides.
//! 5. [`state_file`] reads and writes the `state` file of 0.4.0.
//! 6. [`header`] and [`wire`] spell single values in DER. Outside this crate, only the engine's log needs them.
//!
//! # Errors
//!
//! [`error`] says what is wrong with what was held whole, [`malformed`] with what was walked over. Both name the part
//! and the byte at which reading stopped. A [`frame::FrameError`] means that the stream cannot be understood any more.
//!
//! # Units
//!
//! Lengths and offsets count bytes. Points in time are milliseconds since 1970 in UTC, and timestamps of console lines
//! are nanoseconds since the build started.
//!
//! # Example
//!
//! A hello, from one side to the other:
//!
//! ```
//! use builder_proto::CLIENT_VERSION;
//! use builder_proto::command::{Command, PeerType};
//! use builder_proto::frame::{FrameDecoder, FrameEvent};
//!
//! let hello = Command::ClientHello { peer: PeerType::Client, version: CLIENT_VERSION };
//! let sent = hello.to_frame()?;
//!
//! let mut decoder = FrameDecoder::new(64);
//! let mut received = sent.as_slice();
//! let Some(FrameEvent::Frame(payload)) = decoder.next(&mut received)? else { panic!("it is whole") };
//! assert_eq!(Command::decode(payload)?, hello);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

pub mod artifacts;
mod budget;
pub mod build_result;
pub mod command;
pub mod environment;
pub mod error;
pub mod execution;
pub mod finished;
pub mod finished_frame;
pub mod frame;
pub mod header;
pub mod history;
pub mod job;
pub mod job_settings;
pub mod malformed;
pub mod overview;
pub mod signal;
pub mod state_file;
pub mod text;
pub mod time;
pub mod wire;

pub use uuid::Uuid;

/// Version of the protocol between client and server of which every server understands all messages up to number 22.
/// Builder 0.4.0 speaks it.
pub const CLIENT_VERSION: i64 = 13;

/// Version of the protocol between client and server that knows the [`history`]. A server of this version
/// speaks [`CLIENT_VERSION`] as well, with whoever says so.
pub const HISTORY_VERSION: i64 = 14;

/// Version of the protocol between worker and server that this crate speaks. Builder 0.4.0 speaks the same.
pub const WORKER_VERSION: i64 = 5;
