//! The processes of a job: the script, which is started here without the descriptors that are none of its business, what it
//! started, and what those started.
//!
//! The worker adopts orphans (subreaper on Linux, reaper on FreeBSD), so every process that a job starts is a
//! descendant of the worker until it is reaped here, whatever it does to hide. Only one's own children are ever
//! killed by number: a child's number cannot pass to another process before the worker itself reaps it.

#[cfg(any(target_os = "freebsd", test))]
mod freebsd;
#[cfg(not(target_os = "freebsd"))]
mod linux;

use super::directory::{DirectoryError, JobDirectory};
use builder_engine::worker::{JobInput, Leftover};
use builder_proto::build_result::BuildResult;
use builder_proto::text::Text;
#[cfg(target_os = "freebsd")]
use freebsd as system;
#[cfg(not(target_os = "freebsd"))]
use linux as system;
use rustix::fd::{BorrowedFd, RawFd};
use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group, wait};
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, PipeWriter};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
pub(super) use system::adopt_orphans;

/// Looks for living processes in one go. More happen after a pause, in which those that were killed can die.
const ROUNDS: usize = 8;

/// What is known of the processes of the job.
#[derive(Debug, Default)]
pub(super) struct Processes {
    /// The script, until it is reaped. Its number is also that of the process group.
    script: Option<Pid>,
    /// Whether there may be processes.
    is_active: bool,
    /// Whether all are being killed. From then on the dead are left unreaped until none is alive: they count against the
    /// limit on processes, so a job that forks faster than it can be killed runs out of room.
    is_killing: bool,
    /// Processes that were killed, or could not be.
    met: BTreeSet<i32>,
}

impl Processes {
    /// The script was started.
    pub(super) fn watch(&mut self, script: Pid) {
        self.script = Some(script);
        self.is_active = true;
    }

    /// Processes may have ended: says what that means.
    pub(super) fn children_ended(&mut self) -> Vec<JobInput<'static>> {
        if self.is_killing { self.kill() } else { self.reap() }
    }

    /// Asks the process group of the script to end.
    pub(super) fn terminate(&self) {
        self.signal_group(Signal::TERM);
    }

    /// Kills every process of the job that can be found now, and says which ones were met besides the script.
    pub(super) fn kill(&mut self) -> Vec<JobInput<'static>> {
        let mut events = Vec::new();
        self.is_killing = true;
        if !self.is_active {
            events.push(JobInput::DescendantsGone);
        }
        for _ in 0..ROUNDS {
            let mut met = Vec::new();
            let was_any = self.is_active.then(|| system::kill_children(|pid| self.has_met(pid), &mut met));
            met.into_iter().for_each(|(pid, name, refusal)| self.note_met(pid, name, refusal, &mut events));
            match was_any {
                Some(Ok(true)) => {}
                Some(Ok(false)) => events.append(&mut self.reap()),
                Some(Err(error)) => {
                    // On Linux, the worker warned when it started. The script's own group can be reached all the same.
                    log::debug!("cannot find or kill the processes of the job: {error}");
                    self.signal_group(Signal::KILL);
                    events.append(&mut self.reap());
                    break;
                }
                None => break,
            }
        }
        events
    }

    fn signal_group(&self, signal: Signal) {
        // As long as the script is not reaped, its number belongs to its group alone.
        if let Some(script) = self.script
            && let Err(error) = kill_process_group(script, signal)
        {
            log::warn!("cannot signal the process group of the job: {error}");
        }
    }

    fn reap(&mut self) -> Vec<JobInput<'static>> {
        let mut events = Vec::new();
        while self.is_active {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.reaped(pid, status, &mut events),
                Ok(None) => break,
                Err(Errno::INTR) => {}
                Err(Errno::CHILD) => {
                    self.is_active = false;
                    events.push(JobInput::DescendantsGone);
                }
                Err(error) => {
                    log::error!("cannot wait for the processes of the job: {error}");
                    break;
                }
            }
        }
        events
    }

    /// Whether a process was told of, or is the script, which is not told of.
    fn has_met(&self, pid: Pid) -> bool {
        self.script == Some(pid) || self.met.contains(&pid.as_raw_pid())
    }

    /// Tells of a process that had to be killed, once.
    fn note_met(
        &mut self,
        pid: Pid,
        name: Option<Text>,
        refusal: Option<Errno>,
        events: &mut Vec<JobInput<'static>>,
    ) {
        if self.script != Some(pid) && self.met.insert(pid.as_raw_pid()) {
            let refusal = refusal.map(|error| error.to_string());
            events.push(JobInput::Leftover(Leftover { pid: pid.as_raw_pid().into(), name, refusal }));
        }
    }

    fn reaped(&mut self, pid: Pid, status: WaitStatus, events: &mut Vec<JobInput<'static>>) {
        self.met.remove(&pid.as_raw_pid());
        if self.script == Some(pid)
            && let Some(result) = result_of(status)
        {
            self.script = None;
            events.push(JobInput::Ended(result));
        }
    }
}

fn result_of(status: WaitStatus) -> Option<BuildResult> {
    let exited = status.exit_status().map(|code| BuildResult::Exited(code.into()));
    exited.or_else(|| status.terminating_signal().map(|number| BuildResult::Signalled(number.into())))
}

/// What runs a script that does not say who should run it.
const SHELL: &str = "/bin/sh";

/// Why a script does not run.
#[derive(Debug)]
pub(super) enum StartError {
    Directory(DirectoryError),
    Console(io::Error),
    Script(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(error) => error.fmt(f),
            Self::Console(error) => write!(f, "cannot make a console for the job: {error}"),
            Self::Script(error) => {
                write!(f, "cannot run the script: {error}")?;
                match error.kind() {
                    io::ErrorKind::NotFound => write!(
                        f,
                        "; is the interpreter in its first line installed, and does that line end without a carriage \
                         return?"
                    ),
                    io::ErrorKind::PermissionDenied => {
                        write!(
                            f,
                            "; may the interpreter in its first line be executed, and is the job's directory not on a \
                             file system mounted noexec?"
                        )
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

impl StartError {
    /// Whether it is this script that cannot be executed, so that any other worker would fail in the same way. That
    /// scripts can be executed at all has been seen before.
    pub(super) fn is_of_the_script(&self) -> bool {
        let Self::Script(error) = self else { return false };
        let of_the_script = [
            Errno::NOENT,
            Errno::ACCESS,
            Errno::PERM,
            Errno::NOEXEC,
            Errno::NOTDIR,
            Errno::ISDIR,
            Errno::LOOP,
            Errno::NAMETOOLONG,
            Errno::INVAL,
            Errno::TOOBIG,
        ];
        Errno::from_io_error(error).is_some_and(|error| of_the_script.contains(&error))
    }
}

/// Starts the script at `path` in its directory, in a process group of its own.
///
/// It gets the environment as it is, nothing to read, and `console` for everything it writes. Whoever starts it
/// reaps it.
///
/// # Errors
///
/// Whatever keeps the script or its interpreter from being executed.
pub(super) fn start_script(
    directory: &JobDirectory,
    path: &Path,
    script: &[u8],
    console: PipeWriter,
) -> Result<Pid, StartError> {
    let mut command = if is_executable(script) {
        Command::new(path)
    } else {
        let mut shell = Command::new(SHELL);
        shell.arg(path);
        shell
    };
    let errors = console.try_clone().map_err(StartError::Console)?;
    command.current_dir(directory.path()).process_group(0);
    command.stdin(Stdio::null()).stdout(console).stderr(errors);
    // The command is dropped with our ends of the console, so that the console ends with the job.
    let child = command.spawn().map_err(StartError::Script)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| StartError::Script(io::Error::other("the system gave it no process id")))
}

/// Whether the system knows how to run this: an interpreter is named, or it is a program.
fn is_executable(script: &[u8]) -> bool {
    script.starts_with(b"#!") || script.starts_with(b"\x7fELF")
}

/// Where descriptors end that are looked for one by one. They are handed out lowest first.
const PLAUSIBLE: RawFd = 1024;

/// Marks everything but stdin, stdout and stderr so that jobs do not get it.
///
/// What the worker opens itself is marked from birth; this is about what it was started with.
pub(super) fn close_on_execute() {
    for number in open_descriptors() {
        // SAFETY: the descriptor is borrowed for these two calls only, which change nothing but a flag and fail when it is
        // closed. Nothing else runs in this process that could close it meanwhile.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        if let Ok(flags) = fcntl_getfd(descriptor)
            && let Err(error) = fcntl_setfd(descriptor, flags | FdFlags::CLOEXEC)
        {
            log::warn!("jobs may inherit descriptor {number}: {error}");
        }
    }
}

#[cfg(target_os = "linux")]
fn open_descriptors() -> Vec<RawFd> {
    let numbers = std::fs::read_dir("/proc/self/fd").map(|entries| {
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|number| *number > 2)
    });
    numbers.map_or_else(|_| (3..PLAUSIBLE).collect(), Iterator::collect)
}

#[cfg(not(target_os = "linux"))]
fn open_descriptors() -> Vec<RawFd> {
    (3..PLAUSIBLE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_scripts_would_meet_as_well_is_not_of_the_script() {
        let failed = |error: Errno| StartError::Script(error.into());
        for error in [Errno::NOENT, Errno::ACCESS, Errno::NOEXEC] {
            assert!(failed(error).is_of_the_script(), "{error}");
        }
        for error in [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE, Errno::IO] {
            assert!(!failed(error).is_of_the_script(), "{error}");
        }
        assert!(!StartError::Console(Errno::NOENT.into()).is_of_the_script());
        assert!(!StartError::Script(io::Error::other("no process id")).is_of_the_script());
    }
}
