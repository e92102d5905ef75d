//! What the system knows of processes, asked in the words that Linux and FreeBSD share: those of `ps`. FreeBSD mostly runs
//! without `/proc`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Whether a process exists and is no zombie.
pub fn is_alive(pid: u32) -> bool {
    is_state_of_living(&ask(&["-o", "state=", "-p", &pid.to_string()]))
}

/// The children of a process that live.
pub fn children(pid: u32) -> Vec<u32> {
    let table = ask(&["-A", "-o", "ppid=", "-o", "pid=", "-o", "state="]);
    let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    let living = rows.filter(|fields| fields[0] == pid.to_string() && is_state_of_living(fields[2]));
    living.map(|fields| fields[1].parse().unwrap()).collect()
}

/// The program and the arguments of a process; empty when there is none.
pub fn command_line(pid: u32) -> String {
    ask(&["-ww", "-o", "args=", "-p", &pid.to_string()])
}

/// Bytes of memory that a process has at the moment; none when there is no such process.
pub(crate) fn present_memory(pid: u32) -> Option<u64> {
    let kibibytes: u64 = ask(&["-o", "rss=", "-p", &pid.to_string()]).parse().ok()?;
    Some(kibibytes * 1024)
}

/// What a process has used of the processor, in hundredths of a second; none when there is no such process.
pub(crate) fn processor_time(pid: u32) -> Option<u64> {
    hundredths(&ask(&["-o", "time=", "-p", &pid.to_string()]))
}

/// What `ps` prints; nothing when it finds no such process.
fn ask(options: &[&str]) -> String {
    let output = Command::new("ps").args(options).output().expect("ps cannot be run; is it installed?");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.is_empty(), "ps {options:?}: {complaint}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Letters may follow that say more.
fn is_state_of_living(state: &str) -> bool {
    !state.is_empty() && !state.starts_with(['Z', 'X'])
}

/// Reads `minutes:seconds` with hours before it or hundredths behind it.
fn hundredths(time: &str) -> Option<u64> {
    let (whole, part) = time.split_once('.').unwrap_or((time, "0"));
    let mut seconds = 0;
    for field in whole.split(':') {
        seconds = seconds * 60 + field.parse::<u64>().ok()?;
    }
    Some(seconds * 100 + part.parse::<u64>().ok()?)
}

/// A program where every user can reach it: the project may have been built in a directory that only root may enter. It
/// is gone when this is dropped.
#[derive(Debug)]
pub struct PublicCopy {
    path: PathBuf,
    _directory: TempDir,
}

impl PublicCopy {
    /// A copy with the name of the original.
    pub fn of(program: impl AsRef<Path>) -> PublicCopy {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(program.as_ref().file_name().unwrap());
        // Written by a process of its own: if it were this one, a child that another test starts meanwhile could hold the
        // file open for writing, and such a file cannot be run.
        let copied = Command::new("cp").arg(program.as_ref()).arg(&path).status().unwrap();
        assert!(copied.success(), "cp: {copied}");
        for public in [directory.path(), &path] {
            fs::set_permissions(public, fs::Permissions::from_mode(0o755)).unwrap();
        }
        PublicCopy { path, _directory: directory }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{signal, wait_for};
    use std::process::Stdio;

    #[test]
    fn what_lives_is_told_from_what_does_not() {
        let mut child = Command::new("sleep").arg("1020").stdout(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        assert!(is_alive(pid));
        assert!(children(std::process::id()).contains(&pid));
        wait_for("the program to run", || command_line(pid) == "sleep 1020");
        assert!(present_memory(pid).is_some_and(|bytes| bytes > 0));
        assert!(processor_time(pid).is_some());
        signal(pid, "KILL");
        wait_for("the end of the process", || !is_alive(pid));
        assert!(!children(std::process::id()).contains(&pid), "a zombie is no child that lives");
        child.wait().unwrap();
        assert!(!is_alive(pid));
        assert_eq!(command_line(pid), "");
        assert_eq!(present_memory(pid), None);
        assert_eq!(processor_time(pid), None);
    }

    #[test]
    fn times_are_read_as_linux_and_freebsd_write_them() {
        assert_eq!(hundredths("00:00:07"), Some(700));
        assert_eq!(hundredths("01:02:03"), Some(372_300));
        assert_eq!(hundredths("0:00.03"), Some(3));
        assert_eq!(hundredths("12:34.56"), Some(75_456));
        assert_eq!(hundredths(""), None);
    }

    #[test]
    fn a_copy_of_a_program_runs_and_goes() {
        let copy = PublicCopy::of("/bin/sh");
        let output = Command::new(copy.path()).args(["-c", "echo copied"]).output().unwrap();
        assert_eq!(output.stdout, b"copied\n");
        let path = copy.path().to_owned();
        drop(copy);
        assert!(!path.exists());
    }
}
