//! How all is, printed.

use super::answer::{Answer, Overview, ask};
use super::describe::describe;
use super::glance::Glance;
use super::plain::Plain;
use crate::client::error::ClientError;
use crate::client::flags::Form;
use crate::client::info;
use crate::client::info_filter::{InfoFilter, UnknownName};
use crate::client::info_table::Report;
use crate::command_line::Address;
use crate::json;
use crate::terminal::{self, Palette};
use builder_proto::command::InfoReply;
use std::io::{self, Write};

/// Prints how all is with the jobs that are meant, or what is going on with them, if the server knows no more.
pub(crate) fn print(remote: &Address, filter: &InfoFilter, form: Form) -> Result<(), ClientError> {
    let text = match ask(remote)? {
        Answer::Overview(all) => tell(&all, filter, form),
        Answer::Reply(reply) => tell_reply(&reply, filter, form),
    };
    let text = text.map_err(ClientError::UnknownName)?;
    io::stdout().lock().write_all(text.as_bytes()).map_err(ClientError::Print)
}

fn tell(all: &Overview, filter: &InfoFilter, form: Form) -> Result<String, UnknownName> {
    let (shown, now, stdout) = (all.filter(filter)?, info::now(), io::stdout());
    Ok(match (form, terminal::columns_of(&stdout)) {
        (Form::Json, _) => {
            let reply = filter.apply(&all.to_reply())?;
            format!("{}\n", json::line(&describe(&reply, &shown)))
        }
        (Form::People, Some(columns)) => {
            let is_whole = *filter == InfoFilter::default();
            Glance { shown: &shown, is_whole, now, palette: Palette::of(&stdout), columns }.to_string()
        }
        (Form::People, None) => Plain { all, shown: &shown, filter, now }.to_string(),
    })
}

fn tell_reply(all: &InfoReply, filter: &InfoFilter, form: Form) -> Result<String, UnknownName> {
    let (shown, now, stdout) = (filter.apply(all)?, info::now(), io::stdout());
    Ok(match form {
        Form::Json => format!("{}\n", json::line(&info::describe(&shown))),
        Form::People => {
            let (palette, columns) = (Palette::of(&stdout), terminal::columns_of(&stdout));
            Report { all, shown: &shown, filter, now, palette, columns }.to_string()
        }
    })
}
