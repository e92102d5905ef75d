//! What to show of which results, and in what order.

use super::search::Found;
use crate::command_line::{Flag, Kind, Matches, Repeat, UsageError};
use std::path::PathBuf;

/// What to show of which results.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) paths: Vec<PathBuf>,
    pub(super) choice: Choice,
    pub(super) job: bool,
    pub(super) script: bool,
    pub(super) console: bool,
    pub(super) sha256: bool,
    pub(super) json: bool,
    pub(super) output: Option<PathBuf>,
    pub(super) quiet: bool,
}

impl Settings {
    pub(super) fn wants_summary(&self) -> bool {
        !self.job && !self.script && !self.console && !self.sha256 && self.output.is_none()
    }

    /// The option that takes the artifacts of one result alone, because those of several would get into each other's way.
    pub(super) fn for_one(&self) -> Option<&'static str> {
        if self.output.is_some() {
            Some(OUTPUT.long)
        } else if self.sha256 && !self.json {
            Some(SHA256.long)
        } else {
            None
        }
    }
}

pub(super) fn resolve(matches: &Matches) -> Result<Settings, UsageError> {
    if matches.free.is_empty() {
        return Err(UsageError::new("name the FILE of a result, or a DIRECTORY with results in it"));
    }
    Ok(Settings {
        paths: matches.free.iter().map(PathBuf::from).collect(),
        choice: Choice::of(matches),
        job: matches.opt_present(JOB.long),
        script: matches.opt_present(SCRIPT.long),
        console: matches.opt_present(CONSOLE.long),
        sha256: matches.opt_present(SHA256.long),
        json: matches.opt_present(JSON.long),
        output: matches.opt_str(OUTPUT.long).map(PathBuf::from),
        quiet: matches.opt_present("quiet"),
    })
}

pub(super) const JOB: Flag =
    Flag::switch("job", "print name, platform and uuid").repeat(Repeat::Harmless).manual(
        "\
Print the name of the job, its platform and the uuid of the build.",
    );
pub(super) const SCRIPT: Flag = Flag::switch("script", "print the script").repeat(Repeat::Harmless).manual(
    "\
Print the script as the worker ran it.",
);
pub(super) const CONSOLE: Flag =
    Flag::switch("console", "print the console, the oldest line first, and the result")
        .repeat(Repeat::Harmless)
        .manual(
            "\
Print the console, oldest line first, each line with the seconds since the
start, and then how the build ended.",
        );
pub(super) const SHA256: Flag =
    Flag::switch("sha256", "print the SHA-256 of each artifact of one result, as sha256sum -c reads it")
        .repeat(Repeat::Harmless)
        .manual(
            "\
Print the SHA-256 of each artifact of one result, in the form that
.Ql sha256sum -c
reads in the directory to which
.Fl -output
has written the artifacts.
An artifact whose path
.Fl -output
refuses has no line.",
        );
pub(super) const JSON: Flag = Flag::switch(
    "json",
    "print one JSON object per result: the summary and, on request, script, console and digests",
)
.repeat(Repeat::Harmless)
.manual(
    "\
Print a JSON object for each result instead of text; see below.",
);
pub(super) const OUTPUT: Flag = Flag::with_value(
    "output",
    "DIR",
    Kind::Directory,
    "write the artifacts of one result below this directory; nothing is overwritten",
)
.manual(
    "\
Write the artifacts of one result below
.Ar dir ,
which is created if it does not exist.
No file is overwritten, no link is followed, and paths that lead out of
.Ar dir
are refused.",
);

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
