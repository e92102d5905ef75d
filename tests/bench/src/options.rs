//! The command line of the benchmark.

use crate::rows;
use builder::command_line::{Flag, Kind, Matches, Repeat, UsageError};
use std::path::PathBuf;

/// What the command line says.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) quick: bool,
    /// Names of the rows to measure; empty for all.
    pub(crate) rows: Vec<String>,
    /// Where the table is written as markdown.
    pub(crate) markdown: Option<PathBuf>,
    /// Where the servers have their data.
    pub(crate) directory: PathBuf,
}

pub(crate) const FLAGS: &[Flag] = &[
    Flag::switch("quick", "small numbers: to see that everything works, not to compare"),
    Flag::with_value("row", "NAME", Kind::OneOf(&rows::NAMES), "measure this row, instead of all")
        .repeat(Repeat::Adds),
    Flag::with_value("markdown", "FILE", Kind::File, "write the table to this file, too"),
    Flag::with_value(
        "directory",
        "DIR",
        Kind::Directory,
        "let the servers keep their data below this directory",
    ),
];

pub(crate) fn resolve(matches: &Matches) -> Result<Settings, UsageError> {
    if let Some(word) = matches.free.first() {
        return Err(UsageError::new(format_args!(
            "unexpected word {word}; the benchmark takes options only"
        )));
    }
    let rows = matches.opt_strs("row");
    if let Some(unknown) = rows.iter().find(|name| rows::ALL.iter().all(|row| row.name != **name)) {
        return Err(UsageError::new(format_args!("--row {unknown}: there is no such row; see --help")));
    }
    Ok(Settings {
        quick: matches.opt_present("quick"),
        rows,
        markdown: matches.opt_str("markdown").map(PathBuf::from),
        directory: matches.opt_str("directory").map_or_else(std::env::temp_dir, PathBuf::from),
    })
}
