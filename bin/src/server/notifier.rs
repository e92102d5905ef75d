//! The programs that are told of builds, each a process group of its own.
//!
//! Whatever one of them does, the event loop only waits for SIGCHLD. A thread reads what it prints, so that it never has to wait
//! for anybody who reads.

use crate::server::notice_output::{Complaint, Output};
use crate::server::on_finish::{self, ProgramError};
use builder_engine::driver::{Notice, NoticeEnd};
use builder_proto::Uuid;
use mio::Waker;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::collections::BTreeMap;
use std::env;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

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
        let program = on_finish::find(program)?;
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
        let mut child = self.command(notice, result).spawn().map_err(failed)?;
        let (sender, waker) = (self.sender.clone(), Arc::clone(&self.waker));
        let report = move |complaint| {
            // Without a receiver the server is about to end.
            if sender.send((uuid, complaint)).is_ok()
                && let Err(error) = waker.wake()
            {
                log::error!("cannot wake the event loop: {error}");
            }
        };
        match Output::read(&mut child, uuid, report) {
            Ok(output) => {
                self.running.insert(uuid, Running { child, output, end: None, complaint: None });
                Ok(())
            }
            Err(error) => {
                // It is tried again later. Nobody would hear what this one says.
                kill_group(&child);
                let _ = child.wait();
                Err(failed(error))
            }
        }
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
