//! Runs one job of a platform; see [`builder::worker`].

use builder::worker::{PROGRAM, resolve, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    PROGRAM.main(resolve, run)
}
