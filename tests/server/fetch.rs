//! Artifacts from a real worker through the real server to the real client, whole and in pieces.

use crate::site;
use builder_proto::execution::Execution;
use builder_tests::{Server, Site, stored, uuid_of, wait_for};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::thread;

/// A script that leaves thousands of artifacts: some of them empty, one of them of 8 MiB, which is random so that nothing of
/// it can be mistaken for another part.
const SCRIPT: &str = "\
#!/bin/sh
mkdir -p many/a bin
i=0
while [ $i -lt 3000 ]; do echo $i > many/a/$i; i=$((i + 1)); done
: > many/empty
: > empty
dd if=/dev/urandom of=bin/large bs=65536 count=128 2>/dev/null
echo last > z
";

/// A build of the script: its uuid and its stored result.
fn build(site: &Site, server: &Server) -> (String, Execution) {
    site.schedule(server, "hello", "linux", SCRIPT);
    site.work(server, "linux");
    let result = site.wait_for_results("hello", 1).remove(0);
    (uuid_of(&result), stored(&result))
}

fn fetch(site: &Site, remote: &str, directory: &Path, words: &[&str]) -> Output {
    site.client_command_at(remote).arg("fetch").args(words).current_dir(directory).output().unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Whether all artifacts are below the directory, and nothing else.
fn assert_complete(directory: &Path, execution: &Execution) {
    for file in &execution.output {
        let content = fs::read(directory.join(file.path.as_str().unwrap())).unwrap();
        assert!(content == file.data.as_bytes(), "{} differs", file.path);
    }
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["bin", "empty", "many", "z"], "nothing is left of the way there");
}

/// Passes one connection after the other on to the server, and cuts each off after so many bytes to the client.
fn cutting(server: &Server, bytes: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (remote, address) = (listener.local_addr().unwrap().to_string(), server.address());
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(mut client), Ok(mut server)) = (client, TcpStream::connect(address)) else { return };
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            thread::spawn(move || {
                let mut block = vec![0; 64 * 1024];
                let mut left = bytes;
                while let Ok(read @ 1..) = server.read(&mut block) {
                    let passed = usize::try_from(left).unwrap_or(usize::MAX).min(read);
                    left -= passed as u64;
                    if client.write_all(&block[..passed]).is_err() || left == 0 {
                        break;
                    }
                }
                let _ = client.shutdown(Shutdown::Both);
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    remote
}

#[test]
fn thousands_of_artifacts_arrive_however_often_the_connection_breaks() {
    let site = site();
    let server = site.start();
    let (uuid, execution) = build(&site, &server);
    assert_eq!(execution.output.len(), 3004);
    let home = site.file("home", "");
    fs::remove_file(&home).unwrap();
    fs::create_dir(&home).unwrap();
    let remote = server.remote_for_clients().to_owned();

    let output = fetch(&site, &remote, &home, &[&uuid, "--output", "whole"]);
    assert!(output.status.success(), "{}\n{}", complaint(&output), server.log());
    assert_complete(&home.join("whole"), &execution);

    // What is known of so many artifacts takes a part of that, too.
    let cut = cutting(&server, 1_500_000);
    let mut interruptions = 0;
    wait_for("everything to arrive", || {
        let output = fetch(&site, &cut, &home, &[&uuid, "--output", "cut"]);
        if output.status.success() {
            return true;
        }
        interruptions += 1;
        let complaint = complaint(&output);
        assert!(complaint.ends_with("the same command goes on from there\n"), "{complaint}");
        false
    });
    assert!((5..10).contains(&interruptions), "{interruptions} interruptions for 8 MiB");
    assert_complete(&home.join("cut"), &execution);
}

#[test]
fn a_path_is_fetched_from_a_build_that_is_named_by_its_job() {
    let site = site();
    let server = site.start();
    let (uuid, execution) = build(&site, &server);
    let home = site.file("home", "");
    fs::remove_file(&home).unwrap();
    fs::create_dir(&home).unwrap();
    let remote = server.remote_for_clients().to_owned();
    for path in ["bin/large", "empty", "bin"] {
        let output = fetch(&site, &remote, &home, &["hello", path]);
        assert_eq!((complaint(&output), output.status.code()), (String::new(), Some(0)), "{path}");
    }
    let large = execution.output.iter().find(|file| file.path == "bin/large".into()).unwrap();
    let directory = home.join(format!("hello-{}", &uuid[..8]));
    assert!(fs::read(home.join("large")).unwrap() == large.data.as_bytes());
    assert!(fs::read(directory.join("bin/large")).unwrap() == large.data.as_bytes());
    assert_eq!(fs::read(home.join("empty")).unwrap(), b"");
    assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
    let output = fetch(&site, &remote, &home, &["hello", "no/such/path"]);
    let expected =
        format!("build {uuid} has no artifact no/such/path, and none below a directory of that name");
    assert!(complaint(&output).contains(&expected), "{}", complaint(&output));
}
