//! The commands of the client: what may be typed, and what is said about it.
//!
//! One that is added here has its help, its completions and its place in the manual. `request` does not compile until it
//! says what the command does.

use super::flags::{
    AT, ENV, FAILED, FOLLOW, GREP, JOB, JSON, KEEP, LAST_SUCCESS, LIMIT, NEW_PERIOD, OUTPUT, PERIOD,
    PLATFORM, PREVIOUS, REPLACE, SEARCH_LIMIT, SILENCE, SINCE, SKIP_MISSED, STATUS, TIMEOUT, TIMES, WAIT,
    WAIT_FOR_BUILDS,
};
use crate::command_line::{CommandEntry, Kind, Word};

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
    pub(super) fn find(name: &str) -> Option<(Verb, &'static CommandEntry)> {
        VERBS.iter().copied().zip(COMMANDS).find(|(_, entry)| entry.name == name)
    }
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
A server of builder 0.5.0 or earlier knows no results and no reasons; then
there are only the builds, jobs and platforms.
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
    History = CommandEntry {
        name: "history",
        words: &[Word::optional("JOB", Kind::Job)],
        flags: &[PLATFORM, SINCE, FAILED, LIMIT, JSON],
        help: "list builds, the newest first: how each ended, how long it took, what is usual, what it left",
        manual: "\
List the builds that the server remembers, the one that started last first; with
.Ar job ,
those of this job.
Each has a line with its result, when it started, how long it took, how long its
job usually takes on its platform, its artifacts, the first digits of its uuid,
and the address of its worker.
.Pp
What is usual is the median of the last ten builds that succeeded, among the
last 50 builds of the job, or among the last 1000 of all jobs.
A build that took longer than that by half, and by ten seconds at least, is
marked as
.Dq slow ,
also while it runs;
one that succeeded in so much less time, as
.Dq fast .
.Dq removed
in place of the artifacts says that the result is no longer on the server.
.Pp
On a terminal too narrow for all columns, some are left out.
In a file or a pipe, all are there, with whole uuids.
If nothing fits, nothing is printed, and the exit status is 0.",
    },
    Logs = CommandEntry {
        name: "logs",
        words: &[Word::one("JOB|UUID", Kind::Job)],
        flags: &[PLATFORM, FAILED, FOLLOW, TIMES, GREP, SINCE, SEARCH_LIMIT, JSON],
        help: "print the console of a build, or of the newest build of a job; with --failed, of the newest that failed",
        manual: "\
Print the console of the newest build of a job, or of one build, as far as it is
there, and then the result, if the build has ended.
With
.Fl -failed ,
it is the newest build that failed; with
.Fl -platform ,
the newest one there.
Of a uuid, as many of the first digits are enough as no other build has, and
four at least.
A job of exactly that name counts more than a uuid that begins so.
With
.Fl -follow ,
wait for lines to come, up to the end of the build.
.Pp
With
.Fl -grep ,
print only the lines that match.
If a job is named, search the consoles of all its builds, the newest first, and
print
.Ar uuid : Ns Ar line : Ns Ar text
for each line that matches, with the first digits of the uuid and the number of
the line;
.Fl -failed , -platform , -since
and
.Fl -limit
make them fewer, and
.Fl -follow
is for the newest one alone.
Consoles that are no longer on the server are left out, and a warning says how
many.
The exit status is 1 if no line matches.
The result is no line of the console.",
    },
    Fetch = CommandEntry {
        name: "fetch",
        words: &[Word::one("JOB|UUID", Kind::Job), Word::optional("PATH", Kind::Text)],
        flags: &[PLATFORM, OUTPUT, JSON],
        help: "fetch the artifacts of a build, or those at PATH, and verify them; run it again to go on after a break",
        manual: "\
Fetch the artifacts of the newest build of a job that has ended, or of one
build; with
.Fl -platform ,
of the newest one there.
Of a uuid, as many of the first digits are enough as no other build has, and
four at least.
With a
.Ar path ,
fetch only the artifact of this path, or those below a directory of this name.
.Pp
The artifacts keep their paths below a directory.
Without
.Fl -output ,
that is a new one, called after the job and the first digits of the uuid.
A single artifact whose
.Ar path
was given is put into the current directory, or into that of
.Fl -output ,
under its own name.
.Pp
An artifact gets its name when its size and SHA-256 are those that the server
knows.
A server does not know them of builds that it has not looked through yet, and of
those that left too many artifacts; then a warning says so.
Until it is complete, an artifact is in a file whose name begins with a dot and
ends with
.Pa .part .
If the connection breaks, the exit status is 1, and the same command goes on in
the middle of the artifact.
Artifacts that are there already, of the same size and digest, are not fetched
again.
.Pp
Nothing else that is there is changed, and nothing is written outside the
directory: the command complains about an artifact whose name is taken, and
about one whose path is absolute, contains
.Ql ..
or leads through a link.
It fetches the others, and fails.",
    },
    Diff = CommandEntry {
        name: "diff",
        words: &[Word::one("JOB|UUID", Kind::Job), Word::optional("UUID", Kind::Uuid)],
        flags: &[PLATFORM, PREVIOUS, LAST_SUCCESS, JSON],
        help: "print what differs between two builds, or between a build, such as the newest of a job, and the one before it; if it failed, the last success before it",
        manual: "\
Print what is different between two builds that have ended: their environment,
which is job, platform and the address of the worker; their scripts; how they
ended; their consoles, without times; and their artifacts.
Each build is named by its job, of which it is then the newest, or by as many of
the first digits of its uuid as no other build has, and four at least.
.Pp
If only one is named, an earlier one of the same job on the same platform is
compared with it: if it failed, the last one that succeeded, or else the last
one.
How long builds took is printed, and makes no difference.
.Pp
Lines that only the first build has begin with
.Ql - ,
those of the second one with
.Ql + ,
and around them stand three lines that both have, as in a unified
.Xr diff 1 .
Artifacts are compared by path, size and SHA-256, and those that changed begin
with
.Ql \\&! .
If one of them has no SHA-256, or a script or console is no longer on the
server, this is said, and counts as trouble if nothing else differs.
Texts may have any length.
If more than 500,000 lines or 64 MiB follow the first line that differs, or more
than 100,000 lines that both have, only the last 1000 lines are compared, and
this is said.
.Pp
The exit status is 0 if both builds are the same, 1 if there is a difference,
and 2 if there was trouble.",
    },
    Cancel = CommandEntry {
        name: "cancel",
        words: &[Word::one("JOB|UUID", Kind::Job)],
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
If somebody else resumes before that, the command fails.",
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
}
