//! What the real server asks of the system, in which order: no answer, no rename and no removal before the sync that it rests
//! on. The simulation crashes the server between any two steps, but with a disk of its own; here `strace` watches the real one.
//!
//! The rules speak of system calls, paths, records and messages, and not of how the server is made. They are in [`rules`].
//! Without strace, or where nobody may trace, the tests say so and pass, unless `BUILDER_STRACE` is set.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod conversations;
mod export;
mod failures;
mod follower;
mod history;
mod layout;
mod records;
mod rules;
mod scenario;
mod strace;
mod trace;

use crate::follower::follow;
use crate::layout::Layout;
use crate::rules::{Evidence, Verdict};
use crate::scenario::{LARGE, begin, build, churn, crowd, give_commands, take, wait_for_uploads};
use crate::strace::{LONG_SYNC, SLOW_DISK, Traced};
use builder_engine::server::record::Record;
use builder_tests::http::HttpServer;
use builder_tests::{Site, programs};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Rules that every run has something for.
const RULES: &[&str] = &[
    "signals",
    "success",
    "job",
    "info",
    "end of a build",
    "result in place",
    "synced log",
    "new log",
    "kept results",
    "small result",
    "length of a result",
    "contents of a result",
    "record before result",
    "open directories",
    "names of a result",
    "forgotten results",
    "open file system",
    "removed result",
    "record of a removal",
    "queued upload",
    "upload",
    "queued notice",
    "notice",
    "told before removed",
    "console",
    "stray console",
    "own directories",
    "end of the log",
    "found log",
    "write-back",
];

/// Follows one server after the other on one data directory.
struct Judge {
    layout: Layout,
    hook: PathBuf,
    inherited: Vec<Record>,
    verdict: Verdict,
}

impl Judge {
    /// Holds one more server against the rules, which it has to keep.
    fn hear(&mut self, which: &str, trace: &str) {
        let history = follow(trace::read(trace), &self.layout);
        let evidence =
            Evidence::new(history, std::mem::take(&mut self.inherited), true, Some(self.hook.clone()));
        self.verdict.server = which.to_owned();
        rules::judge(&evidence, &mut self.verdict);
        self.verdict.pass();
        self.inherited = evidence.records.left_behind(&evidence.history);
    }
}

#[test]
fn nothing_is_answered_renamed_or_removed_before_the_sync_that_it_rests_on() {
    if let Some(obstacle) = strace::obstacle() {
        return eprintln!("the order of system calls was not checked: {obstacle}");
    }
    let sink = HttpServer::answering("200 OK");
    let mut site = Site::new(programs!());
    let hook = site.file("hook", "#!/bin/sh\n");
    fs::set_permissions(&hook, Permissions::from_mode(0o755)).unwrap();
    let options = ["--upload", &sink.url(), "--on-finish", hook.to_str().unwrap()];
    site.options = options.map(str::to_owned).to_vec();
    let (layout, verdict) = (Layout::new(&site.data()), Verdict::default());
    let mut judge = Judge { layout, hook, inherited: Vec::new(), verdict };

    judge.hear("the first server", &converse(&site));
    judge.hear("a server that is killed", &be_killed(&site));
    judge.hear("a server that recovers", &recover(&site));

    let checked = judge.verdict.checked;
    println!("{checked:?}");
    for rule in RULES {
        assert!(checked.contains_key(rule), "nothing was held against the rule {rule}");
    }
    assert_eq!(checked.len(), RULES.len(), "{checked:?}");
}

/// Everything that clients and workers may do, and a stop during a build.
fn converse(site: &Site) -> String {
    let traced = Traced::start(site, &site.file("first.trace", ""), SLOW_DISK);
    let server = &traced.server;
    give_commands(site, server);
    build(server);
    let crowd = crowd(server);
    let _running = begin(server, "running");
    wait_for_uploads(site, &["small", "large", "printed", "lost", "observed"]);
    wait_for_uploads(site, &crowd);
    traced.terminate()
}

/// Results stay in the log alone, through a rotation, and the server is killed.
fn be_killed(site: &Site) -> String {
    let delays = [SLOW_DISK, &[LONG_SYNC]].concat();
    let traced = Traced::start(site, &site.file("second.trace", ""), &delays);
    let server = &traced.server;
    begin(server, "held").finish(10);
    churn(server);
    begin(server, "held-again").finish(10);
    begin(server, "held-large").finish(LARGE);
    let mut left = begin(server, "left");
    left.print_much(server);
    let stored = begin(server, "stored");
    let (uuid, trace) = (stored.uuid, traced.kill());

    // A result may be in its place though no record says so: its server had no time for that.
    let held = site.results("held").pop().unwrap();
    let place = site.data().join(format!("stored/{uuid}"));
    fs::create_dir_all(&place).unwrap();
    fs::copy(&held, place.join("full")).unwrap();
    // A power cut may leave anything in the place of a result that was not synced.
    fs::write(&held, "").unwrap();
    fs::write(site.data().join(".builder/spool").join(uuid::Uuid::from_u128(7).to_string()), "stray")
        .unwrap();
    trace
}

/// What the killed server has left is put in order. Another stop comes before the last result is synced.
fn recover(site: &Site) -> String {
    let traced = Traced::start(site, &site.file("third.trace", ""), SLOW_DISK);
    let server = &traced.server;
    take(server, "left").finish(LARGE);
    wait_for_uploads(site, &["held", "held-again", "held-large", "stored", "left", "running"]);
    begin(server, "last").finish(10);
    traced.terminate()
}
