//! Finding the descendants of the worker on FreeBSD: the system keeps the list for those who ask to be their reaper.

use super::Processes;
use builder_engine::worker::JobInput;
use rustix::io::Errno;
use rustix::process::{
    PidInfoFlags, Signal, get_reaper_pids, reaper_kill, set_reaper_status, test_kill_process,
};
use std::io;

/// Makes the worker the parent of every descendant whose own parent ends.
pub(in crate::worker) fn adopt_orphans() -> io::Result<()> {
    Ok(set_reaper_status(true)?)
}

/// Kills all descendants of the worker that live, and says whether there were any.
pub(super) fn kill_children(
    processes: &mut Processes,
    events: &mut Vec<JobInput<'static>>,
) -> io::Result<bool> {
    let mut is_any_alive = false;
    let alive = get_reaper_pids(None)?;
    let is_refused = match reaper_kill(None, Signal::KILL, false, None) {
        // Which process failed is not looked at: when none did, rustix gives a process with the id -1.
        // There may have been nothing to kill.
        Ok(_) | Err(Errno::SRCH) => false,
        // All others were killed nevertheless.
        Err(Errno::PERM) => true,
        Err(error) => return Err(error.into()),
    };
    for process in alive {
        if !process.flags.contains(PidInfoFlags::ZOMBIE) {
            let refusal = is_refused.then(|| test_kill_process(process.pid).err()).flatten();
            processes.note_met(process.pid, None, refusal.filter(|error| *error == Errno::PERM), events);
            is_any_alive = true;
        }
    }
    Ok(is_any_alive)
}
