//! The programs of builder: the only place that touches sockets, files, processes and time.
//!
//! Whatever is to be decided is decided in [`builder_engine`], and what bytes mean is in [`builder_proto`]. Each program is a
//! module with a `main`, whose front page says what is where. Begin with [`server`]: its reactor waits, its system does what the
//! driver says.
//!
//! | module | holds |
//! |---|---|
//! | [`server`], [`worker`], [`client`], [`inspect`], [`upload`], [`dashboard`] | the programs |
//! | [`command_line`] | what may be typed after their names: tables of options, values, help; and logging |
//! | `socket`, `listener` | connections, and the sockets that accept them |
//! | `clock` | the time of day, and time that is measured |
//! | [`result_file`], `artifact_writing` | stored results that are read, and artifacts that are written below a directory |
//! | `comparison` | what is different between two builds |
//! | `pattern` | regular expressions that lines are searched for |
//! | [`terminal`], [`wording`], [`json`] | what people and programs read |
//!
//! `README.md` beside this crate follows a message from the socket to the disk and back, and says where to put what.

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
