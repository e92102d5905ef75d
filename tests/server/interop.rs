//! Workers and clients of builder 0.4.0, as bytes that they send.

use crate::{observe, site};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::job::ScriptJob;
use builder_proto::time::Time;
use builder_tests::{Peer, Server, framed, now, stored, tlv, vectors, wait_for};

/// The bytes of an example, as a frame.
fn frame(name: &str) -> Vec<u8> {
    let vectors = vectors::load("command.json");
    let vector = vectors.iter().find(|vector| vector.name == name).unwrap();
    framed(&vector.bytes)
}

/// The bytes of an example that names a build, made to name another.
fn frame_for(name: &str, uuid: Uuid) -> Vec<u8> {
    let mut frame = frame(name);
    let example: Uuid = "988ad4a2-647b-4f84-9116-f936eeddac84".parse().unwrap();
    let at = frame.windows(16).position(|window| window == example.as_bytes()).unwrap();
    frame[at..at + 16].copy_from_slice(uuid.as_bytes());
    frame
}

/// What an old client is answered: it says hello, gives one command, and reads until the server closes.
fn answers(server: &Server, command: &[u8]) -> Vec<Command> {
    let mut client = Peer::connect(server);
    client.send_bytes(&frame("client_hello_client"));
    assert_eq!(client.receive(), Command::ServerHello);
    client.send_bytes(command);
    client.receive_all()
}

#[test]
fn a_worker_of_0_4_0_runs_a_job() {
    let site = site();
    let server = site.start();
    server.schedule("old", "freebsd-13");
    let mut worker = Peer::connect(&server);
    worker.send_bytes(&frame("client_hello_worker"));
    assert_eq!(worker.receive(), Command::ServerHello);
    worker.send_bytes(&frame("job_requested"));
    let (uuid, job) = worker.receive_job();
    assert_eq!(job.name, "old".into());
    for line in ["output", "output_empty", "output_binary", "output_300"] {
        worker.send_bytes(&frame_for(line, uuid));
    }
    worker.send_bytes(&frame_for("job_finished_files", uuid));
    assert_eq!(worker.try_receive(), None);

    let result = stored(&site.wait_for_results("old", 1)[0]);
    let lengths: Vec<usize> = result.console.iter().map(|line| line.line.as_bytes().len()).collect();
    assert_eq!(lengths, [5, 0, 256, 300]);
    let Command::JobFinished { data, result: sent, .. } =
        Command::decode(&frame("job_finished_files")[8..]).unwrap()
    else {
        panic!("no jobFinished")
    };
    assert_eq!((result.output, result.result), (data, sent));
}

#[test]
fn every_result_of_a_0_4_0_worker_is_stored_as_it_is() {
    let site = site();
    let server = site.start();
    for name in [
        "job_finished_exited_127",
        "job_finished_exited_255",
        "job_finished_exited_max_int63",
        "job_finished_exited_min_int63",
        "job_finished_signalled_minus_7",
        "job_finished_signalled_minus_11",
        "job_finished_signalled_64",
        "job_finished_stopped_minus_14",
        "job_finished_msg",
        "job_finished_msg_binary",
        "job_finished_dot_paths",
    ] {
        server.schedule(name, "linux");
        let mut worker = Peer::worker(&server, "linux");
        let (uuid, _) = worker.receive_job();
        let frame = frame_for(name, uuid);
        worker.send_bytes(&frame);
        assert_eq!(worker.try_receive(), None);
        let path = site.wait_for_results(name, 1).remove(0);
        let Command::JobFinished { result, data, .. } = Command::decode(&frame[8..]).unwrap() else {
            panic!("no jobFinished")
        };
        let stored = stored(&path);
        assert_eq!((&stored.result, &stored.output), (&result, &data), "{name}");
        assert_eq!(observe(&server, uuid), [result.to_string()], "{name}");
        assert!(site.inspect([path.to_str().unwrap()]).contains(&result.to_string()), "{name}");
    }
}

#[test]
fn negative_signal_numbers_are_printed_by_name() {
    let site = site();
    let server = site.start();
    for (number, text) in [(-7, "signalled SIGKILL"), (-11, "signalled SIGTERM"), (-10, "signalled SIGSEGV")]
    {
        let name = format!("signal{number}");
        server.schedule(&name, "linux");
        let mut worker = Peer::worker(&server, "linux");
        let (uuid, _) = worker.receive_job();
        worker.finish(uuid, BuildResult::Signalled(number), vec![]);
        let path = site.wait_for_results(&name, 1).remove(0);
        assert_eq!(stored(&path).result, BuildResult::Signalled(number), "as the worker sent it");
        assert_eq!(observe(&server, uuid), [text]);
        assert!(site.inspect([path.to_str().unwrap()]).contains(text));
    }
}

#[test]
fn a_client_of_0_4_0_is_answered_and_sees_the_end() {
    let site = site();
    let server = site.start();
    for (name, answer) in [
        ("schedule_hourly", Command::Success),
        ("schedule_hourly", Command::Failure("job name already used".into())),
        ("execute_any_platform", Command::Success),
        ("legacy_execute", Command::Success),
        ("reschedule", Command::Success),
        ("reschedule_ms_period", Command::Success),
        ("reschedule_1969", Command::Success),
        ("legacy_reschedule_utc_time", Command::Success),
        ("schedule_orb_build_weekly", Command::Success),
        ("unschedule", Command::Success),
        ("unschedule", Command::Failure("unknown job hello".into())),
        ("observe", Command::Failure("uuid not found".into())),
        ("drop_platform", Command::Success),
        ("undrop_platform", Command::Success),
        ("undrop_platform", Command::Failure("unknown platform freebsd-13".into())),
        ("legacy_script_job_with_files", Command::Success),
    ] {
        assert_eq!(answers(&server, &frame(name)), [answer], "{name}");
    }
    let answers = answers(&server, &frame("info"));
    let [Command::InfoReply(info), Command::Success] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(info.schedule.len(), 2);
}

#[test]
fn a_job_from_before_platforms_is_for_no_platform() {
    let site = site();
    let server = site.start();
    let job = [tlv(0x0c, b"old"), tlv(0x0c, b"true"), tlv(0x30, b"")].concat();
    let body = [tlv(0xa3, &tlv(0x05, b"")), tlv(0x30, &job)].concat();
    assert_eq!(answers(&server, &framed(&tlv(0xa5, &tlv(0x30, &body)))), [Command::Success]);
    assert_eq!(server.queue(ScriptJob::NO_PLATFORM).unwrap(), ["old"]);
}

#[test]
fn times_of_both_kinds_are_understood() {
    let site = site();
    let server = site.start();
    for (job, name, time) in [
        ("hello", "legacy_reschedule_utc_time_2049", "2049-12-31T23:59:59Z"),
        ("x", "reschedule_fraction_below_1ms_is_.000", "2026-02-28T23:59:59Z"),
    ] {
        server.schedule(job, "linux");
        let next = Time::parse_rfc3339(time).unwrap();
        assert_eq!(answers(&server, &frame(name)), [Command::Success]);
        // A time that is over was due at once, and does not come again.
        let next = if next > now() { next } else { Time::NEVER };
        wait_for("the next run", || {
            server.info().schedule.iter().any(|item| *item.job.name() == job.into() && item.next == next)
        });
    }
}

#[test]
fn another_version_is_told_which_one_is_spoken() {
    let site = site();
    let server = site.start();
    for (peer, version, kind, spoken) in [
        (PeerType::Client, 12, "client", "13 or 14"),
        (PeerType::Client, 15, "client", "13 or 14"),
        (PeerType::Client, -1, "client", "13 or 14"),
        (PeerType::Worker, 4, "worker", "5"),
        (PeerType::Worker, 13, "worker", "5"),
    ] {
        let mut stranger = Peer::connect(&server);
        stranger.send(&Command::ClientHello { peer, version });
        let failure = stranger.receive_failure();
        assert!(failure.contains(&format!("this server speaks {kind} version {spoken}, ")), "{failure}");
        assert!(failure.contains(&format!("the peer speaks {kind} version {version}")), "{failure}");
    }
}

#[test]
fn a_result_that_0_4_0_stored_is_opened() {
    let site = site();
    let path = vectors::path("full-0.4.0.der");
    let path = path.to_str().unwrap();
    let summary = site.inspect([path]);
    assert!(summary.contains("job1") && summary.contains("exited 3"), "{summary}");
    let console = site.inspect(["--console", path]);
    let positions =
        ["started", "hello", "err", "no newline", "stopped"].map(|word| console.find(word).unwrap());
    assert!(positions.is_sorted(), "{console}");
    let output = site.data().join("output");
    site.inspect(["--output", output.to_str().unwrap(), path]);
    assert_eq!(std::fs::read(output.join("out/rnd")).unwrap().len(), 1000);
}
