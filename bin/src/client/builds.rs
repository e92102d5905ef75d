//! The builds that a server remembers, asked for one query at a time.

use super::connection::Connection;
use super::error::ClientError;
use crate::command_line::Address;
use builder_proto::Uuid;
use builder_proto::command::{Command, Kind};
use builder_proto::history::{Build, HistoryQuery};
use std::ops::ControlFlow;

/// Fewer digits of a uuid are not shown.
const FEWEST_DIGITS: usize = 8;
/// Digits of a uuid.
const UUID_DIGITS: usize = 32;

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

/// What is known of one build.
pub(super) fn describe(remote: &Address, uuid: Uuid) -> Result<Build, ClientError> {
    let question = Command::Details(uuid);
    let mut connection = Connection::open(remote, Kind::Details)?;
    match connection.ask(&question)? {
        Command::Build(build) => Ok(build),
        other => Err(connection.refusal(&question, other)),
    }
}

/// How many digits tell the uuids of these builds from each other.
pub(super) fn digits_to_tell_apart(builds: &[Build]) -> usize {
    let mut uuids: Vec<_> = builds.iter().map(Build::uuid).collect();
    uuids.sort();
    uuids.dedup();
    let equal_digits = |pair: &[Uuid]| match pair {
        [one, other] => ((one.as_u128() ^ other.as_u128()).leading_zeros() / 4) as usize,
        _ => 0,
    };
    let most = uuids.windows(2).map(equal_digits).max().unwrap_or(0);
    (most + 1).clamp(FEWEST_DIGITS, UUID_DIGITS)
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

#[cfg(test)]
mod tests {
    use super::samples::build;
    use super::*;
    use builder_proto::wire::RawUuid;

    #[test]
    fn uuids_are_as_long_as_it_takes_to_tell_them_apart() {
        let with = |uuids: [&str; 3]| -> Vec<Build> {
            let uuids = uuids.into_iter().map(|uuid| uuid.parse::<Uuid>().unwrap());
            uuids.map(|uuid| Build { uuid: RawUuid(uuid), ..build(1, "hello", 0) }).collect()
        };
        let builds = with([
            "988ad4a2-647b-4f84-9116-f936eeddac84",
            "988ad4a2-657b-4f84-9116-f936eeddac84",
            "188ad4a2-647b-4f84-9116-f936eeddac84",
        ]);
        assert_eq!(digits_to_tell_apart(&builds), 10);
        assert_eq!(digits_to_tell_apart(&builds[1..]), 8);
        assert_eq!(digits_to_tell_apart(&[]), 8);
        let same = with(["988ad4a2-647b-4f84-9116-f936eeddac84"; 3]);
        assert_eq!(digits_to_tell_apart(&same), 8, "a server that names one twice names one");
    }
}
