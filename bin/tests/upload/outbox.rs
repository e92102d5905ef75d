//! The outbox of `builder-server`, which starts `builder-upload`.

use crate::builder_web::BASIC;
use crate::harness::{SECRET, build, result, site, start, uploads, wait_for_log, wait_until_empty};
use builder_proto::command::{Command as Message, PeerType};
use builder_proto::execution::Execution;
use builder_proto::{HISTORY_VERSION, Uuid};
use builder_tests::http::{Answer, HttpServer, Manners, upload_url};
use builder_tests::{Peer, PublicCopy, Server, Site, UnusedPort};
use builder_tests::{children, command_line, is_alive, programs, signal, wait_for};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// The builds whose results a server received, in order.
fn received(http: &HttpServer) -> Vec<Uuid> {
    http.requests().iter().map(|request| Execution::decode(&request.body).unwrap().uuid).collect()
}

fn wait_for_requests(http: &HttpServer, count: usize) {
    wait_for(&format!("{count} requests"), || http.requests().len() >= count);
}

#[test]
fn results_are_uploaded_and_then_removed() {
    let http = HttpServer::answering("201 Created");
    let site = site(&http.url(), &[]);
    let server = start(&site);
    let small = build(&server, "small", 10);
    let large = build(&server, "large", 5_000_000);
    wait_until_empty(&server);
    let mut sent = received(&http);
    sent.sort();
    let mut built = [small, large];
    built.sort();
    assert_eq!(sent, built);
    wait_for("the local copies to go", || {
        !site.data().join("small").join(small.to_string()).exists()
            && !site.data().join("large").join(large.to_string()).exists()
    });
    assert_eq!(server.ask(&Message::Observe(small)), Message::Failure("uuid not found".into()));
}

#[test]
fn a_host_that_keeps_nothing_remembers_its_builds() {
    let http = HttpServer::answering("201 Created");
    let site = site(&http.url(), &[]);
    let server = start(&site);
    let uuid = build(&server, "hello", 10);
    wait_for("the result to be removed", || !result(&site, "hello", uuid).exists());
    let known = |server: &Server| {
        let output = site.client(server, ["history", "--json"]);
        let list = String::from_utf8(output.stdout).unwrap();
        let mut client = Peer::connect(server);
        client.send(&Message::ClientHello { peer: PeerType::Client, version: HISTORY_VERSION });
        assert_eq!(client.receive(), Message::ServerHello);
        client.send(&Message::Details(uuid));
        let answers: Vec<Message> = core::iter::from_fn(|| client.try_receive()).collect();
        (list, answers)
    };
    wait_for("the removal to be known", || !known(&server).0.contains("\"removed\":null"));
    let (list, answers) = known(&server);
    assert!(list.contains("\"artifact_bytes\":10") && list.contains("\"seconds\":"), "{list}");
    let [Message::Build(remembered), Message::Artifact(artifact), Message::Success] = answers.as_slice()
    else {
        panic!("{answers:?}: the script went with the result")
    };
    assert_eq!((remembered.uuid(), artifact.path.to_string().as_str()), (uuid, "bin/program"));
    // What sha256sum prints of ten bytes of 7.
    let digest = "bf52943413e4b2e64c1b18f831aae28a7c3e4c2792a99500c06bf6c5a933aab5";
    assert_eq!(artifact.sha256.unwrap().to_string(), digest);
    server.kill();
    let server = start(&site);
    assert_eq!(known(&server).1, answers);
}

#[test]
fn local_copies_can_be_kept_and_are_what_was_uploaded() {
    let http = HttpServer::answering("201 Created");
    let site = site(&http.url(), &["--keep-local"]);
    let server = start(&site);
    let builds = [("small", build(&server, "small", 10)), ("large", build(&server, "large", 5_000_000))];
    wait_until_empty(&server);
    let bodies: Vec<Vec<u8>> = http.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies.len(), 2);
    for (name, uuid) in builds {
        assert!(bodies.contains(&fs::read(result(&site, name, uuid)).unwrap()), "{name}");
    }
}

#[test]
fn a_result_that_the_server_has_already_is_done() {
    let http = HttpServer::answering("409 Conflict");
    let site = site(&http.url(), &[]);
    let server = start(&site);
    let uuid = build(&server, "known", 10);
    wait_for("the local copy to go", || !result(&site, "known", uuid).exists());
    wait_until_empty(&server);
    assert_eq!(http.requests().len(), 1);
}

#[test]
fn a_result_that_is_refused_is_tried_again_and_holds_up_nobody() {
    let http = HttpServer::start(|number, request| {
        let job = Execution::decode(&request.body).unwrap().job.name;
        match job == "poison".into() && number < 3 {
            true => Answer::Status("500 Internal Server Error"),
            false => Answer::Status("201 Created"),
        }
    });
    let site = site(&http.url(), &[]);
    let server = start(&site);
    let poison = build(&server, "poison", 10);
    wait_for_requests(&http, 1);
    wait_for("the refusal to be known", || {
        uploads(&server).is_some_and(|(title, _)| title.contains("500 Internal Server Error"))
    });
    let other = build(&server, "other", 10);
    wait_until_empty(&server);
    let sent = received(&http);
    assert_eq!(sent.iter().filter(|uuid| **uuid == other).count(), 1);
    assert_eq!(sent.last(), Some(&poison));
    assert!(sent.iter().filter(|uuid| **uuid == poison).count() >= 3, "{sent:?}");
    wait_for_log(&server, "was not uploaded: the server answered 500");
}

#[test]
fn a_server_out_of_reach_slows_nothing_and_gets_everything_when_it_is_back() {
    let port = UnusedPort::new();
    let site = site(&upload_url(port.address()).replace("//", &format!("//user:{SECRET}@")), &[]);
    let server = start(&site);
    let builds: Vec<Uuid> = (0..5).map(|number| build(&server, &format!("job-{number}"), 10)).collect();
    wait_for_log(&server, "cannot reach the server");
    let (title, jobs) = uploads(&server).unwrap();
    assert!(
        title.starts_with(&format!("uploads to {}; cannot reach", upload_url(port.address()))),
        "{title}"
    );
    assert_eq!(jobs, ["job-0", "job-1", "job-2", "job-3", "job-4"]);
    let start = Instant::now();
    for _ in 0..100 {
        server.info();
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());

    let http = HttpServer::behind(port, |_, _| Answer::Status("201 Created"));
    wait_until_empty(&server);
    let mut sent = received(&http);
    sent.sort();
    let mut built = builds.clone();
    built.sort();
    assert_eq!(sent, built, "each was uploaded once");
    assert!(http.requests().iter().all(|request| request.header("authorization") == Some(BASIC)));
    assert!(!server.log().contains(SECRET), "{}", server.log());
}

#[test]
fn refused_credentials_pause_until_a_person_has_corrected_them() {
    let http = HttpServer::start(|_, request| match request.header("authorization") {
        Some(BASIC) => Answer::Status("201 Created"),
        _ => Answer::Bytes(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ),
    });
    let mut site = site(&http.url(), &[]);
    let credentials = site.file("credentials", "user:wrong\n");
    site.options.extend(["--upload-credentials".to_owned(), credentials.to_str().unwrap().to_owned()]);
    let server = start(&site);
    let first = build(&server, "first", 10);
    wait_for("the pause", || uploads(&server).is_some_and(|(title, _)| title.contains("paused")));
    wait_for_log(&server, "uploads are paused; correct the credentials");
    let second = build(&server, "second", 10);
    assert_eq!(uploads(&server).unwrap().1, ["first", "second"]);

    fs::write(&credentials, format!("user:{SECRET}\n")).unwrap();
    assert_eq!(http.requests().len(), 1, "nothing was tried meanwhile");
    signal(server.pid(), "HUP");
    wait_until_empty(&server);
    assert_eq!(received(&http), [first, first, second]);
    assert!(!server.log().contains(SECRET), "{}", server.log());
}

#[test]
fn the_outbox_survives_servers_that_are_killed_and_stopped() {
    let port = UnusedPort::new();
    let site = site(&upload_url(port.address()), &[]);
    let server = start(&site);
    let small = build(&server, "small", 10);
    let large = build(&server, "large", 1_000_000);
    server.kill();
    let mut server = start(&site);
    assert_eq!(uploads(&server).unwrap().1, ["small", "large"]);
    wait_for_log(&server, "/upload: 2");
    assert_eq!(server.terminate().code(), Some(0));

    let http = HttpServer::behind(port, |_, _| Answer::Status("201 Created"));
    let server = start(&site);
    wait_until_empty(&server);
    let mut sent = received(&http);
    sent.sort();
    let mut built = [small, large];
    built.sort();
    assert_eq!(sent, built);
    wait_for("the local copies to go", || {
        !result(&site, "small", small).exists() && !result(&site, "large", large).exists()
    });
    server.kill();
    let server = start(&site);
    assert_eq!(uploads(&server), None);
}

#[test]
fn an_upload_under_way_ends_with_the_server_and_starts_again_with_the_next() {
    let http = HttpServer::start(|number, _| match number {
        0 => Answer::Stall,
        _ => Answer::Status("201 Created"),
    });
    let site = site(&http.url(), &[]);
    let mut server = start(&site);
    let uuid = build(&server, "slow", 10);
    wait_for_requests(&http, 1);
    let child = uploading(&server);
    assert!(is_alive(child));
    let start_of_stop = Instant::now();
    assert_eq!(server.terminate().code(), Some(0));
    assert!(start_of_stop.elapsed() < Duration::from_secs(5), "{:?}", start_of_stop.elapsed());
    wait_for("the process to be gone", || !is_alive(child));
    let server = start(&site);
    wait_until_empty(&server);
    assert_eq!(received(&http), [uuid, uuid]);
}

#[test]
fn a_stalled_upload_is_given_up_in_time() {
    let http = HttpServer::with_manners(Manners::Stall);
    let site = site(&http.url(), &["--upload-timeout", "1s"]);
    let server = start(&site);
    build(&server, "stalled", 3_000_000);
    wait_for("a second attempt", || http.connections() >= 2);
    wait_for_log(&server, "not finished within 1 seconds");
    assert_eq!(uploads(&server).unwrap().1, ["stalled"]);
}

#[test]
fn a_process_that_hangs_is_killed() {
    let http = HttpServer::start(|number, _| match number {
        0 => Answer::Stall,
        _ => Answer::Status("201 Created"),
    });
    let site = site(&http.url(), &["--upload-timeout", "2s"]);
    let server = start(&site);
    let uuid = build(&server, "frozen", 10);
    wait_for_requests(&http, 1);
    let child = uploading(&server);
    signal(child, "STOP");
    wait_for_log(&server, "took too long and was killed");
    wait_until_empty(&server);
    assert_eq!(received(&http), [uuid, uuid]);
}

#[test]
fn credentials_are_nowhere_to_be_seen() {
    let http = HttpServer::start(|_, _| Answer::Stall);
    let url = http.url().replace("//", &format!("//user:{SECRET}@"));
    let site = site(&url, &[]);
    let server = start(&site);
    build(&server, "secret", 10);
    wait_for_requests(&http, 1);
    assert_eq!(http.requests()[0].header("authorization"), Some(BASIC));
    let shown = command_line(uploading(&server));
    assert!(shown.contains("builder-upload"), "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(!server.log().contains(SECRET), "{}", server.log());
    assert!(!uploads(&server).unwrap().0.contains(SECRET));
}

#[test]
fn a_result_that_someone_took_away_is_forgotten() {
    let port = UnusedPort::new();
    let site = site(&upload_url(port.address()), &[]);
    let server = start(&site);
    let uuid = build(&server, "taken", 100_000);
    fs::remove_file(result(&site, "taken", uuid)).unwrap();
    wait_until_empty(&server);
    wait_for_log(&server, "is gone; it will not be uploaded");
}

#[test]
fn what_waits_is_kept_when_uploads_are_switched_off() {
    let port = UnusedPort::new();
    let mut site = site(&upload_url(port.address()), &[]);
    let server = start(&site);
    let uuid = build(&server, "waiting", 10);
    server.kill();
    let options = std::mem::take(&mut site.options);
    let server = start(&site);
    wait_for_log(&server, "results waiting for upload: 1; to upload them, start with --upload URL");
    assert!(uploads(&server).unwrap().0.contains("without --upload"));
    build(&server, "local", 10);
    assert_eq!(uploads(&server).unwrap().1, ["waiting"], "the new one stays local");
    assert_eq!(server.log().matches("results waiting for upload").count(), 1, "{}", server.log());
    server.kill();
    site.options = options;
    let http = HttpServer::behind(port, |_, _| Answer::Status("201 Created"));
    let server = start(&site);
    wait_until_empty(&server);
    assert_eq!(received(&http), [uuid]);
}

#[test]
fn people_see_what_waits() {
    let port = UnusedPort::new();
    let site = site(&upload_url(port.address()), &[]);
    let server = start(&site);
    let uuid = build(&server, "waiting", 10);
    let shown = site.succeed(&server, ["info"]);
    assert!(shown.contains(&format!("Waiting for upload to {}", upload_url(port.address()))), "{shown}");
    assert!(shown.contains(&format!("waiting  {uuid}")), "{shown}");
}

#[test]
fn the_server_does_not_start_with_what_cannot_work() {
    for (options, expected) in [
        (vec!["--upload", "host/upload"], "must begin with http://"),
        (vec!["--keep-local"], "--keep-local has no effect without --upload URL"),
        (
            vec!["--upload", "http://u:correct-horse@host/", "--upload-credentials", "x"],
            "keep only --upload-credentials",
        ),
        (
            vec!["--upload", "http://host/", "--upload-credentials", "/nonexistent"],
            "cannot read the credentials",
        ),
    ] {
        let mut site = Site::new(programs!());
        site.options = options.iter().map(|word| (*word).to_owned()).collect();
        let output = site.refused_start();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && stderr.contains(expected), "{options:?}: {stderr}");
        assert!(!stderr.contains(SECRET), "{stderr}");
    }
}

#[test]
fn without_the_program_the_server_does_not_start() {
    let site = site("http://127.0.0.1:1/", &[]);
    let command = site.server_command();
    let alone = PublicCopy::of(command.get_program());
    let output =
        Command::new(alone.path()).args(command.get_args()).env("PATH", "/nonexistent").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("there is no builder-upload beside this program nor in PATH"), "{stderr}");
}

/// The process that uploads for a server.
fn uploading(server: &Server) -> u32 {
    let children = children(server.pid());
    assert_eq!(children.len(), 1, "{children:?}");
    children[0]
}
