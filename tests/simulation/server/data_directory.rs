//! The files of the data directory, on the simulated disk.

use crate::environment::Environment;
use crate::lie::Lie;
use builder_engine::driver::{DirectoryName, FileName, Files};
use builder_proto::Uuid;
use builder_proto::text::Text;
use builder_tests::world::Inode;
use std::io::{ErrorKind, Result};
use std::rc::Rc;

/// The directory of all results.
pub(crate) const ROOT: &str = "";
/// The server's own directory.
pub(crate) const PRIVATE: &str = ".builder";
const SPOOLS: &str = ".builder/spool";
const STAGINGS: &str = ".builder/staging";

/// The data directory.
#[derive(Clone)]
pub(super) struct DataDirectory {
    pub(super) environment: Rc<Environment>,
    /// Who works with the files.
    pub(super) user: User,
}

/// Who works with files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    /// The program, which waits for the disk.
    Program,
    /// A thread of it, beside which it goes on.
    Thread,
}

/// Where the result of a build is.
pub(crate) fn result_path(job: &Text, uuid: Uuid) -> String {
    format!("{job}/{uuid}/full")
}

fn file(name: FileName<'_>) -> String {
    match name {
        FileName::Spool(uuid) => format!("{SPOOLS}/{uuid}"),
        FileName::Staged(uuid) => format!("{STAGINGS}/{uuid}"),
        FileName::Result { job, uuid } => result_path(job, uuid),
        FileName::OldState => "state".to_owned(),
        FileName::Entry(parent, name) => format!("{}/{}", directory(parent), Text::from(name)),
    }
}

fn directory(name: DirectoryName<'_>) -> String {
    match name {
        DirectoryName::Root => ROOT.to_owned(),
        DirectoryName::Private => PRIVATE.to_owned(),
        DirectoryName::Spools => SPOOLS.to_owned(),
        DirectoryName::Stagings => STAGINGS.to_owned(),
        DirectoryName::Job(job) => job.to_string(),
        DirectoryName::Build(job, uuid) => format!("{job}/{uuid}"),
    }
}

impl DataDirectory {
    fn lies(&self, lie: Lie) -> bool {
        self.environment.lie == lie
    }

    /// A sync takes its time.
    fn wait(&self) {
        if self.user == User::Program {
            let time = self.environment.disk.borrow_mut().sync_time();
            self.environment.host.spend(time);
        }
    }

    fn outcome(&self, synced: Result<()>) -> Result<()> {
        match synced {
            Err(_) if self.lies(Lie::FailuresHidden) && self.environment.host.crashed().is_none() => Ok(()),
            synced => synced,
        }
    }
}

impl Files for DataDirectory {
    type File = Inode;
    type Directory = String;

    fn create(&self, name: FileName<'_>) -> Result<Inode> {
        self.environment.disk.borrow_mut().create_new(&file(name))
    }

    fn open(&self, name: FileName<'_>) -> Result<Inode> {
        Ok(self.environment.disk.borrow().open(&file(name)).ok_or(ErrorKind::NotFound)?)
    }

    fn size(&self, name: FileName<'_>) -> Result<u64> {
        let disk = self.environment.disk.borrow();
        Ok(disk.length(disk.open(&file(name)).ok_or(ErrorKind::NotFound)?))
    }

    fn length(&self, file: &Inode) -> Result<u64> {
        Ok(self.environment.disk.borrow().length(*file))
    }

    fn read_at(&self, file: &Inode, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        Ok(self.environment.disk.borrow().read_at(*file, offset, buffer))
    }

    fn write_at(&self, file: &Inode, offset: u64, bytes: &[u8]) -> Result<usize> {
        let written = self.environment.disk.borrow_mut().write_at(*file, offset, bytes)?;
        Ok(if self.lies(Lie::WritesCutShort) { bytes.len() } else { written })
    }

    fn set_length(&self, file: &Inode, length: u64) -> Result<()> {
        if self.lies(Lie::LengthNotSet) {
            return Ok(());
        }
        self.environment.disk.borrow_mut().set_length(*file, length)
    }

    fn start_flush(&self, file: &Inode, _: u64, _: u64) {
        self.environment.disk.borrow_mut().start_flush(*file);
    }

    fn sync(&self, file: &Inode) -> Result<()> {
        self.wait();
        if self.lies(Lie::ResultsNotSynced) {
            return Ok(());
        }
        self.outcome(self.environment.disk.borrow_mut().sync(*file))
    }

    fn sync_all(&self) -> Option<Result<()>> {
        if !self.environment.plan.syncs_everything {
            return None;
        }
        self.wait();
        if self.lies(Lie::FileSystemNotSynced) {
            return Some(Ok(()));
        }
        Some(self.outcome(self.environment.disk.borrow_mut().sync_everything()))
    }

    fn rename(&self, from: FileName<'_>, to: FileName<'_>) -> Result<()> {
        self.environment.disk.borrow_mut().rename(&file(from), &file(to))
    }

    fn remove(&self, name: FileName<'_>) -> Result<()> {
        self.environment.disk.borrow_mut().remove_file(&file(name))
    }

    fn make_directory(&self, name: DirectoryName<'_>) -> Result<()> {
        self.environment.disk.borrow_mut().create_directory(&directory(name))
    }

    fn open_directory(&self, name: DirectoryName<'_>) -> Result<String> {
        let path = directory(name);
        match self.environment.disk.borrow().is_directory(&path) {
            true => Ok(path),
            false => Err(ErrorKind::NotFound.into()),
        }
    }

    fn sync_directory(&self, directory: &String) -> Result<()> {
        self.wait();
        if self.lies(Lie::DirectoriesNotSynced) {
            return Ok(());
        }
        self.outcome(self.environment.disk.borrow_mut().sync_directory(directory))
    }

    fn remove_directory(&self, name: DirectoryName<'_>) -> Result<()> {
        self.environment.disk.borrow_mut().remove_directory(&directory(name))
    }

    fn list(&self, name: DirectoryName<'_>) -> Result<Vec<Vec<u8>>> {
        let names = self.environment.disk.borrow().list(&directory(name));
        Ok(names.into_iter().map(String::into_bytes).collect())
    }

    fn describe(&self, name: FileName<'_>) -> String {
        file(name)
    }

    fn describe_directory(&self, name: DirectoryName<'_>) -> String {
        directory(name)
    }
}
