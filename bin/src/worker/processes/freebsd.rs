//! Finding the descendants of the worker on FreeBSD: the system keeps the list for those who ask to be their reaper.

use super::reaper::{self, InfoLayout, Kernel};
use builder_proto::text::Text;
use libc::c_uint;
use rustix::io::Errno;
use rustix::process::{
    Pid, PidInfoFlags, Signal, get_reaper_pids, reaper_kill, set_reaper_status, test_kill_process,
};
use std::io;
use std::mem::offset_of;
use std::ptr;

/// Where this system has what it says of a process.
const LAYOUT: InfoLayout = {
    let name = offset_of!(libc::kinfo_proc, ki_comm);
    let pid = offset_of!(libc::kinfo_proc, ki_pid);
    InfoLayout { length: size_of::<libc::kinfo_proc>(), pid, name: name..name + libc::COMMLEN + 1 }
};

// What the tests use, which may run elsewhere.
#[cfg(target_arch = "x86_64")]
const _: () = {
    let tested = reaper::AMD64;
    assert!(LAYOUT.length == tested.length && LAYOUT.pid == tested.pid);
    assert!(LAYOUT.name.start == tested.name.start && LAYOUT.name.end == tested.name.end);
};

/// Makes the worker the parent of every descendant whose own parent ends.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(set_reaper_status(true)?)
}

/// Kills all descendants of the worker that live, and says whether there were any. Adds those that are not known to `met`,
/// with their names and why they could not be killed.
pub(super) fn kill_children(
    is_known: impl Fn(Pid) -> bool,
    met: &mut Vec<(Pid, Option<Text>, Option<Errno>)>,
) -> io::Result<bool> {
    reaper::kill_descendants(&mut System, is_known, met)
}

struct System;

impl Kernel for System {
    fn living(&mut self) -> io::Result<Vec<Pid>> {
        let descendants = get_reaper_pids(None)?.into_iter();
        Ok(descendants
            .filter(|process| !process.flags.contains(PidInfoFlags::ZOMBIE))
            .map(|process| process.pid)
            .collect())
    }

    fn name(&mut self, pid: Pid) -> Option<Text> {
        let place = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PID, pid.as_raw_pid()];
        let depth = c_uint::try_from(place.len()).ok()?;
        let mut info = vec![0_u8; LAYOUT.length];
        let mut length = info.len();
        let buffer = info.as_mut_ptr().cast();
        // SAFETY: there are `depth` numbers, and the buffer has as many bytes as `length` says.
        if unsafe { libc::sysctl(place.as_ptr(), depth, buffer, &raw mut length, ptr::null(), 0) } != 0 {
            return None;
        }
        info.truncate(length);
        reaper::name_in(&info, &LAYOUT, pid)
    }

    fn kill_all(&mut self) -> io::Result<()> {
        match reaper_kill(None, Signal::KILL, false, None) {
            // Which process failed is not looked at: when none did, rustix gives a process with the id -1. There may have
            // been nothing to kill, or nothing that may be killed.
            Ok(_) | Err(Errno::SRCH | Errno::PERM) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn test_kill(&mut self, pid: Pid) -> Result<(), Errno> {
        test_kill_process(pid)
    }
}
