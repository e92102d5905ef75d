//! What is different between two builds, and which ones those are. How texts and artifacts are compared is in
//! [`crate::comparison`].
//!
//! | module | holds |
//! |---|---|
//! | `report` | all that was found |
//! | `print` | what was found, for people and for programs |

mod print;
mod report;

use super::builds::visit;
use super::error::ClientError;
use super::flags::Form;
use super::selection::{Selection, SelectionError, Wanted};
use crate::command_line::Address;
use builder_proto::history::{Build, HistoryQuery};
use builder_proto::text::Text;
pub(super) use report::Verdict;
use report::{ArtifactComparison, Report};
use std::io;
use std::ops::ControlFlow;

/// Compares two builds, and prints what is different.
pub(super) fn print(remote: &Address, request: DiffRequest, form: Form) -> Result<Verdict, ClientError> {
    let builds = request.resolve(remote)?;
    let report = Report::make(remote, builds)?;
    let printed = match form {
        Form::Json => print::print_json(&report, &mut io::stdout().lock()),
        Form::People => print::print(&report, &io::stdout()),
    };
    match printed.map_err(ClientError::Print) {
        Err(error) if !error.is_closed_stdout() => Err(error),
        _ => Ok(report.verdict()),
    }
}

/// Compares the artifacts of two builds, and prints whether they are the same, and what differs.
pub(super) fn print_artifacts(
    remote: &Address,
    builds: [Build; 2],
    form: Form,
) -> Result<Verdict, ClientError> {
    let comparison = ArtifactComparison::make(remote, builds)?;
    let printed = match form {
        Form::Json => print::print_artifacts_json(&comparison, &mut io::stdout().lock()),
        Form::People => print::print_artifacts(&comparison, &io::stdout()),
    };
    match printed.map_err(ClientError::Print) {
        Err(error) if !error.is_closed_stdout() => Err(error),
        _ => Ok(comparison.verdict()),
    }
}

/// The builds that somebody wants to have compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DiffRequest {
    /// These two, in this order.
    Two([Text; 2]),
    /// This one and one before it, of the same job on the same platform.
    Before { word: Text, platform: Option<Text>, earlier: Earlier },
}

/// Which build before another one it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    /// If the build failed, the last one that succeeded, or else the last one. What changed since it worked?
    Usual,
    /// The last one.
    Previous,
    /// The last one that succeeded.
    Success,
}

impl Earlier {
    /// Builds that are good enough.
    fn wanted(self) -> Wanted {
        match self {
            Earlier::Usual | Earlier::Previous => Wanted::Ended,
            Earlier::Success => Wanted::Successful,
        }
    }
}

impl DiffRequest {
    /// Finds the two builds, the older one first if it was not said in which order.
    fn resolve(self, remote: &Address) -> Result<[Build; 2], ClientError> {
        let ended = |word, platform| Selection { word, platform, wanted: Wanted::Ended }.resolve(remote);
        match self {
            DiffRequest::Two([old, new]) => Ok([ended(old, None)?, ended(new, None)?]),
            DiffRequest::Before { word, platform, earlier } => {
                let new = ended(word, platform)?;
                match find_before(remote, &new, earlier)? {
                    Some(old) => Ok([old, new]),
                    None => {
                        Err(SelectionError::NoneBefore { build: Box::new(new), wanted: earlier.wanted() }
                            .into())
                    }
                }
            }
        }
    }
}

/// Looks through the builds of the same job on the same platform.
fn find_before(remote: &Address, new: &Build, earlier: Earlier) -> Result<Option<Build>, ClientError> {
    let query = HistoryQuery {
        job: Some(new.job.clone()),
        platform: Some(new.platform.clone()),
        ..HistoryQuery::default()
    };
    let mut search = Search::new(new, earlier);
    visit(remote, query, |build| search.look_at(build))?;
    Ok(search.found)
}

/// A search through builds of which those that started last come first.
struct Search<'a> {
    new: &'a Build,
    /// Builds of which the first one ends the search.
    best: Wanted,
    /// Those of which the first one is found if there is no better one.
    good: Wanted,
    is_behind: bool,
    found: Option<Build>,
}

impl Search<'_> {
    fn new(new: &Build, earlier: Earlier) -> Search<'_> {
        let good = earlier.wanted();
        let best = match earlier {
            Earlier::Usual if new.has_failed() => Wanted::Successful,
            Earlier::Usual | Earlier::Previous | Earlier::Success => good,
        };
        Search { new, best, good, is_behind: false, found: None }
    }

    fn look_at(&mut self, build: Build) -> ControlFlow<()> {
        if !self.is_behind {
            self.is_behind = build.uuid == self.new.uuid;
        } else if self.best.includes(&build) {
            self.found = Some(build);
            return ControlFlow::Break(());
        } else if self.found.is_none() && self.good.includes(&build) {
            self.found = Some(build);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::builds::samples::{build, ended};
    use builder_proto::history::Cause;

    /// Builds by the letters of how they ended, the last one first: ok, failed, running. Their numbers count from 1.
    fn builds(ends: &str) -> Vec<Build> {
        let one = |(number, end): (usize, char)| {
            let build = build(number as u8 + 1, "job", 1000 - number as i64);
            match end {
                'o' => ended(build, 1, Cause::Exited(0)),
                'f' => ended(build, 1, Cause::Exited(1)),
                _ => build,
            }
        };
        ends.chars().enumerate().map(one).collect()
    }

    /// The number of the build that the one of this number is compared with.
    fn found(ends: &str, number: usize, earlier: Earlier) -> Option<u8> {
        let builds = builds(ends);
        let new = builds[number - 1].clone();
        let mut search = Search::new(&new, earlier);
        for build in builds {
            if search.look_at(build).is_break() {
                break;
            }
        }
        search.found.map(|build| build.uuid().as_bytes()[0])
    }

    #[test]
    fn what_failed_is_compared_with_what_succeeded_before() {
        for (ends, number, expected) in [
            ("ffrof", 1, Some(4)),
            ("ofo", 1, Some(2)),
            ("fff", 1, Some(2)),
            ("rffo", 2, Some(4)),
            ("offo", 2, Some(4)),
            ("f", 1, None),
            ("frr", 1, None),
        ] {
            assert_eq!(found(ends, number, Earlier::Usual), expected, "{ends}");
        }
    }

    #[test]
    fn or_with_what_somebody_wants() {
        assert_eq!(found("frfo", 1, Earlier::Previous), Some(3));
        assert_eq!(found("offo", 1, Earlier::Success), Some(4));
        assert_eq!(found("fff", 1, Earlier::Success), None);
    }
}
