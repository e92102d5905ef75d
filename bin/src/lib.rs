//! The programs of builder: the only place that touches sockets, files, processes and time.
//!
//! Whatever is to be decided is decided in [`builder_engine`], and what bytes mean is in [`builder_proto`]. Each program is
//! a module with a `main`: [`server`], [`worker`], [`client`], [`inspect`], [`upload`], [`dashboard`]. Begin with [`server`]: its reactor
//! waits, its system does what the driver says. [`command_line`] is what the programs have in common; [`terminal`], [`json`] and [`wording`] are
//! what people and programs read.
//!
//! `README.md` beside this crate follows a message from the socket to the disk and
//! back, and says where to put what.

mod artifact_writing;
pub mod client;
mod clock;
pub mod command_line;
mod comparison;
pub mod dashboard;
pub mod inspect;
pub mod json;
mod listener;
mod pattern;
pub mod result_file;
pub mod server;
mod socket;
pub mod terminal;
pub mod upload;
pub mod wording;
pub mod worker;
