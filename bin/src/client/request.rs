//! What the words of a command line ask for.

use super::commands::{COMMANDS, Verb, all_commands};
use super::diff::{DiffRequest, Earlier};
use super::error::ScriptSource;
use super::fetch::FetchRequest;
use super::flags::{
    ENV, FAILED, FOLLOW, GREP, JOB, JSON, LAST_SUCCESS, LIMIT, OUTPUT, PERIOD, PLATFORM, PREVIOUS, SINCE,
    STATUS, TIMES, WAIT, WAIT_FOR_BUILDS,
};
use super::history::HistoryRequest;
use super::info_filter::{BuildFilter, InfoFilter};
use super::logs::LogsRequest;
use super::names::Named;
use super::observe::{ObserveRequest, Which};
use super::schedule::{Entering, ScheduleFile};
use super::selection::{Selection, Wanted, uuid_beginning};
use crate::command_line::{
    CommandEntry, Count, Flag, Kind, Matches, Often, UsageError, Value, value, values,
};
use builder_engine::environment::Environment;
use builder_engine::names::{NameKind, check_name};
use builder_proto::command::Command;
use builder_proto::environment::Variable;
use builder_proto::job::OrbBuildJob;
use builder_proto::text::Text;
use builder_proto::time::Time;
use std::path::PathBuf;
use std::str::FromStr;

/// What to do.
#[derive(Debug)]
pub(super) enum Request {
    /// Send a command that is done or refused.
    Send(Command),
    /// Cancel the builds of a job, or the only build whose uuid begins like this.
    CancelNamed(Text),
    /// Schedule a script that is in a file.
    Schedule(ScheduleFile),
    /// The same, and follow its first run.
    FirstRun(ScheduleFile),
    /// Run a job and follow it.
    Run(Command),
    /// Run a job twice and compare the artifacts.
    Verify(Command),
    /// Print what is going on.
    Info(InfoFilter),
    /// List builds.
    History(HistoryRequest),
    /// Print consoles, or what matches in them.
    Logs(LogsRequest),
    /// Fetch artifacts.
    Fetch(FetchRequest),
    /// Print what is different between two builds.
    Diff(DiffRequest),
    /// Print the console of a build.
    Observe(ObserveRequest),
    /// Print names that shells complete.
    Names(Vec<Named>),
}

impl Request {
    /// Reads words and options.
    pub(super) fn parse(matches: &Matches) -> Result<Request, UsageError> {
        let Some((name, words)) = matches.free.split_first() else {
            return Err(UsageError::new(format_args!("there is no command; write {}", all_commands())));
        };
        let (verb, entry) = Verb::find(name)?;
        let line = Line { entry, words, matches };
        line.check_flags()?;
        line.check_names()?;
        let command = match verb {
            Verb::Schedule => return parse_schedule(&line),
            Verb::OrbBuild => parse_orb_build(&line)?,
            Verb::Reschedule => parse_reschedule(&line)?,
            Verb::Unschedule => {
                let [name] = line.words()?;
                Command::Unschedule(name.into())
            }
            Verb::Execute => return parse_execute(&line),
            Verb::Verify => return Ok(Request::Verify(parse_run(&line, true)?)),
            Verb::DropPlatform => {
                let [platform] = line.words()?;
                Command::DropPlatform(platform.into())
            }
            Verb::Cancel => {
                let [word] = line.words()?;
                match word.parse() {
                    Ok(uuid) => Command::Cancel(uuid),
                    Err(_) => return Ok(Request::CancelNamed(word.into())),
                }
            }
            Verb::Pause => {
                let [platform] = line.words()?;
                Command::Pause(platform.into())
            }
            Verb::Resume => {
                let [platform] = line.words_or_less()?;
                Command::Resume { platform: platform.map(Text::from) }
            }
            Verb::Drain => {
                let [] = line.words()?;
                Command::Drain { wait: line.matches.opt_present(WAIT_FOR_BUILDS.long) }
            }
            Verb::UndropPlatform => {
                let [platform] = line.words()?;
                Command::UndropPlatform(platform.into())
            }
            Verb::Info => {
                let jobs = words.iter().map(|name| Text::from(name.as_str())).collect();
                return Ok(Request::Info(InfoFilter { jobs, platform: line.text(PLATFORM) }));
            }
            Verb::History => return parse_history(&line),
            Verb::Logs => return parse_logs(&line),
            Verb::Fetch => return parse_fetch(&line),
            Verb::Diff => return parse_diff(&line),
            Verb::Observe => return parse_observe(&line),
            Verb::Names if words.is_empty() => return Err(line.wrong_words()),
            Verb::Names => return Ok(Request::Names(Named::all_of(words)?)),
            Verb::ObserveLatest => {
                let [] = line.words()?;
                let filter = BuildFilter { platform: line.text(PLATFORM), job: line.text(JOB) };
                return Ok(line.observe(Which::Latest(filter)));
            }
        };
        Ok(Request::Send(command))
    }
}

fn parse_schedule(line: &Line<'_>) -> Result<Request, UsageError> {
    let [name, platform, path] = line.words()?;
    let waits = line.waits()?;
    let request = if waits { Request::FirstRun } else { Request::Schedule };
    Ok(request(ScheduleFile {
        entering: Entering::parse(line.matches)?,
        name: checked(NameKind::Job, name)?,
        platform: checked(NameKind::Platform, platform)?,
        source: ScriptSource::from(path),
    }))
}

fn parse_execute(line: &Line<'_>) -> Result<Request, UsageError> {
    let waits = line.waits()?;
    let [name] = line.words()?;
    if waits {
        return parse_run(line, waits).map(Request::Run);
    }
    // Servers of all versions understand it.
    let plain = Command::Execute { name: name.into(), platform: line.text(PLATFORM) };
    let is_plain = !line.matches.opt_present(ENV.long);
    Ok(Request::Send(if is_plain { plain } else { parse_run(line, waits)? }))
}

fn parse_run(line: &Line<'_>, waits: bool) -> Result<Command, UsageError> {
    let [name] = line.words()?;
    let environment = variables(line.matches)?;
    Ok(Command::Run { name: name.into(), platform: line.text(PLATFORM), environment, waits, joins: false })
}

/// What follows one `--env`.
struct Given(Variable);

impl FromStr for Given {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Given, &'static str> {
        let (name, value) = word.split_once('=').ok_or("there is no =; write NAME=VALUE")?;
        Ok(Given(Variable { name: name.into(), value: value.into() }))
    }
}

/// All variables that were given, which are fit for a job.
fn variables(matches: &Matches) -> Result<Vec<Variable>, UsageError> {
    let given = values::<Given>(matches, ENV.long)?;
    let variables: Vec<Variable> = given.into_iter().map(|Given(variable)| variable).collect();
    Environment::new(variables.clone())
        .map_err(|error| UsageError::new(format_args!("--{}: {error}", ENV.long)))?;
    Ok(variables)
}

fn parse_orb_build(line: &Line<'_>) -> Result<Command, UsageError> {
    let [name, opam_package] = line.words()?;
    let job = OrbBuildJob { name: checked(NameKind::Job, name)?, opam_package: opam_package.into() };
    Ok(Entering::parse(line.matches)?.package(job))
}

fn parse_reschedule(line: &Line<'_>) -> Result<Command, UsageError> {
    let [name, next] = line.words()?;
    let next = Time::parse_rfc3339(next)
        .map_err(|error| UsageError::new(format_args!("reschedule {name} {next}: {error}")))?;
    let period = match value(line.matches, PERIOD.long)? {
        None => None,
        Some(Often::Named(period)) => Some(period),
        Some(Often::Every(_)) => {
            return Err(UsageError::new(format_args!(
                "reschedule {name}: the period is hourly, daily, weekly or never; for another one, schedule the job \
                 again with --replace"
            )));
        }
    };
    Ok(Command::Reschedule { name: name.into(), next, period })
}

fn parse_history(line: &Line<'_>) -> Result<Request, UsageError> {
    let [job] = line.words_or_less()?;
    Ok(Request::History(HistoryRequest {
        job: job.map(Text::from),
        platform: line.text(PLATFORM),
        since: value(line.matches, SINCE.long)?,
        failed: line.matches.opt_present(FAILED.long),
        limit: value(line.matches, LIMIT.long)?,
    }))
}

fn parse_logs(line: &Line<'_>) -> Result<Request, UsageError> {
    let [word] = line.words()?;
    let request = LogsRequest {
        word: word.into(),
        platform: line.text(PLATFORM),
        failed: line.matches.opt_present(FAILED.long),
        follow: line.matches.opt_present(FOLLOW.long),
        times: value(line.matches, TIMES.long)?.unwrap_or_default(),
        pattern: value(line.matches, GREP.long)?,
        since: value(line.matches, SINCE.long)?,
        limit: value(line.matches, LIMIT.long)?,
    };
    // Otherwise it is one build in any case.
    let searches = request.pattern.is_some() && !request.follow;
    let given = [(request.since.is_some(), SINCE), (request.limit.is_some(), LIMIT)];
    match given.into_iter().find(|(is_given, _)| *is_given && !searches) {
        Some((_, flag)) => Err(UsageError::new(format_args!(
            "--{} tells which builds --grep searches, without --follow; leave it out",
            flag.long
        ))),
        None => Ok(Request::Logs(request)),
    }
}

fn parse_fetch(line: &Line<'_>) -> Result<Request, UsageError> {
    let [word, path] = line.words_or_less()?;
    Ok(Request::Fetch(FetchRequest {
        build: Selection {
            word: word.unwrap_or_default().into(),
            platform: line.text(PLATFORM),
            wanted: Wanted::Ended,
        },
        path: path.map(Text::from),
        output: line.matches.opt_str(OUTPUT.long).map(PathBuf::from),
    }))
}

fn parse_diff(line: &Line<'_>) -> Result<Request, UsageError> {
    let has = |flag: &Flag| line.matches.opt_present(flag.long);
    if line.words.len() > 1 {
        let two = line.words()?.map(Text::from);
        return match [PLATFORM, PREVIOUS, LAST_SUCCESS].into_iter().find(has) {
            Some(flag) => Err(UsageError::new(format_args!(
                "--{} does not go with two builds; leave it out, or the second one",
                flag.long
            ))),
            None => Ok(Request::Diff(DiffRequest::Two(two))),
        };
    }
    let [word] = line.words()?;
    let earlier = match (has(&PREVIOUS), has(&LAST_SUCCESS)) {
        (true, true) => {
            return Err(UsageError::new("--previous and --last-success exclude each other; leave one out"));
        }
        (true, false) => Earlier::Previous,
        (false, true) => Earlier::Success,
        (false, false) => Earlier::Usual,
    };
    Ok(Request::Diff(DiffRequest::Before { word: word.into(), platform: line.text(PLATFORM), earlier }))
}

fn parse_observe(line: &Line<'_>) -> Result<Request, UsageError> {
    let [word] = line.words()?;
    if let Ok(uuid) = word.parse() {
        return Ok(line.observe(Which::Uuid(uuid)));
    }
    if uuid_beginning(word).is_some() {
        return Ok(line.observe(Which::Beginning(word.into())));
    }
    let advice = match word {
        "latest" => "did you mean observe-latest?".to_owned(),
        _ => format!(
            "copy one from 'builder-client info'; if it is a job, write observe-latest --job {}",
            Text::from(word)
        ),
    };
    Err(UsageError::new(format_args!("observe {word}: not a uuid; {advice}")))
}

/// Refuses names that no server of ours accepts. One of 0.4.0 does not check them, and some end it.
fn checked(kind: NameKind, name: &str) -> Result<Text, UsageError> {
    let name = Text::from(name);
    check_name(kind, &name).map_err(UsageError::new)?;
    Ok(name)
}

/// A command with its words and all flags.
struct Line<'a> {
    entry: &'static CommandEntry,
    words: &'a [String],
    matches: &'a Matches,
}

impl<'a> Line<'a> {
    /// The words, which must be as many as the table has.
    fn words<const N: usize>(&self) -> Result<[&'a str; N], UsageError> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        words.try_into().map_err(|_| self.wrong_words())
    }

    /// The words of a command of which the last may be missing.
    fn words_or_less<const N: usize>(&self) -> Result<[Option<&'a str>; N], UsageError> {
        let needed = self.entry.words.iter().filter(|word| word.count == Count::One).count();
        if !(needed..=N).contains(&self.words.len()) {
            return Err(self.wrong_words());
        }
        Ok(core::array::from_fn(|place| self.words.get(place).map(String::as_str)))
    }

    /// There are too few words, or too many.
    fn wrong_words(&self) -> UsageError {
        let (form, places) = (self.entry.form(), self.entry.words);
        UsageError::new(match (places.get(self.words.len()), self.words.get(places.len())) {
            (Some(missing), _) => format!("{} is missing; write {form}", missing.value.name),
            (None, Some(extra)) => format!("{extra} is one word too many; write {form}"),
            (None, None) => format!("write {form}"),
        })
    }

    /// Refuses flags of other commands.
    fn check_flags(&self) -> Result<(), UsageError> {
        let of_commands = COMMANDS.iter().flat_map(|entry| entry.flags);
        let mut unwanted =
            of_commands.filter(|flag| self.matches.opt_present(flag.long) && !self.entry.accepts(flag.long));
        match unwanted.next() {
            Some(flag) => Err(UsageError::new(format_args!(
                "--{} does not go with {}; leave it out",
                flag.long, self.entry.name
            ))),
            None => Ok(()),
        }
    }

    /// Refuses names that are empty, such as one from a variable that is not set: nothing has such a name.
    fn check_names(&self) -> Result<(), UsageError> {
        let is_name =
            |value: Value| matches!(value.kind, Kind::Job | Kind::Platform | Kind::Uuid | Kind::JobOrUuid);
        let places = self.entry.words;
        for (number, _) in self.words.iter().enumerate().filter(|(_, word)| word.is_empty()) {
            // The last place may have several words.
            match places.get(number).or(places.last()) {
                Some(place) if is_name(place.value) => {
                    let (name, form) = (place.value.name, self.entry.form());
                    return Err(UsageError::new(format_args!("{name} is empty; write {form}")));
                }
                _ => {}
            }
        }
        let is_empty = |flag: &&Flag| {
            flag.value.is_some_and(is_name)
                && self.text(**flag).is_some_and(|name| name.as_bytes().is_empty())
        };
        match self.entry.flags.iter().find(is_empty) {
            Some(flag) => {
                Err(UsageError::new(format_args!("--{} is empty; name one, or leave it out", flag.long)))
            }
            None => Ok(()),
        }
    }

    /// Whether to wait for a build. Only then is anything printed.
    fn waits(&self) -> Result<bool, UsageError> {
        let waits = self.matches.opt_present(WAIT.long);
        match !waits && self.matches.opt_present(JSON.long) {
            true => Err(UsageError::new(format_args!("--{} goes with --{}; add that", JSON.long, WAIT.long))),
            false => Ok(waits),
        }
    }

    fn observe(&self, which: Which) -> Request {
        Request::Observe(ObserveRequest { which, status: self.matches.opt_present(STATUS.long) })
    }

    fn text(&self, flag: Flag) -> Option<Text> {
        self.matches.opt_str(flag.long).map(Text::from)
    }
}
