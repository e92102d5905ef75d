//! Workers that cannot run anything: they ask for no job, and give back one that they have.

use crate::harness::{Conversation, End, Setup, UUID, job};
use builder_proto::command::{Command as Message, PeerType};
use builder_tests::is_root;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Greets a worker, which is to ask for nothing, and waits for its end.
fn refusal(setup: &Setup) -> End {
    let mut conversation = setup.connect();
    assert_eq!(conversation.receive(), Some(Message::ClientHello { peer: PeerType::Worker, version: 5 }));
    // It may be gone already.
    let _ = conversation.stream().write_all(&Message::ServerHello.to_frame().unwrap());
    let mut rest = Vec::new();
    let _ = conversation.stream().read_to_end(&mut rest);
    assert!(rest.is_empty(), "no job is asked for");
    conversation.end()
}

fn refusal_in(temporary: &Path) -> End {
    refusal(&Setup::new().temporary(temporary.to_str().unwrap()))
}

/// A worker that waits for a job, for which it was well enough.
fn waiting(setup: &Setup) -> Conversation {
    let mut conversation = setup.connect();
    conversation.greet();
    conversation
}

/// A file system in memory that is mounted as long as the test lasts; none when the system does not let us, with a word.
struct Mount(TempDir);

impl Mount {
    fn new(options: &str) -> Option<Mount> {
        let place = tempfile::tempdir().unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(place.path()).output();
        let mount = mount.expect("mount cannot be run; is it installed?");
        if !is_root() || !mount.status.success() {
            let complaint = String::from_utf8_lossy(&mount.stderr);
            println!("left out, as it takes the right to mount a file system: {}", complaint.trim());
            return None;
        }
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).ok();
        Some(Mount(place))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmount = Command::new("umount").arg(self.path()).status();
        assert!(unmount.is_ok_and(|status| status.success()), "{} stays mounted", self.path().display());
    }
}

#[test]
fn without_its_directory_a_worker_asks_for_no_job() {
    let end = refusal_in(Path::new("/no/such/directory"));
    end.assert_failed("no job can run here: cannot make a directory for the job in /no/such/directory: ");
    assert!(end.stderr.contains("set TMPDIR to a directory"), "{}", end.stderr);
}

#[test]
fn a_file_is_no_directory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    refusal_in(file.path()).assert_failed("no job can run here: cannot make a directory for the job in ");
}

#[test]
fn where_nothing_can_be_written_a_worker_asks_for_no_job() {
    let end = refusal(&Setup::new().prelude("ulimit -f 0"));
    end.assert_failed("no job can run here: cannot write ");
    assert!(end.stderr.contains("script.sh: "), "{}", end.stderr);
}

#[test]
fn in_a_directory_of_others_a_worker_asks_for_no_job() {
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let setup = Setup::new().unprivileged().temporary(closed.path().to_str().unwrap());
    refusal(&setup).assert_failed("no job can run here: cannot make a directory for the job in ");
}

#[test]
fn on_a_full_disk_a_worker_asks_for_no_job() {
    let Some(mount) = Mount::new("size=128k") else { return };
    let filled = fs::write(mount.path().join("filler"), vec![1; 1024 * 1024]);
    assert!(filled.is_err(), "the disk is full");
    let end = refusal_in(mount.path());
    end.assert_failed("no job can run here: cannot ");
    assert!(end.stderr.contains("o space left"), "{}", end.stderr);
    assert_eq!(fs::read_dir(mount.path()).unwrap().count(), 1, "nothing is left of the attempt");
}

#[test]
fn on_a_disk_that_is_read_only_a_worker_asks_for_no_job() {
    let Some(mount) = Mount::new("ro") else { return };
    refusal_in(mount.path()).assert_failed("no job can run here: cannot make a directory for the job in ");
}

#[test]
fn where_nothing_may_be_executed_a_worker_asks_for_no_job() {
    let Some(mount) = Mount::new("noexec") else { return };
    let end = refusal_in(mount.path());
    end.assert_failed("no job can run here: cannot run the script: ");
    assert!(end.stderr.contains("mounted noexec"), "{}", end.stderr);
}

#[test]
fn without_a_process_for_the_script_a_worker_asks_for_no_job() {
    let Some(setup) = Setup::new().at_most_processes(1, 64_241) else { return };
    refusal(&setup).assert_failed("no job can run here: cannot run the script: ");
}

#[test]
fn without_a_process_for_a_command_a_worker_asks_for_no_job() {
    let Some(setup) = Setup::new().at_most_processes(2, 64_242) else { return };
    refusal(&setup).assert_failed("no job can run here: a script that does nothing exited ");
}

#[test]
fn nothing_is_left_of_the_attempt_while_a_worker_waits() {
    let mut conversation = waiting(&Setup::new());
    assert_eq!(fs::read_dir(conversation.temporary.path()).unwrap().count(), 0);
    conversation.close();
    conversation.end().assert_failed("the server closed the connection before it had a job");
}

#[test]
fn a_worker_that_falls_sick_while_it_waits_gives_its_job_back() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("temporary");
    fs::create_dir(&path).unwrap();
    let mut conversation = waiting(&Setup::new().temporary(path.to_str().unwrap()));
    fs::remove_dir(&path).unwrap();
    conversation.send(&Message::JobSchedule { uuid: UUID, job: job("echo hello") });
    assert_eq!(conversation.receive(), None, "no result, so that the server puts the job back");
    conversation.end().assert_failed("cannot make a directory for the job in ");
}
