//! What the program is told of a build, in its environment.

use builder_proto::history::{Build, Cause};
use builder_proto::text::Text;
use core::time::Duration;

/// What the variables say of a build that did what it should.
const SUCCESS: &str = "success";
/// What they say of one that did not.
const FAILURE: &str = "failure";
/// What they say of one about which an earlier version recorded nothing.
const UNKNOWN: &str = "unknown";

/// The variables of a notice, besides the path of the result. All are there, always; what is not known is empty.
///
/// `previous_failed` is about the build before this one, and `attempt` counts from 1.
pub fn notice_variables(
    build: &Build,
    previous_failed: Option<bool>,
    attempt: u32,
) -> Vec<(&'static str, String)> {
    let end = build.end.as_ref();
    let cause = end.map(|end| &end.cause);
    let seconds = |time: Duration| time.as_secs().to_string();
    let count = |count: Option<u64>| count.map_or_else(String::new, |count| count.to_string());
    let result = cause.map_or(UNKNOWN, |cause| verdict(!cause.is_success()));
    vec![
        ("BUILDER_JOB", exact(&build.job)),
        ("BUILDER_PLATFORM", exact(&build.platform)),
        ("BUILDER_UUID", build.uuid().to_string()),
        ("BUILDER_RESULT", result.to_owned()),
        ("BUILDER_PREVIOUS_RESULT", previous_failed.map_or("", verdict).to_owned()),
        ("BUILDER_CAUSE", cause.map_or(UNKNOWN, Cause::word).to_owned()),
        ("BUILDER_REASON", cause.map_or_else(|| UNKNOWN.to_owned(), Cause::to_string)),
        ("BUILDER_STATUS", cause.map_or_else(String::new, status)),
        ("BUILDER_QUEUED", build.queued.map_or_else(String::new, |at| at.to_string())),
        ("BUILDER_STARTED", build.started.to_string()),
        ("BUILDER_FINISHED", end.map_or_else(String::new, |end| end.finished.to_string())),
        (
            "BUILDER_QUEUED_SECONDS",
            build.queued.map_or_else(String::new, |at| seconds(build.started.duration_since(at))),
        ),
        (
            "BUILDER_SECONDS",
            end.map_or_else(String::new, |end| seconds(end.finished.duration_since(build.started))),
        ),
        ("BUILDER_WORKER", build.host.as_ref().map_or_else(String::new, exact)),
        ("BUILDER_CONSOLE_LINES", count(end.map(|end| end.console_lines))),
        ("BUILDER_ARTIFACTS", count(end.map(|end| end.artifacts))),
        ("BUILDER_ARTIFACT_BYTES", count(end.map(|end| end.artifact_bytes))),
        ("BUILDER_ATTEMPT", attempt.to_string()),
    ]
}

fn verdict(has_failed: bool) -> &'static str {
    if has_failed { FAILURE } else { SUCCESS }
}

/// The exit code of a job that ended by itself.
fn status(cause: &Cause) -> String {
    match cause {
        Cause::Exited(code) => code.to_string(),
        _ => String::new(),
    }
}

/// A name as it is, so that it leads to the job. What is no name is escaped, as an environment does not hold all bytes.
fn exact(name: &Text) -> String {
    match name.as_str() {
        Some(name) if !name.contains('\0') => name.to_owned(),
        _ => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::Uuid;
    use builder_proto::history::BuildEnd;
    use builder_proto::time::Time;
    use builder_proto::wire::RawUuid;

    fn at(seconds: i64) -> Time {
        Time::from_unix_milliseconds(1_767_225_600_000 + seconds * 1000)
    }

    fn build(cause: Cause) -> Build {
        Build {
            uuid: RawUuid(Uuid::from_bytes([7; 16])),
            job: "site".into(),
            platform: "freebsd-14".into(),
            started: at(70),
            queued: Some(at(60)),
            host: Some("192.0.2.7".into()),
            end: Some(BuildEnd {
                console_lines: 5,
                artifacts: 2,
                artifact_bytes: 300,
                ..BuildEnd::new(at(3670), cause)
            }),
        }
    }

    fn value(variables: &[(&str, String)], name: &str) -> String {
        variables.iter().find(|(known, _)| *known == name).unwrap().1.clone()
    }

    #[test]
    fn everything_that_is_known_is_said() {
        let variables = notice_variables(&build(Cause::Exited(0)), Some(true), 2);
        let lines: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            lines,
            [
                "BUILDER_JOB=site",
                "BUILDER_PLATFORM=freebsd-14",
                "BUILDER_UUID=07070707-0707-0707-0707-070707070707",
                "BUILDER_RESULT=success",
                "BUILDER_PREVIOUS_RESULT=failure",
                "BUILDER_CAUSE=exited",
                "BUILDER_REASON=exited 0",
                "BUILDER_STATUS=0",
                "BUILDER_QUEUED=2026-01-01T00:01:00Z",
                "BUILDER_STARTED=2026-01-01T00:01:10Z",
                "BUILDER_FINISHED=2026-01-01T01:01:10Z",
                "BUILDER_QUEUED_SECONDS=10",
                "BUILDER_SECONDS=3600",
                "BUILDER_WORKER=192.0.2.7",
                "BUILDER_CONSOLE_LINES=5",
                "BUILDER_ARTIFACTS=2",
                "BUILDER_ARTIFACT_BYTES=300",
                "BUILDER_ATTEMPT=2",
            ]
        );
    }

    #[test]
    fn what_is_not_known_is_empty_and_there() {
        let unknown = Build { queued: None, host: None, end: None, ..build(Cause::Exited(0)) };
        let variables = notice_variables(&unknown, None, 1);
        assert_eq!(variables.len(), notice_variables(&build(Cause::Exited(0)), None, 1).len());
        for name in ["BUILDER_RESULT", "BUILDER_CAUSE", "BUILDER_REASON"] {
            assert_eq!(value(&variables, name), "unknown");
        }
        for name in ["PREVIOUS_RESULT", "STATUS", "QUEUED", "FINISHED", "QUEUED_SECONDS", "SECONDS", "WORKER"]
        {
            assert_eq!(value(&variables, &format!("BUILDER_{name}")), "", "{name}");
        }
    }

    #[test]
    fn all_but_a_status_of_0_is_a_failure() {
        for (cause, result, word, status) in [
            (Cause::Exited(0), "success", "exited", "0"),
            (Cause::Exited(7), "failure", "exited", "7"),
            (Cause::Signalled(9), "failure", "signalled", ""),
            (Cause::Timeout(der::asn1::Null), "failure", "timeout", ""),
            (Cause::Cancelled("eve".into()), "failure", "cancelled", ""),
            (Cause::Lost("gone".into()), "failure", "lost", ""),
        ] {
            let variables = notice_variables(&build(cause), Some(false), 1);
            assert_eq!(value(&variables, "BUILDER_RESULT"), result);
            assert_eq!(value(&variables, "BUILDER_CAUSE"), word);
            assert_eq!(value(&variables, "BUILDER_STATUS"), status);
            assert_eq!(value(&variables, "BUILDER_PREVIOUS_RESULT"), "success");
        }
    }

    #[test]
    fn no_value_can_break_an_environment_and_names_stay_as_they_are() {
        let mut build = build(Cause::CannotRun(b"no\nsuch\0file \xff\x1b[2J".as_slice().into()));
        build.job = "a b;$(reboot)'\"\u{202e}".into();
        let variables = notice_variables(&build, None, 1);
        assert_eq!(value(&variables, "BUILDER_JOB"), "a b;$(reboot)'\"\u{202e}");
        assert_eq!(value(&variables, "BUILDER_REASON"), "cannot run: no\\nsuch\\x00file \u{fffd}\\x1b[2J");
        build.job = b"\0\xff".as_slice().into();
        assert_eq!(value(&notice_variables(&build, None, 1), "BUILDER_JOB"), "\\x00\u{fffd}");
    }
}
