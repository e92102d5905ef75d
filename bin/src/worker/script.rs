//! Starting the script of a job, without the descriptors that are none of its business.

use super::directory::{DirectoryError, JobDirectory};
use rustix::fd::{BorrowedFd, RawFd};
use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::process::Pid;
use std::fmt;
use std::io::{self, PipeWriter};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

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
