//! The processes of a job: the script, what it started, and what those started.
//!
//! The worker adopts orphans (subreaper on Linux, reaper on FreeBSD), so every process that a job starts is a
//! descendant of the worker until it is reaped here, whatever it does to hide. Only one's own children are ever
//! killed by number: a child's number cannot pass to another process before the worker itself reaps it.

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(any(target_os = "freebsd", test))]
mod reaper;
#[cfg(target_os = "freebsd")]
use freebsd as system;
#[cfg(not(target_os = "freebsd"))]
mod linux;
#[cfg(not(target_os = "freebsd"))]
use linux as system;

use builder_engine::worker::{JobInput, Leftover};
use builder_proto::build_result::BuildResult;
use builder_proto::text::Text;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group, wait};
use std::collections::BTreeSet;

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
