//! The command line of the server.

use crate::command_line::{
    ByteSize, Flag, Kind, Matches, Repeat, UsageError, keep_values, seconds_value, time_limit, value,
};
use crate::listener::{SOCKET_GROUP, SOCKET_MODE};
use crate::server::listen::{self, Listening};
use crate::server::metrics_option::{METRICS_FILE, resolve_metrics};
use crate::server::notifier::{ON_FINISH, ON_FINISH_TIMEOUT, OnFinish, resolve_on_finish};
use crate::upload::{CREDENTIALS, HOLD_BACK, Target, resolve_target};
use builder_engine::job_settings::check_settings;
use builder_engine::limits::{ARTIFACT_BYTES, CONSOLE_BYTES, JOB_TIME};
use builder_engine::server;
use builder_proto::job_settings::JobSettings;
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

/// What the server takes; `listen` reads the first of them.
pub(super) const FLAGS: &[Flag] = &[
    Flag::with_value("ip", "IP", Kind::Text, "listen on this address").default("127.0.0.1").manual(
        "\
Listen on this IP address.
The default is 127.0.0.1.",
    ),
    Flag::with_value("port", "PORT", Kind::Text, "listen on this port; 0 means any free port")
        .default("1234")
        .manual(
            "\
Listen on this port; 0 means any free port.
The default is 1234.",
        ),
    Flag::with_value(
        "worker-listen",
        "ADDRESS",
        Kind::Text,
        "listen for workers on this address only; may be repeated",
    )
    .repeat(Repeat::Adds)
    .manual(
        "\
Listen for workers on this address only; repeat the option for further
addresses.
An
.Ar address
is
.Ar host : Ns Ar port ,
with brackets around an IPv6 address, or
.Li unix:\\& Ns Ar path
for a socket in the file system.
.Fl -ip
and
.Fl -port
then apply to clients only.",
    ),
    Flag::with_value(
        "client-listen",
        "ADDRESS",
        Kind::Text,
        "listen for clients on this address only; may be repeated",
    )
    .repeat(Repeat::Adds)
    .manual(
        "\
Listen for clients on this address only; the option may be repeated.
.Fl -ip
and
.Fl -port
then apply to workers only.
If both options are given,
.Fl -ip
and
.Fl -port
are refused.",
    ),
    Flag::with_value(
        "viewer-listen",
        "ADDRESS",
        Kind::Text,
        "listen on this address for clients that may only look; may be repeated",
    )
    .repeat(Repeat::Adds)
    .manual(
        "\
Listen for viewers on this address, too; the option may be repeated.
A viewer is a client that may look at everything and change nothing: its
.Cm info ,
.Cm observe
and
.Cm observe-latest
are answered as usual, and every command that changes something is refused.
Whoever can connect to the address can read all scripts and consoles.
All viewers together take up to an eighth of the connections.",
    ),
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
        listening: listen::resolve(matches)?,
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

const UPLOAD: Flag = Flag::with_value(
    "upload",
    "URL",
    Kind::Url,
    "upload results to this http:// or https:// URL once they are stored",
)
.manual(
    "\
Upload results to this http:// or https:// URL once they are stored, one at a
time, with
.Xr builder-upload 1 .
When the upload server has a result (it answered 2xx or 409), the result is
removed from the data directory.
After any other answer, the upload is tried again after a second, and then after
delays that double up to an hour.
If the upload server refuses the credentials (401 with a challenge), all uploads
stop until
.Dv SIGHUP
or a restart.
If it does not let this user upload a job (403, or 401 without a challenge), the
results of that job are delayed; if it gives this answer for three jobs in a
row, all uploads wait for an hour.
.Pp
If a build did not exit, because it was killed, ran too long, was lost or could
not be started, its files below
.Pa bin/
are not uploaded: builder-web would take them for the binary of a build that
succeeded.
The result that is stored in the data directory stays as it is.
.Pp
.Ql builder-client info
shows the results that wait to be uploaded.
They are not lost when either side restarts.",
);
const KEEP_LOCAL: Flag = Flag::switch("keep-local", "keep results in DIR after they are uploaded").manual(
    "\
Keep results in the data directory after they are uploaded.",
);
const UPLOAD_TIMEOUT: Flag =
    Flag::with_value("upload-timeout", "TIME", Kind::Text, "the longest time that one upload may take")
        .default("5m, and 1s for each 256KiB")
        .manual(
            "\
The longest time that one upload may take.
The default is five minutes, and a second for each 256KiB.",
        );

/// Where results go once they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UploadOptions {
    pub(crate) target: Target,
    pub(crate) keep_local: bool,
    /// The longest that one upload may take; none to go by its size.
    pub(crate) timeout: Option<Duration>,
}

/// What there is to upload to, if anything.
fn resolve_uploads(matches: &Matches) -> Result<Option<UploadOptions>, UsageError> {
    let Some(url) = matches.opt_str(UPLOAD.long) else {
        let stray = [CREDENTIALS, HOLD_BACK, KEEP_LOCAL, UPLOAD_TIMEOUT]
            .into_iter()
            .map(|flag| flag.long)
            .find(|name| matches.opt_present(name));
        return match stray {
            Some(name) => {
                Err(UsageError::new(format_args!("--{name} has no effect without --{} URL", UPLOAD.long)))
            }
            None => Ok(None),
        };
    };
    Ok(Some(UploadOptions {
        target: resolve_target(&url, matches)?,
        keep_local: matches.opt_present(KEEP_LOCAL.long),
        timeout: time_limit(matches, UPLOAD_TIMEOUT.long)?,
    }))
}
