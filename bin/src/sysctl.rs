//! What the kernel of FreeBSD tells of itself and of processes.

use libc::{c_int, c_uint, c_void};
use std::ffi::CStr;
use std::io;
use std::ptr;

/// Reads the value with this name, which takes at most `most` bytes.
///
/// # Errors
///
/// What the system says, as when there is no such value, or when it is longer.
pub(crate) fn read_named(name: &CStr, most: usize) -> io::Result<Vec<u8>> {
    read_with(most, |buffer, length| {
        // SAFETY: the name ends in NUL, and the buffer has as many bytes as `length` says.
        unsafe { libc::sysctlbyname(name.as_ptr(), buffer, length, ptr::null(), 0) }
    })
}

/// Reads the value at this place in the tree of all values, like [`read_named`].
pub(crate) fn read(place: &[c_int], most: usize) -> io::Result<Vec<u8>> {
    let depth = c_uint::try_from(place.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    read_with(most, |buffer, length| {
        // SAFETY: there are `depth` numbers, and the buffer has as many bytes as `length` says.
        unsafe { libc::sysctl(place.as_ptr(), depth, buffer, length, ptr::null(), 0) }
    })
}

fn read_with(most: usize, call: impl FnOnce(*mut c_void, *mut usize) -> c_int) -> io::Result<Vec<u8>> {
    let mut value = vec![0_u8; most];
    let mut length = most;
    if call(value.as_mut_ptr().cast(), &raw mut length) != 0 {
        return Err(io::Error::last_os_error());
    }
    value.truncate(length);
    Ok(value)
}
