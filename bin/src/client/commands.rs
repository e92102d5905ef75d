//! The commands of the client: what may be typed, and what is said about it.
//!
//! One that is added here has its help, its completions and its place in the manual. `request` does not compile until it
//! says what the command does. Those about builds of the past are in [`past`].

mod past;

use super::flags::{
    AT, ENV, JOB, JSON, KEEP, NEW_PERIOD, PERIOD, PLATFORM, REPLACE, SILENCE, SKIP_MISSED, STATUS, TIMEOUT,
    WAIT, WAIT_FOR_BUILDS,
};
use crate::command_line::{CommandEntry, Kind, UsageError, Word};
use crate::wording::most_similar;

/// Declares the commands once, as an enum and as a table.
macro_rules! commands {
    ($($verb:ident = $entry:expr,)*) => {
        /// What the first word asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Verb {
            $($verb,)*
        }

        /// All commands, in the order in which they are shown.
        pub(super) const COMMANDS: &[CommandEntry] = &[$($entry,)*];
        const VERBS: &[Verb] = &[$(Verb::$verb,)*];
    };
}

impl Verb {
    /// The command of this name, and what may follow it.
    pub(super) fn find(name: &str) -> Result<(Verb, &'static CommandEntry), UsageError> {
        let mut commands = VERBS.iter().copied().zip(COMMANDS);
        commands.find(|(_, entry)| entry.name == name).ok_or_else(|| unknown_command(name))
    }
}

fn unknown_command(word: &str) -> UsageError {
    let advice = match most_similar(word, names().into_iter().map(str::to_owned)) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("write {}", all_commands()),
    };
    UsageError::new(format_args!("there is no command {word}; {advice}"))
}

/// The names of all commands, as a sentence lists them.
pub(super) fn all_commands() -> String {
    match names().split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

fn names() -> Vec<&'static str> {
    COMMANDS.iter().map(|entry| entry.name).collect()
}

commands! {
    Schedule = CommandEntry {
        name: "schedule",
        words: &[Word::one("NAME", Kind::Job), Word::one("PLATFORM", Kind::Platform), Word::one("FILE", Kind::File)],
        flags: &[PERIOD, AT, TIMEOUT, SILENCE, SKIP_MISSED, KEEP, REPLACE, WAIT, JSON],
        help: "run the script FILE on PLATFORM, now and once per PERIOD; FILE may be - for standard input",
        manual: "\
Run the script in
.Ar file
on
.Ar platform ,
now and once per
.Ar period .
If
.Ar file
is
.Ql - ,
read the script from standard input.
The
.Ar name
must not be in use, except with
.Fl -replace .
With
.Fl -wait ,
wait for the first run.",
    },
    OrbBuild = CommandEntry {
        name: "orb-build",
        words: &[Word::one("NAME", Kind::Job), Word::one("OPAM_PACKAGE", Kind::Text)],
        flags: &[PERIOD, AT, TIMEOUT, SILENCE, SKIP_MISSED, KEEP, REPLACE],
        help: "build OPAM_PACKAGE on every platform, now and once per PERIOD",
        manual: "\
Build the opam package on every platform for which the server has a template,
now and once per
.Ar period .",
    },
    Reschedule = CommandEntry {
        name: "reschedule",
        words: &[Word::one("NAME", Kind::Job), Word::one("TIME", Kind::Text)],
        flags: &[NEW_PERIOD],
        help: "run NAME next at TIME, such as 2026-01-02T03:04:05Z; with --period, once per PERIOD from then on",
        manual: "\
Run the job next at
.Ar time ,
such as 2026-01-02T03:04:05Z, and then once per
.Ar period .
Without
.Fl -period ,
the job keeps its period.",
    },
    Unschedule = CommandEntry {
        name: "unschedule",
        words: &[Word::one("NAME", Kind::Job)],
        flags: &[],
        help: "remove NAME from the schedule; a running build continues",
        manual: "\
Remove the job from the schedule and from all queues.
A build that is running continues to its end.",
    },
    Execute = CommandEntry {
        name: "execute",
        words: &[Word::one("NAME", Kind::Job)],
        flags: &[PLATFORM, WAIT, ENV, JSON],
        help: "run NAME now; with --platform, only there; with --wait, follow the build to its end",
        manual: "\
Run the job now: the server puts it at the front of each queue that it belongs
to.
With
.Fl -platform ,
it goes into the queue of
.Ar platform
only.
.Pp
A job that is queued already is moved, not queued twice.
With
.Fl -env ,
it has a place in the queue for each environment, so that every run finds its
own; the one that was asked for last runs first.
With
.Fl -wait ,
the job must have one platform, or
.Fl -platform
must name one.",
    },
    Verify = CommandEntry {
        name: "verify",
        words: &[Word::one("NAME", Kind::Job)],
        flags: &[PLATFORM, ENV, JSON],
        help: "run NAME twice and print what differs between the artifacts of both builds, if anything does",
        manual: "\
Run the job twice, and compare the artifacts of both builds by path, size and
SHA-256.
The second run begins as soon as the first has left its queue, so that both run
at the same time if the platform has two workers that are free, and one after
the other if not.
The job must have one platform, or
.Fl -platform
must name one.
.Pp
The exit status is 0 if the artifacts are the same, and 1 if they differ.
If a run fails, nothing is compared; the exit status is then 120 if the job
exited with another status than 0, and otherwise that of
.Cm execute Fl -wait .",
    },
    Info = CommandEntry {
        name: "info",
        words: &[Word::any("NAME", Kind::Job)],
        flags: &[PLATFORM, JSON],
        help: "say whether all is well: last results, what runs, what waits and why; with --platform or names, only these",
        manual: "\
Say whether all is well.
On a terminal, the first lines say what somebody has to look at.
Then there is a line for each job with its last result, how many builds in a
row failed like it, since when that is so, what it does now or when it runs
next, and how long it usually takes (the median of its last ten successes).
Jobs that failed come first, those that failed most recently at the top; then
those that run, those that wait, and the others in the order of their next
runs.
Below are the builds that run, the jobs that wait with what stands in their
way first, the platforms with their idle and busy workers, the results that
wait to be uploaded, and how many notices of builds wait to be given.
A job waits because its platform has no worker, has no template, or is
paused, because all its workers are busy or lost several builds in a row, or
because the server is draining, has a full disk, or has as many builds under
way as it may.
.Pp
If the output is not a terminal, the tables have the same columns in every
case, and the last lines are about the server itself.
A server of an earlier version knows no results and no reasons; then there are
only the builds, jobs and platforms.
.Pp
With names, print only these jobs.
With
.Fl -platform ,
print only what belongs to this platform: its script jobs, and the orb-build
jobs that run or wait there.
If the server does not know a
.Ar name
or
.Ar platform ,
the command fails.",
    },
    Observe = CommandEntry {
        name: "observe",
        words: &[Word::one("UUID", Kind::Uuid)],
        flags: &[STATUS, JSON],
        help: "print the console of a build, from its start to its end",
        manual: "\
Print the console of a build from its start to its end, each line with the
seconds since the start, and then the result.
If the build has ended, its console is replayed.
Of the
.Ar uuid ,
as many of the first digits are enough as no other build has, and four at least,
if the server keeps a history of builds.",
    },
    ObserveLatest = CommandEntry {
        name: "observe-latest",
        words: &[],
        flags: &[PLATFORM, JOB, STATUS, JSON],
        help: "print the console of the running build that started last; with --platform or --job, of the last one of those",
        manual: "\
Like
.Cm observe ,
for the running build that started last.
With
.Fl -platform
or
.Fl -job ,
for the last one of those.",
    },
    History = past::HISTORY,
    Logs = past::LOGS,
    Fetch = past::FETCH,
    Diff = past::DIFF,
    Cancel = CommandEntry {
        name: "cancel",
        words: &[Word::one("JOB|UUID", Kind::JobOrUuid)],
        flags: &[],
        help: "end a build that runs, or all builds of a job, and take the job out of all queues",
        manual: "\
End a build that runs; of its uuid, as many of the first digits are enough as no
other build has, and four at least.
With a job, end all its builds, and take it out of all queues; it stays in the
schedule.
A job of exactly that name counts more than a uuid that begins so.
.Pp
What the build has printed is stored, with the result that it was cancelled, and
by whom; it leaves no artifacts, and is not run again.
The server closes the connection to the worker, which kills the processes of the
job for that.
A worker of builder 0.4.0 notices only when the job prints its next line.",
    },
    Pause = CommandEntry {
        name: "pause",
        words: &[Word::one("PLATFORM", Kind::Platform)],
        flags: &[],
        help: "hand out no jobs on PLATFORM until it is resumed; running builds continue",
        manual: "\
Hand out no more jobs on
.Ar platform ,
until it is resumed.
Builds that run continue to their ends, and jobs go on entering the queue.
A restart of the server does not resume it.",
    },
    Resume = CommandEntry {
        name: "resume",
        words: &[Word::optional("PLATFORM", Kind::Platform)],
        flags: &[],
        help: "hand out jobs on PLATFORM again; without PLATFORM, after 'drain'",
        manual: "\
Hand out jobs on a paused
.Ar platform
again.
Without
.Ar platform ,
hand out jobs again on all platforms after
.Cm drain ;
those that are paused one by one stay so.",
    },
    Drain = CommandEntry {
        name: "drain",
        words: &[],
        flags: &[WAIT_FOR_BUILDS],
        help: "hand out no jobs anywhere until 'resume'; running builds continue",
        manual: "\
Hand out no more jobs on any platform, until
.Cm resume
without a platform ends that.
Builds that run continue to their ends, and jobs go on entering the queues.
A restart of the server does not end it.
With
.Fl -wait ,
wait until no build runs any longer, and all results are stored; then the server
can be stopped, and no job has to start again.
If somebody else resumes before that, the command fails.
If the server goes away before that, it fails as well; the next server goes on
draining, and the same command waits again.",
    },
    DropPlatform = CommandEntry {
        name: "drop-platform",
        words: &[Word::one("PLATFORM", Kind::Platform)],
        flags: &[],
        help: "remove the queue and the jobs of PLATFORM, and refuse new ones",
        manual: "\
Remove the queue and the script jobs of
.Ar platform ,
and refuse new jobs for it.",
    },
    UndropPlatform = CommandEntry {
        name: "undrop-platform",
        words: &[Word::one("PLATFORM", Kind::Platform)],
        flags: &[],
        help: "accept jobs for PLATFORM again",
        manual: "\
Accept jobs for
.Ar platform
again.
Jobs that were removed with the platform do not come back.",
    },
    Names = CommandEntry {
        name: "names",
        words: &[Word::several("KIND", Kind::OneOf(&["jobs", "platforms", "builds"]))],
        flags: &[],
        help: "print the names of jobs or platforms, or the uuids of the newest builds, which shells complete",
        manual: "\
Print the names of all jobs, the names of all platforms, or the uuids of the
last 100 builds, each on a line.
Shells ask for them when words are completed, so the command fails when there is
no answer within half a second.",
    },
}
