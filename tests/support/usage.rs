//! What a running program uses, and programs that may not use much.

use crate::system::{present_memory, processor_time};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use builder_proto::time::Time;

/// Bytes of memory that a process had at most so far, or has at the moment where the system does not tell; none when it is
/// gone.
pub fn peak_memory(pid: u32) -> Option<u64> {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return present_memory(pid) };
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().unwrap();
    Some(kibibytes * 1024)
}

/// What a process has used of the processor, in ticks of the system, which are some hundredths of a second; none when it is
/// gone.
pub fn processor_ticks(pid: u32) -> Option<u64> {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return processor_time(pid) };
    // The second field, a name in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |index: usize| fields[index].parse::<u64>().unwrap();
    Some(number(11) + number(12))
}

/// Whether this process may do everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The command that does the same under limits, which are options of the shell's `ulimit`.
pub fn limited(command: &Command, limits: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit {limits} && exec \"$0\" \"$@\""));
    shell.arg(command.get_program()).args(command.get_args());
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

/// The time by the clock on the wall.
pub fn now() -> Time {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Time::from_unix_milliseconds(i64::try_from(passed.as_millis()).unwrap())
}
