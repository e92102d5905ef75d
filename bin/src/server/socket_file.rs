//! What a listener leaves in the file system.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file of a listening socket, as this program made it.
///
/// The path alone does not say whose it is: once somebody has removed the file, another server may listen there. The
/// system does not give its number to another file before the socket is closed.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// Takes note of the file, right after it was made.
    pub(crate) fn of(path: &Path) -> io::Result<SocketFile> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }

    /// Removes the file, unless it is not there any longer or another program's.
    pub(crate) fn remove(&self) {
        let outcome = match fs::symlink_metadata(&self.path) {
            Ok(metadata) if self.is(&metadata) => fs::remove_file(&self.path),
            Ok(_) => {
                log::info!("{} now belongs to another program; leaving it in place", self.path.display());
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = outcome
            && error.kind() != ErrorKind::NotFound
        {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }

    fn is(&self, metadata: &Metadata) -> bool {
        (metadata.dev(), metadata.ino()) == (self.device, self.inode)
    }
}
