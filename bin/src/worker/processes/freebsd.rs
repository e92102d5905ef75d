//! Finding the descendants of the worker on FreeBSD: the system keeps the list for those who ask to be their reaper.

use super::Processes;
use builder_engine::worker::JobInput;
use rustix::io::Errno;
use rustix::process::{PidInfoFlags, Signal, get_reaper_pids, reaper_kill, set_reaper_status};
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
    let outcome = reaper_kill(None, Signal::KILL, false, None);
    let failed = match outcome {
        Ok(result) => result.first_failed,
        // There was nothing to kill.
        Err(Errno::SRCH) => None,
        Err(error) => return Err(error.into()),
    };
    for process in alive {
        if !process.flags.contains(PidInfoFlags::ZOMBIE) {
            let refusal = (failed == Some(process.pid)).then_some(Errno::PERM);
            processes.note_met(process.pid, None, refusal, events);
            is_any_alive = true;
        }
    }
    Ok(is_any_alive)
}
