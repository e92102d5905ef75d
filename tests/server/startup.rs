//! Starts that are refused, and what is said about it.

use crate::site;
use builder_tests::{Peer, PublicCopy, Site, limited, patience, wait_for};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The user that owns nothing, on every system.
const NOBODY: u32 = 65534;

/// Makes a log of several commits, and gives how long it is.
fn fill_log(site: &Site) -> u64 {
    let server = site.start();
    for number in 0..5 {
        server.schedule(&format!("job-{number}"), "linux");
    }
    server.kill();
    used_length(site)
}

/// Bytes of the log without the zeros at its end, which are preallocated for what is to come.
fn used_length(site: &Site) -> u64 {
    let bytes = fs::read(site.log_file()).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1) as u64
}

fn scheduled(site: &Site) -> Vec<String> {
    let server = site.start();
    let mut names: Vec<String> =
        server.info().schedule.iter().map(|item| item.job.name().to_string()).collect();
    names.sort();
    names
}

#[test]
fn a_missing_data_directory_is_named_with_how_to_make_it() {
    let site = site();
    fs::remove_dir(site.data()).unwrap();
    let path = site.data();
    let complaint = site.complaint();
    let expected = format!("data directory {0} does not exist; create it with: mkdir -p {0}", path.display());
    assert!(complaint.contains(&expected), "{complaint}");
    assert!(!path.exists());
}

#[test]
fn a_data_directory_that_is_a_file_is_named() {
    let site = site();
    fs::remove_dir(site.data()).unwrap();
    fs::write(site.data(), "").unwrap();
    let complaint = site.complaint();
    assert!(complaint.contains(&format!("{} is not a directory", site.data().display())), "{complaint}");
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let site = site();
    for path in [site.data().parent().unwrap(), &site.data()] {
        fs::set_permissions(path, Permissions::from_mode(0o555)).unwrap();
    }
    let nobody = |command: &mut Command| {
        // Permissions do not hold for root.
        if builder_tests::is_root() {
            command.uid(NOBODY);
        }
        command.output()
    };
    let command = site.server_command();
    let program = PublicCopy::of(command.get_program());
    let output = nobody(Command::new(program.path()).args(command.get_args())).unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    let path = site.data().join(".builder");
    assert!(
        complaint.contains(&format!("cannot create {}: Permission denied", path.display())),
        "{complaint}"
    );
    assert!(complaint.contains("it has to belong to user"), "{complaint}");
    fs::set_permissions(site.data().parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let site = site();
    let server = site.start();
    let complaint = site.complaint();
    let expected = format!("is in use by process {}; stop that one first", server.pid());
    assert!(complaint.contains(&expected), "{complaint}");
    server.schedule("job", "linux");
    server.kill();
    assert_eq!(scheduled(&site), ["job"], "the lock goes with its process");
}

#[test]
fn an_address_in_use_is_named() {
    let site = site();
    let server = site.start();
    let other = crate::site();
    let port = server.address().port().to_string();
    let output = other.server_command().args(["--port", &port]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "two --port options");

    let mut command = Command::new(other.server_command().get_program());
    command.arg("--dir").arg(other.data()).args(["--port", &port]);
    let output = command.output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint.contains(&format!("cannot listen on 127.0.0.1:{port}: Address already in use")),
        "{complaint}"
    );
    assert!(complaint.contains("choose another --port"), "{complaint}");
}

#[test]
fn a_damaged_log_is_refused_unless_it_is_to_be_salvaged() {
    let site = site();
    let length = fill_log(&site);
    let log = OpenOptions::new().read(true).write(true).open(site.log_file()).unwrap();
    let mut byte = [0];
    log.read_exact_at(&mut byte, length / 2).unwrap();
    log.write_all_at(&[byte[0] ^ 0x10], length / 2).unwrap();
    let damaged = fs::read(site.log_file()).unwrap();

    let complaint = site.complaint();
    assert!(complaint.contains(&format!("{} is damaged at byte ", site.log_file().display())), "{complaint}");
    assert!(complaint.contains("1 commits missing between"), "{complaint}");
    assert!(complaint.contains("start with --salvage to go on without them"), "{complaint}");
    assert_eq!(fs::read(site.log_file()).unwrap(), damaged, "it is left as it was");

    let mut salvaging = site.server_command();
    salvaging.arg("--salvage");
    let server = site.start_with(salvaging);
    server.wait_for_log("the damaged log is saved as");
    assert_eq!(server.info().schedule.len(), 4, "one commit is lost, the others are not");
    assert_eq!(fs::read(site.data().join(".builder/log.damaged-1")).unwrap(), damaged);
    server.kill();
    assert_eq!(scheduled(&site).len(), 4, "from now on the log is whole");
}

#[test]
fn a_salvage_that_leaves_out_contradictions_leaves_a_log_that_the_next_start_reads() {
    let site = site();
    let server = site.start();
    let before = used_length(&site);
    server.schedule("lost", "linux");
    let after = used_length(&site);
    // This is about a job that the log will not know any longer.
    site.succeed(&server, ["execute", "lost"]);
    server.schedule("kept", "linux");
    server.kill();
    let log = OpenOptions::new().read(true).write(true).open(site.log_file()).unwrap();
    let middle = (before + after) / 2;
    let mut byte = [0];
    log.read_exact_at(&mut byte, middle).unwrap();
    log.write_all_at(&[byte[0] ^ 0x10], middle).unwrap();

    let mut salvaging = site.server_command();
    salvaging.arg("--salvage");
    let server = site.start_with(salvaging);
    server.wait_for_log("records that contradict the salvaged ones");
    server.kill();
    assert_eq!(scheduled(&site), ["kept"]);
}

#[test]
fn a_log_that_was_emptied_or_cut_to_its_beginning_is_refused_until_it_is_salvaged() {
    let site = site();
    fill_log(&site);
    let whole = fs::read(site.log_file()).unwrap();
    // Nothing, a part of the header, the header, and a part of the first commit.
    for length in [0, 20, 32, 40] {
        fs::write(site.log_file(), &whole[..length]).unwrap();
        let complaint = site.complaint();
        let path = site.log_file();
        assert!(complaint.contains(&format!("{} is damaged to its end", path.display())), "{complaint}");
        assert!(complaint.contains("start with --salvage to set it aside"), "{complaint}");
        assert_eq!(fs::read(&path).unwrap(), whole[..length], "it is left as it was");
    }

    // Nor does what was in use become a first start.
    fs::copy(builder_tests::vectors::path("state-0.4.0.der"), site.data().join("state")).unwrap();
    let mut salvaging = site.server_command();
    salvaging.arg("--salvage");
    let server = site.start_with(salvaging);
    server.wait_for_log("the damaged log is saved as");
    assert_eq!(server.info().schedule, []);
    assert_eq!(fs::read(site.data().join(".builder/log.damaged-1")).unwrap(), whole[..40]);
    server.kill();
    assert_eq!(scheduled(&site), [""; 0], "from now on the log is whole");
}

#[test]
fn a_first_start_that_was_cut_off_is_followed_by_another() {
    let site = site();
    let private = site.data().join(".builder");
    fs::create_dir(&private).unwrap();
    fs::write(site.log_file(), "").unwrap();
    fs::copy(builder_tests::vectors::path("state-0.4.0.der"), site.data().join("state")).unwrap();
    let server = site.start();
    server.wait_for_log("no client had an answer from it");
    assert!(!server.info().schedule.is_empty(), "the state of 0.4.0 is taken over all the same");
    assert!(private.join("log.unfinished-1").exists());
    server.kill();

    // From the first time that a server listens on, it is damage.
    fs::write(site.log_file(), "").unwrap();
    assert!(site.complaint().contains("is damaged to its end"));
}

#[test]
fn a_log_with_a_torn_end_goes_on_from_what_is_whole() {
    let site = site();
    let length = fill_log(&site);
    File::options().write(true).open(site.log_file()).unwrap().set_len(length - 3).unwrap();
    let server = site.start();
    assert_eq!(server.info().schedule.len(), 4, "nobody was told that the last was done, as it were");
    server.wait_for_log("cut off a torn end");
    assert!(site.data().join(".builder/log.torn-1").exists());
    server.kill();

    let append = |byte: u8| {
        let mut log = OpenOptions::new().append(true).open(site.log_file()).unwrap();
        log.write_all(&[byte; 5000]).unwrap();
    };
    append(0);
    let server = site.start();
    assert_eq!(server.info().schedule.len(), 4);
    assert!(!site.data().join(".builder/log.torn-2").exists(), "zeros are preallocated, not a torn end");
    server.kill();

    append(7);
    let server = site.start();
    assert_eq!(server.info().schedule.len(), 4);
    assert!(site.data().join(".builder/log.torn-2").exists());
}

#[test]
fn a_file_that_is_no_log_is_refused() {
    let site = site();
    fill_log(&site);
    fs::write(site.log_file(), "this is no log of builder, but it is long enough to be one".repeat(10))
        .unwrap();
    let complaint = site.complaint();
    assert!(complaint.contains("or is not a log of builder"), "{complaint}");
}

#[test]
fn what_is_private_is_closed_to_others() {
    let site = site();
    fill_log(&site);
    let mode = |path: &str| fs::metadata(site.data().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(".builder"), 0o700);
    assert_eq!(mode(".builder/log"), 0o600);
}

#[test]
fn a_wrong_command_line_ends_with_2_and_advice() {
    let site = site();
    for (words, advice) in [
        (&["serve"][..], "unexpected word serve; the server takes options only"),
        (&["--ip", "nowhere"], "--ip nowhere: "),
        (&["--port", "99999"], "--port 99999: a port is a number from 0 to 65535"),
        (&["--port"], "--port needs a value after it"),
        (&["--prot", "1"], "there is no option --prot"),
        (&["--dir", "a", "--dir", "b"], "--dir is given twice; keep one"),
        (&["--worker-listen", "here"], "--worker-listen here: not an address; write HOST:PORT or unix:PATH"),
        (&["--client-listen", "::1:1"], "an IPv6 address needs brackets; write it like [::1]:1234"),
        (&["--socket-mode", "rw"], "--socket-mode rw: not a mode; write it like 0660"),
        (&["--socket-mode", "1777"], "--socket-mode 1777: not a mode"),
        (&["--timeout", "90"], "--timeout 90: not a span of time; write it like 90s, 15m or 1h30m"),
        (&["--timeout", "0s"], "--timeout 0s: the time must be longer than nothing; write it like 90s"),
        (&["--upload", "http://a", "--upload-timeout", "0s"], "--upload-timeout 0s: the time must be longer"),
        (&["--artifact-limit", "1GB"], "--artifact-limit 1GB: not a size; write it like 4096, 512K or 4GiB"),
        (&["--console-limit", "-1"], "--console-limit -1: not a size"),
        (
            &["--ip", "::1", "--worker-listen", "a:1", "--client-listen", "b:2"],
            "--ip and --port have no effect when both --worker-listen and --client-listen are given; leave them out",
        ),
    ] {
        let output = Command::new(site.server_command().get_program()).args(words).output().unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {complaint}");
        assert!(complaint.starts_with("builder-server: "), "{complaint}");
        assert!(complaint.contains(advice), "{complaint}");
        assert!(complaint.ends_with("Try 'builder-server --help' for more.\n"), "{complaint}");
    }
}

#[test]
fn help_and_version_are_there() {
    let site = site();
    let print = |option: &str| {
        let output = Command::new(site.server_command().get_program()).arg(option).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    for option in
        ["--ip", "--port", "--dir", "--config-dir", "--worker-listen", "--client-listen", "--salvage"]
    {
        assert!(print("--help").contains(option), "{option}");
    }
    assert!(print("--version").ends_with("(client protocols 13 and 14, worker protocol 5)\n"));
}

#[test]
fn without_a_configuration_directory_there_are_no_templates() {
    let site = site();
    fs::remove_dir(site.config()).unwrap();
    let server = site.start();
    site.succeed(&server, ["orb-build", "web", "mirage-web"]);
    server.schedule("job", "linux");
    assert_eq!(server.queue("linux").unwrap(), ["job"]);
}

#[test]
fn it_starts_with_the_fewest_descriptors_that_make_sense() {
    let site = site();
    let server = site.start_with(limited(&site.server_command(), "-n 32"));
    server.schedule("job", "linux");
    site.work(&server, "linux");
    site.wait_for_results("job", 1);
}

#[test]
fn a_service_manager_is_told_once_clients_can_connect() {
    let site = site();
    let path = site.data().with_file_name("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(patience())).unwrap();
    let mut command = site.server_command();
    command.env("NOTIFY_SOCKET", &path);
    let server = site.start_with(command);
    let mut told = [0; 64];
    let length = manager.recv(&mut told).unwrap();
    assert_eq!(&told[..length], b"READY=1");
    drop(server);

    // A service manager that is not there stops no server.
    drop(manager);
    let mut command = site.server_command();
    command.env("NOTIFY_SOCKET", &path);
    site.start_with(command).wait_for_log("that the server listens");
}

#[test]
fn a_service_manager_hears_nothing_of_a_server_that_cannot_listen() {
    let mut site = site();
    let path = site.data().with_file_name("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_nonblocking(true).unwrap();
    // Its place is taken by something that is not a socket.
    let taken = site.file("taken", "");
    site.options = vec!["--client-listen".to_owned(), format!("unix:{}", taken.display())];
    let output = site.server_command().env("NOTIFY_SOCKET", &path).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(manager.recv(&mut [0; 64]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

#[test]
fn a_console_that_cannot_be_read_costs_that_console_alone() {
    let site = site();
    let server = site.start();
    server.schedule("job", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    let spool = site.data().join(".builder/spool").join(uuid.to_string());
    worker.print(uuid, "line");
    wait_for("the line to be kept", || spool.exists());
    server.kill();
    // Neither can be opened as a file, whoever tries.
    fs::remove_file(&spool).unwrap();
    fs::create_dir(&spool).unwrap();
    let stray = spool.with_file_name("stray");
    fs::create_dir(&stray).unwrap();

    let server = site.start();
    server.wait_for_log(&format!("cannot open {}: Is a directory", spool.display()));
    server.wait_for_log(&format!("cannot remove {}: ", stray.display()));
    assert_eq!(server.queue("linux").unwrap(), ["job"]);
    let result = builder_tests::stored(&site.wait_for_results("job", 1)[0]);
    assert_eq!(result.uuid, uuid);
}

#[test]
fn a_result_that_cannot_be_looked_at_is_not_taken_for_absent() {
    let site = site();
    let server = site.start();
    server.schedule("job", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    server.kill();
    // A link to itself: even the superuser does not see what is behind it.
    let directory = site.data().join("job");
    symlink(&directory, &directory).unwrap();
    let complaint = site.complaint();
    let path = directory.join(uuid.to_string()).join("full");
    assert!(complaint.contains(&format!("cannot look at {}: ", path.display())), "{complaint}");

    // What cannot be a directory cannot hold a result either.
    fs::remove_file(&directory).unwrap();
    fs::write(&directory, "").unwrap();
    let server = site.start();
    assert_eq!(server.queue("linux").unwrap(), ["job"]);
}

#[test]
fn a_result_that_is_in_place_ends_its_build_whatever_the_log_says() {
    let site = site();
    let server = site.start();
    server.schedule("job", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    server.kill();
    let directory = site.data().join("job").join(uuid.to_string());
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("full"), "what the worker sent").unwrap();

    let server = site.start();
    assert_eq!(server.queue("linux").unwrap(), [""; 0]);
    assert_eq!(fs::read(directory.join("full")).unwrap(), b"what the worker sent");
}
