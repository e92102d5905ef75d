//! What is going on in a server, asked for and printed.

use super::connection::Connection;
use super::error::ClientError;
use super::info_filter::InfoFilter;
use super::info_json;
use super::info_table::Report;
use super::request::Form;
use crate::command_line::Address;
use crate::json;
use crate::terminal::{self, Palette};
use builder_proto::command::{Command, InfoReply};
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

/// Prints what is going on with the jobs that are meant.
pub(super) fn print(reply: &InfoReply, filter: &InfoFilter, form: Form) -> Result<(), ClientError> {
    let shown = filter.apply(reply).map_err(ClientError::UnknownName)?;
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

/// The time of this host, which tells how far off the times of the server are.
pub(super) fn now() -> Time {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::UNIX_EPOCH.saturating_add(since_epoch)
}
