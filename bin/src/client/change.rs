//! Commands that change something: given to a server, and if it refuses them, what to do about that.
//!
//! Servers of all versions refuse in the words of builder 0.4.0, which neither name what they are about nor say what comes
//! next. So the client adds that, from what it asked for and from what the server says about itself.

use super::connection::Connection;
use super::done::Witness;
use super::error::ClientError;
use super::selection::{find_by_digits, uuid_beginning};
use super::{info, info_filter};
use crate::command_line::Address;
use crate::wording::most_similar;
use builder_proto::command::{Command, InfoReply};
use builder_proto::text::Text;
use std::io::{self, IsTerminal, Write};

/// Sends a command to which the answer is that it was done or why not. A person is told what came of it.
pub(super) fn send(remote: &Address, command: &Command, quiet: bool) -> Result<(), ClientError> {
    let stdout = io::stdout();
    let witness = (stdout.is_terminal() && !quiet).then(|| Witness::before(remote, command));
    let mut connection = Connection::open(remote, command.kind())?;
    if matches!(command, Command::Drain { wait: true }) {
        connection.wait_without_limit()?;
    }
    let answer = converse(&mut connection, command, quiet).map_err(|error| match command {
        Command::Drain { wait: true } if !matches!(error, ClientError::Print(_)) => {
            ClientError::Undrained(Box::new(error))
        }
        _ => error,
    })?;
    match answer {
        Command::Success => {}
        other => return Err(explained(remote, command, connection.refusal(command, other))),
    }
    let text = witness.map(Witness::tell).unwrap_or_default();
    stdout.lock().write_all(text.as_bytes()).map_err(ClientError::Print)
}

/// Gives the command and prints what the server remarks, up to its answer.
fn converse(connection: &mut Connection, command: &Command, quiet: bool) -> Result<Command, ClientError> {
    let mut answer = connection.ask(command)?;
    while let Command::Remark(text) = answer {
        if !quiet {
            writeln!(io::stdout().lock(), "{text}").map_err(ClientError::Print)?;
        }
        answer = connection.receive()?.ok_or_else(|| connection.closed("the end of its answer"))?;
    }
    Ok(answer)
}

/// The error, and if it is a refusal, what can be done about it.
pub(super) fn explained(remote: &Address, command: &Command, error: ClientError) -> ClientError {
    match error {
        ClientError::Refused { reason, .. } => {
            let hint = hint(command, &reason.to_string(), || ask(remote));
            ClientError::Refused { reason, hint }
        }
        other => other,
    }
}

/// Cancels a job of this name. If there is none, it is a build whose uuid begins like this.
pub(super) fn cancel(remote: &Address, word: Text, quiet: bool) -> Result<(), ClientError> {
    let is_beginning = word.as_str().and_then(uuid_beginning).is_some();
    let job = Command::CancelJob(word.clone());
    match send(remote, &job, quiet) {
        Err(ClientError::Refused { reason, hint }) if is_beginning && is_unknown(&reason) => {
            let build = find_by_digits(remote, &word)?.ok_or(ClientError::Refused { reason, hint })?;
            send(remote, &Command::Cancel(build.uuid()), quiet)
        }
        result => result,
    }
}

/// Whether the server knows no job of the name.
fn is_unknown(reason: &Text) -> bool {
    reason.as_bytes().starts_with(b"unknown job")
}

/// What a server says about itself, or nothing if it cannot be asked.
fn ask(remote: &Address) -> InfoReply {
    info::ask(remote).unwrap_or_else(|error| {
        log::info!("cannot find out what was meant: {error}");
        InfoReply::default()
    })
}

/// What to print behind the reason of a refusal; nothing when that says everything. `ask` is called only where it helps to
/// know what there is.
fn hint(command: &Command, reason: &str, ask: impl FnOnce() -> InfoReply) -> String {
    match command {
        Command::Schedule { job, .. } | Command::Enter { job, .. }
            if reason.starts_with("platform dropped") =>
        {
            format!(": {0}; 'builder-client undrop-platform {0}' accepts them again", job.platform)
        }
        Command::Schedule { .. }
        | Command::ScheduleOrbBuild { .. }
        | Command::Enter { .. }
        | Command::EnterOrbBuild { .. } => used_name(command, reason),
        Command::Unschedule(name) | Command::Reschedule { name, .. }
            if reason.starts_with("unknown job") || reason.starts_with("couldn't find job") =>
        {
            meant_job(name, &ask())
        }
        Command::CancelJob(name) if reason.starts_with("unknown job") => meant_job(name, &ask()),
        Command::CancelJob(name) if reason.ends_with("neither runs nor waits") => {
            format!("; 'builder-client history {name}' shows how its builds ended")
        }
        Command::Cancel(uuid) if reason.starts_with("build ") => {
            format!("; 'builder-client logs {uuid}' shows how it ended")
        }
        Command::Pause(platform) | Command::Resume { platform: Some(platform) }
            if reason.starts_with("unknown platform") =>
        {
            meant_platform(platform, &ask())
        }
        Command::Execute { name, platform } | Command::Run { name, platform, .. } => {
            not_queued(name, platform.as_ref(), reason, ask)
        }
        Command::Observe(uuid) if reason == "uuid not found" => format!(
            ": {uuid}; 'builder-client info' shows the builds that run, and 'builder-client history' those that have \
             ended"
        ),
        Command::DropPlatform(platform) if reason.starts_with("unknown platform") => {
            let reply = ask();
            match reply.dropped_platforms.contains(platform) {
                true => "; it is dropped already".to_owned(),
                false => meant_platform(platform, &reply),
            }
        }
        Command::UndropPlatform(platform) if reason.starts_with("unknown platform") => {
            never_dropped(platform, &ask())
        }
        // The reason says everything, or there was nothing to refuse.
        _ => String::new(),
    }
}

/// What to do about a job that is not put into a queue.
fn not_queued(name: &Text, platform: Option<&Text>, reason: &str, ask: impl FnOnce() -> InfoReply) -> String {
    if reason.ends_with("job not found") {
        return format!(": {name}{}", meant_job(name, &ask()));
    }
    if reason.contains("different platform") {
        return "; leave --platform out".to_owned();
    }
    match platform {
        _ if !reason.ends_with("no such platform") => String::new(),
        Some(platform) => format!(": {platform}{}", meant_platform(platform, &ask())),
        None => {
            "; an orb-build job runs where the server has a template, once a worker has asked for a job there"
                .to_owned()
        }
    }
}

fn used_name(command: &Command, reason: &str) -> String {
    let name = match command {
        Command::Schedule { job, .. } | Command::Enter { job, .. } => &job.name,
        Command::ScheduleOrbBuild { job, .. } | Command::EnterOrbBuild { job, .. } => &job.name,
        _ => return String::new(),
    };
    if reason != "job name already used" {
        return String::new();
    }
    format!(": {name}; to change that job, add --replace")
}

fn meant_job(name: &Text, reply: &InfoReply) -> String {
    let names = reply.schedule.iter().map(|item| item.job.name().to_string());
    match most_similar(&name.to_string(), names) {
        Some(meant) => format!("; did you mean {meant}?"),
        None => "; 'builder-client info' shows all jobs".to_owned(),
    }
}

fn meant_platform(platform: &Text, reply: &InfoReply) -> String {
    let names = info_filter::platforms(reply).map(Text::to_string);
    match most_similar(&platform.to_string(), names) {
        Some(meant) => format!("; did you mean {meant}?"),
        None => "; 'builder-client info' shows all platforms".to_owned(),
    }
}

fn never_dropped(platform: &Text, reply: &InfoReply) -> String {
    let dropped = || reply.dropped_platforms.iter().map(Text::to_string);
    if info_filter::platforms(reply).any(|known| known == platform) {
        return "; it is not dropped".to_owned();
    }
    match most_similar(&platform.to_string(), dropped()) {
        Some(meant) => format!("; did you mean {meant}?"),
        None => "; 'builder-client info' shows the dropped platforms".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::info_filter::samples::info_reply;
    use builder_proto::Uuid;
    use builder_proto::job::{OrbBuildJob, ScriptJob};
    use builder_proto::time::{Period, Time};

    fn schedule(name: &str) -> Command {
        let job = ScriptJob { name: name.into(), script: "".into(), platform: "gone".into() };
        Command::Schedule { period: Period::Daily, job }
    }

    fn execute(name: &str, platform: Option<&str>) -> Command {
        Command::Execute { name: name.into(), platform: platform.map(Into::into) }
    }

    #[test]
    fn what_is_refused_is_named_with_what_to_do() {
        let job = OrbBuildJob { name: "web".into(), opam_package: "mirage-web".into() };
        let orb_build = Command::ScheduleOrbBuild { period: Period::Daily, job };
        let reschedule = Command::Reschedule { name: "wep".into(), next: Time::NEVER, period: None };
        let drop = |platform: &str| Command::DropPlatform(platform.into());
        let undrop = |platform: &str| Command::UndropPlatform(platform.into());
        for (command, reason, expected) in [
            (schedule("hello"), "job name already used", ": hello; to change that job, add --replace"),
            (orb_build, "job name already used", ": web; to change that job, add --replace"),
            (
                schedule("x"),
                "platform dropped; can't schedule jobs",
                ": gone; 'builder-client undrop-platform gone'",
            ),
            (Command::Unschedule("helo".into()), "unknown job helo", "; did you mean hello?"),
            (
                Command::Unschedule("site".into()),
                "unknown job site",
                "; 'builder-client info' shows all jobs",
            ),
            (reschedule, "couldn't find job wep", "; did you mean web?"),
            (execute("hallo", None), "execute failed: job not found", ": hallo; did you mean hello?"),
            (
                execute("web", Some("debian")),
                "execute failed: no such platform",
                ": debian; did you mean debian-12?",
            ),
            (execute("web", None), "execute failed: no such platform", "; an orb-build job runs where"),
            (
                execute("hello", Some("debian-12")),
                "execute failed: job is for a different platform: freebsd-13",
                "; leave --platform out",
            ),
            (
                Command::Observe(Uuid::nil()),
                "uuid not found",
                ": 00000000-0000-0000-0000-000000000000; 'builder-",
            ),
            (drop("freebsd13"), "unknown platform freebsd13", "; did you mean freebsd-13?"),
            (drop("gone"), "unknown platform gone", "; it is dropped already"),
            (undrop("debian-12"), "unknown platform debian-12", "; it is not dropped"),
            (undrop("gome"), "unknown platform gome", "; did you mean gone?"),
            (undrop("vax"), "unknown platform vax", "; 'builder-client info' shows the dropped platforms"),
        ] {
            let hint = hint(&command, reason, info_reply);
            assert!(hint.starts_with(expected), "{command:?}: {hint}");
        }
    }

    #[test]
    fn a_reason_that_says_everything_is_left_alone() {
        let nothing = || -> InfoReply { panic!("nobody needs to be asked") };
        for command in [schedule("x"), execute("x", None), Command::Observe(Uuid::nil())] {
            assert_eq!(hint(&command, "busy: 10 observers, the limit; try again later", nothing), "");
            assert_eq!(hint(&command, "disk full: the server cannot keep more jobs", nothing), "");
        }
    }
}
