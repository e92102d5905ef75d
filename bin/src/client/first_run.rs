//! A job that is scheduled, and its first run.

use super::change::send;
use super::connection::Connection;
use super::error::ClientError;
use super::form::Form;
use super::request::ScheduleFile;
use super::{builds, run};
use crate::command_line::Address;
use builder_proto::Uuid;
use builder_proto::command::{Command, Kind};
use builder_proto::history::{Build, Cause, HistoryQuery};
use builder_proto::text::Text;
use std::thread;
use std::time::Duration;

/// How a server begins that has nothing to wait for.
const NOTHING: &[u8] = b"nothing to wait for";
/// How often a build is looked for that is neither queued nor running, and of which nobody may hear yet how it ended.
const LOOKS: u32 = 50;
/// The pause before each of these looks but the first.
const LOOK_TIME: Duration = Duration::from_millis(200);

/// Schedules a job, follows its first run, and says how that ended.
pub(super) fn follow(
    remote: &Address,
    file: ScheduleFile,
    form: Form,
    quiet: bool,
) -> Result<Cause, ClientError> {
    let name = file.name().clone();
    let command = file.read()?;
    // Before anything is scheduled, it should be clear that the server can do the rest.
    drop(Connection::open(remote, Kind::Run)?);
    let before = newest(remote, &name)?.map(|build| build.uuid());
    send(remote, &command, true)?;
    let joins = Command::Run {
        name: name.clone(),
        platform: None,
        environment: Vec::new(),
        waits: true,
        joins: true,
    };
    for look in 0..LOOKS {
        if look > 0 {
            thread::sleep(LOOK_TIME);
        }
        match run::run(remote, joins.clone(), form, quiet) {
            Err(ClientError::Refused { reason, .. }) if reason.as_bytes().starts_with(NOTHING) => {}
            outcome => return outcome,
        }
        // It was so quick that it has ended already.
        if let Some((build, cause)) = ended_since(remote, &name, before)? {
            run::replay(remote, &build, form)?;
            return Ok(cause);
        }
    }
    let reason = format!("job {name} is scheduled, but its first run is nowhere to be found");
    Err(ClientError::Refused { reason: reason.into(), hint: String::new() })
}

fn newest(remote: &Address, name: &Text) -> Result<Option<Build>, ClientError> {
    let query = HistoryQuery { job: Some(name.clone()), ..HistoryQuery::default() };
    Ok(builds::ask(remote, query, 1)?.pop())
}

/// The newest build of a job, if it has ended and is not that one: a job of the same name may have run earlier.
fn ended_since(
    remote: &Address,
    name: &Text,
    before: Option<Uuid>,
) -> Result<Option<(Build, Cause)>, ClientError> {
    let newest = newest(remote, name)?.filter(|build| Some(build.uuid()) != before);
    Ok(newest.and_then(|build| {
        let cause = build.end.as_ref()?.cause.clone();
        Some((build, cause))
    }))
}
