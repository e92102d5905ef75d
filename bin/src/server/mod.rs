//! `builder-server`: the driver of [`builder_engine::driver`], on sockets, files, threads and clocks.
//!
//! Nothing is decided here. In the order in which to read:
//!
//! | module | holds |
//! |---|---|
//! | `options`, `startup` | from the command line to a running loop or to an exported state, or why not |
//! | `reactor` | the loop: what happened, told to the driver |
//! | `system` | what the driver runs on, made of what follows |
//! | `listen` | where the server listens and for whom, and who has connected |
//! | `data_directory` | files: where they are, and the threads that wait for them |
//! | [`private_directory`] | the part of the data directory that is the server's own, and who uses it |
//! | [`disk`] | what a sync is, how much room there is, and the log on its disk |
//! | `uploader` | uploads, each a process |
//! | `notifier`, `notice_output` | the program that is told of builds, and what it prints |
//! | `template` | the templates of orb-build jobs |

mod data_directory;
pub mod disk;
mod listen;
mod notice_output;
mod notifier;
mod options;
pub mod private_directory;
mod reactor;
mod startup;
mod system;
mod template;
mod uploader;

use crate::command_line::{Logging, Program};
use std::process::ExitCode;

/// What may be typed after its name.
pub const PROGRAM: Program = Program {
    name: "builder-server",
    about: "Keeps a schedule of jobs, hands them to workers, and stores their results.",
    notes: "",
    logging: Logging::Server,
    words: &[],
    flags: options::FLAGS,
    commands: &[],
};

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    PROGRAM.main(options::resolve, startup::run)
}
