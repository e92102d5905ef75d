//! Builds as programs read them.

use crate::json::string;
use builder_proto::history::{Build, BuildEnd, Cause};
use builder_proto::signal;
use serde_json::{Value, json};
use std::time::Duration;

/// A build as one object.
pub(crate) fn describe(build: &Build, usual: Option<Duration>) -> Value {
    let mut value = describe_end(build);
    let end = build.end.as_ref();
    value["queued"] = build.queued.map(|time| time.to_string()).into();
    value["host"] = build.host.as_ref().map_or(Value::Null, string);
    value["usual_seconds"] = usual.map(seconds).into();
    value["console_lines"] = end.map(|end| end.console_lines).into();
    value["console_bytes"] = end.map(|end| end.console_bytes).into();
    value["artifacts"] = end.map(|end| end.artifacts).into();
    value["artifact_bytes"] = end.map(|end| end.artifact_bytes).into();
    value["removed"] = end.and_then(|end| end.removed).map(|time| time.to_string()).into();
    value
}

/// Which build it is, when it ran, and how it ended.
pub(crate) fn describe_end(build: &Build) -> Value {
    let end = build.end.as_ref();
    let cause = end.map(|end| &end.cause);
    json!({
        "uuid": build.uuid().to_string(),
        "job": string(&build.job),
        "platform": string(&build.platform),
        "started": build.started.to_string(),
        "finished": end.map(|end| end.finished.to_string()),
        "seconds": end.map(|end| seconds(end.finished.duration_since(build.started))),
        "failed": end.map(|_| build.has_failed()),
        "cause": cause.map(Cause::word),
        "exit_code": cause.and_then(exit_code),
        "signal": cause.and_then(signal_name),
        "reason": end.and_then(reason),
    })
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn exit_code(cause: &Cause) -> Option<i64> {
    match cause {
        Cause::Exited(code) => Some(*code),
        _ => None,
    }
}

fn signal_name(cause: &Cause) -> Option<String> {
    match cause {
        Cause::Signalled(number) | Cause::Stopped(number) => Some(signal::describe(*number).to_string()),
        _ => None,
    }
}

/// What else the server says: by whom it was cancelled, or why it was lost.
fn reason(end: &BuildEnd) -> Option<Value> {
    match &end.cause {
        Cause::Cancelled(text) | Cause::Lost(text) | Cause::Limit(text) | Cause::CannotRun(text) => {
            Some(string(text))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::builds::samples::{build, ended};

    #[test]
    fn the_shape_is_the_one_that_the_manual_promises() {
        let mut build = ended(build(7, "hello\x1b[2J", 1000), 1500, Cause::Exited(3));
        build.host = Some("::1".into());
        let end = build.end.as_mut().unwrap();
        (end.console_lines, end.console_bytes, end.artifacts, end.artifact_bytes) = (1, 2, 3, 4);
        end.removed = Some(builder_proto::time::Time::UNIX_EPOCH);
        let expected = json!({
            "uuid": "07070707-0707-0707-0707-070707070707",
            "job": "hello\x1b[2J",
            "platform": "p",
            "queued": null,
            "started": "1970-01-01T00:16:40Z",
            "finished": "1970-01-01T00:41:40Z",
            "seconds": 1500.0,
            "usual_seconds": 1.5,
            "failed": true,
            "cause": "exited",
            "exit_code": 3,
            "signal": null,
            "reason": null,
            "console_lines": 1,
            "console_bytes": 2,
            "artifacts": 3,
            "artifact_bytes": 4,
            "removed": "1970-01-01T00:00:00Z",
            "host": "::1",
        });
        assert_eq!(describe(&build, Some(Duration::from_millis(1500))), expected);
    }

    #[test]
    fn what_is_not_known_is_null() {
        let value = describe(&build(7, "hello", 1000), None);
        for field in
            ["finished", "seconds", "failed", "cause", "artifacts", "removed", "usual_seconds", "host"]
        {
            assert_eq!(value.get(field), Some(&Value::Null), "{field}");
        }
    }

    #[test]
    fn a_cause_has_the_details_that_it_has() {
        let fields = |cause| {
            let value = describe_end(&ended(build(7, "hello", 1000), 1, cause));
            [&value["cause"], &value["signal"], &value["reason"]].map(Value::to_string).join(" ")
        };
        assert_eq!(fields(Cause::Signalled(-7)), "\"signalled\" \"SIGKILL\" null");
        assert_eq!(fields(Cause::Lost("gone\x1b".into())), "\"lost\" null \"gone\\u001b\"");
    }
}
