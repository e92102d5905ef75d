//! Programs that end, that leave something behind, and that the server leaves.

use super::*;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

#[test]
fn only_what_can_be_run_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hook");
    let problem = || find(&path).unwrap_err().to_string();
    assert!(problem().starts_with(&format!("there is no program {}; correct --on-finish", path.display())));
    fs::write(&path, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(problem().contains("this user may not execute it"), "{}", problem());
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(find(&path).unwrap(), path);
    assert!(find(directory.path()).unwrap_err().to_string().ends_with("it is no file"));
    assert!(find(Path::new("src/lib.rs")).unwrap_err().to_string().contains("src/lib.rs"));
}

#[test]
fn a_program_that_is_given_up_leaves_no_process() {
    let mut child = Command::new("sleep").arg("300").process_group(0).spawn().unwrap();
    let pid = pid_of(&child);
    give_up(&mut child);
    assert!(rustix::process::test_kill_process(pid).is_err(), "it waits to be reaped");
}

#[test]
fn a_program_whose_output_cannot_be_read_is_given_up() {
    let (mut held, holder) = io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&held, true).unwrap();
    let mut command = Command::new("sleep");
    command.arg("300").process_group(0).stdout(Stdio::null()).stderr(holder);
    begin(&mut command, Uuid::nil(), drop).unwrap_err();
    drop(command);
    // A program that another test is about to start holds it for a moment as well.
    builder_tests::wait_for("nobody to hold the pipe", || matches!(held.read(&mut [0]), Ok(0)));
}

#[test]
fn a_server_that_ends_leaves_no_program() {
    let directory = tempfile::tempdir().unwrap();
    let mut notifier = notifier(directory.path(), "echo $$ >\"$0.$BUILDER_UUID\"; exec sleep 300");
    let uuids = [1, 2].map(Uuid::from_u128);
    for uuid in uuids {
        let variables = vec![("BUILDER_UUID", uuid.to_string())];
        notifier.start(&Notice { uuid, result_of: None, variables }, None).unwrap();
    }
    let numbers = uuids.map(|uuid| {
        let file = directory.path().join(format!("hook.{uuid}"));
        let number = || fs::read_to_string(&file).unwrap_or_default().trim().parse().ok();
        builder_tests::wait_for("a program to begin", || number().is_some());
        number().unwrap()
    });
    drop(notifier);
    for number in numbers {
        builder_tests::wait_for("a program to end", || !builder_tests::is_alive(number));
    }
}

/// What starts this script.
fn notifier(directory: &Path, script: &str) -> Notifier {
    let path = directory.join("hook");
    // Another process writes it: one that is forked while this one did could keep it from being run.
    let mut writer = Command::new("sh");
    writer.args(["-c", r#"printf '#!/bin/sh\n%s\n' "$1" >"$0"; chmod 755 "$0""#]).arg(&path).arg(script);
    assert!(writer.status().unwrap().success());
    let poll = mio::Poll::new().unwrap();
    let waker = Arc::new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
    Notifier::new(&path, waker).unwrap()
}

/// How a notice ends whose program is this script. What it leaves behind may say `sleep`.
fn end_of(script: &str) -> NoticeEnd {
    let directory = tempfile::tempdir().unwrap();
    let mut notifier = notifier(directory.path(), script);
    let notice = Notice { uuid: Uuid::nil(), result_of: None, variables: Vec::new() };
    notifier.start(&notice, None).unwrap();
    let mut end = None;
    builder_tests::wait_for("the end of the program, and not of what it has left behind", || {
        notifier.reap();
        end = notifier.next_end();
        end.is_some()
    });
    end.unwrap().1
}

/// The number of a process, with which a program has ended.
fn number_in(end: NoticeEnd) -> u32 {
    match end {
        NoticeEnd::Failed(reason) => {
            reason.strip_prefix("it exited with status 3: ").unwrap().parse().unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_program_leaves_in_its_process_group_ends_with_it() {
    let sleeper = number_in(end_of("sleep 300 & echo $! >&2; exit 3"));
    builder_tests::wait_for("what was left to end", || !builder_tests::is_alive(sleeper));
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_program_leaves_outside_of_its_process_group_is_not_waited_for() {
    // It ends only when the other has left its group.
    let script = r#"setsid sh -c 'echo $$ >&2; : >"$0.up"; exec sleep 300' "$0" &
        until [ -e "$0.up" ]; do :; done; exit 3"#;
    let sleeper = number_in(end_of(script));
    assert!(builder_tests::is_alive(sleeper), "it was not in the group");
    builder_tests::signal(sleeper, "KILL");
}
