//! What a server remembers of builds: a line a build, as people read it in `table`, as programs do here. The manual page
//! `builder-client` promises the shape of the JSON objects.

mod describe;
mod table;
mod usual;

use super::error::ClientError;
use super::flags::Form;
use super::selection::unknown_job;
use super::{builds, info};
use crate::command_line::{Address, Limit, When};
use crate::json;
use crate::terminal::{self, Palette};
use builder_proto::history::{Build, HistoryQuery};
use builder_proto::text::Text;
use builder_proto::time::Time;
pub(crate) use describe::{describe, describe_end};
use std::io::{self, IsTerminal, Write};
use table::List;
pub(crate) use table::in_short;
use usual::Usual;
pub(crate) use usual::{exceeds, time_taken};

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
    let (now, stdout) = (info::now(), io::stdout());
    let answer = ask(remote, request, now)?;
    let text = match form {
        Form::Json => {
            let lines = answer.shown.iter().map(|build| {
                let usual = answer.usual.of(build);
                format!("{}\n", json::line(&describe::describe(build, usual)))
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
