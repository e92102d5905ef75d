//! What the system says of a running process.

/// A process, by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

/// Bytes of memory, where the system tells.
pub(crate) type Memory = Option<u64>;

impl Process {
    /// The most memory that was ever resident.
    pub(crate) fn peak_memory(self) -> Memory {
        self.memory("VmHWM:")
    }

    /// The memory that is resident now.
    pub(crate) fn resident_memory(self) -> Memory {
        self.memory("VmRSS:")
    }

    /// Nanoseconds that its threads have run.
    pub(crate) fn run_time(self) -> Option<u64> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.0)).ok()?;
        threads
            .map(|thread| {
                let statistics = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
                statistics.split_ascii_whitespace().next()?.parse::<u64>().ok()
            })
            .sum()
    }

    fn memory(self, label: &str) -> Memory {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(label))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes * 1024)
    }
}
