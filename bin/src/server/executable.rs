//! Whether a file is a program.

use rustix::fs::{Access, access};
use std::fs;
use std::io;
use std::path::Path;

/// Whether this user may run a file.
pub(super) fn is_executable(program: &Path) -> io::Result<bool> {
    access(program, Access::EXEC_OK)?;
    Ok(fs::metadata(program)?.is_file())
}
