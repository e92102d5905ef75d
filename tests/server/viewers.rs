//! Viewers: an address at which clients look at everything and change nothing.

use crate::site;
use builder_proto::command::{Command, PeerType};
use builder_proto::{CLIENT_VERSION, HISTORY_VERSION, WORKER_VERSION};
use builder_tests::{Peer, Server, Site};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Output;

/// A site whose servers have an address for viewers, too.
fn watched(address: &str) -> Site {
    let mut site = site();
    site.options = ["--viewer-listen", address].map(String::from).to_vec();
    site
}

/// Runs the client as somebody who knows only the address for viewers.
fn view(site: &Site, server: &Server, words: &[&str]) -> Output {
    site.client_command_at(server.remote_for_viewers()).args(words).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What is said, without the bytes of the log and of the disk, which differ from one question to the next.
fn steady(said: &[u8]) -> String {
    let said = text(said);
    match serde_json::from_str::<serde_json::Value>(&said) {
        Ok(mut answer) => {
            for figure in ["free_bytes", "log_bytes"] {
                assert!(answer["server"][figure].take().is_u64(), "{said}");
            }
            answer.to_string()
        }
        Err(_) => said
            .lines()
            .filter(|line| !line.starts_with("  log: ") && !line.starts_with("  free for it: "))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

#[test]
fn a_viewer_sees_what_a_client_sees() {
    let site = watched("127.0.0.1:0");
    let server = site.start();
    site.schedule(&server, "job", "linux", "#!/bin/sh\necho seen\n");
    site.work(&server, "linux");
    let uuid = builder_tests::uuid_of(&site.wait_for_results("job", 1)[0]);
    for words in [&["info"][..], &["info", "--json"], &["observe", &uuid]] {
        let (seen, expected) = (view(&site, &server, words), site.client(&server, words));
        assert!(seen.status.success(), "{words:?}: {seen:?}");
        assert_eq!(steady(&seen.stdout), steady(&expected.stdout), "{words:?}");
    }
    assert!(text(&view(&site, &server, &["observe", &uuid]).stdout).contains("seen"));
}

#[test]
fn whatever_a_viewer_tries_to_change_stays_as_it_is() {
    let site = watched("127.0.0.1:0");
    let server = site.start();
    site.schedule(&server, "job", "linux", "true\n");
    let script = site.file("evil", "x".repeat(100_000));
    let script = script.to_str().unwrap();
    let before = server.info();
    for words in [
        &["schedule", "evil", "linux", script][..],
        &["orb-build", "evil", "package"],
        &["unschedule", "job"],
        &["reschedule", "job", "2030-01-01T00:00:00Z"],
        &["execute", "job"],
        &["drop-platform", "linux"],
        &["undrop-platform", "linux"],
        &["cancel", "job"],
        &["pause", "linux"],
        &["resume"],
        &["drain", "--wait"],
    ] {
        let output = view(&site, &server, words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let expected =
            "builder-client: this port serves viewers, who change nothing; use the address of the clients\n";
        assert_eq!(text(&output.stderr), expected, "{words:?}");
    }
    // Here the exit status tells how a build ends, and a refusal has one of its own.
    for words in [
        &["execute", "job", "--wait"][..],
        &["verify", "job"],
        &["schedule", "job", "linux", script, "--wait"],
    ] {
        let output = view(&site, &server, words);
        assert_eq!(output.status.code(), Some(126), "{words:?}");
        assert!(text(&output.stderr).contains("use the address of the clients"), "{words:?}");
    }
    assert_eq!(server.info(), before);
    site.succeed(&server, ["unschedule", "job"]);
}

#[test]
fn viewers_speak_both_versions_and_are_no_workers() {
    let site = watched("127.0.0.1:0");
    let server = site.start();
    let greet = |peer, version| {
        let mut viewer = Peer::connect_to(server.remote_for_viewers().parse().unwrap());
        viewer.send(&Command::ClientHello { peer, version });
        viewer
    };
    for version in [CLIENT_VERSION, HISTORY_VERSION] {
        assert_eq!(greet(PeerType::Client, version).receive(), Command::ServerHello);
    }
    assert_eq!(
        greet(PeerType::Worker, WORKER_VERSION).receive_failure(),
        "this port serves viewers; workers have an address of their own"
    );
    // Workers and clients still share the port that serves both.
    assert_eq!(server.address(), server.address_for_workers());
}

#[test]
fn viewers_may_come_through_the_file_system_with_the_permissions_of_all_sockets() {
    let mut site = site();
    let socket = site.data().parent().unwrap().join("viewers");
    let remote = format!("unix:{}", socket.display());
    site.options = ["--viewer-listen", &remote, "--viewer-listen", "127.0.0.1:0", "--socket-mode", "0640"]
        .map(String::from)
        .to_vec();
    let mut server = site.start();
    assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o777, 0o640);
    let output = site.client_command_at(&remote).arg("info").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(view(&site, &server, &["info"]).status.success(), "and through the other address");
    assert!(server.terminate().success());
    assert!(!socket.exists());
}
