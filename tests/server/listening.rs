//! Where the server can be reached, and by whom.

use crate::site;
use builder_proto::command::{Command, PeerType};
use builder_proto::time::Period;
use builder_proto::{CLIENT_VERSION, WORKER_VERSION};
use builder_tests::{Peer, Site, script};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{self, Stdio};

fn site_with<const N: usize>(options: [&str; N]) -> Site {
    let mut site = site();
    site.options = options.map(String::from).to_vec();
    site
}

/// Whether this machine has IPv6 at all.
fn has_ipv6() -> bool {
    let has = TcpListener::bind("[::1]:0").is_ok();
    if !has {
        eprintln!("skipped: this machine has no IPv6");
    }
    has
}

#[test]
fn every_program_speaks_ipv6() {
    if !has_ipv6() {
        return;
    }
    let site = site_with(["--ip", "::1"]);
    let server = site.start();
    assert!(server.address().is_ipv6());
    server.schedule("job", "linux");
    site.work(&server, "linux");
    assert_eq!(site.wait_for_results("job", 1).len(), 1);
    assert!(site.succeed(&server, ["info"]).contains("Running (0)"));
}

#[test]
fn a_role_may_have_several_addresses() {
    let mut site = site_with(["--worker-listen", "127.0.0.1:0"]);
    let socket = site.data().with_file_name("workers");
    site.options.extend(["--worker-listen".to_owned(), format!("unix:{}", socket.display())]);
    let server = site.start();
    server.schedule("job", "linux");
    // The one that was named last.
    site.work(&server, "linux");
    site.wait_for_results("job", 1);
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    let mut client = UnixStream::connect(&socket).unwrap();
    let hello = Command::ClientHello { peer: PeerType::Client, version: CLIENT_VERSION };
    client.write_all(&hello.to_frame().unwrap()).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("this port serves workers"), "{answer:?}");
}

#[test]
fn roles_with_addresses_of_their_own_are_served_only_there() {
    let site = site_with(["--worker-listen", "127.0.0.1:0"]);
    let server = site.start();
    assert_ne!(server.address(), server.address_for_workers());
    server.schedule("job", "linux");
    site.work(&server, "linux");
    site.wait_for_results("job", 1);

    let mut client = Peer::connect_to(server.address_for_workers());
    client.send(&Command::ClientHello { peer: PeerType::Client, version: CLIENT_VERSION });
    assert_eq!(client.receive_failure(), "this port serves workers; clients have an address of their own");
    let mut worker = Peer::connect_to(server.address());
    worker.send(&Command::ClientHello { peer: PeerType::Worker, version: WORKER_VERSION });
    assert_eq!(worker.receive_failure(), "this port serves clients; workers have an address of their own");
}

#[test]
fn no_command_of_a_client_is_taken_from_a_worker() {
    let site = site_with(["--worker-listen", "127.0.0.1:0"]);
    let server = site.start();
    server.schedule("job", "linux");
    let uuid = builder_proto::Uuid::nil();
    for command in [
        Command::Schedule { period: Period::Daily, job: script("evil", "linux") },
        Command::Unschedule("job".into()),
        Command::Info,
        Command::Observe(uuid),
        Command::Execute { name: "job".into(), platform: None },
        Command::ExecuteOld("job".into()),
        Command::DropPlatform("linux".into()),
        Command::UndropPlatform("linux".into()),
    ] {
        let before = server.info();
        // Before its hello, instead of its request, and while it waits for a job of a platform without any.
        for stage in 0..3 {
            let mut worker = Peer::connect_to(server.address_for_workers());
            if stage > 0 {
                worker = Peer::unasked_worker(&server);
            }
            if stage > 1 {
                worker.send(&Command::JobRequested("linux-2".into()));
                server.info();
            }
            worker.send(&command);
            let failure = worker.receive_failure();
            assert!(failure.contains("unexpected ") || failure.contains("exceeds"), "{failure}");
        }
        let after = server.info();
        assert_eq!((after.schedule, after.running), (before.schedule, before.running), "{command:?}");
        assert_eq!(server.queue("linux").unwrap(), ["job"]);
    }
}

#[test]
fn clients_may_come_through_the_file_system() {
    let mut site = site();
    let socket = site.data().parent().unwrap().join("socket");
    let remote = format!("unix:{}", socket.display());
    let group = fs::metadata(site.data()).unwrap().gid().to_string();
    site.options = ["--client-listen", &remote, "--socket-mode", "0640", "--socket-group", &group]
        .map(String::from)
        .to_vec();
    let server = site.start();
    let found = fs::metadata(&socket).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!((found.mode() & 0o777, found.gid().to_string()), (0o640, group));

    let file = site.file("script", "echo hello");
    site.succeed(&server, ["schedule", "job", "linux", file.to_str().unwrap()]);
    site.work(&server, "linux");
    let result = site.wait_for_results("job", 1).pop().unwrap();
    assert!(site.succeed(&server, ["info"]).contains("job"));
    // Nobody else gets in while the socket is made, and after that everybody may read results as ever.
    let others = fs::metadata(site.data()).unwrap().mode() & fs::metadata(&file).unwrap().mode() & 0o044;
    assert_eq!(fs::metadata(&result).unwrap().mode() & 0o044, others, "{}", result.display());

    let mut worker = UnixStream::connect(&socket).unwrap();
    let hello = Command::ClientHello { peer: PeerType::Worker, version: WORKER_VERSION };
    worker.write_all(&hello.to_frame().unwrap()).unwrap();
    let mut answer = Vec::new();
    worker.read_to_end(&mut answer).unwrap();
    let refusal = "this port serves clients; workers have an address of their own";
    assert_eq!(Command::decode(&answer[8..]).unwrap(), Command::Failure(refusal.into()));
}

#[test]
fn a_socket_that_a_killed_server_left_is_replaced_and_any_other_file_is_not() {
    let mut site = site();
    let socket = site.data().parent().unwrap().join("socket");
    site.options = vec!["--client-listen".to_owned(), format!("unix:{}", socket.display())];
    site.start().kill();
    assert!(socket.exists());
    let mut server = site.start();
    site.succeed(&server, ["info"]);
    assert!(server.terminate().success());
    assert!(!socket.exists(), "a server that is asked to stop leaves none");

    fs::write(&socket, "precious").unwrap();
    let complaint = site.complaint();
    assert!(complaint.contains("there is a file of that name that is not a socket"), "{complaint}");
    assert_eq!(fs::read(&socket).unwrap(), b"precious");

    fs::remove_file(&socket).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let complaint = site.complaint();
    assert!(
        complaint.contains("Address already in use") || complaint.contains("address in use"),
        "{complaint}"
    );
    drop(listener);
    site.succeed(&site.start(), ["info"]);
}

#[test]
fn a_server_that_ends_leaves_the_socket_of_another_one_alone() {
    let (mut first, mut second) = (site(), site());
    let socket = first.data().parent().unwrap().join("socket");
    for site in [&mut first, &mut second] {
        site.options = vec!["--client-listen".to_owned(), format!("unix:{}", socket.display())];
    }
    let mut old = first.start();
    fs::remove_file(&socket).unwrap();
    let mut new = second.start();
    assert!(old.terminate().success());
    assert!(second.succeed(&new, ["info"]).contains("Running"), "it can still be reached");
    assert!(new.terminate().success());
    assert!(!socket.exists(), "its own is removed");
}

#[test]
fn workers_may_come_through_the_file_system_too() {
    let mut site = site();
    let socket = site.data().parent().unwrap().join("socket");
    site.options = vec!["--worker-listen".to_owned(), format!("unix:{}", socket.display())];
    let server = site.start();
    server.schedule("job", "linux");
    site.work(&server, "linux");
    site.wait_for_results("job", 1);
    assert!(matches!(server.ask(&Command::Info), Command::InfoReply(_)));
}

#[test]
fn a_group_that_is_not_there_is_named() {
    let mut site = site();
    let socket = site.data().parent().unwrap().join("socket");
    let remote = format!("unix:{}", socket.display());
    site.options = ["--client-listen", &remote, "--socket-group", "no such group"].map(String::from).to_vec();
    let complaint = site.complaint();
    assert!(complaint.contains("/etc/group has no group no such group"), "{complaint}");
}

/// The command in a network of its own, where the system lets so many connections wait to be accepted.
fn where_so_many_wait(most: u32, command: &process::Command) -> process::Command {
    let script = format!("echo {most} > /proc/sys/net/core/somaxconn && exec \"$0\" \"$@\"");
    let mut elsewhere = process::Command::new("unshare");
    elsewhere.args(["--net", "--", "sh", "-c", &script]).arg(command.get_program()).args(command.get_args());
    elsewhere.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    elsewhere
}

#[test]
fn a_system_that_lets_few_connections_wait_is_named_once() {
    match where_so_many_wait(128, &process::Command::new("true")).output() {
        Ok(output) if output.status.success() => {}
        other => {
            eprintln!("skipped: there cannot be a network of its own: {other:?}");
            return;
        }
    }
    // There is no interface in that network, but a socket in the file system needs none.
    let mut site = site();
    let place = site.data().parent().unwrap().to_owned();
    let address = |name: &str| format!("unix:{}", place.join(name).display());
    site.options = vec!["--client-listen".to_owned(), address("clients")];
    site.options.extend(["--worker-listen".to_owned(), address("workers")]);
    for (most, complaints) in [(128, 1), (4096, 0)] {
        // Not on a port, which is what the usual command does.
        let mut command = process::Command::new(site.server_command().get_program());
        command.arg("--dir").arg(site.data()).args(&site.options).arg("-v");
        let mut server = site.start_with(where_so_many_wait(most, &command));
        assert!(server.terminate().success());
        server.wait_for_log("stopped by");
        let complaint = format!("no more than {most} connections can wait to be accepted, not 4096: ");
        assert_eq!(server.log().matches(&complaint).count(), complaints, "{}", server.log());
    }
}
