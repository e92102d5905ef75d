//! What a server remembers of builds: a line a build, as people read it in `table`, as programs do here. The manual page
//! `builder-client` promises the shape of the JSON objects.

mod table;

use super::builds;
use super::error::ClientError;
use super::flags::Form;
use super::selection::unknown_job;
use crate::clock;
use crate::command_line::{Address, Limit, When};
use crate::json::{self, string};
use crate::terminal::{self, Palette};
use builder_proto::history::{Build, BuildEnd, Cause, HistoryQuery};
use builder_proto::signal;
use builder_proto::text::Text;
use builder_proto::time::Time;
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;
use table::{List, Usual};
pub(crate) use table::{exceeds, in_short, time_taken};

/// Which builds are listed.
#[derive(Clone, Debug, Default)]
pub(super) struct HistoryRequest {
    /// Of this job.
    pub(super) job: Option<Text>,
    /// On this platform.
    pub(super) platform: Option<Text>,
    /// Started then or later.
    pub(super) since: Option<When>,
    /// Only those that failed.
    pub(super) failed: bool,
    /// At most so many.
    pub(super) limit: Option<Limit>,
}

/// Builds that are listed when nobody says how many: what a screen holds.
const USUAL_LIMIT: usize = 20;
/// So many builds are looked at to tell how long a job usually takes, if the builds of one job are listed.
const LOOKED_AT_OF_JOB: usize = 50;
/// The same if the builds of all jobs are.
const LOOKED_AT: usize = 1000;

/// The builds that fit, and what is known besides.
struct Answer {
    shown: Vec<Build>,
    usual: Usual,
    /// Whether there are more that fit.
    has_more: bool,
    /// Digits of a uuid that tell it from the others.
    digits: usize,
}

/// Lists builds.
pub(super) fn print(
    remote: &Address,
    request: &HistoryRequest,
    form: Form,
    quiet: bool,
) -> Result<(), ClientError> {
    let (now, stdout) = (clock::wall_time(), io::stdout());
    let answer = ask(remote, request, now)?;
    let text = match form {
        Form::Json => {
            let lines = answer.shown.iter().map(|build| {
                let usual = answer.usual.of(build);
                format!("{}\n", json::line(&describe(build, usual)))
            });
            lines.collect()
        }
        Form::People => {
            let (palette, columns) = (Palette::of(&stdout), terminal::columns_of(&stdout));
            let omits_job = columns.is_some() && request.job.is_some();
            let Answer { shown, usual, digits, .. } = &answer;
            List { builds: shown, usual, digits: *digits, omits_job, now, palette, columns }.to_string()
        }
    };
    stdout.lock().write_all(text.as_bytes()).map_err(ClientError::Print)?;
    if io::stderr().is_terminal() && !quiet {
        tell_what_is_missing(remote, request, &answer)?;
    }
    Ok(())
}

fn ask(remote: &Address, request: &HistoryRequest, now: Time) -> Result<Answer, ClientError> {
    let all = HistoryQuery {
        job: request.job.clone(),
        platform: request.platform.clone(),
        ..HistoryQuery::default()
    };
    let since = request.since.map(|when| when.resolve(now));
    let query = HistoryQuery { failed: request.failed, since, ..all.clone() };
    // Who names a time wants to see all since then.
    let limit = match (request.limit, request.since) {
        (Some(Limit(limit)), _) => limit,
        (None, Some(_)) => Limit::MOST.0,
        (None, None) => USUAL_LIMIT,
    };
    let looked_at = if request.job.is_some() { LOOKED_AT_OF_JOB } else { LOOKED_AT };
    // One more tells whether there are more.
    let (mut shown, usual) = if query == all {
        let builds = builds::ask(remote, query, looked_at.max(limit + 1))?;
        let usual = Usual::new(&builds);
        (builds, usual)
    } else {
        let builds = builds::ask(remote, query, limit + 1)?;
        let known = if builds.is_empty() { Vec::new() } else { builds::ask(remote, all, looked_at)? };
        (builds, Usual::new(&known))
    };
    let digits = builds::digits_to_tell_apart(&shown);
    let has_more = shown.len() > limit;
    shown.truncate(limit);
    Ok(Answer { shown, usual, has_more, digits })
}

/// Tells a person, on stderr, that there are more builds, or why there are none.
fn tell_what_is_missing(
    remote: &Address,
    request: &HistoryRequest,
    answer: &Answer,
) -> Result<(), ClientError> {
    let sentence = if answer.shown.is_empty() {
        nothing_fits(remote, request)?
    } else if answer.has_more {
        format!("older builds are left out; --limit {} shows more", answer.shown.len().saturating_mul(5))
    } else {
        return Ok(());
    };
    let mut stderr = io::stderr().lock();
    // It is no more than help.
    let _ = writeln!(stderr, "{}", Palette::of(&io::stderr()).paint(terminal::Look::Aside, sentence));
    Ok(())
}

/// Why no build is listed, and what to try.
fn nothing_fits(remote: &Address, request: &HistoryRequest) -> Result<String, ClientError> {
    let query = HistoryQuery { job: request.job.clone(), ..HistoryQuery::default() };
    let has_any = !builds::ask(remote, query, 1)?.is_empty();
    match &request.job {
        Some(job) if !has_any => Ok(unknown_job(remote, job)?.to_string()),
        None if !has_any => {
            Ok("the server remembers no build yet; one is listed as soon as a worker has taken it".to_owned())
        }
        job => Ok(request.describe_misfit(job.as_ref())),
    }
}

impl HistoryRequest {
    /// There are builds, but none that fits.
    fn describe_misfit(&self, job: Option<&Text>) -> String {
        let of = job.map(|job| format!(" of {job}")).unwrap_or_default();
        let given = [
            (self.failed, "--failed"),
            (self.platform.is_some(), "--platform"),
            (self.since.is_some(), "--since"),
        ];
        let given: Vec<&str> =
            given.into_iter().filter_map(|(is_given, flag)| is_given.then_some(flag)).collect();
        match given.as_slice() {
            ["--failed"] => format!("no build{of} has failed, of those that the server remembers"),
            given => format!("no build{of} fits; without {}, others are listed", given.join(" or ")),
        }
    }
}

/// A build as one object, for programs.
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
    fn who_finds_nothing_is_told_what_to_leave_out() {
        let mut request = HistoryRequest { failed: true, ..HistoryRequest::default() };
        let hello = Text::from("hello\x1b[2J");
        let misfit = request.describe_misfit(Some(&hello));
        assert_eq!(misfit, "no build of hello\\x1b[2J has failed, of those that the server remembers");
        request.since = "2h".parse().ok();
        let misfit = request.describe_misfit(None);
        assert_eq!(misfit, "no build fits; without --failed or --since, others are listed");
    }

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
