//! The builds that a server remembers, asked for one query at a time.

use super::connection::Connection;
use super::error::ClientError;
use crate::command_line::Address;
use builder_proto::command::{Command, Kind};
use builder_proto::history::{Build, HistoryQuery};
use std::ops::ControlFlow;

/// Gives each build that fits to `take`, the one that started last first, until that has seen enough. However many there
/// are, one is held at a time.
pub(super) fn visit(
    remote: &Address,
    query: HistoryQuery,
    mut take: impl FnMut(Build) -> ControlFlow<()>,
) -> Result<(), ClientError> {
    let question = Command::History(query);
    let mut connection = Connection::open(remote, Kind::History)?;
    connection.tell(&question)?;
    while let Some(answer) = connection.receive_answer(&question)? {
        let Command::Build(build) = answer else { return Err(connection.refusal(&question, answer)) };
        if take(build).is_break() {
            break;
        }
    }
    Ok(())
}

/// The builds that fit, at most `limit` of them, the one that started last first.
pub(super) fn ask(remote: &Address, query: HistoryQuery, limit: usize) -> Result<Vec<Build>, ClientError> {
    let mut builds = Vec::new();
    if limit == 0 {
        return Ok(builds);
    }
    let query = HistoryQuery { limit: Some(limit as u64), ..query };
    visit(remote, query, |build| {
        builds.push(build);
        // A server that sends more than it was asked for cannot fill our memory.
        if builds.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(builds)
}

/// Builds for tests.
#[cfg(test)]
pub(super) mod samples {
    use builder_proto::Uuid;
    use builder_proto::history::{Build, BuildEnd, Cause};
    use builder_proto::time::Time;
    use builder_proto::wire::RawUuid;
    use std::time::Duration;

    /// A build that runs since so many seconds after 1970 began.
    pub(crate) fn build(number: u8, job: &str, started: i64) -> Build {
        Build {
            uuid: RawUuid(Uuid::from_bytes([number; 16])),
            job: job.into(),
            platform: "p".into(),
            started: Time::from_unix_milliseconds(started * 1000),
            queued: None,
            host: None,
            end: None,
        }
    }

    /// The same, ended after so many seconds.
    pub(crate) fn ended(mut build: Build, seconds: u64, cause: Cause) -> Build {
        let finished = build.started.saturating_add(Duration::from_secs(seconds));
        build.end = Some(BuildEnd::new(finished, cause));
        build
    }
}
