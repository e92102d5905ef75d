//! Finding the descendants of the worker on Linux: its children, again and again, since the children of those that
//! are killed become its own.

use builder_proto::text::Text;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, set_child_subreaper, waitid,
};
use std::fs;
use std::io;

/// Makes the worker the parent of every descendant whose own parent ends.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    // Any process id but none switches it on.
    set_child_subreaper(Some(getpid()))?;
    if let Err(error) = children() {
        log::warn!(
            "cannot see which processes jobs leave running, so they will not be killed: {error}; is /proc mounted?"
        );
    }
    Ok(())
}

/// Kills the children of the worker that live, and says whether there were any. Adds those that are not known to `met`, with
/// their names and why they could not be killed.
pub(super) fn kill_children(
    is_known: impl Fn(Pid) -> bool,
    met: &mut Vec<(Pid, Option<Text>, Option<Errno>)>,
) -> io::Result<bool> {
    let mut is_any_alive = false;
    for pid in children()? {
        // Nobody but the worker can end the claim of a child to its number, so there is no race between this question
        // and the signal. It also protects others where /proc shows the numbers of another namespace.
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)
        {
            Ok(None) => {}
            Ok(Some(_)) | Err(Errno::CHILD) => continue,
            Err(error) => return Err(error.into()),
        }
        let name = if is_known(pid) { None } else { Some(command_name(pid)) };
        let refusal = kill_process(pid, Signal::KILL).err();
        met.extend(name.map(|name| (pid, name, refusal)));
        is_any_alive = true;
    }
    Ok(is_any_alive)
}

/// The children of the worker, dead ones too.
fn children() -> io::Result<Vec<Pid>> {
    match fs::read_to_string("/proc/thread-self/children") {
        Ok(numbers) => Ok(numbers.split_ascii_whitespace().filter_map(parse).collect()),
        // A kernel without this file: every process could be a child.
        Err(_) => {
            Ok(fs::read_dir("/proc")?.filter_map(|entry| parse(entry.ok()?.file_name().to_str()?)).collect())
        }
    }
}

fn parse(number: &str) -> Option<Pid> {
    Pid::from_raw(number.parse().ok()?)
}

fn command_name(pid: Pid) -> Option<Text> {
    let mut name = fs::read(format!("/proc/{}/comm", pid.as_raw_pid())).ok()?;
    name.pop_if(|last| *last == b'\n');
    Some(name.into())
}
