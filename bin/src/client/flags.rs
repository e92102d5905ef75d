//! The flags of the client's commands, each with what is said about it, and the form of answers, which `--json` tells.

use crate::command_line::{Flag, Kind, Matches, Repeat};

pub(super) const PERIOD: Flag = Flag::with_value(
    "period",
    "PERIOD",
    Kind::OneOf(&["hourly", "daily", "weekly", "never"]),
    "how often the job runs: a time such as 6h, or one of",
)
.default("daily")
.manual(
    "\
How often the job runs:
.Cm hourly , daily
(the default),
.Cm weekly ,
.Cm never ,
or once in a time of a minute or more, such as 90m, 6h or 3d.
With
.Cm never ,
a job runs once when it is scheduled, and afterwards only on
.Cm execute .
Of a job that runs once in another time,
.Cm info
shows the nearest of
.Cm hourly , daily
and
.Cm weekly .",
);
/// When a job runs.
pub(super) const AT: Flag =
    Flag::with_value("at", "HH:MM", Kind::Text, "run at this time of day, in UTC, and not at once").manual(
        "\
Run the job at this time of day, in UTC, instead of at once.
With a shorter period, it also runs before and after that, in steps of the
period; with a longer one, the first run is at the next such time.",
    );
pub(super) const TIMEOUT: Flag =
    Flag::with_value("timeout", "TIME", Kind::Text, "end a build that takes so long, such as 90m")
        .default("that of the server")
        .manual(
            "\
End a build that takes longer than this, such as
.Li 90m
or
.Li 1h30m ;
the default is that of the server.
The server ends it, and what it has printed is kept, but none of its artifacts.
A worker still ends every job at its own limit, by default an hour, so give
workers a longer one if a job is to take longer.
A worker of builder 0.4.0 notices that its build was ended when the job prints
the next line.",
        );
pub(super) const SILENCE: Flag = Flag::with_value(
    "silence",
    "TIME",
    Kind::Text,
    "end a build that prints nothing for so long, such as 10m",
)
.default("that of the server")
.manual(
    "\
End a build that prints no line for so long, such as
.Li 10m ;
the default is that of the server, which has none unless it was given one.
The same holds for its artifacts and its worker as with
.Fl -timeout .",
);
pub(super) const SKIP_MISSED: Flag =
    Flag::switch("skip-missed", "do not make up for a run whose time passed while the server was down")
        .manual(
            "\
If the time of a run passed more than a minute before the server could queue it,
because the server was down, leave that run out.
Without this option, one run makes up for all that were missed.",
        );
/// Which results are kept.
pub(crate) const KEEP: Flag = Flag::with_value(
    "keep",
    "N|TIME",
    Kind::Text,
    "keep N results, or results for TIME, such as 30d, or all; may be given once for each",
)
.repeat(Repeat::Adds)
.default("what the server keeps")
.manual(
    "\
Which results of the job stay on the server: the newest
.Ar N
of each platform, or those of builds that started at most so long ago, such as
.Li 30d ,
or
.Cm all .
If a number and a time are given, what either of them keeps stays.
The default is that of the server, which keeps everything unless it is told
otherwise.
On each platform, the newest success and the newest failure always stay, and so
does what still waits to be uploaded, or of which a program is to be told.
Of a result that is removed, the history keeps everything but the console, the
script and the artifacts.
Results of a job that is not scheduled any more stay.",
);
pub(super) const REPLACE: Flag =
    Flag::switch("replace", "if NAME is scheduled, change that job; it keeps its place in the queue").manual(
        "\
If a job of this name is scheduled, on whatever platform, change it in one step
into what is given here; settings that are not given are gone.
Its history and its place in the queue stay, and a build that runs goes on as it
began.
Its next run stays, too, unless another
.Fl -period
or
.Fl -at
is given.
It does not run because of the change; use
.Cm execute
for that.
If there is no such job, it is scheduled as usual.",
    );
/// The same for a command that changes no period unless it is asked to.
pub(super) const NEW_PERIOD: Flag = Flag {
    help: "how often the job runs from then on",
    manual: NEW_PERIOD_MANUAL,
    ..PERIOD.default("as before")
};
const NEW_PERIOD_MANUAL: &str = "\
How often the job runs from then on:
.Cm hourly , daily , weekly
or
.Cm never .
The default is as before.";
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
/// Only with the command that hands out no jobs any longer.
pub(super) const WAIT_FOR_BUILDS: Flag = Flag::switch("wait", "wait until no build runs any longer");
pub(super) const JSON: Flag = Flag::switch("json", "print JSON").manual(
    "\
Print JSON instead of text; see below.",
);

pub(super) const WAIT: Flag =
    Flag::switch("wait", "print the console, and exit as the build did when it has ended").manual(
        "\
Print the uuid and the console of the build, and the result when it has ended;
the exit status tells the result, see below.
Why the job has to wait before it runs is said on standard error.
If the worker is lost, wait for the next run of the job.
If the connection breaks, nothing happens to the build.",
    );
pub(super) const STATUS: Flag = Flag::switch("status", "exit as the build did when it has ended").manual(
    "\
The exit status tells the result of the build, see below.",
);
pub(super) const ENV: Flag = Flag::with_value(
    "env",
    "NAME=VALUE",
    Kind::Text,
    "set a variable in the environment of this run; not for secrets, as all can see it",
)
.repeat(Repeat::Adds)
.manual(
    "\
Set this variable in the environment of this run.
The flag may be given several times.
It is not for secrets: the variables are part of the script that runs, which is
in the stored result, and which every client can see.
A script that is neither one of a shell nor text cannot be given any.",
);

pub(super) const OUTPUT: Flag = Flag::with_value(
    "output",
    "DIR",
    Kind::Directory,
    "write below DIR, which is created if it is not there",
);

/// In what form to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For people.
    People,
    /// For programs.
    Json,
}

impl Form {
    /// What the command line says.
    pub(super) fn of(matches: &Matches) -> Form {
        if matches.opt_present(JSON.long) { Form::Json } else { Form::People }
    }
}
