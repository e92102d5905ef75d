//! `builder-server`.

use std::process::ExitCode;

fn main() -> ExitCode {
    builder::server::main()
}
