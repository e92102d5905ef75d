//! What is taken from the directory of a job.

use crate::harness::{MOST_MEMORY, Setup, run};
use builder_proto::build_result::BuildResult;
use std::io::Read;

#[test]
fn regular_files_are_artifacts() {
    let report = run("mkdir -p bin/deep; echo a > bin/deep/a; printf '\\000\\377' > b; : > empty");
    assert_eq!(report.result, BuildResult::Exited(0));
    assert_eq!(report.paths(), ["b", "bin/deep/a", "empty"]);
    assert_eq!(report.file("bin/deep/a"), b"a\n");
    assert_eq!(report.file("b"), b"\0\xff");
    assert_eq!(report.file("empty"), b"");
    report.assert_clean();
}

#[test]
fn the_script_and_what_begins_with_a_dot_are_none() {
    let script = "mkdir -p .git sub/.cache; touch .hidden .git/x sub/.cache/x sub/.y sub/script.sh sub/a";
    assert_eq!(run(script).paths(), ["sub/a", "sub/script.sh"]);
}

#[test]
fn links_are_followed_inside_only() {
    let script = "mkdir real; echo x > real/file
        ln -s real/file relative; ln -s \"$PWD/real\" absolute
        ln -s /etc/passwd passwd; ln -s /etc etc; ln -s ../../../../../../etc/passwd up; ln -s . loop";
    let report = run(script);
    assert_eq!(report.paths(), ["absolute/file", "real/file", "relative"]);
    assert_eq!(report.file("relative"), b"x\n");
    let mut console = report.text();
    console.sort_unstable();
    assert_eq!(
        console,
        [
            "builder-worker: etc is a link that leads out of the job's directory; left out",
            "builder-worker: loop is a link to a directory above it; left out",
            "builder-worker: passwd is a link that leads out of the job's directory; left out",
            "builder-worker: up is a link that leads out of the job's directory; left out",
        ]
    );
    report.assert_clean();
}

#[test]
fn a_link_chain_through_the_host_is_not_followed() {
    // Each single step looks harmless; together they leave the directory.
    let report = run(
        "mkdir a; ln -s a/.. b; ln -s b/../.. c; ln -s c/etc d; ln -s d/passwd e; ln -s /proc/self/root r",
    );
    assert!(report.files.is_empty(), "{:?}", report.paths());
    report.assert_clean();
}

#[test]
fn what_cannot_be_read_is_left_out_with_a_word() {
    let script = "echo a > a; echo x > unreadable; chmod 0 unreadable
        mkdir closed; touch closed/x; chmod 0 closed; mkfifo fifo";
    let report = Setup::new().unprivileged().run(script);
    assert_eq!(report.result, BuildResult::Exited(0));
    assert_eq!(report.paths(), ["a"]);
    let mut console = report.text();
    console.sort_unstable();
    assert_eq!(console.len(), 3, "{console:?}");
    assert!(
        console[0].starts_with("builder-worker: closed cannot be read: Permission denied"),
        "{console:?}"
    );
    assert_eq!(console[1], "builder-worker: fifo is a FIFO; left out");
    assert!(
        console[2].starts_with("builder-worker: unreadable cannot be read: Permission denied"),
        "{console:?}"
    );
    report.assert_clean();
}

#[test]
fn a_closed_directory_is_removed_all_the_same() {
    let script = "mkdir -p a/b; touch a/b/c; chmod 0 a/b; chmod 555 a; chmod 0 .";
    let report = Setup::new().unprivileged().run(script);
    assert_eq!(report.result, BuildResult::Exited(0));
    assert_eq!(report.text().len(), 1, "{:?}", report.text());
    report.assert_clean();
}

#[test]
fn removing_does_not_follow_links() {
    let outside = tempfile::tempdir().unwrap();
    let kept = outside.path().join("kept");
    std::fs::write(&kept, "kept").unwrap();
    let report = run(&format!("ln -s {} link; ln -s {} file", outside.path().display(), kept.display()));
    report.assert_clean();
    assert_eq!(std::fs::read(&kept).unwrap(), b"kept");
}

#[test]
fn a_gibibyte_takes_no_more_memory_than_a_kilobyte() {
    let mut conversation = Setup::new().start("truncate -s 1G big");
    let mut buffer = vec![0; 1 << 20];
    // The header of the one frame there is says how much to expect.
    conversation.stream().read_exact(&mut buffer[..8]).unwrap();
    let mut left = u64::from_be_bytes(buffer[..8].try_into().unwrap());
    assert!(left > 1 << 30, "{left}");
    while left > 0 {
        let count = conversation.stream().read(&mut buffer).unwrap();
        assert_ne!(count, 0, "the worker hung up: {}", conversation.end().stderr);
        left -= count as u64;
    }
    let peak = conversation.peak_memory();
    assert!(peak < MOST_MEMORY, "{peak} bytes");
    conversation.close();
    assert!(conversation.end().status.success());
}
