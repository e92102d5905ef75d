//! `builder-server`: the machine of `builder_engine::server`, with sockets, files and clocks around it.
//!
//! | module | holds |
//! |---|---|
//! | `migration`, `export` | from and to the state of builder 0.4.0 |
//! | `options`, `startup` | from the command line to a running loop: lock, log, recovery, listeners |
//! | `reactor`, `actions`, `release` | the loop, what it does for the machine, and when |
//! | `listen`, `doors`, `network`, `peer`, `socket`, `socket_file` | connections |
//! | `spool`, `observer` | consoles, and who follows them |
//! | `result`, `disk` | results on their way to their files |
//! | `space` | room on the disk |
//! | `upload_options`, `uploader`, `uploads` | results on their way to an upload server |
//! | `template`, `paths`, `places`, `clock`, `uuids`, `readiness` | where the rest of the world is |

mod actions;
mod backlog;
mod clock;
mod disk;
mod doors;
mod export;
mod listen;
mod migration;
mod network;
mod observer;
mod options;
mod paths;
mod peer;
mod places;
mod reactor;
mod readiness;
mod release;
mod result;
mod socket;
mod socket_file;
mod space;
mod spool;
mod startup;
mod stop;
mod template;
mod upload_options;
mod uploader;
mod uploads;
mod uuids;

use crate::command_line::{Logging, Program};
use std::process::ExitCode;

const PROGRAM: Program = Program {
    name: "builder-server",
    usage: "[OPTIONS]",
    about: "Keeps a schedule of jobs, hands them to workers, and stores their results.",
    logging: Logging::Server,
    options: options::declare,
};

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    PROGRAM.main(options::resolve, startup::run)
}
