//! Why a word does not name one build, and what can be done about it.

use super::wanted::Wanted;
use crate::terminal::{Fit, Palette, Table};
use crate::wording::whole_seconds;
use builder_proto::history::Build;
use builder_proto::text::Text;
use std::fmt;

/// So many builds are named when a word may mean each of them.
pub(super) const MOST_NAMED: usize = 5;

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

/// What can be done where a build is not known.
const SEE_HISTORY: &str = "'builder-client history' lists the builds that the server remembers";

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
    use crate::client::builds::samples::build;

    #[test]
    fn builds_that_may_all_be_meant_are_listed() {
        let ambiguous = |count: usize| {
            let builds = vec![build(0, "hello\x1b[2J", 0); count];
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
