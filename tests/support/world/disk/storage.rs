//! The directory of the log, as the log sees it.

use super::super::host::{Crash, Host};
use super::super::lie::Lie;
use super::super::random::Random;
use super::{Disk, Faults, Geometry, Inode};
use builder_engine::log::Storage;
use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;

/// For logs of a few short records.
const SMALL: Geometry = Geometry { sector: 8, record: 64 };

/// The directory of a log that is alone on its disk.
const ALONE: &str = "/data";

/// The server's own directory on a simulated disk. Clones are the same directory.
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
    /// A directory for a log alone, on a disk that works, with sectors so small that short files have many. `random` decides
    /// what comes of what is not synced.
    pub fn alone(random: Random) -> LogStorage {
        let host = Host::new();
        let mut disk = Disk::new(host.clone(), Random::new(0), Faults::default()).with_geometry(SMALL);
        disk.create_directory(ALONE).and_then(|()| disk.sync_directory("")).expect("a disk that works");
        disk.decide_by(random);
        LogStorage { host, disk: Rc::new(RefCell::new(disk)), directory: ALONE, lie: Lie::Nothing }
    }

    /// From now on this goes wrong, and nothing else.
    pub fn set_faults(&self, faults: Faults) {
        self.disk.borrow_mut().set_faults(faults);
    }

    /// All files together can hold so many bytes; `None` for as many as anyone could want.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.disk.borrow_mut().set_capacity(bytes);
    }

    /// From now on the machine and its disk work, and there is room for everything.
    pub fn mend(&self) {
        self.host.revive();
        self.set_faults(Faults::default());
        self.set_capacity(None);
    }

    /// The names in the directory, in order.
    pub fn names(&self) -> Vec<String> {
        self.disk.borrow().list(self.directory)
    }

    /// What a file holds, which has to be there.
    pub fn read(&self, name: &str) -> Vec<u8> {
        let disk = self.disk.borrow();
        disk.read(&self.path(name)).unwrap_or_else(|| panic!("no file {name}")).to_vec()
    }

    /// Puts a file in place behind everyone's back.
    pub fn put(&self, name: &str, contents: &[u8]) {
        self.disk.borrow_mut().put(&self.path(name), contents);
    }

    /// The same on a disk of its own, on which nothing goes wrong.
    #[must_use]
    pub fn fork(&self, random: Random) -> LogStorage {
        let host = Host::new();
        let disk = self.disk.borrow().fork(host.clone(), random);
        LogStorage { host, disk: Rc::new(RefCell::new(disk)), ..*self }
    }

    /// What the next start finds if the power fails now.
    #[must_use]
    pub fn after_power_failure(&self, random: Random) -> LogStorage {
        let found = self.fork(random);
        found.disk.borrow_mut().crash(Crash::Power);
        found
    }

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
        Ok(self.disk.borrow().read_at(*file, offset, buffer))
    }

    fn write_at(&self, file: &Inode, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.disk.borrow_mut().write_at(*file, offset, bytes)
    }

    fn set_length(&self, file: &Inode, length: u64) -> io::Result<()> {
        self.disk.borrow_mut().set_length(*file, length)
    }

    fn sync(&self, file: &Inode) -> io::Result<()> {
        match self.lie {
            Lie::LogNotSynced => Ok(()),
            Lie::LogLengthNotSynced => self.sync_contents(file),
            _ => {
                let mut disk = self.disk.borrow_mut();
                self.host.spend(disk.sync_time());
                disk.sync(*file)
            }
        }
    }

    fn sync_contents(&self, file: &Inode) -> io::Result<()> {
        if self.lie == Lie::LogNotSynced {
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
        if self.lie == Lie::LogNamesNotSynced {
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
