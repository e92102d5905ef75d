//! Artifacts that are fetched: what gets into its place, what is asked for again, and what a server cannot do to files.

use super::{UUID, client, greet, send, serve, serve_raw, stderr, stdout, uuid};
use builder_proto::command::Command;
use builder_proto::history::{Artifact, Build, BuildEnd, Cause, Sha256};
use builder_proto::text::Text;
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use sha2::Digest;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

fn artifact(path: &str, content: &[u8]) -> Command {
    let sha256 = Some(Sha256(sha2::Sha256::digest(content).into()));
    Command::Artifact(Artifact { path: path.into(), size: content.len() as u64, sha256 })
}

fn data(content: &[u8]) -> Command {
    Command::Data(content.into())
}

/// What the server knows of the build.
fn details(artifacts: &[(&str, &[u8])]) -> Vec<Command> {
    let mut end = BuildEnd::new(Time::UNIX_EPOCH, Cause::Exited(0));
    end.artifacts = artifacts.len() as u64;
    let build = Build {
        uuid: RawUuid(uuid()),
        job: "hello".into(),
        platform: "p".into(),
        started: Time::UNIX_EPOCH,
        queued: None,
        host: None,
        end: Some(end),
    };
    let artifacts = artifacts.iter().map(|(path, content)| artifact(path, content));
    [Command::Build(build)].into_iter().chain(artifacts).chain([Command::Success]).collect()
}

/// Artifacts with their contents, in small pieces.
fn contents(artifacts: &[(&str, &[u8])]) -> Vec<Command> {
    let mut answers = Vec::new();
    for (path, content) in artifacts {
        let size = content.len() as u64;
        answers.push(Command::Artifact(Artifact { path: (*path).into(), size, sha256: None }));
        answers.extend(content.chunks(7).map(data));
    }
    answers.push(Command::Success);
    answers
}

fn asked(path: Option<&str>, skip: i64, offset: i64) -> Command {
    Command::Fetch { uuid: uuid(), path: path.map(Text::from), skip, offset }
}

fn fetch(remote: &str, directory: &Path, words: &[&str]) -> Output {
    client(remote).arg("fetch").arg(UUID).args(words).current_dir(directory).output().unwrap()
}

/// All files below a directory, by path; the end of a part's name differs from path to path.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read(path).unwrap_or_default()));
            }
        }
    }
    found.sort();
    found
}

const OWN: &str = "hello-988ad4a2";

#[test]
fn artifacts_get_into_a_directory_of_the_build_and_are_fetched_once() {
    let directory = TempDir::new().unwrap();
    let artifacts: [(&str, &[u8]); 3] = [("a", b"the content of a"), ("d/empty", b""), ("d/b", b"\0\xff")];
    let (remote, server) = serve(vec![details(&artifacts), contents(&artifacts), details(&artifacts)]);
    let output = fetch(&remote, directory.path(), &["--json"]);
    assert_eq!((stderr(&output), output.status.code()), (String::new(), Some(0)));
    let lines = stdout(&output);
    let first = "{\"bytes\":16,\"outcome\":\"fetched\",\"path\":\"a\",\"sha256\":\"";
    assert!(lines.starts_with(first) && lines.contains("\",\"verified\":true}\n"), "{lines}");
    assert_eq!(lines.lines().count(), 3);
    let expected = [("a", &b"the content of a"[..]), ("d/b", b"\0\xff"), ("d/empty", b"")];
    let expected = expected.map(|(path, content)| (format!("{OWN}/{path}"), content.to_vec()));
    assert_eq!(files(directory.path()), expected);
    let again = fetch(&remote, directory.path(), &[]);
    assert_eq!(
        (stderr(&again), stdout(&again), again.status.code()),
        (String::new(), String::new(), Some(0))
    );
    assert_eq!(files(directory.path()), expected);
    let details = Command::Details(uuid());
    assert_eq!(
        server.join().unwrap(),
        [details.clone(), asked(None, 0, 0), details],
        "nothing is fetched twice"
    );
}

#[test]
fn a_connection_that_breaks_costs_nothing_that_has_come() {
    let directory = TempDir::new().unwrap();
    let long: Vec<u8> = (0..200_000).map(|at| (at % 251) as u8).collect();
    let artifacts: [(&str, &[u8]); 3] = [("first", b"1"), ("d/long", &long), ("last", b"3")];
    let mut cut = contents(&artifacts[..1]);
    cut.pop();
    cut.push(Command::Artifact(Artifact { path: "d/long".into(), size: 200_000, sha256: None }));
    cut.push(data(&long[..150_000]));
    let mut rest = vec![artifact("d/long", &long), data(&long[150_000..])];
    rest.extend(contents(&artifacts[2..]));
    let (remote, server) = serve(vec![details(&artifacts), cut, details(&artifacts), rest]);
    let output = fetch(&remote, directory.path(), &["--output", "out"]);
    let complaint = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint.ends_with("what has come is kept, and the same command goes on from there\n"),
        "{complaint}"
    );
    let there = files(directory.path());
    assert_eq!(there.len(), 2, "{there:?}");
    assert!(there[0].0.starts_with("out/.988ad4a2-") && there[0].0.ends_with(".part"), "{there:?}");
    assert_eq!(there[0].1.len(), 150_000);
    let output = fetch(&remote, directory.path(), &["--output", "out"]);
    assert_eq!((stderr(&output), output.status.code()), (String::new(), Some(0)));
    assert_eq!(
        files(directory.path()),
        [
            ("out/d/long".to_owned(), long.clone()),
            ("out/first".to_owned(), b"1".to_vec()),
            ("out/last".to_owned(), b"3".to_vec())
        ]
    );
    assert_eq!(server.join().unwrap()[3], asked(None, 1, 150_000));
}

#[test]
fn what_came_wrong_gets_no_name_and_is_named() {
    let directory = TempDir::new().unwrap();
    let artifacts: [(&str, &[u8]); 2] = [("a", b"right"), ("b", b"also right")];
    let sent: [(&str, &[u8]); 2] = [("a", b"wrong"), ("b", b"also right")];
    let (remote, server) = serve(vec![details(&artifacts), contents(&sent)]);
    let output = fetch(&remote, directory.path(), &[]);
    let complaint = stderr(&output);
    assert!(
        complaint.contains("artifact a: what came is not what the build left: its SHA-256 is "),
        "{complaint}"
    );
    assert!(complaint.ends_with("one artifact was not fetched\n"), "{complaint}");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(files(directory.path()), [(format!("{OWN}/b"), b"also right".to_vec())]);
    server.join().unwrap();
}

#[test]
fn no_path_and_no_link_leads_out_of_the_directory() {
    let directory = TempDir::new().unwrap();
    let (outside, inside) = (directory.path().join("outside"), directory.path().join("in"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    fs::create_dir(&inside).unwrap();
    symlink(&outside, inside.join("link")).unwrap();
    symlink(outside.join("file"), inside.join("file")).unwrap();
    fs::write(inside.join("mine"), "my own").unwrap();
    let artifacts: [(&str, &[u8]); 7] = [
        ("../up", b"x"),
        ("/tmp/absolute", b"x"),
        ("link/new", b"x"),
        ("file", b"evil one"),
        ("mine", b"theirs"),
        ("d/\x1b[2J", b"x"),
        ("good", b"good"),
    ];
    let (remote, server) = serve(vec![details(&artifacts), contents(&artifacts[5..])]);
    let output = fetch(&remote, directory.path(), &["--output", "in"]);
    let complaints = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "artifact ../up: the path contains ..",
        "artifact /tmp/absolute: the path is absolute",
        "artifact link/new: link in its path is a link or a file, not a directory",
        "artifact file: something else of this name exists already; it was not changed",
        "artifact mine: something else of this name exists already; it was not changed",
        "5 artifacts were not fetched",
    ] {
        assert!(complaints.contains(part), "{part} is not in {complaints}");
    }
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"precious");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read(inside.join("mine")).unwrap(), b"my own");
    assert_eq!(fs::read(inside.join("good")).unwrap(), b"good");
    assert_eq!(fs::read(inside.join("d/\x1b[2J")).unwrap(), b"x");
    assert_eq!(server.join().unwrap()[1], asked(None, 5, 0), "what cannot be written is not asked for");
}

#[test]
fn files_planted_for_what_comes_are_not_written_to() {
    let directory = TempDir::new().unwrap();
    let artifacts: [(&str, &[u8]); 1] = [("a", b"the content")];
    let cut = contents(&artifacts).into_iter().take(2).collect();
    let (remote, server) = serve(vec![details(&artifacts), cut, details(&artifacts), details(&artifacts)]);
    fetch(&remote, directory.path(), &["--output", "in"]);
    let part = directory.path().join(&files(directory.path())[0].0);
    let precious = directory.path().join("precious");
    fs::write(&precious, "").unwrap();
    let plant: [&dyn Fn(); 2] =
        [&|| symlink(&precious, &part).unwrap(), &|| fs::hard_link(&precious, &part).unwrap()];
    for plant in plant {
        fs::remove_file(&part).unwrap();
        plant();
        let output = fetch(&remote, directory.path(), &["--output", "in"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("is not a file of an earlier fetch"), "{}", stderr(&output));
        assert_eq!(fs::read(&precious).unwrap(), b"");
    }
    server.join().unwrap();
}

#[test]
fn a_server_that_sends_what_cannot_be_is_left() {
    let list: [(&str, &[u8]); 1] = [("a", b"12345")];
    let begin = || Command::Artifact(Artifact { path: "a".into(), size: 5, sha256: None });
    let other = Command::Artifact(Artifact { path: "b".into(), size: 5, sha256: None });
    let larger = Command::Artifact(Artifact { path: "a".into(), size: u64::MAX, sha256: None });
    for (answers, complaint) in [
        (vec![begin(), data(b"123456")], "an artifact that is not as long as it says"),
        (vec![data(b"1")], "an artifact that is not as long as it says"),
        (vec![begin(), data(b"1"), Command::Success], "an artifact that is not as long as it says"),
        (vec![begin(), data(b"1"), begin()], "an artifact that is not as long as it says"),
        (vec![other], "another artifact than the one that comes next"),
        (vec![larger], "another artifact than the one that comes next"),
        (vec![begin(), data(b"12345"), begin()], "another artifact than the one that comes next"),
        (vec![Command::ServerHello], "an artifact that is not as long as it says"),
    ] {
        let directory = TempDir::new().unwrap();
        let (remote, server) = serve(vec![details(&list), answers]);
        let output = fetch(&remote, directory.path(), &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(complaint), "{}", stderr(&output));
        server.join().unwrap();
    }
}

#[test]
fn a_frame_that_does_not_fit_into_memory_is_refused() {
    let list: [(&str, &[u8]); 1] = [("a", b"12345")];
    let (remote, server) = serve_raw(move |listener| {
        let mut stream = listener.accept().unwrap().0;
        greet(&mut stream);
        details(&list).iter().for_each(|answer| send(&mut stream, answer));
        let mut stream = listener.accept().unwrap().0;
        greet(&mut stream);
        std::io::Write::write_all(&mut stream, &(1_u64 << 40).to_be_bytes()).unwrap();
        std::io::Write::write_all(&mut stream, b"\xba").unwrap();
    });
    let directory = TempDir::new().unwrap();
    let output = fetch(&remote, directory.path(), &[]);
    assert!(stderr(&output).contains("frame of 1099511627776 bytes"), "{}", stderr(&output));
    server.join().unwrap();
}

#[test]
fn without_digests_a_warning_says_so_and_parts_are_still_gone_on_with() {
    let directory = TempDir::new().unwrap();
    let artifacts: [(&str, &[u8]); 2] = [("first", b"1"), ("second", b"the second")];
    let unknown = || vec![Command::Failure("unknown build".into())];
    let begin = || Command::Artifact(Artifact { path: "second".into(), size: 10, sha256: None });
    let mut cut = contents(&artifacts[..1]);
    cut.pop();
    cut.extend([begin(), data(b"the ")]);
    let rest = vec![begin(), data(b"second"), Command::Success];
    let (remote, server) = serve(vec![unknown(), cut, unknown(), contents(&artifacts), rest]);
    let output = fetch(&remote, directory.path(), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let output = fetch(&remote, directory.path(), &[]);
    let warning = "not verified: the server does not know the digests of 2 artifacts\n";
    assert!(stderr(&output).ends_with(warning), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0));
    let expected = [("988ad4a2/first", &b"1"[..]), ("988ad4a2/second", b"the second")];
    assert_eq!(files(directory.path()), expected.map(|(path, content)| (path.to_owned(), content.to_vec())));
    let asked_for = server.join().unwrap();
    assert_eq!(asked_for[3..], [asked(None, 0, 0), asked(None, 1, 4)]);
}

#[test]
fn one_artifact_goes_where_one_is_and_a_directory_keeps_its_paths() {
    let directory = TempDir::new().unwrap();
    let artifacts: [(&str, &[u8]); 3] = [("d/x", b"x"), ("d/y", b"y"), ("z", b"z")];
    let connections = vec![
        details(&artifacts),
        contents(&artifacts[1..2]),
        details(&artifacts),
        contents(&artifacts[..2]),
        details(&artifacts),
        vec![Command::Failure("nothing of that name".into())],
    ];
    let (remote, server) = serve(connections);
    assert!(fetch(&remote, directory.path(), &["./d/y"]).status.success());
    assert!(fetch(&remote, directory.path(), &["d/"]).status.success());
    let expected = [("hello-988ad4a2/d/x", "x"), ("hello-988ad4a2/d/y", "y"), ("y", "y")];
    let expected = expected.map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec()));
    assert_eq!(files(directory.path()), expected);
    let output = fetch(&remote, directory.path(), &["nothing"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nothing of that name"));
    let asked_for = server.join().unwrap();
    assert_eq!(asked_for[1], asked(Some("d/y"), 0, 0));
    assert_eq!(asked_for[3], asked(Some("d"), 0, 0));
}

#[test]
fn a_build_without_artifacts_leaves_no_directory() {
    let directory = TempDir::new().unwrap();
    let (remote, server) = serve(vec![details(&[])]);
    let output = fetch(&remote, directory.path(), &[]);
    assert_eq!((stderr(&output), output.status.code()), (String::new(), Some(0)));
    assert_eq!(files(directory.path()), []);
    server.join().unwrap();
}
