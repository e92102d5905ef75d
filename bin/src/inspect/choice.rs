//! Which of the results that were found are meant, and in what order they are shown.

use super::search::Found;
use crate::command_line::{Flag, Matches, Repeat};

/// What the command line says about several results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Only those of builds that failed.
    pub(super) failed: bool,
    /// Of those, only the one of the build that ended last.
    pub(super) latest: bool,
}

pub(super) const LATEST: Flag =
    Flag::switch("latest", "only the result of the build that ended last").repeat(Repeat::Harmless);
pub(super) const FAILED: Flag = Flag::switch("failed", "only results of builds that did not exit with 0")
    .repeat(Repeat::Harmless)
    .manual(
        "\
Only results of builds that did not exit with status 0.
With
.Fl -latest ,
only the last of these.",
    );

impl Choice {
    pub(super) fn of(matches: &Matches) -> Choice {
        Choice { failed: matches.opt_present(FAILED.long), latest: matches.opt_present(LATEST.long) }
    }

    /// The chosen ones, the newest first. Which of two that ended at once comes first is up to their paths.
    pub(super) fn choose(self, mut found: Vec<Found>) -> Vec<Found> {
        found.retain(|result| result.failed || !self.failed);
        found.sort_by(|one, other| other.finished.cmp(&one.finished).then_with(|| one.path.cmp(&other.path)));
        if self.latest {
            found.truncate(1);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::time::Time;

    #[test]
    fn the_newest_comes_first_and_options_leave_others_out() {
        let found = |path: &str, finished, failed| Found {
            path: path.into(),
            finished: Time::from_unix_milliseconds(finished),
            failed,
        };
        let all = [found("b", 2, true), found("d", 3, false), found("c", 1, true), found("a", 2, true)];
        let chosen = |failed, latest| -> Vec<String> {
            let chosen = Choice { failed, latest }.choose(all.to_vec());
            chosen.iter().map(|found| found.path.display().to_string()).collect()
        };
        assert_eq!(chosen(false, false), ["d", "a", "b", "c"]);
        assert_eq!(chosen(true, false), ["a", "b", "c"]);
        assert_eq!(chosen(false, true), ["d"]);
        assert_eq!(chosen(true, true), ["a"]);
        assert_eq!(Choice { failed: true, latest: true }.choose(Vec::new()), []);
    }
}
