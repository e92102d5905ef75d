//! The command line of the server.

use crate::command_line::{ByteSize, Matches, Options, TimeSpan, UsageError, value};
use crate::server::listen::{self, Listening};
use crate::server::upload_options::{self, UploadOptions};
use builder_engine::limits::{ARTIFACT_BYTES, CONSOLE_BYTES, JOB_TIME};
use builder_engine::server;
use std::path::PathBuf;

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
    pub(crate) machine: server::Settings,
    pub(crate) uploads: Option<UploadOptions>,
    pub(crate) salvage: bool,
    /// Write the state for builder 0.4.0 to this file instead of serving.
    pub(crate) export_state: Option<PathBuf>,
}

pub(crate) fn declare(options: &mut Options) {
    let [directory, config_directory] = DIRECTORIES;
    options.optopt("", "ip", "listen on this address (default 127.0.0.1)", "IP");
    options.optopt("", "port", "listen on this port; 0 means any free port (default 1234)", "PORT");
    options.optmulti(
        "",
        "worker-listen",
        "listen for workers on this address only; may be repeated",
        "ADDRESS",
    );
    options.optmulti(
        "",
        "client-listen",
        "listen for clients on this address only; may be repeated",
        "ADDRESS",
    );
    options.optopt("", "socket-mode", "the mode of sockets for unix:PATH (default 0660)", "MODE");
    options.optopt("", "socket-group", "the group of sockets for unix:PATH", "GROUP");
    options.optopt("", "dir", &format!("keep schedule, log and results here (default {directory})"), "DIR");
    options.optopt(
        "",
        "config-dir",
        &format!("read orb-build templates from here (default {config_directory})"),
        "DIR",
    );
    options.optopt(
        "",
        "timeout",
        "the longest time that a job may run; workers have the same option (default 1h)",
        "TIME",
    );
    options.optopt(
        "",
        "artifact-limit",
        "the maximum size of all artifacts of a build (default 4GiB)",
        "SIZE",
    );
    options.optopt("", "console-limit", "the maximum size of the console of a build (default 1GiB)", "SIZE");
    upload_options::declare(options);
    options.optflag("", "salvage", "start without the damaged parts of the log, which is saved first");
    options.optopt("", "export-state", "write the state file of builder 0.4.0 to FILE and exit", "FILE");
}

pub(crate) fn resolve(matches: &Matches) -> Result<Settings, UsageError> {
    if let Some(word) = matches.free.first() {
        return Err(UsageError::new(format_args!("unexpected word {word}; the server takes options only")));
    }
    let [directory, config_directory] = DIRECTORIES;
    Ok(Settings {
        listening: listen::resolve(matches)?,
        directory: matches.opt_str("dir").unwrap_or_else(|| directory.to_owned()).into(),
        config_directory: matches.opt_str("config-dir").unwrap_or_else(|| config_directory.to_owned()).into(),
        machine: server::Settings {
            job_time: value(matches, "timeout")?.map_or(JOB_TIME, |TimeSpan(time)| time),
            artifact_bytes: value(matches, "artifact-limit")?.map_or(ARTIFACT_BYTES, |ByteSize(bytes)| bytes),
            console_bytes: value(matches, "console-limit")?.map_or(CONSOLE_BYTES, |ByteSize(bytes)| bytes),
            // What the descriptors allow is known at the start.
            builds: usize::MAX,
            observers: usize::MAX,
        },
        uploads: upload_options::resolve(matches)?,
        salvage: matches.opt_present("salvage"),
        export_state: matches.opt_str("export-state").map(PathBuf::from),
    })
}
