//! What the fuzz targets do, where refactoring compiles it and `cargo test` runs it over the corpus.
//!
//! Each target takes any bytes, and panics when builder does with them what it must not. The programs in `fuzz/` only
//! hand bytes in. `fuzz/README.md` says how to run them.

mod choices;

pub mod artifacts;
pub mod command;
pub mod console;
pub mod execution;
pub mod frame;
pub mod history;
pub mod http;
pub mod log_file;
pub mod log_reader;
pub mod server;
pub mod spool;
pub mod state_file;

use std::path::{Path, PathBuf};

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its program in `fuzz/fuzz_targets` and of its directory in `fuzz/corpus`.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: [Target; 12] = [
    Target { name: "artifacts", run: artifacts::run, seeds: artifacts::seeds },
    Target { name: "command", run: command::run, seeds: command::seeds },
    Target { name: "console", run: console::run, seeds: console::seeds },
    Target { name: "execution", run: execution::run, seeds: execution::seeds },
    Target { name: "frame", run: frame::run, seeds: frame::seeds },
    Target { name: "history", run: history::run, seeds: history::seeds },
    Target { name: "http", run: http::run, seeds: http::seeds },
    Target { name: "log_file", run: log_file::run, seeds: log_file::seeds },
    Target { name: "log_reader", run: log_reader::run, seeds: log_reader::seeds },
    Target { name: "server", run: server::run, seeds: server::seeds },
    Target { name: "spool", run: spool::run, seeds: spool::seeds },
    Target { name: "state_file", run: state_file::run, seeds: state_file::seeds },
];

/// Where the corpora of all targets are.
#[must_use]
pub fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}
