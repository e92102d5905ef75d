//! The programs of builder: the only place that touches sockets, files, processes and time.

pub mod client;
pub mod command_line;
pub mod console;
pub mod directory;
pub mod durable;
pub mod inspect;
pub mod json;
pub mod log_file;
pub mod result_file;
pub mod server;
mod socket;
#[cfg(target_os = "freebsd")]
mod sysctl;
pub mod terminal;
pub mod upload;
pub mod wording;
pub mod worker;
