//! The option that names the file of metrics.

use crate::command_line::{Flag, Kind, Matches, UsageError};
use std::ffi::OsStr;
use std::path::PathBuf;

pub(super) const METRICS_FILE: Flag = Flag::with_value(
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
pub(super) fn resolve_metrics(matches: &Matches) -> Result<Option<PathBuf>, UsageError> {
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
