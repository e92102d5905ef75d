//! The line at the end of a console that says how the build ended.

use super::*;

fn aborted(console: Vec<ConsoleLine>) -> Execution {
    Execution { result: BuildResult::Message("timeout".into()), ..execution(console, vec![]) }
}

/// The lines that are left for those who say themselves how the build ended.
fn before_result(execution: &Execution) -> Vec<ConsoleLine> {
    let bytes = execution.encode().unwrap();
    let stored = StoredExecution::open(bytes.as_slice(), bytes.len() as u64).unwrap();
    let console = stored.console_before_result(bytes.as_slice()).unwrap();
    read_console(bytes.as_slice(), console).unwrap()
}

#[test]
fn a_last_line_stands_behind_all_others() {
    let last = line(343_000_000, "execution aborted: timeout");
    let execution = aborted(vec![line(0, "hello"), line(1, "world"), last.clone()]);
    let mut console = Vec::new();
    for line in execution.console.iter().rev().skip(1) {
        append_console_entry(&mut console, line.delta_nanoseconds, line.line.as_bytes());
    }
    let layout = ExecutionHead {
        job: execution.job.clone(),
        uuid: execution.uuid,
        console_length: console.len() as u64,
        started: execution.started,
        finished: execution.finished,
        result: execution.result.clone(),
        last_line: Some(last),
        output_length: NO_ARTIFACTS.len() as u64,
    }
    .layout()
    .unwrap();
    let bytes = [&layout.before_console, &console, &layout.after_console, NO_ARTIFACTS.as_slice()].concat();
    assert_eq!(bytes, execution.encode().unwrap());
    assert_eq!(bytes.len() as u64, layout.total_length);
}

#[test]
fn whoever_says_how_the_build_ended_can_leave_the_last_line_out() {
    let hello = line(0, "hello");
    let last = line(1, "execution aborted: timeout");
    assert_eq!(before_result(&aborted(vec![hello.clone(), last.clone()])), vec![hello.clone()]);
    assert_eq!(before_result(&aborted(vec![last.clone()])), []);
    assert_eq!(before_result(&aborted(vec![])), []);
    for other in ["execution aborted: Timeout", "execution aborted: timeout!", "timeout", ""] {
        let lines = vec![last.clone(), line(1, other)];
        assert_eq!(before_result(&aborted(lines.clone())), lines, "{other}");
    }
    let exited = execution(vec![hello.clone(), last.clone()], vec![]);
    assert_eq!(before_result(&exited), [hello, last], "a job may print what it likes");
}
