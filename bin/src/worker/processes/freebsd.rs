//! Finding the descendants of the worker on FreeBSD: the system keeps the list for those who ask to be their reaper.
//!
//! How a reaper kills its descendants, and what the kernel says of them, stands apart from the system calls, so that it can be
//! tested anywhere.

use builder_proto::text::Text;
use rustix::io::Errno;
use rustix::process::Pid;
use std::io;
use std::ops::Range;

/// What the kernel does for a reaper.
trait Kernel {
    /// The descendants that live.
    fn living(&mut self) -> io::Result<Vec<Pid>>;
    /// The name of a process, if there is such a process.
    fn name(&mut self, pid: Pid) -> Option<Text>;
    /// Kills all descendants that may be killed. What the kernel says of it is no use but for whether it could try: it
    /// reports a refusal only until the next process that could be killed.
    fn kill_all(&mut self) -> io::Result<()>;
    /// Whether a process may be killed, if there is such a process.
    fn test_kill(&mut self, pid: Pid) -> Result<(), Errno>;
}

/// Kills all descendants that live, and says whether there were any. Adds those that are not known to `met`, with their names
/// and why they could not be killed.
fn kill_descendants(
    kernel: &mut impl Kernel,
    is_known: impl Fn(Pid) -> bool,
    met: &mut Vec<(Pid, Option<Text>, Option<Errno>)>,
) -> io::Result<bool> {
    let living = kernel.living()?;
    let new = living.iter().filter(|pid| !is_known(**pid));
    // Asked before, as the dead may be reaped by their own parents.
    let new: Vec<(Pid, Option<Text>)> = new.map(|pid| (*pid, kernel.name(*pid))).collect();
    kernel.kill_all()?;
    let refused: Vec<Pid> =
        new.iter().map(|(pid, _)| *pid).filter(|pid| kernel.test_kill(*pid) == Err(Errno::PERM)).collect();
    // A descendant that was reaped by its parent may have left its number to a stranger, who may not be killed either.
    let still = if refused.is_empty() { Vec::new() } else { kernel.living()? };
    for (pid, name) in new {
        let is_refused = refused.contains(&pid) && still.contains(&pid);
        met.push((pid, name, is_refused.then_some(Errno::PERM)));
    }
    Ok(!living.is_empty())
}

/// Where the fields of a `struct kinfo_proc` are, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct InfoLayout {
    length: usize,
    pid: usize,
    name: Range<usize>,
}

/// That of amd64.
#[cfg(any(test, target_arch = "x86_64"))]
const AMD64: InfoLayout = InfoLayout { length: 1088, pid: 72, name: 447..467 };

/// The name in what the kernel said of a process, if it is about that process.
fn name_in(info: &[u8], layout: &InfoLayout, pid: Pid) -> Option<Text> {
    if info.len() != layout.length {
        return None;
    }
    let number = info.get(layout.pid..)?.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))?;
    let name = info.get(layout.name.clone())?.split(|byte| *byte == 0).next()?;
    (number == pid.as_raw_pid() && !name.is_empty()).then(|| name.to_vec().into())
}

#[cfg(target_os = "freebsd")]
pub(crate) use calls::adopt_orphans;
#[cfg(target_os = "freebsd")]
pub(super) use calls::kill_children;

/// The system calls.
#[cfg(target_os = "freebsd")]
mod calls {
    use crate::worker::processes::freebsd::{InfoLayout, Kernel, kill_descendants, name_in};
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
        let tested = crate::worker::processes::freebsd::AMD64;
        assert!(LAYOUT.length == tested.length && LAYOUT.pid == tested.pid);
        assert!(LAYOUT.name.start == tested.name.start && LAYOUT.name.end == tested.name.end);
    };

    /// Makes the worker the parent of every descendant whose own parent ends.
    pub(crate) fn adopt_orphans() -> io::Result<()> {
        Ok(set_reaper_status(true)?)
    }

    /// Kills all descendants of the worker that live, and says whether there were any. Adds those that are not known to `met`,
    /// with their names and why they could not be killed.
    pub(crate) fn kill_children(
        is_known: impl Fn(Pid) -> bool,
        met: &mut Vec<(Pid, Option<Text>, Option<Errno>)>,
    ) -> io::Result<bool> {
        kill_descendants(&mut System, is_known, met)
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
            name_in(&info, &LAYOUT, pid)
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
}

#[cfg(test)]
mod tests {
    use super::super::Processes;
    use super::*;
    use builder_engine::worker::{JobInput, Leftover};
    use std::collections::{BTreeMap, BTreeSet};

    /// Processes by their numbers: the name, and whether it may be killed.
    #[derive(Default)]
    struct Fake {
        descendants: BTreeMap<i32, (&'static str, bool)>,
        /// Others that may not be killed, which have the numbers of descendants that were reaped.
        strangers: BTreeSet<i32>,
        names_asked: usize,
    }

    impl Kernel for Fake {
        fn living(&mut self) -> io::Result<Vec<Pid>> {
            Ok(self.descendants.keys().filter_map(|pid| Pid::from_raw(*pid)).collect())
        }

        fn name(&mut self, pid: Pid) -> Option<Text> {
            self.names_asked += 1;
            self.descendants.get(&pid.as_raw_pid()).map(|(name, _)| (*name).into())
        }

        fn kill_all(&mut self) -> io::Result<()> {
            self.descendants.retain(|_, (_, may_be_killed)| !*may_be_killed);
            Ok(())
        }

        fn test_kill(&mut self, pid: Pid) -> Result<(), Errno> {
            let pid = pid.as_raw_pid();
            match (self.descendants.get(&pid), self.strangers.contains(&pid)) {
                (Some((_, false)), _) | (None, true) => Err(Errno::PERM),
                (Some(_), _) => Ok(()),
                (None, false) => Err(Errno::SRCH),
            }
        }
    }

    fn kill(fake: &mut Fake, processes: &mut Processes) -> (bool, Vec<Leftover>) {
        let (mut met, mut events) = (Vec::new(), Vec::new());
        let was_any = kill_descendants(fake, |pid| processes.has_met(pid), &mut met).unwrap();
        met.into_iter().for_each(|(pid, name, refusal)| processes.note_met(pid, name, refusal, &mut events));
        let leftovers = events.into_iter().map(|event| match event {
            JobInput::Leftover(leftover) => leftover,
            other => panic!("unexpected {other:?}"),
        });
        (was_any, leftovers.collect())
    }

    fn leftover(pid: i64, name: &str, refusal: Option<Errno>) -> Leftover {
        Leftover { pid, name: Some(name.into()), refusal: refusal.map(|error| error.to_string()) }
    }

    #[test]
    fn what_is_left_behind_is_killed_and_named_once() {
        let mut fake = Fake::default();
        fake.descendants.extend([(10, ("sleep", true)), (11, ("daemon", true))]);
        let mut processes = Processes::default();
        let (was_any, leftovers) = kill(&mut fake, &mut processes);
        assert!(was_any);
        assert_eq!(leftovers, [leftover(10, "sleep", None), leftover(11, "daemon", None)]);
        assert_eq!(kill(&mut fake, &mut processes), (false, vec![]));
    }

    #[test]
    fn a_refusal_is_reported_whatever_could_be_killed_after_it() {
        let mut fake = Fake::default();
        fake.descendants.extend([(9, ("sh", true)), (10, ("sudo", false)), (11, ("sleep", true))]);
        let mut processes = Processes::default();
        let (_, leftovers) = kill(&mut fake, &mut processes);
        let refused = leftover(10, "sudo", Some(Errno::PERM));
        assert_eq!(leftovers, [leftover(9, "sh", None), refused, leftover(11, "sleep", None)]);
        // It stays, is looked at again, and is spoken of no more.
        let asked = fake.names_asked;
        assert_eq!(kill(&mut fake, &mut processes), (true, vec![]));
        assert_eq!(fake.names_asked, asked);
    }

    #[test]
    fn a_stranger_who_got_the_number_of_the_dead_is_no_refusal() {
        let mut fake = Fake::default();
        fake.descendants.insert(10, ("sleep", true));
        fake.strangers.insert(10);
        assert_eq!(kill(&mut fake, &mut Processes::default()).1, [leftover(10, "sleep", None)]);
    }

    #[test]
    fn the_script_is_not_left_behind() {
        let mut fake = Fake::default();
        fake.descendants.insert(10, ("sh", true));
        let mut processes = Processes::default();
        processes.watch(Pid::from_raw(10).unwrap());
        assert_eq!(kill(&mut fake, &mut processes), (true, vec![]));
        assert!(fake.descendants.is_empty());
    }

    #[test]
    fn names_are_read_from_what_the_kernel_says() {
        let pid = Pid::from_raw(4711).unwrap();
        let mut info = vec![0xaa; AMD64.length];
        info[72..76].copy_from_slice(&4711_i32.to_ne_bytes());
        info[447..467].copy_from_slice(b"sleep\0garbage behind");
        assert_eq!(name_in(&info, &AMD64, pid), Some("sleep".into()));
        assert_eq!(name_in(&info, &AMD64, Pid::from_raw(4712).unwrap()), None, "another process");
        assert_eq!(name_in(&info[..1087], &AMD64, pid), None, "another kernel");
        assert_eq!(name_in(&[], &AMD64, pid), None, "no such process");
        info[447..467].copy_from_slice(b"as long as there is.");
        assert_eq!(name_in(&info, &AMD64, pid), Some("as long as there is.".into()));
        info[447] = 0;
        assert_eq!(name_in(&info, &AMD64, pid), None);
    }
}
