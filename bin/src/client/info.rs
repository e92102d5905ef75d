//! What is going on in a server, asked for and printed.

use super::connection::Connection;
use super::error::ClientError;
use super::info_filter::InfoFilter;
use super::info_json;
use super::info_table::Report;
use super::request::{BuildFilter, Form};
use crate::command_line::Address;
use crate::json;
use crate::terminal::{self, Palette};
use builder_proto::Uuid;
use builder_proto::command::{Command, InfoReply, QueueInfo, RunningInfo, UPLOADS};
use builder_proto::text::Text;
use builder_proto::time::Time;
use std::io::{self, Write};
use std::time::SystemTime;

/// Asks a server what is going on.
pub(super) fn ask(remote: &Address) -> Result<InfoReply, ClientError> {
    let mut connection = Connection::open(remote)?;
    match connection.ask(&Command::Info)? {
        Command::InfoReply(reply) => Ok(reply),
        Command::InfoReplyOld { schedule, queues, running } => {
            Ok(InfoReply { schedule, queues, running, dropped_platforms: Vec::new() })
        }
        other => Err(connection.refusal(&Command::Info, other)),
    }
}

/// The build that started last, of those that are meant.
pub(super) fn find_latest<'a>(reply: &'a InfoReply, filter: &BuildFilter) -> Option<&'a RunningInfo> {
    let is_meant = |build: &&RunningInfo| {
        filter.job.as_ref().is_none_or(|name| *name == build.job.name)
            && filter.platform.as_ref().is_none_or(|platform| *platform == build.job.platform)
    };
    reply.running.iter().filter(is_meant).max_by_key(|build| build.started)
}

/// The build with this uuid, if it runs.
pub(super) fn find_running(reply: &InfoReply, uuid: Uuid) -> Option<&RunningInfo> {
    reply.running.iter().find(|build| build.uuid == uuid)
}

/// Where the results of this queue go, when it is not a queue of jobs; see [`UPLOADS`].
pub(super) fn upload_destination(queue: &QueueInfo) -> Option<&[u8]> {
    queue.platform.as_bytes().strip_prefix(UPLOADS.as_bytes())
}

/// The queues of jobs.
pub(super) fn queues(reply: &InfoReply) -> impl Iterator<Item = &QueueInfo> {
    reply.queues.iter().filter(|queue| upload_destination(queue).is_none())
}

/// The platforms that have a queue.
pub(super) fn platforms(reply: &InfoReply) -> impl Iterator<Item = &Text> {
    queues(reply).map(|queue| &queue.platform)
}

/// The platforms on which this job waits, and behind how many others.
pub(super) fn queued<'a>(reply: &'a InfoReply, name: &'a Text) -> impl Iterator<Item = (&'a Text, usize)> {
    let position = move |queue: &QueueInfo| queue.jobs.iter().position(|job| job.name() == name);
    queues(reply).filter_map(move |queue| Some((&queue.platform, position(queue)?)))
}

/// Prints what is going on with the jobs that are meant.
pub(super) fn print(reply: &InfoReply, filter: &InfoFilter, form: Form) -> Result<(), ClientError> {
    let shown = filter.apply(reply)?;
    let stdout = io::stdout();
    let text = match form {
        Form::Json => format!("{}\n", json::line(&info_json::describe(&shown))),
        Form::People => {
            let (palette, columns) = (Palette::of(&stdout), terminal::columns_of(&stdout));
            Report { all: reply, shown: &shown, filter, now: now(), palette, columns }.to_string()
        }
    };
    stdout.lock().write_all(text.as_bytes()).map_err(ClientError::Print)
}

/// The time without its milliseconds, which nobody reads.
pub(super) fn whole_seconds(time: Time) -> Time {
    let milliseconds = time.unix_milliseconds();
    Time::from_unix_milliseconds(milliseconds - milliseconds.rem_euclid(1000))
}

/// The time of this host, which tells how far off the times of the server are.
pub(super) fn now() -> Time {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::UNIX_EPOCH.saturating_add(since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::samples::info_reply;
    use builder_proto::text::Text;

    #[test]
    fn the_latest_build_is_the_one_that_started_last_of_those_meant() {
        let latest = |job: Option<&str>, platform: Option<&str>| {
            let filter = BuildFilter { job: job.map(Text::from), platform: platform.map(Text::from) };
            find_latest(&info_reply(), &filter).map(|build| build.uuid.as_bytes()[0])
        };
        assert_eq!(latest(None, None), Some(2));
        assert_eq!(latest(None, Some("q")), Some(1));
        assert_eq!(latest(Some("hello"), None), Some(2));
        assert_eq!(latest(Some("hello"), Some("q")), None);
    }
}
