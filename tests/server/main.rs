//! `builder-server`, the real program, with peers that speak the protocol byte by byte.

#![allow(clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod builds;
mod charge;
mod client_history;
mod commands;
mod dashboard;
mod dispatch;
mod fetch;
mod idle;
mod info;
mod interop;
mod listening;
mod log;
mod losses;
mod metrics;
mod migration;
mod notices;
mod observers;
mod on_finish_examples;
mod programs;
mod recipes;
mod settings;
mod signals;
mod startup;
mod templates;
mod versions;
mod viewers;
mod waiting;

use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_tests::{Peer, Server, Site, programs, stored};
use std::path::Path;

fn site() -> Site {
    // The other programs take no part here, but tests of this package all find them the same way.
    Site::new(programs!())
}

/// Observes a build to its end; gives every line, the result in words last.
fn observe(server: &Server, uuid: Uuid) -> Vec<String> {
    let mut client = Peer::client(server);
    client.send(&Command::Observe(uuid));
    let mut lines = Vec::new();
    loop {
        match client.receive() {
            Command::Output { line, timestamp: Some(_), .. } => lines.push(line.to_string()),
            Command::Success => return lines,
            other => panic!("unexpected {other:?}"),
        }
    }
}

/// Why a build was aborted.
fn reason(path: &Path) -> String {
    match stored(path).result {
        BuildResult::Message(reason) => reason.to_string(),
        other => panic!("unexpected {other:?}"),
    }
}
