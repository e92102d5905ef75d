//! The command line of the server.

use crate::command_line::{
    ByteSize, Flag, Kind, Matches, Repeat, UsageError, keep_values, seconds_value, time_limit, value,
};
use crate::listener::{SOCKET_GROUP, SOCKET_MODE};
use crate::server::listen::{
    CLIENT_LISTEN, IP, Listening, PORT, VIEWER_LISTEN, WORKER_LISTEN, resolve_listening,
};
use crate::server::notifier::{ON_FINISH, ON_FINISH_TIMEOUT, OnFinish, resolve_on_finish};
use crate::server::uploader::{KEEP_LOCAL, UPLOAD, UPLOAD_TIMEOUT, UploadOptions, resolve_uploads};
use crate::upload::{CREDENTIALS, HOLD_BACK};
use builder_engine::job_settings::check_settings;
use builder_engine::limits::{ARTIFACT_BYTES, CONSOLE_BYTES, JOB_TIME};
use builder_engine::server;
use builder_proto::job_settings::JobSettings;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

/// Where data and templates are, unless flags say otherwise: where builder 0.4.0 has them.
#[cfg(target_os = "freebsd")]
const DIRECTORIES: [&str; 2] = ["/var/db/builder", "/usr/local/etc/builder"];
#[cfg(not(target_os = "freebsd"))]
const DIRECTORIES: [&str; 2] = ["/var/lib/builder", "/etc/builder"];

/// What the command line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) listening: Listening,
    pub(crate) directory: PathBuf,
    pub(crate) config_directory: PathBuf,
    pub(crate) server: server::Settings,
    pub(crate) uploads: Option<UploadOptions>,
    /// Where metrics are written; none to write none.
    pub(crate) metrics: Option<PathBuf>,
    pub(crate) on_finish: Option<OnFinish>,
    pub(crate) salvage: bool,
    /// Write the state for builder 0.4.0 to this file instead of serving.
    pub(crate) export_state: Option<PathBuf>,
}

/// What the server takes.
pub(super) const FLAGS: &[Flag] = &[
    IP,
    PORT,
    WORKER_LISTEN,
    CLIENT_LISTEN,
    VIEWER_LISTEN,
    SOCKET_MODE,
    SOCKET_GROUP,
    Flag::with_value("dir", "DIR", Kind::Directory, "keep schedule, log and results here")
        .default(DIRECTORIES[0])
        .manual(
            "\
Keep the schedule, the log and the results in this directory, which must exist.",
        ),
    Flag::with_value("config-dir", "DIR", Kind::Directory, "read orb-build templates from here")
        .default(DIRECTORIES[1])
        .manual(
            "\
Read the templates of orb-build jobs from this directory.",
        ),
    Flag::with_value(
        "timeout",
        "TIME",
        Kind::Text,
        "the longest time that a job may run; workers have the same option",
    )
    .default("1h")
    .manual(
        "\
The longest time that a job may run, such as
.Li 90m
or
.Li 1h30m .
The default is one hour.
Workers have the same option and should be given the same value; the server
waits a minute longer.
A worker with a longer time limit looks frozen if its job prints nothing.
A job that is scheduled with a
.Fl -timeout
of its own has that one instead.",
    ),
    SILENCE,
    SKIP_MISSED,
    KEEP,
    Flag::with_value("artifact-limit", "SIZE", Kind::Text, "the maximum size of all artifacts of a build")
        .default("4GiB")
        .manual(
            "\
The maximum size of all artifacts of a build, such as
.Li 512M
or
.Li 4GiB .
Units are powers of 1024.
The default is 4GiB.",
        ),
    Flag::with_value("console-limit", "SIZE", Kind::Text, "the maximum size of the console of a build")
        .default("1GiB")
        .manual(
            "\
The maximum size of the console of a build.
The default is 1GiB.",
        ),
    UPLOAD,
    CREDENTIALS,
    HOLD_BACK,
    KEEP_LOCAL,
    UPLOAD_TIMEOUT,
    METRICS_FILE,
    ON_FINISH,
    ON_FINISH_TIMEOUT,
    Flag::switch("salvage", "start without the damaged parts of the log, which is saved first").manual(
        "\
Start even if the log is damaged: the damaged log is saved beside the new one,
and every intact record in it is kept.",
    ),
    Flag::with_value(
        "export-state",
        "FILE",
        Kind::File,
        "write the state file of builder 0.4.0 to FILE and exit",
    )
    .manual(
        "\
Write the state file of builder 0.4.0 to
.Ar file ,
and exit.
Nothing else is changed.
If no server of this version has run in the directory, the state that builder
0.4.0 left there is exported.",
    ),
];

pub(crate) fn resolve(matches: &Matches) -> Result<Settings, UsageError> {
    if let Some(word) = matches.free.first() {
        return Err(UsageError::new(format_args!("unexpected word {word}; the server takes options only")));
    }
    let [directory, config_directory] = DIRECTORIES;
    let job_time = time_limit(matches, "timeout")?.unwrap_or(JOB_TIME);
    Ok(Settings {
        listening: resolve_listening(matches)?,
        directory: matches.opt_str("dir").unwrap_or_else(|| directory.to_owned()).into(),
        config_directory: matches.opt_str("config-dir").unwrap_or_else(|| config_directory.to_owned()).into(),
        server: server::Settings {
            job_time,
            defaults: resolve_defaults(matches, job_time)?,
            artifact_bytes: value(matches, "artifact-limit")?.map_or(ARTIFACT_BYTES, |ByteSize(bytes)| bytes),
            console_bytes: value(matches, "console-limit")?.map_or(CONSOLE_BYTES, |ByteSize(bytes)| bytes),
            // What the descriptors allow is known at the start.
            builds: usize::MAX,
            observers: usize::MAX,
        },
        uploads: resolve_uploads(matches)?,
        metrics: resolve_metrics(matches)?,
        on_finish: resolve_on_finish(matches)?,
        salvage: matches.opt_present("salvage"),
        export_state: matches.opt_str("export-state").map(PathBuf::from),
    })
}

/// What counts for jobs that do not say it themselves.
fn resolve_defaults(matches: &Matches, job_time: Duration) -> Result<JobSettings, UsageError> {
    let (keep_builds, keep_seconds) = keep_values(matches, KEEP.long)?;
    let defaults = JobSettings {
        silence: seconds_value(matches, SILENCE.long)?,
        skip_missed: matches.opt_present(SKIP_MISSED.long).then_some(true),
        keep_builds,
        keep_seconds,
        ..JobSettings::NONE
    };
    check_settings(&defaults).map_err(UsageError::new)?;
    match defaults.silence().is_some_and(|silence| silence >= job_time) {
        true => Err(UsageError::new("--silence must be shorter than --timeout, or it is never reached")),
        false => Ok(defaults),
    }
}

const SILENCE: Flag = Flag::with_value(
    "silence",
    "TIME",
    Kind::Text,
    "end a build that prints nothing for so long, unless its job says otherwise",
)
.manual(
    "\
End a build that prints no line for so long, such as
.Li 10m .
By default, builds may be silent.
A job that is scheduled with a
.Fl -silence
of its own has that one instead.",
);
const SKIP_MISSED: Flag = Flag::switch(
    "skip-missed",
    "do not make up for runs of any job whose time passed while the server was down",
)
.manual(
    "\
If the time of a run passed more than a minute before the server could queue it,
because the server was down, leave that run out.
Without this option, one run makes up for all that a job missed, unless the job
is scheduled with this option.",
);
const KEEP: Flag = Flag::with_value(
    "keep",
    "N|TIME",
    Kind::Text,
    "keep N results of each job, or results for TIME, such as 30d, unless a job says otherwise",
)
.repeat(Repeat::Adds)
.default("all")
.manual(
    "\
Keep the newest
.Ar N
results of each job on each platform, or the results of builds that started at
most so long ago, such as
.Li 30d ,
or
.Cm all ,
and remove the others.
If a number and a time are given, what either of them keeps stays.
The default is
.Cm all .
A job that is scheduled with
.Fl -keep
has that instead, and results of a job that is not scheduled any more stay.
On each platform, the newest success and the newest failure of a job always
stay, and so does what still waits to be uploaded, or of which the program of
.Fl -on-finish
is still to be told.
Results are removed when a new one is stored, and once an hour; those that are
too old, no sooner than ten minutes after the start, when the clock of the host
is taken to be right.
The history keeps everything about their builds but the console, the script and
the artifacts.",
);

const METRICS_FILE: Flag = Flag::with_value(
    "metrics-file",
    "FILE",
    Kind::File,
    "write metrics for Prometheus to this file, every 15 seconds",
)
.manual(
    "\
Write metrics to this file every 15 seconds, and when the server stops, for the
textfile collector of the Prometheus node exporter: queues and how long jobs
wait in them, builds by platform and result and how long they take, workers that
wait, uploads and notices that wait, connections, and the disk.
The name has to end in
.Pa .prom ,
and the server has to be able to create files in that directory: each page is
written beside the file, with
.Pa .new
at the end of its name, and takes its place at once, so that nobody reads half
of one.
Everybody may read the file.
It names platforms, but no jobs.
Whatever is counted begins at 0 when the server starts.
If the file cannot be written, that is logged, and the server works on.",
);

/// The file for metrics. One with another name would not be read, and whatever has that name would be replaced.
fn resolve_metrics(matches: &Matches) -> Result<Option<PathBuf>, UsageError> {
    let Some(file) = matches.opt_str(METRICS_FILE.long).map(PathBuf::from) else { return Ok(None) };
    if file.extension() == Some(OsStr::new("prom")) {
        return Ok(Some(file));
    }
    Err(UsageError::new(format_args!(
        "--{} {}: the node exporter reads only files whose names end in .prom, such as builder.prom",
        METRICS_FILE.long,
        file.display()
    )))
}
