//! SIGHUP asks a worker to leave once it has no job.

use crate::harness::{Conversation, End, Setup, UUID, job};
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command as Message;
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use std::path::PathBuf;

/// The worker has ended with success, without a word and without leaving anything.
fn assert_left(end: &End) {
    assert_eq!(end.status.code(), Some(0), "{end:?}");
    assert_eq!(end.stderr, "");
    assert_eq!(end.left, Vec::<PathBuf>::new());
}

/// Lets signals and messages pile up.
fn freeze(conversation: &Conversation) {
    conversation.signal(Signal::STOP);
    let pid = Pid::from_child(&conversation.child);
    let status = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().map(|(_, status)| status);
    assert!(status.is_some_and(|status| status.stopped()), "{status:?}");
}

#[test]
fn a_worker_without_a_job_leaves_at_once() {
    let mut conversation = Setup::new().connect();
    conversation.greet();
    conversation.signal(Signal::HUP);
    assert_eq!(conversation.receive(), None, "the server sees that it is gone");
    assert_left(&conversation.end());
}

#[test]
fn a_worker_whose_server_says_nothing_leaves_at_once() {
    let mut conversation = Setup::new().connect();
    assert!(matches!(conversation.receive(), Some(Message::ClientHello { .. })));
    conversation.signal(Signal::HUP);
    assert_eq!(conversation.receive(), None);
    assert_left(&conversation.end());
}

#[test]
fn a_job_is_finished_first() {
    let script = "echo started; until [ -e \"$TMPDIR/go\" ]; do sleep 0.01; done; echo done; exit 3";
    let mut conversation = Setup::new().start(script);
    assert_eq!(conversation.line(), "started");
    conversation.signal(Signal::HUP);
    let go = conversation.temporary.path().join("go");
    std::fs::write(&go, "").unwrap();
    assert_eq!(conversation.line(), "done");
    assert!(matches!(
        conversation.receive(),
        Some(Message::JobFinished { uuid: UUID, result: BuildResult::Exited(3), .. })
    ));
    conversation.signal(Signal::HUP);
    conversation.close();
    std::fs::remove_file(go).unwrap();
    assert_left(&conversation.end());
}

#[test]
fn a_job_that_comes_together_with_the_signal_is_run() {
    for (first, second) in [(true, false), (false, true)] {
        let mut conversation = Setup::new().connect();
        conversation.greet();
        freeze(&conversation);
        if first {
            conversation.signal(Signal::HUP);
        }
        conversation.send(&Message::JobSchedule { uuid: UUID, job: job("echo here") });
        if second {
            conversation.signal(Signal::HUP);
        }
        conversation.signal(Signal::CONT);
        let report = conversation.finish();
        assert_eq!(report.text(), ["here"], "the signal comes first: {first}");
        report.assert_clean();
    }
}

#[test]
fn a_hangup_that_is_ignored_at_start_stays_ignored() {
    let mut conversation = Setup::new().prelude("trap '' HUP").connect();
    conversation.greet();
    freeze(&conversation);
    conversation.signal(Signal::HUP);
    conversation.signal(Signal::TERM);
    conversation.signal(Signal::CONT);
    conversation.end().assert_failed("builder-worker: ended by SIGTERM");
}

/// There, a connection waits in the system while too many others do.
#[cfg(target_os = "linux")]
mod before_the_connection {
    use super::*;
    use crate::harness::wait_until;
    use rustix::io::Errno;
    use rustix::net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
    };
    use std::io::Read;

    /// Whether a process handles SIGHUP by now.
    fn handles_hangup(pid: u32) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & 1 != 0
    }

    #[test]
    fn a_worker_that_waits_for_its_connection_leaves_at_once() {
        let place = tempfile::tempdir().unwrap();
        let address = SocketAddrUnix::new(place.path().join("socket")).unwrap();
        let socket = |flags| socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        let listener = socket(SocketFlags::CLOEXEC);
        bind(&listener, &address).unwrap();
        listen(&listener, 0).unwrap();
        let mut others = Vec::new();
        loop {
            let other = socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
            match connect(&other, &address) {
                Ok(()) => others.push(other),
                Err(Errno::AGAIN) => break,
                Err(error) => panic!("{error}"),
            }
        }

        let remote = format!("unix:{}", place.path().join("socket").display());
        let mut child = Setup::new().command(&remote, place.path()).spawn().unwrap();
        wait_until("the worker handles signals", || handles_hangup(child.id()));
        rustix::process::kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
        let mut status = None;
        wait_until("the worker leaves", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(0), "{status:?}");
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(stderr, "");
    }
}
