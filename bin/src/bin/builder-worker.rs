//! Runs one job of a platform; see [`builder::worker`].

use std::process::ExitCode;

fn main() -> ExitCode {
    builder::worker::main()
}
