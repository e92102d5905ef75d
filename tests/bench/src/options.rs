//! The command line of the benchmark.

use crate::rows;
use builder::command_line::{Matches, Options, UsageError};
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

pub(crate) fn declare(options: &mut Options) {
    let names: Vec<&str> = rows::ALL.iter().map(|row| row.name).collect();
    options.optflag("", "quick", "small numbers: to see that everything works, not to compare");
    options.optmulti("", "row", &format!("measure this row, instead of all: {}", names.join(", ")), "NAME");
    options.optopt("", "markdown", "write the table to this file, too", "FILE");
    options.optopt("", "directory", "let the servers keep their data below this directory", "DIR");
}

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
