//! Measures the programs of builder beside the limits of the machine they run on, in the same run.
//!
//! ```text
//! cargo run --release -p builder-bench                      the whole table, which takes minutes
//! cargo run --release -p builder-bench -- --quick           small numbers, to see that everything works
//! cargo run --release -p builder-bench -- --row schedule-1  some rows only
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `rows` | what is measured: one file for each kind of work |
//! | `bare` | what the machine can do at best: the same work without a server around it |
//! | `site`, `programs`, `seed`, `seed_history` | the real programs, on directories of their own that begin with many jobs or builds |
//! | `peer`, `crowd`, `messages` | simulated workers and clients, as cheap as they can be |
//! | `browser`, `viewers`, `events` | simulated browsers: one that asks for pages, and many that follow a console |
//! | `machine`, `process`, `statistics`, `table` | from numbers to the table |

mod bare;
mod browser;
mod crowd;
mod events;
mod failure;
mod machine;
mod messages;
mod options;
mod peer;
mod process;
mod programs;
mod rows;
mod run;
mod seed;
mod seed_history;
mod site;
mod statistics;
mod table;
mod viewers;

use builder::command_line::{Logging, Program};
use std::process::ExitCode;

const PROGRAM: Program = Program {
    name: "builder-bench",
    about: "Measures the programs of builder beside the limits of this machine.",
    notes: "",
    logging: Logging::Command,
    words: &[],
    flags: options::FLAGS,
    commands: &[],
};

fn main() -> ExitCode {
    PROGRAM.main(options::resolve, run::run)
}
