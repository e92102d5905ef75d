//! The machine on which the figures hold.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

/// What a reader needs to know to compare figures.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    system: String,
    file_system: String,
}

impl Machine {
    /// Looks at this machine, and at the file system of `directory`.
    pub(crate) fn look(directory: &Path) -> Machine {
        let name = rustix::system::uname();
        let part = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        Machine {
            cores: available_parallelism().map_or(1, usize::from),
            processor: processor().unwrap_or_else(|| part(name.machine())),
            system: format!("{} {}", part(name.sysname()), part(name.release())),
            file_system: file_system(directory).unwrap_or_else(|| "unknown".to_owned()),
        }
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> String {
        let Machine { cores, processor, system, file_system } = self;
        format!("{cores} cores of {processor}, {system}, file system {file_system}")
    }
}

/// Raises the number of descriptors of this process, and of those it starts, as far as the system lets it; gives that
/// number.
pub(crate) fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    limit.current.unwrap_or(u64::MAX)
}

fn processor() -> Option<String> {
    let description = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = description.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
}

/// The kind and the options of the file system with the longest mount point above the directory.
fn file_system(directory: &Path) -> Option<String> {
    let directory = directory.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?, fields.next()?))
    });
    let above = mounts.filter(|(point, ..)| directory.starts_with(point));
    above.max_by_key(|(point, ..)| point.len()).map(|(_, kind, options)| format!("{kind} ({options})"))
}
