//! How many files and sockets a program may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as the system lets us, and says what it is then.
///
/// What counts is the limit that there is afterwards, even when there was nothing to raise: FreeBSD gives no process more than
/// `kern.maxfilesperproc`, whatever its limit says, and lowers the limit to that when it is set.
pub(crate) fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::from(u32::MAX))
}
