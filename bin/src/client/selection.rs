//! Which build somebody means: what is written as JOB or UUID becomes one build of those that the server remembers, or an
//! error that says why it names none, or several, and what can be done about it.

use super::error::ClientError;
use super::{builds, info};
use crate::command_line::Address;
use crate::terminal::Palette;
use crate::terminal::table::{Fit, Table};
use crate::wording::{most_similar, whole_seconds};
use builder_proto::Uuid;
use builder_proto::history::{Build, HistoryQuery};
use builder_proto::text::Text;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;

/// Fewer digits are not taken for the beginning of a uuid: there are too many words that are made of so few.
const SHORTEST_BEGINNING: usize = 4;
/// Digits of a uuid that is whole.
const UUID_DIGITS: usize = 32;
/// So many builds are looked at, at first, for one that fits; nearly always it is among them.
const FIRST_LOOK: usize = 16;
/// The names of jobs in so many builds are compared with one that there is not.
const MOST_COMPARED: usize = 200;
/// So many builds are named when a word may mean each of them.
const MOST_NAMED: usize = 5;
/// What can be done where a build is not known.
const SEE_HISTORY: &str = "'builder-client history' lists the builds that the server remembers";

/// What somebody wrote to name a build, and what the build has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// The name of a job, a uuid, or the beginning of one. A job that is called exactly so counts more than a uuid that
    /// merely begins so; hyphens in a uuid make no difference.
    pub(super) word: Text,
    /// Only builds on this platform.
    pub(super) platform: Option<Text>,
    /// Which build of the job. A build that is named by its uuid has to be one of these, too.
    pub(super) wanted: Wanted,
}

impl Selection {
    /// Finds the build.
    ///
    /// # Errors
    ///
    /// [`ClientError::Selection`] when there is no such build, or more than one; others when the server cannot say.
    pub(super) fn resolve(&self, remote: &Address) -> Result<Build, ClientError> {
        if let Some(Ok(uuid)) = self.word.as_str().map(str::parse::<Uuid>) {
            let found = find_by_digits(remote, &uuid.to_string().into())?;
            return self.checked(found.ok_or_else(|| SelectionError::UnknownUuid(self.word.clone()))?);
        }
        if let Some(build) = self.find_of_job(remote)? {
            return Ok(build);
        }
        if self.has_builds(remote)? {
            let (job, platform) = (self.word.clone(), self.platform.clone());
            return Err(SelectionError::NoneOfJob { job, platform, wanted: self.wanted }.into());
        }
        match find_by_digits(remote, &self.word)? {
            Some(build) => self.checked(build),
            None => Err(unknown_job(remote, &self.word)?.into()),
        }
    }

    /// The build of the job of this name that started last, of those that are wanted.
    fn find_of_job(&self, remote: &Address) -> Result<Option<Build>, ClientError> {
        match self.wanted {
            // The server knows which ones these are.
            Wanted::Any | Wanted::Failed => Ok(builds::ask(remote, self.query(), 1)?.pop()),
            Wanted::Ended | Wanted::Successful => {
                let first = builds::ask(remote, self.query(), FIRST_LOOK)?;
                let is_all = first.len() < FIRST_LOOK;
                let found = first.into_iter().find(|build| self.wanted.includes(build));
                if found.is_some() || is_all {
                    return Ok(found);
                }
                let mut found = None;
                builds::visit(remote, self.query(), |build| {
                    if !self.wanted.includes(&build) {
                        return ControlFlow::Continue(());
                    }
                    found = Some(build);
                    ControlFlow::Break(())
                })?;
                Ok(found)
            }
        }
    }

    fn query(&self) -> HistoryQuery {
        HistoryQuery {
            failed: self.wanted == Wanted::Failed,
            job: Some(self.word.clone()),
            platform: self.platform.clone(),
            ..HistoryQuery::default()
        }
    }

    /// Whether the job has builds at all, so that it is only those that are wanted which are missing.
    fn has_builds(&self, remote: &Address) -> Result<bool, ClientError> {
        if self.wanted == Wanted::Any && self.platform.is_none() {
            return Ok(false);
        }
        let query = HistoryQuery { job: Some(self.word.clone()), ..HistoryQuery::default() };
        Ok(!builds::ask(remote, query, 1)?.is_empty())
    }

    /// The build that was named by its uuid, if it is one that is wanted.
    fn checked(&self, build: Build) -> Result<Build, ClientError> {
        let is_there = self.platform.as_ref().is_none_or(|platform| *platform == build.platform);
        match is_there && self.wanted.includes(&build) {
            true => Ok(build),
            false => Err(SelectionError::Unwanted { build: Box::new(build), wanted: self.wanted }.into()),
        }
    }
}

/// The digits of the beginning of a uuid, if the word can be one.
pub(super) fn uuid_beginning(word: &str) -> Option<String> {
    let digits: String = word.chars().filter(|character| *character != '-').collect();
    let is_beginning = (SHORTEST_BEGINNING..=UUID_DIGITS).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_beginning.then(|| digits.to_ascii_lowercase())
}

/// The only build whose uuid begins like this; `None` when there is none, or when the word is no such beginning.
pub(super) fn find_by_digits(remote: &Address, word: &Text) -> Result<Option<Build>, ClientError> {
    let Some(digits) = word.as_str().and_then(uuid_beginning) else { return Ok(None) };
    let query = HistoryQuery { uuid: Some(digits.into()), ..HistoryQuery::default() };
    let mut found = builds::ask(remote, query, MOST_NAMED + 1)?;
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(SelectionError::Ambiguous { word: word.clone(), builds: found }.into()),
    }
}

/// There is no build of a job of this name: perhaps because it has not run yet, or because it is called otherwise.
pub(super) fn unknown_job(remote: &Address, name: &Text) -> Result<SelectionError, ClientError> {
    let schedule = match info::ask(remote) {
        Ok(reply) => reply.schedule,
        Err(error) => {
            log::info!("cannot find out what was meant: {error}");
            Vec::new()
        }
    };
    if schedule.iter().any(|item| item.job.name() == name) {
        return Ok(SelectionError::NeverRan(name.clone()));
    }
    let mut names: BTreeSet<String> = schedule.iter().map(|item| item.job.name().to_string()).collect();
    let builds = builds::ask(remote, HistoryQuery::default(), MOST_COMPARED)?;
    names.extend(builds.iter().map(|build| build.job.to_string()));
    Ok(SelectionError::UnknownJob { name: name.clone(), meant: most_similar(&name.to_string(), names) })
}

/// Which builds of a job are meant; of these, it is the one that started last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Any, also one that runs.
    Any,
    /// Those that have ended.
    Ended,
    /// Those that have ended, and not as they should.
    Failed,
    /// Those that exited with 0.
    Successful,
}

impl Wanted {
    /// Whether the build is one of these.
    pub(super) fn includes(self, build: &Build) -> bool {
        match self {
            Wanted::Any => true,
            Wanted::Ended => build.end.is_some(),
            Wanted::Failed => build.has_failed(),
            Wanted::Successful => build.end.as_ref().is_some_and(|end| end.cause.is_success()),
        }
    }
}

/// Why a word does not name one build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SelectionError {
    /// No build is known of a job of this name. Another job may be meant.
    UnknownJob { name: Text, meant: Option<String> },
    /// The job is scheduled, and that is all.
    NeverRan(Text),
    /// No build is known whose uuid is this, or begins so.
    UnknownUuid(Text),
    /// The job has builds, but none of those that are wanted.
    NoneOfJob { job: Text, platform: Option<Text>, wanted: Wanted },
    /// The build is there, but not one of those that are wanted.
    Unwanted { build: Box<Build>, wanted: Wanted },
    /// There is no earlier build of the same job on the same platform, of those that are wanted.
    NoneBefore { build: Box<Build>, wanted: Wanted },
    /// The uuids of all these begin so, and perhaps those of others, too.
    Ambiguous { word: Text, builds: Vec<Build> },
}

impl From<SelectionError> for ClientError {
    fn from(error: SelectionError) -> ClientError {
        ClientError::Selection(error.to_string())
    }
}

impl fmt::Display for SelectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelectionError::UnknownJob { name, meant: Some(meant) } => {
                write!(f, "no build of a job {name} is known; did you mean {meant}?")
            }
            SelectionError::UnknownJob { name, meant: None } => {
                write!(f, "no build of a job {name} is known; {SEE_HISTORY}")
            }
            SelectionError::NeverRan(name) => {
                write!(f, "{name} has not run yet; 'builder-client info' shows when it will")
            }
            SelectionError::UnknownUuid(word) => write!(f, "no build {word} is known; {SEE_HISTORY}"),
            SelectionError::NoneOfJob { job, platform, wanted } => {
                let builds = have(*wanted);
                write!(f, "no build of {job}")?;
                if let Some(platform) = platform {
                    write!(f, " on {platform}")?;
                }
                write!(f, " {builds}; 'builder-client history {job}' lists its builds")
            }
            SelectionError::Unwanted { build, wanted } => write_unwanted(f, build, *wanted),
            SelectionError::NoneBefore { build, wanted } => {
                let Build { job, platform, .. } = build.as_ref();
                let builds = have(*wanted);
                write!(
                    f,
                    "no build of {job} on {platform} {builds} before {}, so there is nothing",
                    build.uuid()
                )?;
                write!(f, " to compare that one with; 'builder-client history {job}' lists its builds")
            }
            SelectionError::Ambiguous { word, builds } => write_ambiguous(f, word, builds),
        }
    }
}

/// What builds have done that are wanted, for the sentence "no build has ended".
fn have(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Any => "is known",
        Wanted::Ended => "has ended",
        Wanted::Failed => "has failed",
        Wanted::Successful => "has succeeded",
    }
}

fn write_unwanted(f: &mut fmt::Formatter<'_>, build: &Build, wanted: Wanted) -> fmt::Result {
    let (uuid, job, platform) = (build.uuid(), &build.job, &build.platform);
    match (&build.end, wanted) {
        (None, Wanted::Ended | Wanted::Failed | Wanted::Successful) => {
            write!(f, "build {uuid} of {job} still runs; 'builder-client observe {uuid}' follows it")
        }
        (Some(end), Wanted::Failed) if end.cause.is_success() => {
            write!(f, "build {uuid} of {job} did not fail")
        }
        (Some(end), Wanted::Successful) if !end.cause.is_success() => {
            write!(f, "build {uuid} of {job} did not succeed: {}", end.cause)
        }
        _ => write!(f, "build {uuid} of {job} ran on {platform}; leave the platform out"),
    }
}

fn write_ambiguous(f: &mut fmt::Formatter<'_>, word: &Text, builds: &[Build]) -> fmt::Result {
    let count = match builds.len() {
        many if many > MOST_NAMED => format!("more than {MOST_NAMED}"),
        few => few.to_string(),
    };
    writeln!(f, "the uuids of {count} builds begin with {word}; write more of the one that is meant")?;
    let columns = [("UUID", Fit::Whole), ("JOB", Fit::Whole), ("STARTED (UTC)", Fit::Whole)];
    let mut table = Table::new(Palette::PLAIN, None, columns);
    for build in builds.iter().take(MOST_NAMED) {
        let started = whole_seconds(build.started).to_string();
        table.push([build.uuid().to_string(), build.job.to_string(), started]);
    }
    f.write_str(table.to_string().trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::builds::samples;
    use builder_proto::history::Cause;

    fn build(end: Option<Cause>) -> Build {
        let build = samples::build(0, "hello\x1b[2J", 0);
        match end {
            Some(cause) => samples::ended(build, 0, cause),
            None => build,
        }
    }

    #[test]
    fn a_beginning_has_four_hexadecimal_digits_at_least_and_any_hyphens() {
        for (word, digits) in [
            ("988a", Some("988a")),
            ("988AD4A2-64", Some("988ad4a264")),
            ("9-88a", Some("988a")),
            ("988ad4a2-647b-4f84-9116-f936eeddac84", Some("988ad4a2647b4f849116f936eeddac84")),
            ("988", None),
            ("988g", None),
            ("----", None),
            ("", None),
            ("988ad4a2-647b-4f84-9116-f936eeddac840", None),
            ("９88a", None),
        ] {
            assert_eq!(uuid_beginning(word).as_deref(), digits, "{word}");
        }
    }

    #[test]
    fn a_build_that_is_not_the_wanted_one_says_what_it_is() {
        let complaint = |end: Option<Cause>, platform: Option<&str>, wanted| {
            let selection = Selection { word: "0000".into(), platform: platform.map(Text::from), wanted };
            selection.checked(build(end)).map_err(|error| error.to_string())
        };
        let name = format!("build {} of hello\\x1b[2J", Uuid::nil());
        let running = complaint(None, None, Wanted::Failed).unwrap_err();
        assert!(running.starts_with(&format!("{name} still runs; ")), "{running}");
        let success = complaint(Some(Cause::Exited(0)), None, Wanted::Failed).unwrap_err();
        assert_eq!(success, format!("{name} did not fail"));
        let failure = complaint(Some(Cause::Exited(1)), None, Wanted::Successful).unwrap_err();
        assert_eq!(failure, format!("{name} did not succeed: exited 1"));
        let elsewhere = complaint(None, Some("q"), Wanted::Any).unwrap_err();
        assert_eq!(elsewhere, format!("{name} ran on p; leave the platform out"));
        assert!(complaint(None, Some("p"), Wanted::Any).is_ok());
    }

    #[test]
    fn what_is_wanted_is_told_by_how_a_build_ended() {
        let included = |end: Option<Cause>| {
            let build = build(end);
            [Wanted::Any, Wanted::Ended, Wanted::Failed, Wanted::Successful]
                .map(|wanted| wanted.includes(&build))
        };
        assert_eq!(included(None), [true, false, false, false]);
        assert_eq!(included(Some(Cause::Exited(0))), [true, true, false, true]);
        assert_eq!(included(Some(Cause::Exited(1))), [true, true, true, false]);
    }

    #[test]
    fn builds_that_may_all_be_meant_are_listed() {
        let ambiguous = |count: usize| {
            let builds = vec![build(None); count];
            SelectionError::Ambiguous { word: "0000".into(), builds }.to_string()
        };
        let two = ambiguous(2);
        assert!(two.starts_with("the uuids of 2 builds begin with 0000; write more of"), "{two}");
        let line = "\n  00000000-0000-0000-0000-000000000000  hello\\x1b[2J  1970-01-01T00:00:00Z";
        assert_eq!(two.matches(line).count(), 2, "{two}");
        assert!(!two.ends_with('\n'));
        let many = ambiguous(MOST_NAMED + 1);
        assert!(many.starts_with("the uuids of more than 5 builds begin with 0000; "), "{many}");
        assert_eq!(many.matches(line).count(), MOST_NAMED, "{many}");
    }
}
