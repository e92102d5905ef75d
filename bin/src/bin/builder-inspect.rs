//! Shows the stored result of a build.

use std::process::ExitCode;

fn main() -> ExitCode {
    builder::inspect::main()
}
