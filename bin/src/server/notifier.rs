//! The program that is told of builds: the options about it, and its processes, each a process group of its own.
//!
//! Whatever one of them does, the event loop only waits for SIGCHLD. A thread reads what it prints, so that it never has to wait
//! for anybody who reads.

use crate::command_line::{Flag, Kind, Matches, UsageError, time_limit};
use crate::server::notice_output::{Complaint, Output};
use builder_engine::driver::{Notice, NoticeEnd};
use builder_engine::limits::NOTICE_TIME;
use builder_proto::Uuid;
use mio::Waker;
use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::io::{self, ErrorKind};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

pub(super) const ON_FINISH: Flag = Flag::with_value(
    "on-finish",
    "PROGRAM",
    Kind::File,
    "run this program for every build that has finished, with what is known of it in its environment",
)
.manual(
    "\
Run this program for every build that has finished, without arguments, in the
root directory.
What is known of the build is in its environment, as
.Sx ENVIRONMENT
lists.
Builds of one job are told one after the other, in the order in which they
finished; of all jobs together, at most four programs run at a time.
.Pp
If the program does not exit with status 0, it is run again after 10 seconds,
and then after pauses that double up to half an hour.
After ten attempts the server gives up, and logs an error that says so.
.Dv SIGHUP
or a restart of the server tries all that wait at once.
.Pp
A notice survives any crash: it is given at least once for every build, so that
around a crash of the server or of the program it may come twice.
If results are uploaded, one is removed only after the program was told of it.
Up to 10,000 notices wait; of more, the oldest are given up.
.Pp
What the program prints is logged, up to 20 lines.
What it leaves behind in its process group is killed when it ends.",
);
pub(super) const ON_FINISH_TIMEOUT: Flag = Flag::with_value(
    "on-finish-timeout",
    "TIME",
    Kind::Text,
    "the longest time that the program of --on-finish may take",
)
.default("5m")
.manual(
    "\
The longest time that the program of
.Fl -on-finish
may take; then it is killed with its process group, and run again later.
The default is five minutes.",
);

/// The program that is told of builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OnFinish {
    pub(crate) program: PathBuf,
    /// The longest that it may take.
    pub(crate) timeout: Duration,
}

/// Why the program cannot be told of builds.
#[derive(Debug)]
pub(crate) struct ProgramError {
    program: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Unreadable(io::Error),
    NoFile,
    NotExecutable,
}

/// What there is to be told, if anything.
pub(super) fn resolve_on_finish(matches: &Matches) -> Result<Option<OnFinish>, UsageError> {
    let timeout = time_limit(matches, ON_FINISH_TIMEOUT.long)?;
    let Some(program) = matches.opt_str(ON_FINISH.long) else {
        return match timeout {
            Some(_) => Err(UsageError::new(format_args!(
                "--{} has no effect without --{} PROGRAM",
                ON_FINISH_TIMEOUT.long, ON_FINISH.long
            ))),
            None => Ok(None),
        };
    };
    if program.is_empty() {
        return Err(UsageError::new(format_args!("--{} needs the path of a program", ON_FINISH.long)));
    }
    Ok(Some(OnFinish { program: program.into(), timeout: timeout.unwrap_or(NOTICE_TIME) }))
}

/// The whole path of the program, which can be run at present.
fn find(program: &Path) -> Result<PathBuf, ProgramError> {
    let refused = |problem| ProgramError { program: program.to_owned(), problem };
    let path = std::path::absolute(program).map_err(|error| refused(Problem::Unreadable(error)))?;
    match path.metadata() {
        Err(error) => Err(refused(Problem::Unreadable(error))),
        Ok(metadata) if !metadata.is_file() => Err(refused(Problem::NoFile)),
        Ok(_) => match access(&path, Access::EXEC_OK) {
            Ok(()) => Ok(path),
            Err(_) => Err(refused(Problem::NotExecutable)),
        },
    }
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.program.display();
        match &self.problem {
            Problem::Unreadable(error) if error.kind() == ErrorKind::NotFound => {
                write!(f, "there is no program {program}; correct --on-finish, or install it")
            }
            Problem::Unreadable(error) => {
                write!(f, "cannot run {program}, which --on-finish names: {error}; check its permissions")
            }
            Problem::NoFile => write!(f, "cannot run {program}, which --on-finish names: it is no file"),
            Problem::NotExecutable => write!(
                f,
                "cannot run {program}, which --on-finish names: this user may not execute it; chmod it, or start \
                 the server as another user"
            ),
        }
    }
}

/// Variables of the server that a program gets as well: what programs need to find others, and to know the place. Nothing else,
/// as it may be secret or about the server alone.
const KEPT_VARIABLES: [&str; 6] = ["PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL"];
/// Where programs are looked for if the server was not told.
const USUAL_PATH: &str = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin";
/// The variable with the path of the stored result, which only the program knows that keeps it.
const RESULT_FILE: &str = "BUILDER_RESULT_FILE";

/// Starts the programs.
#[derive(Debug)]
pub(crate) struct Notifier {
    program: PathBuf,
    running: BTreeMap<Uuid, Running>,
    /// What programs have complained of, once all that they printed is read.
    complaints: Receiver<(Uuid, Complaint)>,
    sender: Sender<(Uuid, Complaint)>,
    waker: Arc<Waker>,
}

/// A program that is told of a build.
#[derive(Debug)]
struct Running {
    child: Child,
    output: Output,
    /// How it ended.
    end: Option<io::Result<ExitStatus>>,
    complaint: Option<Complaint>,
}

impl Notifier {
    /// Looks for the program, so that what is wrong with it is known at once.
    pub(crate) fn new(program: &Path, waker: Arc<Waker>) -> Result<Notifier, ProgramError> {
        let program = find(program)?;
        let (sender, complaints) = mpsc::channel();
        Ok(Notifier { program, running: BTreeMap::new(), complaints, sender, waker })
    }

    /// Starts the program for a build; `result` is the path of what is stored of it.
    pub(crate) fn start(&mut self, notice: &Notice<'_>, result: Option<&Path>) -> io::Result<()> {
        let uuid = notice.uuid;
        let failed = |error: io::Error| {
            let program = self.program.display();
            io::Error::new(error.kind(), format!("{program} could not be run: {error}"))
        };
        let (sender, waker) = (self.sender.clone(), Arc::clone(&self.waker));
        let report = move |complaint| {
            // Without a receiver the server is about to end.
            if sender.send((uuid, complaint)).is_ok()
                && let Err(error) = waker.wake()
            {
                log::error!("cannot wake the event loop: {error}");
            }
        };
        let (child, output) = begin(&mut self.command(notice, result), uuid, report).map_err(failed)?;
        self.running.insert(uuid, Running { child, output, end: None, complaint: None });
        Ok(())
    }

    /// Kills a program with its process group; it is reaped like any other.
    pub(crate) fn kill(&mut self, uuid: Uuid) {
        if let Some(running) = self.running.get(&uuid).filter(|running| running.end.is_none()) {
            kill_group(&running.child);
        }
    }

    /// Looks for programs that have ended; to be called after SIGCHLD.
    pub(crate) fn reap(&mut self) {
        for running in self.running.values_mut().filter(|running| running.end.is_none()) {
            // As long as it is not reaped, the number of its process group means no other.
            if has_ended(&running.child) {
                kill_group(&running.child);
                running.end = running.child.try_wait().transpose();
                running.output.stop();
            }
        }
    }

    /// A program that has ended and whose output is read, and how it ended.
    pub(crate) fn next_end(&mut self) -> Option<(Uuid, NoticeEnd)> {
        for (uuid, complaint) in self.complaints.try_iter() {
            if let Some(running) = self.running.get_mut(&uuid) {
                running.complaint = Some(complaint);
            }
        }
        let is_over = |running: &Running| running.end.is_some() && running.complaint.is_some();
        let uuid = *self.running.iter().find(|(_, running)| is_over(running))?.0;
        let running = self.running.remove(&uuid)?;
        Some((uuid, outcome(running.end?, running.complaint?)))
    }

    fn command(&self, notice: &Notice<'_>, result: Option<&Path>) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("PATH", USUAL_PATH);
        for name in KEPT_VARIABLES {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(notice.variables.iter().map(|(name, value)| (name, value)));
        command.env(RESULT_FILE, result.unwrap_or(Path::new("")));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.current_dir("/").process_group(0);
        command
    }
}

impl Drop for Notifier {
    /// What is under way starts anew with the next server. The system takes care of what is left of the processes.
    fn drop(&mut self) {
        self.running
            .values()
            .filter(|running| running.end.is_none())
            .for_each(|running| kill_group(&running.child));
    }
}

/// Whether a program has ended. It is not reaped by that.
fn has_ended(child: &Child) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // An error means that there is nothing to wait for.
    !matches!(waitid(WaitId::Pid(pid_of(child)), options), Ok(None))
}

fn kill_group(child: &Child) {
    // Without anybody left in it there is nothing to do: only its leader has ended, and waits to be reaped.
    let _ = kill_process_group(pid_of(child), Signal::KILL);
}

/// Starts a program, and a thread that reads what it prints.
fn begin(
    command: &mut Command,
    uuid: Uuid,
    report: impl FnOnce(Complaint) + Send + 'static,
) -> io::Result<(Child, Output)> {
    let mut child = command.spawn()?;
    match Output::read(&mut child, uuid, report) {
        Ok(output) => Ok((child, output)),
        Err(error) => {
            // It is tried again later. Nobody would hear what this one says.
            give_up(&mut child);
            Err(error)
        }
    }
}

/// Kills a program with its process group, and leaves nothing to be reaped.
fn give_up(child: &mut Child) {
    kill_group(child);
    let _ = child.wait();
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// What the end of a program means.
fn outcome(end: io::Result<ExitStatus>, complaint: Complaint) -> NoticeEnd {
    let how = match end {
        Ok(status) if status.success() => return NoticeEnd::Done,
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("it exited with status {code}"),
            (None, Some(signal)) => format!("signal {signal} ended it"),
            (None, None) => format!("it ended: {status}"),
        },
        Err(error) => format!("nobody knows how it ended: {error}"),
    };
    NoticeEnd::Failed(match complaint {
        Some(line) => format!("{how}: {line}"),
        None => format!("{how}, and printed no reason"),
    })
}

#[cfg(test)]
mod tests;
