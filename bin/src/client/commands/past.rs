//! The commands that are about builds of the past, and what those left.

use crate::client::flags::{
    FAILED, FOLLOW, GREP, JSON, LAST_SUCCESS, LIMIT, OUTPUT, PLATFORM, PREVIOUS, SEARCH_LIMIT, SINCE, TIMES,
};
use crate::command_line::{CommandEntry, Kind, Word};

pub(super) const HISTORY: CommandEntry = CommandEntry {
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
};

pub(super) const LOGS: CommandEntry = CommandEntry {
    name: "logs",
    words: &[Word::one("JOB|UUID", Kind::JobOrUuid)],
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
};

pub(super) const FETCH: CommandEntry = CommandEntry {
    name: "fetch",
    words: &[Word::one("JOB|UUID", Kind::JobOrUuid), Word::optional("PATH", Kind::Text)],
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
};

pub(super) const DIFF: CommandEntry = CommandEntry {
    name: "diff",
    words: &[Word::one("JOB|UUID", Kind::JobOrUuid), Word::optional("UUID", Kind::Uuid)],
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
};
