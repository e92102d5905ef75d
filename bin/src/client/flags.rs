//! The flags of the client's commands, each with what is said about it.

use crate::command_line::{Flag, Kind};

pub(super) const PERIOD: Flag = Flag::with_value(
    "period",
    "PERIOD",
    Kind::OneOf(&["hourly", "daily", "weekly", "never"]),
    "how often the job runs",
)
.default("daily")
.manual(
    "\
How often the job runs:
.Cm hourly , daily
(the default),
.Cm weekly
or
.Cm never .
With
.Cm never ,
a job runs once when it is scheduled, and afterwards only on
.Cm execute .",
);
/// The same for a command that changes no period unless it is asked to.
pub(super) const NEW_PERIOD: Flag =
    Flag { help: "how often the job runs from then on", ..PERIOD.default("as before") };
pub(super) const PLATFORM: Flag =
    Flag::with_value("platform", "PLATFORM", Kind::Platform, "only this platform");
pub(super) const JOB: Flag = Flag::with_value("job", "NAME", Kind::Job, "only builds of this job");
/// Only builds since then.
pub(super) const SINCE: Flag =
    Flag::with_value("since", "WHEN", Kind::Text, "only builds that started since WHEN").manual(
        "\
Only builds that started at
.Ar when
or later: so long ago, such as 90m, 2h, 7d or 2w, or a time, such as 2026-01-02,
which is midnight in UTC, or 2026-01-02T03:04:05Z.",
    );
pub(super) const FAILED: Flag = Flag::switch("failed", "only builds that failed").manual(
    "\
Only builds that failed: all that have ended and did not exit with 0.",
);
pub(super) const LIMIT: Flag =
    Flag::with_value("limit", "N", Kind::Text, "at most N builds, the newest ones")
        .default("20, or all with --since")
        .manual(
            "\
At most so many builds, those that started last.
The default of
.Cm history
is 20, or no limit with
.Fl -since ;
.Cm logs
has none.",
        );
/// The same where only those are searched.
pub(super) const SEARCH_LIMIT: Flag =
    Flag::with_value("limit", "N", Kind::Text, "with --grep: search at most N builds, the newest ones")
        .default("all");
pub(super) const FOLLOW: Flag = Flag::switch("follow", "wait for lines to come, up to the end of the build");
pub(super) const GREP: Flag = Flag::with_value(
    "grep",
    "PATTERN",
    Kind::Text,
    "print only lines that match PATTERN; of a job, search all builds",
)
.manual(
    "\
Print only lines that match this regular expression.
It matches anywhere in a line unless it has
.Ql ^
or
.Ql $ ;
.Ql (?i)
in front makes capital letters the same as small ones.",
);
pub(super) const TIMES: Flag = Flag::with_value(
    "times",
    "FORM",
    Kind::OneOf(&["relative", "absolute", "none"]),
    "what stands in front of each line",
)
.default("relative")
.manual(
    "\
What stands in front of each line:
.Cm relative ,
the seconds since the build started (the default),
.Cm absolute ,
the time in UTC, or
.Cm none .",
);
pub(super) const PREVIOUS: Flag =
    Flag::switch("previous", "compare with the build before, whether that succeeded or not");
pub(super) const LAST_SUCCESS: Flag =
    Flag::switch("last-success", "compare with the last success before, also if the build succeeded");
pub(super) const JSON: Flag = Flag::switch("json", "print JSON").manual(
    "\
Print JSON instead of text; see below.",
);

pub(super) const OUTPUT: Flag = Flag::with_value(
    "output",
    "DIR",
    Kind::Directory,
    "write below DIR, which is created if it is not there",
);
