//! What `info` prints, however much there is, and whatever the version of the server.

use super::{accept_older, greet, run, send, serve, serve_older, serve_raw, stderr, stdout, uuid};
use builder_proto::command::{Command, INFO_REPLY_TAG, InfoReply, QueueInfo};
use builder_proto::frame;
use builder_proto::header::{Header, SEQUENCE};
use builder_proto::history::Cause;
use builder_proto::job::{Job, ScheduleItem, ScriptJob};
use builder_proto::overview::{
    JobStatus, LastBuild, Null, PlatformStatus, QueueStatus, Reason, Results, ServerStatus,
};
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use builder_proto::wire::RawUuid;
use std::io::Write;
use std::process;

#[test]
fn info_is_printed_as_tables() {
    let reply = InfoReply { dropped_platforms: vec!["gone".into()], ..InfoReply::default() };
    let (remote, server) = serve_older(vec![vec![Command::InfoReply(reply), Command::Success]]);
    let output = run(&remote, &["info"]);
    assert_eq!(stdout(&output), "Running (0)\n\nSchedule (0)\n\nDropped platforms (1)\n  gone\n");
    assert!(output.status.success());
    assert_eq!(server.join().unwrap(), [Command::Info]);
}

#[test]
fn programs_get_an_object_of_info() {
    let reply = InfoReply { dropped_platforms: vec!["gone".into()], ..InfoReply::default() };
    let (remote, server) = serve_older(vec![vec![Command::InfoReply(reply), Command::Success]]);
    let output = run(&remote, &["info", "--json"]);
    let expected =
        "{\"dropped_platforms\":[\"gone\"],\"queues\":[],\"running\":[],\"schedule\":[],\"uploads\":null}\n";
    assert_eq!(stdout(&output), expected);
    server.join().unwrap();
}

#[test]
fn the_answer_of_an_older_server_is_printed_too() {
    let reply = Command::InfoReplyOld { schedule: Vec::new(), queues: Vec::new(), running: Vec::new() };
    let (remote, server) = serve_older(vec![vec![reply]]);
    assert_eq!(stdout(&run(&remote, &["info"])), "Running (0)\n\nSchedule (0)\n");
    server.join().unwrap();
}

#[test]
fn info_is_about_the_jobs_and_the_platform_that_are_named() {
    let item = |name: &str, platform: &str| {
        let job = ScriptJob { name: name.into(), script: "".into(), platform: platform.into() };
        ScheduleItem { next: Time::NEVER, period: Period::Never, job: Job::Script(job) }
    };
    let schedule = vec![item("a", "p"), item("b", "p"), item("c", "q")];
    let queue = |platform: &str| QueueInfo { platform: platform.into(), jobs: Vec::new() };
    let reply = InfoReply { schedule, queues: vec![queue("p"), queue("q")], ..InfoReply::default() };
    let info = |words: &[&str]| {
        let (remote, server) = serve_older(vec![vec![Command::InfoReply(reply.clone())]]);
        let output = run(&remote, &[&["info"], words].concat());
        server.join().unwrap();
        output
    };
    let names = |words: &[&str]| -> Vec<String> {
        let output = info(&[&["--json"], words].concat());
        let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let schedule = object["schedule"].as_array().unwrap();
        schedule.iter().map(|item| item["job"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["c", "a"]), ["a", "c"]);
    assert_eq!(names(&["--platform", "p"]), ["a", "b"]);
    assert_eq!(names(&["a", "c", "--platform", "q"]), ["c"]);
    assert!(stdout(&info(&["b"])).contains("\nSchedule (1)\n  JOB  "), "{}", stdout(&info(&["b"])));

    let unknown = info(&["a", "x"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(stderr(&unknown), "builder-client: there is no job x; 'builder-client info' shows all\n");
    assert_eq!(stdout(&unknown), "");
}

/// The beginning of the payload of an `infoReply` with this item so many times, and what follows the items.
fn reply_of_many(item: &[u8], count: usize) -> (Vec<u8>, &'static [u8]) {
    let end = b"\x30\x00\x30\x00\x30\x00";
    let mut start = Vec::new();
    let mut length = (item.len() * count) as u64;
    for (tag, follows) in [(SEQUENCE, 0), (SEQUENCE, end.len()), (INFO_REPLY_TAG, 0)] {
        let mut header = Vec::new();
        length += follows as u64;
        Header { tag, length }.append_to(&mut header);
        length += header.len() as u64;
        start.splice(0..0, header);
    }
    (start, end)
}

/// More bytes of scripts than the client may hold here.
#[test]
fn scripts_of_any_size_do_not_keep_info_from_being_printed() {
    let job = ScriptJob { name: "big".into(), script: vec![b'#'; 8 << 20].into(), platform: "p".into() };
    let item = ScheduleItem { next: Time::NEVER, period: Period::Never, job: Job::Script(job) };
    let one =
        Command::InfoReply(InfoReply { schedule: vec![item], ..InfoReply::default() }).encode().unwrap();
    // Each of the three headers around the item takes five bytes: a tag, and a length of three with one that says so.
    let item = one[3 * 5..one.len() - 6].to_vec();
    assert_eq!(reply_of_many(&item, 1).0, one[..3 * 5]);

    let (remote, server) = serve_raw(move |listener| {
        let mut stream = accept_older(&listener);
        assert_eq!(greet(&mut stream), Command::Info);
        let (start, end) = reply_of_many(&item, 50);
        let length = start.len() + 50 * item.len() + end.len();
        stream.write_all(&frame::header(length as u64)).unwrap();
        stream.write_all(&start).unwrap();
        (0..50).for_each(|_| stream.write_all(&item).unwrap());
        stream.write_all(end).unwrap();
        send(&mut stream, &Command::Success);
    });
    let mut client = process::Command::new(env!("CARGO_BIN_EXE_builder-client"));
    client.args(["--remote", &remote, "info"]);
    let output = builder_tests::limited(&client, "-v 131072").output().unwrap();
    assert_eq!(stderr(&output), "");
    assert!(stdout(&output).contains("\nSchedule (50)\n"), "{}", stdout(&output));
    assert!(output.status.success());
    server.join().unwrap();
}

#[test]
fn an_answer_that_ends_early_is_a_failure() {
    let (remote, server) = serve_raw(|listener| {
        let mut stream = accept_older(&listener);
        greet(&mut stream);
        let frame = Command::InfoReply(InfoReply::default()).to_frame().unwrap();
        stream.write_all(&frame[..frame.len() - 1]).unwrap();
    });
    let output = run(&remote, &["info"]);
    let expected = format!("builder-client: {remote} closed the connection before the end of its answer\n");
    assert_eq!(stderr(&output), expected);
    server.join().unwrap();
}

fn job(name: &str, cause: Cause) -> Command {
    let started = Time::UNIX_EPOCH;
    let last = LastBuild { uuid: RawUuid(uuid()), started, finished: started, cause };
    Command::JobStatus(JobStatus {
        job: name.into(),
        period: Period::Daily,
        next: Time::NEVER,
        platform: Some("p".into()),
        package: None,
        results: Some(Results { last, count: 2, since: started, usual: None }),
        settings: None,
    })
}

fn overview() -> Vec<Command> {
    let server = ServerStatus {
        version: "7".into(),
        started: Time::UNIX_EPOCH,
        under_way: 0,
        limit: 4,
        log_bytes: 1,
        is_full: false,
        is_draining: false,
        has_history: true,
        free_bytes: None,
        uploads: None,
        notices: Some(3),
    };
    let platform = PlatformStatus {
        platform: "p".into(),
        idle: 0,
        busy: 0,
        queued: 1,
        has_template: false,
        is_dropped: false,
        is_paused: false,
        pace: None,
    };
    let (job_name, reason) = (Text::from("a"), Reason::NoWorker(Null));
    let entry = QueueStatus { platform: "p".into(), job: job_name, reason, losses: 0, since: None };
    vec![
        Command::ServerStatus(server),
        Command::PlatformStatus(platform),
        Command::QueueStatus(entry),
        job("a", Cause::Exited(7)),
        job("b\x1b[2J", Cause::Exited(0)),
        Command::Success,
    ]
}

#[test]
fn a_server_of_this_version_is_asked_how_all_is() {
    let (remote, server) = serve(vec![overview(), overview(), overview()]);
    let text = stdout(&run(&remote, &["info"]));
    for line in [
        "Running (0)\n",
        "  exited 7  2      1970-01-01T00:00:00Z  -      daily\n",
        "\nWaiting (1)\n",
        "  the platform has no worker\n",
        "\nServer 7\n",
        "\n  notices waiting: 3\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let json = stdout(&run(&remote, &["info", "--json", "a"]));
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(object["schedule"].as_array().unwrap().len(), 1);
    assert_eq!(object["schedule"][0]["results"][0]["exit_code"], 7);
    assert_eq!(object["queues"][0]["jobs"][0]["reason"], "no-worker");
    assert_eq!(object["server"]["notices_waiting"], 3);
    assert!(!stdout(&run(&remote, &["info", "--json"])).contains('\x1b'));
    assert_eq!(server.join().unwrap(), vec![Command::Overview; 3]);
}

#[test]
fn an_overview_that_ends_early_is_a_failure() {
    let mut answers = overview();
    answers.pop();
    let (remote, server) = serve(vec![answers, vec![Command::Failure("busy: try again later".into())]]);
    let output = run(&remote, &["info"]);
    let expected = format!("builder-client: {remote} closed the connection before the end of its answer\n");
    assert_eq!((stdout(&output), stderr(&output)), (String::new(), expected));
    let output = run(&remote, &["info"]);
    assert_eq!(stderr(&output), "builder-client: busy: try again later\n");
    server.join().unwrap();
}
