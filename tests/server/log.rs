//! What the server logs unless told otherwise, and in which form.

use crate::site;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command as Message;
use builder_tests::{Peer, Server, Site, wait_for};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// Runs three builds: one succeeds, one fails, one loses its worker. Gives their uuids.
fn build(site: &Site, server: &Server) -> [String; 3] {
    server.schedule("good", "linux");
    server.schedule("bad", "linux");
    let ended = [("good", 0), ("bad", 3)].map(|(name, code)| {
        let mut worker = Peer::worker(server, "linux");
        let (uuid, job) = worker.receive_job();
        assert_eq!(job.name, name.into());
        worker.finish(uuid, BuildResult::Exited(code), vec![]);
        site.wait_for_results(name, 1);
        uuid.to_string()
    });
    server.schedule("lost", "linux");
    let mut worker = Peer::worker(server, "linux");
    let (uuid, _) = worker.receive_job();
    drop(worker);
    site.wait_for_results("lost", 1);
    let [good, bad] = ended;
    [good, bad, uuid.to_string()]
}

/// The lines that are about a build.
fn lines_about<'a>(log: &'a str, uuid: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains(uuid)).collect()
}

/// A line without the time that it begins with, which must be there.
fn without_time(line: &str) -> &str {
    let (time, rest) = line.split_once(' ').unwrap();
    let digits: String =
        time.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    assert_eq!(digits, "0000-00-00T00:00:00Z", "{line}");
    rest
}

#[test]
fn each_build_that_ends_is_a_line_which_people_can_read() {
    let site = site();
    let server = site.start_with(site.usual_server_command());
    // Which everybody can bring about at will.
    assert!(matches!(server.ask(&Message::Unschedule("unknown".into())), Message::Failure(_)));
    let [good, bad, lost] = build(&site, &server);
    server.wait_for_log(&lost);
    let log = server.log();
    for (uuid, expected) in [
        (&good, "info: job good on linux ended after 0s: exited 0"),
        (&bad, "warning: job bad on linux ended after 0s: exited 3"),
        (
            &lost,
            "warning: job lost on linux ended after 0s: execution aborted: worker lost: the peer closed the connection; the job was queued again",
        ),
    ] {
        let lines = lines_about(&log, uuid);
        assert_eq!(lines.len(), 1, "{log}");
        // How long it took is for the machine to decide.
        let (before, after) = expected.split_once("0s").unwrap();
        let line = without_time(lines[0]).strip_prefix(before).unwrap_or_else(|| panic!("{log}"));
        assert!(line.ends_with(&format!("s{after} (build {uuid})")), "{log}");
    }
    assert!(!log.contains("::") && !log.contains("refused"), "{log}");
}

/// A server whose stderr is a file that it takes for the journal, or not; gives the file, too.
fn start_with_journal(site: &Site, is_journal: bool) -> (Server, std::path::PathBuf) {
    let path = site.file("journal", "");
    let mut command = site.usual_server_command();
    connect(&mut command, &path, is_journal);
    (site.start_with(command), path)
}

/// Sends stderr to a file, and says of this file, or of another one, that it is the journal.
fn connect(command: &mut Command, path: &std::path::Path, is_journal: bool) {
    let file = fs::File::create(path).unwrap();
    let metadata = file.metadata().unwrap();
    let inode = if is_journal { metadata.ino() } else { metadata.ino() + 1 };
    command.env("JOURNAL_STREAM", format!("{}:{inode}", metadata.dev())).stderr(file);
}

#[test]
fn the_journal_is_told_which_builds_failed() {
    let site = site();
    let (server, path) = start_with_journal(&site, true);
    let [good, bad, lost] = build(&site, &server);
    wait_for("the last line", || fs::read_to_string(&path).unwrap().contains(&lost));
    let log = fs::read_to_string(&path).unwrap();
    for (uuid, start) in [(good, "<6>job good on "), (bad, "<4>job bad on "), (lost, "<4>job lost on ")] {
        let lines = lines_about(&log, &uuid);
        assert_eq!(lines.len(), 1, "{log}");
        assert!(lines[0].starts_with(start), "{log}");
    }
    assert!(log.lines().all(|line| line.starts_with('<')), "{log}");
}

#[test]
fn a_stderr_that_is_no_longer_the_journal_gets_times_instead_of_priorities() {
    let site = site();
    let (server, path) = start_with_journal(&site, false);
    let [good, ..] = build(&site, &server);
    let log = fs::read_to_string(&path).unwrap();
    assert!(without_time(lines_about(&log, &good)[0]).starts_with("info: job good"), "{log}");
    assert!(!log.contains('<'), "{log}");
}

#[test]
fn a_start_that_is_refused_is_an_error_in_the_journal() {
    let site = site();
    let _server = site.start();
    let path = site.file("journal", "");
    let mut command = site.usual_server_command();
    connect(&mut command, &path, true);
    assert_eq!(command.output().unwrap().status.code(), Some(1));
    let log = fs::read_to_string(&path).unwrap();
    assert!(log.starts_with("<3>builder-server: ") && log.contains("in use by process"), "{log}");
}
