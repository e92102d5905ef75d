//! Keeping descriptors from jobs.

use rustix::fd::{BorrowedFd, RawFd};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// Where descriptors end that are looked for one by one. They are handed out lowest first.
const PLAUSIBLE: RawFd = 1024;

/// Marks everything but stdin, stdout and stderr so that jobs do not get it.
///
/// What the worker opens itself is marked from birth; this is about what it was started with.
pub(super) fn close_on_execute() {
    for number in open_descriptors() {
        // SAFETY: the descriptor is borrowed for these two calls only, which change nothing but a flag and fail when it is
        // closed. Nothing else runs in this process that could close it meanwhile.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        if let Ok(flags) = fcntl_getfd(descriptor)
            && let Err(error) = fcntl_setfd(descriptor, flags | FdFlags::CLOEXEC)
        {
            log::warn!("jobs may inherit descriptor {number}: {error}");
        }
    }
}

#[cfg(target_os = "linux")]
fn open_descriptors() -> Vec<RawFd> {
    let numbers = std::fs::read_dir("/proc/self/fd").map(|entries| {
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|number| *number > 2)
    });
    numbers.map_or_else(|_| (3..PLAUSIBLE).collect(), Iterator::collect)
}

#[cfg(not(target_os = "linux"))]
fn open_descriptors() -> Vec<RawFd> {
    (3..PLAUSIBLE).collect()
}
