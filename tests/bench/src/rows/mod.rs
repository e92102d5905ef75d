//! What is measured.

pub(crate) mod artifact;
pub(crate) mod console;
mod drain;
mod fetch;
mod history;
mod info;
mod observers;
mod pages;
mod schedule;
mod start;
mod trivial;
mod viewers;
mod waiting;

use crate::failure::Outcome;
use crate::programs::Programs;
use crate::site::Site;
use crate::table::Line;
use std::path::PathBuf;

/// The most memory that a server or a worker is to use, whatever it stores or sends.
const PEAK_BYTES: u64 = 16 * 1024 * 1024;

/// Some work and how to measure it.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) measure: fn(&Bench) -> Outcome<Vec<Line>>,
}

/// All rows, in the order of the table.
pub(crate) const ALL: [Row; 17] = [
    Row { name: "artifact", measure: artifact::measure },
    Row { name: "artifact-worker", measure: artifact::measure_worker },
    Row { name: "fetch", measure: fetch::measure },
    Row { name: "console", measure: console::measure },
    Row { name: "observers", measure: observers::measure },
    Row { name: "schedule-1", measure: schedule::measure_alone },
    Row { name: "schedule-64", measure: schedule::measure_crowd },
    Row { name: "schedule-many", measure: schedule::measure_many },
    Row { name: "drain", measure: drain::measure },
    Row { name: "waiting", measure: waiting::measure },
    Row { name: "start", measure: start::measure },
    Row { name: "history", measure: history::measure },
    Row { name: "info", measure: info::measure },
    Row { name: "true", measure: trivial::measure },
    Row { name: "pages", measure: pages::measure },
    Row { name: "viewers-many", measure: viewers::measure_many },
    Row { name: "viewers-fast", measure: viewers::measure_fast },
];

/// The names of all rows.
pub(crate) const NAMES: [&str; ALL.len()] = {
    let mut names = [""; ALL.len()];
    // A constant cannot iterate.
    let mut index = 0;
    while index < names.len() {
        names[index] = ALL[index].name;
        index += 1;
    }
    names
};

/// What all rows need.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    pub(crate) programs: Programs,
    /// Where sites are made.
    pub(crate) directory: PathBuf,
    pub(crate) quick: bool,
    /// Descriptors that this process, and each one that it starts, may have.
    pub(crate) descriptors: u64,
}

impl Bench {
    pub(crate) fn site(&self) -> Outcome<Site> {
        Site::new(&self.programs, &self.directory)
    }

    /// One number for figures, another one for a quick look.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// Whether memory stays within [`PEAK_BYTES`], as far as the system tells.
pub(crate) fn is_small(memory: Option<u64>) -> bool {
    memory.is_none_or(|bytes| bytes <= PEAK_BYTES)
}

/// The stored results on a site.
pub(crate) fn results(site: &Site) -> Outcome<Vec<PathBuf>> {
    let mut results = Vec::new();
    for job in std::fs::read_dir(site.data())? {
        let job = job?;
        if job.file_name() == ".builder" || !job.file_type()?.is_dir() {
            continue;
        }
        for build in std::fs::read_dir(job.path())? {
            results.push(build?.path().join("full"));
        }
    }
    results.retain(|path| path.exists());
    Ok(results)
}
