//! Gives stored results to an upload server.

use std::process::ExitCode;

fn main() -> ExitCode {
    builder::upload::main()
}
