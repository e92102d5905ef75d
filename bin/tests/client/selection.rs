//! Which build is meant, and servers that cannot say.

use super::{UUID, receive, run, send, serve, serve_raw, stderr, stdout, uuid};
use builder_proto::Uuid;
use builder_proto::command::{Command, PeerType};
use builder_proto::history::{Build, BuildEnd, Cause, HistoryQuery};
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use std::net::TcpListener;

fn build(uuid: Uuid) -> Command {
    Command::Build(Build {
        uuid: RawUuid(uuid),
        job: "x\x1b[2J".into(),
        platform: "p".into(),
        started: Time::UNIX_EPOCH,
        queued: None,
        host: None,
        end: Some(BuildEnd::new(Time::UNIX_EPOCH, Cause::Exited(0))),
    })
}

fn output(line: &str) -> Command {
    Command::Output { uuid: uuid(), line: line.into(), timestamp: Some(1_000_000) }
}

fn query(digits: &str) -> Command {
    Command::History(HistoryQuery { uuid: Some(digits.into()), limit: Some(6), ..HistoryQuery::default() })
}

#[test]
fn the_beginning_of_a_uuid_is_enough_to_observe_a_build() {
    let answers = vec![vec![build(uuid()), Command::Success], vec![output("exited 0"), Command::Success]];
    let (remote, server) = serve(answers);
    let output = run(&remote, &["observe", "988AD4A2-6"]);
    assert_eq!((stdout(&output), stderr(&output)), ("0.001s exited 0\n".to_owned(), String::new()));
    assert_eq!(server.join().unwrap(), [query("988ad4a26"), Command::Observe(uuid())]);
}

#[test]
fn a_beginning_of_several_uuids_lists_them() {
    let answers = vec![build(uuid()), build(Uuid::max()), Command::Success];
    let (remote, server) = serve(vec![answers]);
    let output = run(&remote, &["observe", "988a"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "builder-client: the uuids of 2 builds begin with 988a; write more of the one that is meant
  UUID                                  JOB       STARTED (UTC)
  {UUID}  x\\x1b[2J  1970-01-01T00:00:00Z
  ffffffff-ffff-ffff-ffff-ffffffffffff  x\\x1b[2J  1970-01-01T00:00:00Z
"
    );
    assert_eq!(stderr(&output), expected);
    server.join().unwrap();
}

#[test]
fn a_beginning_of_no_uuid_says_where_builds_are_listed() {
    let (remote, server) = serve(vec![vec![Command::Success]]);
    let output = run(&remote, &["observe", "988a"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "builder-client: no build 988a is known; 'builder-client history' lists the builds that the server remembers\n";
    assert_eq!(stderr(&output), expected);
    server.join().unwrap();
}

/// What the client says to a server whose history is this, and how it ends.
fn complaint(answers: Vec<Command>) -> String {
    let (remote, server) = serve(vec![answers]);
    let output = run(&remote, &["observe", "988a"]);
    server.join().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    stderr(&output).replace(&remote, "PEER")
}

#[test]
fn a_history_that_is_none_is_an_error_that_names_the_server() {
    assert_eq!(
        complaint(vec![build(uuid())]),
        "builder-client: PEER closed the connection before the end of its answer\n"
    );
    assert_eq!(
        complaint(vec![output("x"), Command::Success]),
        "builder-client: PEER answered output to history\n"
    );
    assert_eq!(
        complaint(vec![build(uuid()), Command::Failure("busy: try again\x1b[2J".into())]),
        "builder-client: busy: try again\\x1b[2J\n"
    );
    let endless = vec![build(uuid()); 100];
    assert!(complaint(endless).contains("the uuids of more than 5 builds begin with 988a"));
}

/// How a server of an earlier version treats who speaks version 14.
type Refusal = fn(&TcpListener);

fn takes_only_version_13(listener: &TcpListener, refuse: Refusal) {
    refuse(listener);
    let mut stream = listener.accept().unwrap().0;
    assert_eq!(receive(&mut stream), Command::ClientHello { peer: PeerType::Client, version: 13 });
    send(&mut stream, &Command::ServerHello);
}

fn closes(listener: &TcpListener) {
    receive(&mut listener.accept().unwrap().0);
}

fn refuses(listener: &TcpListener) {
    let mut stream = listener.accept().unwrap().0;
    assert_eq!(receive(&mut stream), Command::ClientHello { peer: PeerType::Client, version: 14 });
    send(&mut stream, &Command::Failure("this server speaks client version 13".into()));
}

#[test]
fn a_server_of_an_earlier_version_is_named_with_what_to_do() {
    for refuse in [closes as Refusal, refuses] {
        let (remote, server) = serve_raw(move |listener| takes_only_version_13(&listener, refuse));
        let output = run(&remote, &["observe", "988a"]);
        server.join().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "builder-client: {remote}: this server is of an earlier version, which keeps no history of builds; \
             update builder-server to the version of this client ({version}), or write the whole uuid\n"
        );
        assert_eq!(stderr(&output), expected);
    }
}

#[test]
fn a_server_that_is_busy_or_serves_others_says_so_itself() {
    let refuse = |listener: &TcpListener, reason: &str| {
        let mut stream = listener.accept().unwrap().0;
        receive(&mut stream);
        send(&mut stream, &Command::Failure(reason.into()));
    };
    let (remote, server) = serve_raw(move |listener| {
        refuse(&listener, "this port serves workers");
        refuse(&listener, "this port serves workers");
        refuse(&listener, "busy: try again");
        let mut stream = listener.accept().unwrap().0;
        receive(&mut stream);
        send(&mut stream, &Command::ServerHello);
    });
    assert_eq!(stderr(&run(&remote, &["observe", "988a"])), "builder-client: this port serves workers\n");
    assert_eq!(stderr(&run(&remote, &["observe", "988a"])), "builder-client: busy: try again\n");
    server.join().unwrap();
}
