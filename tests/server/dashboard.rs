//! `builder-dashboard`, the real program, between a real server and browsers of all kinds.

use crate::site;
use builder_proto::command::Command as Message;
use builder_proto::frame::{FrameDecoder, FrameEvent};
use builder_tests::dashboard::{Dashboard, Page, request};
use builder_tests::{Server, Site, uuid_of, wait_for};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::thread;

/// A site whose servers have a socket for viewers in the same place each time.
fn watched() -> (Site, String) {
    let mut site = site();
    let place = site.file("here", "");
    let viewers = format!("unix:{}", place.with_file_name("viewers.sock").display());
    site.options = vec!["--viewer-listen".to_owned(), viewers.clone()];
    (site, viewers)
}

fn dashboard(site: &Site, remote: &str, options: &[&str]) -> Dashboard {
    let all = [&["--listen", "127.0.0.1:0", "--remote", remote], options].concat();
    Dashboard::start(site, env!("CARGO_BIN_EXE_builder-dashboard"), &all)
}

/// A build of this script that has ended.
fn built(site: &Site, server: &Server, job: &str, script: &str) -> String {
    site.schedule(server, job, "linux", &format!("#!/bin/sh\n{script}\n"));
    site.work(server, "linux");
    uuid_of(&site.wait_for_results(job, 1)[0])
}

#[test]
fn pages_show_what_the_server_knows() {
    let (site, viewers) = watched();
    let server = site.start();
    let good = built(
        &site,
        &server,
        "good",
        "printf '\\033[31mred\\033[0m <b>\\n'; mkdir bin; printf made >bin/program",
    );
    let bad = built(&site, &server, "bad", "echo no; exit 3");
    let dashboard = dashboard(&site, &viewers, &["--title", "our <builds>"]);

    let overview = dashboard.get("/");
    assert_eq!(overview.status, 200);
    assert!(overview.head.contains("\r\nDate: ") && overview.head.contains(" GMT\r\n"), "{}", overview.head);
    let text = overview.text();
    assert!(text.contains("our &lt;builds&gt;") && !text.contains("our <builds>"), "{text}");
    assert!(
        text.find("job/bad").unwrap() < text.find("job/good").unwrap(),
        "what failed comes first: {text}"
    );
    for job in ["good", "bad"] {
        assert_eq!(dashboard.get(&format!("/job/{job}")).status, 200, "{job}");
        let badge = dashboard.get(&format!("/job/{job}/badge.svg"));
        assert!(badge.head.contains("image/svg+xml") && badge.text().starts_with("<svg"), "{badge:?}");
    }
    let page = dashboard.get(&format!("/build/{good}"));
    assert!(page.text().contains("<span class=\"f1\">red</span> &lt;b&gt;"), "{}", page.text());
    assert!(dashboard.get(&format!("/build/{bad}")).text().contains("exited 3"));
    assert_eq!(dashboard.get(&format!("/build/{bad}/diff?with={good}")).status, 200);

    let console = dashboard.get(&format!("/build/{good}/console.txt"));
    assert_eq!(console.body, b"\x1b[31mred\x1b[0m <b>\n");
    assert!(console.head.contains("text/plain"), "{}", console.head);
    let artifact = dashboard.get(&format!("/build/{good}/artifact/bin/program"));
    assert_eq!((artifact.status, artifact.body.as_slice()), (200, &b"made"[..]));
    assert!(artifact.head.contains("Content-Disposition: attachment;"), "{}", artifact.head);
    let live = dashboard.get(&format!("/build/{good}/live"));
    assert!(live.text().contains("event: end"), "{}", live.text());

    let json = |path: &str| -> Value { serde_json::from_str(dashboard.get(path).text()).unwrap() };
    assert_eq!(json("/api/overview")["schedule"].as_array().unwrap().len(), 2);
    assert_eq!(json(&format!("/api/build/{good}"))["job"], "good");
    assert_eq!(json("/api/job/bad")["builds"][0]["exit_code"], 3);
    assert_eq!(json("/api/queue/linux")["queued"], 0);
    let metrics = dashboard.get("/metrics");
    assert!(metrics.text().contains("builder_jobs_scheduled 2\n"));
    let manual =
        include_str!("../../bin/OPERATING.md").split_once("## Show builds in a browser\n").unwrap().1;
    let manual = manual.split_once("\n## ").unwrap().0.split_once("**Metrics.**").unwrap().1;
    let names: Vec<&str> =
        manual.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_').collect();
    let names: Vec<&&str> = names.iter().filter(|name| name.starts_with("builder_")).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for name in names {
        assert!(metrics.text().contains(&format!("# TYPE {name} ")), "{name}");
    }
    assert!(dashboard.get("/feed.atom").text().contains("<feed"));
}

#[test]
fn what_is_not_there_is_said_to_be_so() {
    let (site, viewers) = watched();
    let server = site.start();
    let good = built(&site, &server, "good", "true");
    let dashboard = dashboard(&site, &viewers, &[]);
    for path in [
        "/job/nothing",
        "/build/00000000-0000-0000-0000-000000000000",
        "/build/00000000-0000-0000-0000-000000000000/console.txt",
        &format!("/build/{good}/artifact/bin/nothing"),
        "/nothing",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../../etc/passwd",
        "//etc/passwd",
        "/job/%00",
        "/job/%ff",
        "/build/%22%3E%3Cscript%3E",
    ] {
        let page = dashboard.get(path);
        assert!((400..500).contains(&page.status), "{path}: {page:?}");
        assert!(!page.text().contains("<script>"), "{path}: {}", page.text());
    }
}

#[test]
fn below_a_path_and_on_a_socket_of_the_file_system() {
    let (site, viewers) = watched();
    let server = site.start();
    let good = built(&site, &server, "good", "true");
    let below = dashboard(&site, &viewers, &["--base-path", "/builder/"]);
    assert!(below.said().ends_with("/builder/"), "{}", below.said());
    let page = below.get(&format!("/builder/build/{good}"));
    assert!(page.text().contains("href=\"/builder/job/good"), "{}", page.text());
    assert!(below.get("/builder/").text().contains("good"));
    assert_eq!(below.get("/elsewhere").status, 404);

    let path = site.file("here", "").with_file_name("pages.sock");
    let listen = format!("unix:{}", path.display());
    let options = ["--listen", &listen, "--remote", &viewers];
    let mut local = Dashboard::start(&site, env!("CARGO_BIN_EXE_builder-dashboard"), &options);
    assert_eq!(local.said(), listen);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(request("/").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(Page::parse(&answer).status, 200);
    local.signal("TERM");
    assert!(local.wait().success(), "{}", local.log());
    assert!(!path.exists());
}

#[test]
fn a_server_that_goes_away_is_told_of_and_found_again() {
    let (site, viewers) = watched();
    let server = site.start();
    built(&site, &server, "good", "true");
    let dashboard = dashboard(&site, &viewers, &[]);
    assert_eq!(dashboard.get("/").status, 200);
    server.kill();
    wait_for("a page that says so", || dashboard.get("/").text().contains("cannot be asked"));
    wait_for("a line that says so", || {
        dashboard.log().contains("the server does not answer: cannot connect to")
    });
    assert!(dashboard.get("/").text().contains("job/good"), "what was known is shown");
    let page = dashboard.get("/job/good");
    assert!(matches!(page.status, 502 | 503), "{page:?}");
    let _server = site.start();
    wait_for("a page that does not say so", || dashboard.get("/job/good").status == 200);
    wait_for("a line that says so", || dashboard.log().contains("the server answers again"));
}

#[test]
fn nobody_is_waited_for_that_never_was_a_server_of_this_version() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = listener.local_addr().unwrap().to_string();
    let old = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut decoder, mut buffer) = (FrameDecoder::new(64), [0; 64]);
        let length = stream.read(&mut buffer).unwrap();
        let mut input = &buffer[..length];
        let Some(FrameEvent::Frame(payload)) = decoder.next(&mut input).unwrap() else {
            panic!("it is short")
        };
        assert!(matches!(Message::decode(payload).unwrap(), Message::ClientHello { version: 14, .. }));
        let words = "version mismatch: this server speaks 13";
        stream.write_all(&Message::Failure(words.into()).to_frame().unwrap()).unwrap();
        let _ = stream.shutdown(Shutdown::Both);
    });
    let site = site();
    let dashboard = dashboard(&site, &remote, &[]);
    let page = dashboard.get("/");
    assert!(page.status >= 500, "{page:?}");
    old.join().unwrap();
}

#[test]
fn no_page_elsewhere_reads_pages_under_a_name_of_its_own() {
    fn ask(mut stream: impl Read + Write, host: &str) -> Page {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Page::parse(&answer)
    }
    let (site, viewers) = watched();
    let _server = site.start();
    let socket = site.file("here", "").with_file_name("pages.sock");
    let file = format!("unix:{}", socket.display());
    let dashboard = dashboard(&site, &viewers, &["--host", "ci.example", "--listen", &file]);
    for (host, status) in
        [("evil.example", 421), ("127.0.0.1.evil.example", 421), ("ci.example:443", 200), ("127.0.0.1", 200)]
    {
        let page = ask(dashboard.connect(), host);
        assert_eq!(page.status, status, "{host}: {page:?}");
        assert_eq!(page.text().contains("--host"), status == 421, "{}", page.text());
    }
    assert_eq!(ask(UnixStream::connect(&socket).unwrap(), "evil.example").status, 200);
}

#[test]
fn whatever_browsers_send_pages_go_on() {
    let (site, viewers) = watched();
    let server = site.start();
    built(&site, &server, "good", "true");
    let before = server.info();
    let dashboard = dashboard(&site, &viewers, &[]);
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    let endless = format!("GET /{} HTTP/1.1\r\n", "x".repeat(1_000_000));
    for (bytes, status) in [
        (&b"POST /job/good HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"[..], 405),
        (b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/3.7\r\nHost: x\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
        (long.as_bytes(), 431),
        (many.as_bytes(), 431),
        (endless.as_bytes(), 414),
    ] {
        let mut stream = dashboard.connect();
        // It may have answered and closed before all of that is sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert_eq!(Page::parse(&answer).status, status, "{start}");
        assert_eq!(dashboard.get("/").status, 200, "after {start}");
    }
    // One after the other, although they come together.
    let mut stream = dashboard.connect();
    let together = "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(99) + &request("/");
    stream.write_all(together.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(String::from_utf8(answer).unwrap().matches("HTTP/1.1 200 OK\r\n").count(), 100);
    // Many who say a little and then nothing, and some who leave in the middle of an answer.
    let slow: Vec<_> = (0..200).map(|_| dashboard.connect()).collect();
    slow.iter().for_each(|mut stream| stream.write_all(b"GET / HTTP/1.1\r\nHo").unwrap());
    for path in ["/", "/live", "/job/good", "/metrics"] {
        dashboard.connect().write_all(request(path).as_bytes()).unwrap();
    }
    assert_eq!(dashboard.get("/").status, 200);
    drop(slow);
    assert_eq!(server.info(), before, "nothing was changed");
    assert_eq!(dashboard.log(), "");
}

#[test]
fn everybody_who_follows_a_build_gets_every_line() {
    let (site, viewers) = watched();
    let server = site.start();
    let go = site.file("here", "").with_file_name("go");
    let script = format!(
        "#!/bin/sh\necho first\nuntil [ -e '{}' ]; do sleep 0.05; done\ni=0\nwhile [ $i -lt 2000 ]; do echo line $i; i=$((i + 1)); done\n",
        go.display()
    );
    site.schedule(&server, "long", "linux", &script);
    let mut worker = site.worker(&server, "linux");
    wait_for("the build", || !server.info().running.is_empty());
    let uuid = server.info().running[0].uuid;
    let dashboard = dashboard(&site, &viewers, &[]);
    let mut streams: Vec<_> = (0..50).map(|_| dashboard.connect()).collect();
    for stream in &mut streams {
        stream.write_all(request(&format!("/build/{uuid}/live")).as_bytes()).unwrap();
    }
    // Each has got the first line before there is another.
    let mut got: Vec<Vec<u8>> = vec![Vec::new(); streams.len()];
    for (stream, got) in streams.iter_mut().zip(&mut got) {
        while !String::from_utf8_lossy(got).contains("first") {
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).unwrap();
            assert!(length > 0, "{}", String::from_utf8_lossy(got));
            got.extend_from_slice(&buffer[..length]);
        }
    }
    std::fs::write(go, "").unwrap();
    for (stream, got) in streams.iter_mut().zip(&mut got) {
        stream.read_to_end(got).unwrap();
        let page = Page::parse(got);
        let numbers: Vec<u64> =
            page.text().lines().filter_map(|line| line.strip_prefix("data: [")).flat_map(numbers).collect();
        assert_eq!(numbers, (1..=2001).collect::<Vec<u64>>());
        assert!(page.text().contains("event: end"));
    }
    assert!(worker.wait().unwrap().success());
}

/// The numbers of the lines in an event, of which this is all but the first bracket.
fn numbers(data: &str) -> Vec<u64> {
    let lines: Vec<Value> = serde_json::from_str(&format!("[{data}")).unwrap();
    lines.iter().map(|line| line[0].as_u64().unwrap()).collect()
}
