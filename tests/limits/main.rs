//! `builder-server` among peers that break every rule, crowds of them, and on machines that have run out of something.

#![allow(clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod answers;
mod crowds;
mod frames;
mod hostile;
mod pauses;
mod scarcity;

use builder_proto::build_result::BuildResult;
use builder_tests::{Server, Site, peak_memory, programs, stored};
use std::path::Path;

/// Bytes of memory that no peer and no crowd may push the server beyond: the frames that it holds for all connections
/// together, a few messages of the largest size, and what the program itself takes.
const MEMORY: u64 = 256 * 1024 * 1024;

fn site() -> Site {
    Site::new(programs!())
}

/// The server answers, and did not need more memory than it may.
fn assert_well(server: &Server) {
    server.info();
    let peak = peak_memory(server.pid()).unwrap();
    assert!(peak < MEMORY, "{peak} bytes of memory");
}

/// Why a build was aborted.
fn reason(path: &Path) -> String {
    match stored(path).result {
        BuildResult::Message(reason) => reason.to_string(),
        other => panic!("unexpected {other:?}"),
    }
}
