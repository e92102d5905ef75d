//! Syncs that fail. What is durable is then unknown, and another sync proves nothing: the system may take for written what is
//! in memory only. So nobody is told of what rests on it, and unless it is about a file that nobody knows of yet, the server
//! stops. The next one finds everything.

use crate::follower::follow;
use crate::layout::Layout;
use crate::rules::{Evidence, Verdict, judge_running};
use crate::scenario::{LARGE, SCRIPT_BYTES, begin};
use crate::strace;
use builder_engine::log::{FRAME_HEADER_LENGTH, HEADER_LENGTH};
use builder_proto::command::Command;
use builder_proto::job::ScriptJob;
use builder_proto::time::Period;
use builder_tests::http::HttpServer;
use builder_tests::{Peer, Server, Site, programs, script, wait_for};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::thread;

/// What strace adds to a call that it has made fail.
const INJECTED: &str = "(INJECTED)";

/// What is made to fail, while a server does what.
struct Case {
    name: &'static str,
    /// As strace takes it. Calls are counted for each thread by itself.
    injection: String,
    /// Given the trace, too.
    work: fn(&Server, &Path),
    /// Whether the server is to stop.
    stops: bool,
}

fn cases() -> Vec<Case> {
    let fail = |call: &str, when: u32| format!("{call}:error=EIO:when={when}");
    let case = |name, injection, work: fn(&Server, &Path), stops| Case { name, injection, work, stops };
    let mut cases = vec![
        case("sync of small results", fail("syncfs", 1), build_small, true),
        case("sync of a large result that is not in its place", fail("fsync", 1), build_large, false),
        // Whichever thread it is.
        case("sync of a removal", "fsync:error=EIO".to_owned(), upload, false),
    ];
    for when in 1..=3 {
        cases.push(case("sync of a commit", fail("fdatasync", when), commit, true));
        cases.push(case("sync of a directory above a result", fail("fsync", when + 1), build_large, true));
    }
    // Commits of a log that grows, the contents of a new log, and its name.
    for when in 1..=5 {
        cases.push(case("sync of a log that grows and is written anew", fail("fsync", when), rotate, true));
    }
    cases
}

/// Schedules jobs with scripts of so many bytes, until there is no answer.
fn schedule(server: &Server, bytes: usize) {
    // Nobody can connect to a server that has stopped.
    let clients: Vec<Peer> = (0..5).map(|_| Peer::client(server)).collect();
    for (number, mut client) in clients.into_iter().enumerate() {
        let name = format!("job-{number}");
        let job = ScriptJob { script: "#".repeat(bytes).as_str().into(), ..script(&name, "linux") };
        let frame = Command::Schedule { period: Period::Never, job }.to_frame().unwrap();
        let is_sent = client.try_send_bytes(&frame).is_ok();
        match client.try_receive().filter(|_| is_sent) {
            Some(answer) => assert_eq!(answer, Command::Success),
            None => return,
        }
    }
    panic!("the server goes on after a commit that failed");
}

fn commit(server: &Server, _: &Path) {
    schedule(server, 10);
}

fn rotate(server: &Server, _: &Path) {
    schedule(server, SCRIPT_BYTES);
}

fn build_small(server: &Server, _: &Path) {
    begin(server, "small").finish(10);
}

fn build_large(server: &Server, _: &Path) {
    begin(server, "large").finish_somehow(LARGE);
}

fn upload(server: &Server, trace: &Path) {
    begin(server, "small").finish(10);
    // The history grows by a build at the same time.
    wait_for("the removal of the result", || {
        fs::read_to_string(trace).unwrap().matches(INJECTED).count() >= 2
    });
    // The server hears of it before it has answered all of these.
    (0..5).for_each(|number| server.schedule(&format!("job-{number}"), "linux"));
}

#[test]
fn after_a_sync_that_failed_nothing_is_done_that_rests_on_it() {
    if let Some(obstacle) = strace::obstacle() {
        return eprintln!("syncs did not fail: {obstacle}");
    }
    // Some wait for a second, until results are synced.
    thread::scope(|scope| {
        for case in cases() {
            scope.spawn(move || fail(&case));
        }
    });
}

/// The first server looks for what its history lacks, and says in the end that it has everything. Later ones have nothing of
/// that kind to sync.
fn make_history_whole(site: &Site) {
    let mut server = site.start();
    let (history, begun) = (site.data().join(".builder/history"), HEADER_LENGTH + FRAME_HEADER_LENGTH);
    wait_for("a second frame in the history", || {
        fs::metadata(&history).unwrap().len() > (begun + FRAME_HEADER_LENGTH) as u64
    });
    assert!(server.terminate().success());
}

fn fail(case: &Case) {
    let Case { name, injection, work, stops } = case;
    let sink = HttpServer::answering("200 OK");
    let mut site = Site::new(programs!());
    site.options = vec!["--upload".to_owned(), sink.url()];
    make_history_whole(&site);
    let mut server = site.start();
    // From here on there are preallocated zeros in the log, and only what makes it grow or replaces it takes an fsync.
    server.schedule("first", "first");
    let trace = site.file("trace", "");
    let mut tracer = strace::attach(&server, &trace, &[injection]);
    work(&server, &trace);
    if *stops {
        wait_for(&format!("the server to stop after the {name}, {injection}"), || server.has_ended());
        assert_eq!(server.status().code(), Some(1), "{}", server.log());
    } else {
        server.schedule("last", "last");
        assert!(server.terminate().success());
    }
    assert!(tracer.wait().unwrap().code().is_some());
    let trace = fs::read_to_string(trace).unwrap();
    assert!(trace.contains(INJECTED), "no {name} failed, {injection}");
    let layout = Layout::new(&site.data());
    let evidence = Evidence::new(follow(crate::trace::read(&trace), &layout), Vec::new(), true, None);
    let mut verdict = Verdict { server: format!("{name}, {injection}"), ..Verdict::default() };
    judge_running(&evidence, &mut verdict);
    verdict.pass();

    // In memory, nothing is lost. The next server finds all that was answered.
    let server = site.start();
    assert!(server.info().schedule.iter().any(|item| *item.job.name() == "first".into()));
}

#[test]
fn a_server_does_not_start_after_a_sync_that_failed() {
    if let Some(obstacle) = strace::obstacle() {
        return eprintln!("syncs did not fail: {obstacle}");
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            // On an empty directory each time.
            let failures =
                (1..).take_while(|when| fails_to_start(&Site::new(programs!()), "fsync", *when)).count();
            assert!(failures >= 6, "only {failures} syncs failed");
        });
        scope.spawn(|| {
            let site = Site::new(programs!());
            let server = site.start();
            begin(&server, "held").finish(10);
            let running = begin(&server, "running");
            let (uuid, held) = (running.uuid, site.results("held").pop().unwrap());
            server.kill();
            let place = site.data().join(format!("running/{uuid}"));
            fs::create_dir_all(&place).unwrap();
            fs::copy(held, place.join("full")).unwrap();
            assert!(fails_to_start(&site, "syncfs", 1));
            let failures = (1..).take_while(|when| fails_to_start(&site, "fsync", *when)).count();
            assert!(failures >= 8, "only {failures} syncs failed");
        });
    });
}

/// Starts a server of which a sync fails before it listens; false if there are fewer.
fn fails_to_start(site: &Site, call: &str, when: usize) -> bool {
    let trace = site.file(&format!("{call}-{when}.trace"), "");
    let injection = format!("{call}:error=EIO:when={when}");
    let mut child = strace::command(site, &trace, &[&injection]).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    if said.is_empty() {
        assert_eq!(child.wait().unwrap().code(), Some(1));
        return true;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let trace = strace::read(&trace, child.id());
    // What a server commits once it listens is another matter.
    let mut start = trace.lines().take_while(|line| !line.contains(" listen("));
    let failure = start.find(|line| line.contains(INJECTED));
    assert!(failure.is_none(), "the server listens after {injection}: {failure:?}");
    false
}
