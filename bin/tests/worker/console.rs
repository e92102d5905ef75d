//! What jobs print.

use crate::harness::{MOST_MEMORY, Setup, run};
use builder_proto::build_result::BuildResult;
use std::io::Read;

#[test]
fn both_streams_are_one_console() {
    let report = run("for i in 1 2 3; do echo out $i; echo err $i >&2; done");
    assert_eq!(report.text(), ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3"]);
}

#[test]
fn a_line_is_sent_while_the_job_goes_on() {
    let mut conversation = Setup::new().start("mkfifo pipe; echo first; read x < pipe; echo $x");
    assert_eq!(conversation.line(), "first");
    let directory = std::fs::read_dir(conversation.temporary.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::write(directory.join("pipe"), "second\n").unwrap();
    assert_eq!(conversation.line(), "second");
    conversation.finish().assert_clean();
}

#[test]
fn a_last_line_without_newline_counts() {
    assert_eq!(run("echo one; printf two").text(), ["one", "two"]);
}

#[test]
fn bytes_are_passed_on_as_they_are() {
    let report = run("printf 'a\\000b\\377\\r\\n\\n\\033[0m\\n'");
    assert_eq!(report.lines, [&b"a\0b\xff\r"[..], b"", b"\x1b[0m"]);
}

#[test]
fn long_lines_are_split() {
    let report = run("head -c 150000 /dev/zero | tr '\\0' x; echo; echo end");
    let lengths: Vec<usize> = report.lines.iter().map(Vec::len).collect();
    assert_eq!(lengths, [65536, 65536, 150_000 - 2 * 65536, 3]);
}

#[test]
fn a_job_may_close_its_console() {
    let report = run("echo before; exec >&- 2>&-; sleep 0.1; exit 4");
    assert_eq!(report.text(), ["before"]);
    assert_eq!(report.result, BuildResult::Exited(4));
    report.assert_clean();
}

#[test]
fn every_line_arrives_in_order() {
    let report = run("i=0; while [ $i -lt 20 ]; do seq 1 5000; i=$((i+1)); done");
    assert_eq!(report.lines.len(), 100_000);
    assert!(report.text().chunks(5000).all(|block| block[0] == "1" && block[4999] == "5000"));
}

#[test]
fn a_slow_server_slows_the_job_and_loses_nothing() {
    let script = "seq -f '%099.0f' 1 500000 && touch written";
    let mut conversation = Setup::new().start(script);
    // As long as nobody reads, the job cannot finish its 50 MB.
    let directory = loop {
        if let Some(entry) = std::fs::read_dir(conversation.temporary.path()).unwrap().next() {
            break entry.unwrap().path();
        }
    };
    assert_eq!(conversation.line(), format!("{:0>99}", 1));
    assert!(!directory.join("written").exists());
    let mut count = 1;
    while conversation.line() != format!("{:0>99}", 500_000) {
        count += 1;
    }
    assert_eq!(count + 1, 500_000);
    let peak = conversation.peak_memory();
    assert!(peak < MOST_MEMORY, "{peak} bytes");
    let report = conversation.finish();
    assert_eq!(report.paths(), ["written"]);
    report.assert_clean();
}

/// Empty lines grow most on their way: one byte becomes a frame of 32. What reads slower than a job prints leaves the
/// worker always a little behind.
#[test]
fn a_server_that_is_always_behind_costs_no_memory() {
    let mut conversation = Setup::new().local().start("yes '' | head -c 4000000");
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0;
    while total < 100 << 20 {
        let count = conversation.stream().read(&mut buffer).unwrap();
        assert_ne!(count, 0, "the worker hung up: {}", conversation.end().stderr);
        total += count;
    }
    let peak = conversation.peak_memory();
    assert!(peak < MOST_MEMORY, "{peak} bytes");
    conversation.close();
    conversation.end();
}
