//! See [`builder::client`].

use std::process::ExitCode;

fn main() -> ExitCode {
    builder::client::main()
}
