//! See [`builder::dashboard`].

use std::process::ExitCode;

fn main() -> ExitCode {
    builder::dashboard::main()
}
