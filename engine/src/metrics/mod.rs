//! Figures about the server for Prometheus: what is counted, and how it is spelled.
//!
//! The server serves no HTTP. It writes a file, which the textfile collector of the Prometheus node exporter takes up. When that
//! is done is decided in the `metrics_file` of the driver.
//!
//! | module | holds |
//! |---|---|
//! | `tally` | what is counted while the server runs |
//! | `histogram` | durations, by how long they are |
//! | `figures` | everything at one moment, and the page with it |
//! | `shared` | names for what a dashboard serves, too |
//! | `exposition` | the text format |
//!
//! The names follow the rules that `promtool check metrics` checks: a prefix, base units, `_total` for what only grows. Labels have
//! few values: how builds end, and platforms, of which there are at most [`PLATFORMS`](crate::limits::PLATFORMS). None is a job,
//! as there may be any number of jobs.

mod exposition;
mod figures;
mod histogram;
mod shared;
mod tally;

pub(crate) use exposition::{Exposition, Kind, seconds};
pub(crate) use figures::{Figures, PlatformFigures, Single, label, write_build_info, write_platforms};
pub(crate) use tally::Tally;
