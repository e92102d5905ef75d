//! The directory of the log. While the server waits for a sync, its threads go on.

use super::tasks::Tasks;
use crate::environment::Environment;
use builder_engine::log::Storage;
use builder_tests::world::{Inode, LogStorage};
use std::cell::RefCell;
use std::io::Result;
use std::rc::Rc;

pub(super) struct LogDirectory {
    pub(super) environment: Rc<Environment>,
    pub(super) storage: LogStorage,
    pub(super) tasks: Rc<RefCell<Tasks>>,
}

impl LogDirectory {
    fn synced(&self, outcome: Result<()>) -> Result<()> {
        if outcome.is_ok() {
            self.environment.model.borrow_mut().log_synced();
        }
        outcome
    }
}

impl Storage for LogDirectory {
    type File = Inode;

    fn open(&self, name: &str) -> Result<Option<Inode>> {
        self.storage.open(name)
    }

    fn create(&self, name: &str) -> Result<Inode> {
        self.storage.create(name)
    }

    fn read_at(&self, file: &Inode, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.storage.read_at(file, offset, buffer)
    }

    fn write_at(&self, file: &Inode, offset: u64, bytes: &[u8]) -> Result<usize> {
        self.storage.write_at(file, offset, bytes)
    }

    fn set_length(&self, file: &Inode, length: u64) -> Result<()> {
        self.storage.set_length(file, length)
    }

    fn sync(&self, file: &Inode) -> Result<()> {
        self.tasks.borrow_mut().go_on(&self.environment);
        self.synced(self.storage.sync(file))
    }

    fn sync_contents(&self, file: &Inode) -> Result<()> {
        self.tasks.borrow_mut().go_on(&self.environment);
        self.synced(self.storage.sync_contents(file))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.storage.rename(from, to)
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.storage.remove(name)
    }

    fn sync_names(&self) -> Result<()> {
        self.storage.sync_names()
    }

    fn describe(&self, name: &str) -> String {
        self.storage.describe(name)
    }
}
