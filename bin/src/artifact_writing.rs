//! Writing artifacts, as `fetch` and builder-inspect do: below a directory and nowhere else, and how far it is.
//!
//! The paths come from whatever ran in a sandbox. Each directory on the way is opened by itself, below the one before and
//! never through a link, so nothing outside the directory is touched.

use crate::terminal::StatusLine;
use crate::wording::Size;
use builder_proto::text::Text;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use std::fmt;
use std::time::{Duration, Instant};

/// How a directory is opened, to reach what is in it.
pub(crate) const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The directory that the file belongs into, created where it is missing; `None` when that is `top`.
pub(crate) fn open_parent(top: BorrowedFd<'_>, path: &ArtifactPath<'_>) -> Result<Option<OwnedFd>, WayError> {
    let mut parent: Option<OwnedFd> = None;
    for &name in &path.directories {
        let from = parent.as_ref().map_or(top, AsFd::as_fd);
        parent = Some(open_directory(from, name)?);
    }
    Ok(parent)
}

fn open_directory(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, WayError> {
    match mkdirat(parent, name, Mode::RWXU | Mode::RWXG | Mode::RWXO) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(WayError::Failed(name.into(), error)),
    }
    openat(parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).map_err(|error| match error {
        // What a link is called here differs between systems.
        Errno::NOTDIR | Errno::LOOP | Errno::MLINK => WayError::NoDirectory(name.into()),
        error => WayError::Failed(name.into(), error),
    })
}

/// What a new file allows, before the user's mask.
pub(crate) const FILE_MODE: Mode =
    Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP).union(Mode::WGRP).union(Mode::ROTH).union(Mode::WOTH);

/// Why the directory of a file cannot be reached.
#[derive(Debug)]
pub(crate) enum WayError {
    /// A directory on the way is a link, a file or something else.
    NoDirectory(Text),
    /// An operation on one failed.
    Failed(Text, Errno),
}

impl fmt::Display for WayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDirectory(name) => {
                write!(f, "{name} in its path is a link or a file, not a directory")
            }
            Self::Failed(name, error) => write!(f, "directory {name} on the way: {error}"),
        }
    }
}

/// The path of an artifact, taken apart. It leads down from a directory and never out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArtifactPath<'a> {
    /// The directories, outermost first.
    pub(crate) directories: Vec<&'a [u8]>,
    /// The name of the file.
    pub(crate) name: &'a [u8],
}

/// Why nothing is written to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathError {
    Absolute,
    ParentDirectory,
    NoFileName,
}

impl<'a> ArtifactPath<'a> {
    /// Takes a path apart, as it came from a worker. A worker does not send NUL; the system would refuse it.
    pub(crate) fn parse(path: &'a [u8]) -> Result<Self, PathError> {
        if path.starts_with(b"/") {
            return Err(PathError::Absolute);
        }
        let mut parts: Vec<_> = path.split(|&byte| byte == b'/').collect();
        if parts.contains(&&b".."[..]) {
            return Err(PathError::ParentDirectory);
        }
        let name = parts.pop().filter(|name| !is_here(name)).ok_or(PathError::NoFileName)?;
        parts.retain(|part| !is_here(part));
        Ok(Self { directories: parts, name })
    }
}

/// Whether a part of a path stays where it is: `a//b` and `a/./b` are `a/b`.
fn is_here(part: &[u8]) -> bool {
    matches!(part, b"" | b".")
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absolute => "the path is absolute",
            Self::ParentDirectory => "the path contains ..",
            Self::NoFileName => "the path names a directory, not a file",
        })
    }
}

/// Time between two changes of what is shown; also the time before it appears, as what is quick needs none.
const INTERVAL: Duration = Duration::from_secs(1);

/// How much of how much is written. Gone from the terminal when dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    line: StatusLine,
    written: u64,
    total: u64,
    /// Those of the written that were there before.
    found: u64,
    started: Instant,
    next_change: Instant,
}

impl Progress {
    /// Begins with none of `total` bytes, shown if stderr is a terminal and `quiet` does not forbid it. A total of 0 is
    /// unknown.
    pub(crate) fn new(total: u64, quiet: bool) -> Progress {
        let started = Instant::now();
        let line = StatusLine::new(quiet);
        Progress { line, written: 0, total, found: 0, started, next_change: started + INTERVAL }
    }

    /// So many bytes need not be written, as they are there.
    pub(crate) fn find(&mut self, bytes: u64) {
        self.written += bytes;
        self.found += bytes;
    }

    /// More bytes of the artifact at `path` are written.
    pub(crate) fn advance(&mut self, path: &Text, bytes: u64) {
        self.written += bytes;
        let now = Instant::now();
        if !self.line.is_enabled() || now < self.next_change {
            return;
        }
        self.next_change = now + INTERVAL;
        let (written, total) = (Size(self.written), Size(self.total));
        let milliseconds = now.duration_since(self.started).as_millis().max(1);
        let rate = u128::from(self.written - self.found) * 1000 / milliseconds;
        let rate = Size(u64::try_from(rate).unwrap_or(u64::MAX));
        if self.total == 0 {
            self.line.show(format_args!("{written}, {rate}/s: writing {path}"));
        } else {
            let percent = u128::from(self.written) * 100 / u128::from(self.total);
            self.line.show(format_args!("{percent}%, {written} of {total}, {rate}/s: writing {path}"));
        }
    }

    /// Removes the line, so that something else can be printed.
    pub(crate) fn clear(&mut self) {
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_the_directory_are_taken_apart() {
        for (path, directories, name) in [
            (&b"a"[..], &[][..], &b"a"[..]),
            (b"bin/hello.hvt", &[&b"bin"[..]], b"hello.hvt"),
            (b"./a//b/./c", &[b"a", b"b"], b"c"),
            (b"...", &[], b"..."),
            (b"a b/\xff\n", &[b"a b"], b"\xff\n"),
        ] {
            let expected = ArtifactPath { directories: directories.to_vec(), name };
            assert_eq!(ArtifactPath::parse(path), Ok(expected));
        }
    }

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused() {
        for (path, error) in [
            (&b"/abs/olute"[..], PathError::Absolute),
            (b"/", PathError::Absolute),
            (b"//", PathError::Absolute),
            (b"../up", PathError::ParentDirectory),
            (b"a/../../b", PathError::ParentDirectory),
            (b"a/..", PathError::ParentDirectory),
            (b"..", PathError::ParentDirectory),
            (b".", PathError::NoFileName),
            (b"dir/", PathError::NoFileName),
            (b"dir/.", PathError::NoFileName),
            (b"", PathError::NoFileName),
        ] {
            assert_eq!(ArtifactPath::parse(path), Err(error), "{}", path.escape_ascii());
        }
    }
}
