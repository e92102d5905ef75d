//! What the words of a command line ask for.

use super::error::ClientError;
use crate::command_line::{Matches, UsageError, value};
use builder_engine::limits::COMMAND_FRAME_BYTES;
use builder_engine::names::{NameKind, check_name};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::job::{OrbBuildJob, ScriptJob};
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What to do.
#[derive(Debug)]
pub(super) enum Request {
    /// Send a command that is done or refused.
    Send(Command),
    /// Schedule a script that is in a file.
    Schedule(ScheduleFile),
    /// Print what is going on.
    Info,
    /// Print the console of this build.
    Observe(Uuid),
    /// Print the console of the build that started last.
    ObserveLatest(BuildFilter),
}

/// In what form to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For people.
    People,
    /// For programs.
    Json,
}

impl Form {
    pub(super) fn of(matches: &Matches) -> Form {
        if matches.opt_present(JSON) { Form::Json } else { Form::People }
    }
}

/// A script job whose script is still to be read.
#[derive(Debug)]
pub(super) struct ScheduleFile {
    period: Period,
    name: Text,
    platform: Text,
    path: PathBuf,
}

/// Which builds are meant.
#[derive(Debug, Default)]
pub(super) struct BuildFilter {
    /// Only on this platform.
    pub(super) platform: Option<Text>,
    /// Only of this job.
    pub(super) job: Option<Text>,
}

impl Request {
    /// Reads words and options.
    pub(super) fn parse(matches: &Matches) -> Result<Request, UsageError> {
        let Some((command, words)) = matches.free.split_first() else {
            return Err(UsageError::new(format_args!("there is no command; write {COMMANDS}")));
        };
        let line = Line { command, words, matches };
        let request = match command.as_str() {
            "schedule" => return parse_schedule(&line),
            "orb-build" => parse_orb_build(&line)?,
            "reschedule" => parse_reschedule(&line)?,
            "unschedule" => {
                let [name] = line.words(["NAME"], &[])?;
                Command::Unschedule(name.into())
            }
            "execute" => {
                let [name] = line.words(["NAME"], &[PLATFORM])?;
                Command::Execute { name: name.into(), platform: line.text(PLATFORM) }
            }
            "drop-platform" => {
                let [platform] = line.words(["PLATFORM"], &[])?;
                Command::DropPlatform(platform.into())
            }
            "undrop-platform" => {
                let [platform] = line.words(["PLATFORM"], &[])?;
                Command::UndropPlatform(platform.into())
            }
            "info" => return line.words([], &[JSON]).map(|[]| Request::Info),
            "observe" => return parse_observe(&line),
            "observe-latest" => {
                let [] = line.words([], &[PLATFORM, JOB, JSON])?;
                let filter = BuildFilter { platform: line.text(PLATFORM), job: line.text(JOB) };
                return Ok(Request::ObserveLatest(filter));
            }
            other => {
                return Err(UsageError::new(format_args!("there is no command {other}; write {COMMANDS}")));
            }
        };
        Ok(Request::Send(request))
    }
}

const COMMANDS: &str = "schedule, orb-build, reschedule, unschedule, execute, info, observe, observe-latest, \
                        drop-platform or undrop-platform";

const PERIOD: &str = "period";
const PLATFORM: &str = "platform";
const JOB: &str = "job";
const JSON: &str = "json";

fn parse_schedule(line: &Line<'_>) -> Result<Request, UsageError> {
    let [name, platform, path] = line.words(["NAME", "PLATFORM", "FILE"], &[PERIOD])?;
    Ok(Request::Schedule(ScheduleFile {
        period: line.period()?.unwrap_or(USUAL_PERIOD),
        name: checked(NameKind::Job, name)?,
        platform: checked(NameKind::Platform, platform)?,
        path: path.into(),
    }))
}

fn parse_orb_build(line: &Line<'_>) -> Result<Command, UsageError> {
    let [name, opam_package] = line.words(["NAME", "OPAM_PACKAGE"], &[PERIOD])?;
    let job = OrbBuildJob { name: checked(NameKind::Job, name)?, opam_package: opam_package.into() };
    Ok(Command::ScheduleOrbBuild { period: line.period()?.unwrap_or(USUAL_PERIOD), job })
}

fn parse_reschedule(line: &Line<'_>) -> Result<Command, UsageError> {
    let [name, next] = line.words(["NAME", "TIME"], &[PERIOD])?;
    let next = Time::parse_rfc3339(next)
        .map_err(|error| UsageError::new(format_args!("reschedule {name} {next}: {error}")))?;
    Ok(Command::Reschedule { name: name.into(), next, period: line.period()? })
}

fn parse_observe(line: &Line<'_>) -> Result<Request, UsageError> {
    let [uuid] = line.words(["UUID"], &[JSON])?;
    uuid.parse().map(Request::Observe).map_err(|_| {
        UsageError::new(format_args!("observe {uuid}: not a uuid; copy one from 'builder-client info'"))
    })
}

/// Refuses names that no server of ours accepts. One of 0.4.0 does not check them, and some end it.
fn checked(kind: NameKind, name: &str) -> Result<Text, UsageError> {
    let name = Text::from(name);
    check_name(kind, &name).map_err(UsageError::new)?;
    Ok(name)
}

/// How often a job runs when nobody says how often.
const USUAL_PERIOD: Period = Period::Daily;

/// A command with its words and all options.
struct Line<'a> {
    command: &'a str,
    words: &'a [String],
    matches: &'a Matches,
}

impl<'a> Line<'a> {
    /// The words, which must be as many as they have `names`, without options other than `options`.
    fn words<const N: usize>(&self, names: [&str; N], options: &[&str]) -> Result<[&'a str; N], UsageError> {
        let unwanted = [PERIOD, PLATFORM, JOB, JSON]
            .into_iter()
            .find(|option| self.matches.opt_present(option) && !options.contains(option));
        if let Some(option) = unwanted {
            let command = self.command;
            return Err(UsageError::new(format_args!("--{option} does not go with {command}; leave it out")));
        }
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        words.try_into().map_err(|words: Vec<&str>| {
            let form = [&[self.command], names.as_slice()].concat().join(" ");
            UsageError::new(match (names.get(words.len()), words.get(N)) {
                (Some(missing), _) => format!("{missing} is missing; write {form}"),
                (None, Some(extra)) => format!("{extra} is one word too many; write {form}"),
                (None, None) => format!("write {form}"),
            })
        })
    }

    fn period(&self) -> Result<Option<Period>, UsageError> {
        value(self.matches, PERIOD)
    }

    fn text(&self, option: &str) -> Option<Text> {
        self.matches.opt_str(option).map(Text::from)
    }
}

impl ScheduleFile {
    /// Reads the script.
    pub(super) fn read(self) -> Result<Command, ClientError> {
        let ScheduleFile { period, name, platform, path } = self;
        let script = match read_at_most(&path, COMMAND_FRAME_BYTES) {
            Ok(Some(script)) => script,
            Ok(None) => return Err(ClientError::ScriptTooLong { path, limit: COMMAND_FRAME_BYTES }),
            Err(error) => return Err(ClientError::ReadScript { path, error }),
        };
        let length = script.len() as u64;
        let command = Command::Schedule { period, job: ScriptJob { name, script: script.into(), platform } };
        // The server counts what surrounds the script, too.
        let around = command.encode().map_err(ClientError::Encode)?.len() as u64 - length;
        match COMMAND_FRAME_BYTES.saturating_sub(around) {
            limit if length > limit => Err(ClientError::ScriptTooLong { path, limit }),
            _ => Ok(command),
        }
    }
}

/// Reads a file, or returns `None` when it is longer than `limit` octets.
fn read_at_most(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    let length = File::open(path)?.take(limit + 1).read_to_end(&mut content)?;
    Ok((length as u64 <= limit).then_some(content))
}

/// Follows the words "no build".
impl fmt::Display for BuildFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(job) = &self.job {
            write!(f, " of job {job}")?;
        }
        if let Some(platform) = &self.platform {
            write!(f, " on platform {platform}")?;
        }
        Ok(())
    }
}
