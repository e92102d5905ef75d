//! The directory of the log, as the log sees it.

use super::super::host::Host;
use super::{Disk, Inode};
use builder_engine::log::Storage;
use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;

/// What is skipped although it is said to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lie {
    /// Nothing is.
    #[default]
    None,
    /// Syncs of files do nothing.
    FileNotSynced,
    /// Syncs of files leave a grown length behind.
    LengthNotSynced,
    /// Syncs of names do nothing.
    NamesNotSynced,
}

/// The server's own directory on the simulated disk.
#[derive(Clone, Debug)]
pub struct LogStorage {
    /// The machine, whose time passes while the disk is busy.
    pub host: Rc<Host>,
    /// The whole disk.
    pub disk: Rc<RefCell<Disk>>,
    /// The path of the directory.
    pub directory: &'static str,
    /// How the disk deceives the log.
    pub lie: Lie,
}

impl LogStorage {
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }
}

impl Storage for LogStorage {
    type File = Inode;

    fn open(&self, name: &str) -> io::Result<Option<Inode>> {
        Ok(self.disk.borrow().open(&self.path(name)))
    }

    fn create(&self, name: &str) -> io::Result<Inode> {
        self.disk.borrow_mut().create(&self.path(name))
    }

    fn read_at(&self, file: &Inode, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let disk = self.disk.borrow();
        let rest = disk.contents(*file).get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&self, file: &Inode, offset: u64, octets: &[u8]) -> io::Result<usize> {
        self.disk.borrow_mut().write_at(*file, offset, octets)
    }

    fn set_length(&self, file: &Inode, length: u64) -> io::Result<()> {
        self.disk.borrow_mut().set_length(*file, length)
    }

    fn sync(&self, file: &Inode) -> io::Result<()> {
        match self.lie {
            Lie::FileNotSynced => Ok(()),
            Lie::LengthNotSynced => self.sync_contents(file),
            _ => {
                let mut disk = self.disk.borrow_mut();
                self.host.spend(disk.sync_time());
                disk.sync(*file)
            }
        }
    }

    fn sync_contents(&self, file: &Inode) -> io::Result<()> {
        if self.lie == Lie::FileNotSynced {
            return Ok(());
        }
        let mut disk = self.disk.borrow_mut();
        self.host.spend(disk.sync_time());
        disk.sync_contents(*file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.borrow_mut().rename(&self.path(from), &self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match self.disk.borrow_mut().remove_file(&self.path(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn sync_names(&self) -> io::Result<()> {
        if self.lie == Lie::NamesNotSynced {
            return Ok(());
        }
        let mut disk = self.disk.borrow_mut();
        self.host.spend(disk.sync_time());
        disk.sync_directory(self.directory)
    }

    fn describe(&self, name: &str) -> String {
        self.path(name)
    }
}
