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

/// The data directory, for the server and for its threads.
#[derive(Clone)]
pub(super) struct DataDirectory(pub(super) Rc<Environment>);

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
        self.0.lie == lie
    }

    fn outcome(&self, synced: Result<()>) -> Result<()> {
        match synced {
            Err(_) if self.lies(Lie::FailuresHidden) && self.0.host.crashed().is_none() => Ok(()),
            synced => synced,
        }
    }
}

impl Files for DataDirectory {
    type File = Inode;
    type Directory = String;

    fn create(&self, name: FileName<'_>) -> Result<Inode> {
        self.0.disk.borrow_mut().create_new(&file(name))
    }

    fn open(&self, name: FileName<'_>) -> Result<Inode> {
        Ok(self.0.disk.borrow().open(&file(name)).ok_or(ErrorKind::NotFound)?)
    }

    fn size(&self, name: FileName<'_>) -> Result<u64> {
        let disk = self.0.disk.borrow();
        Ok(disk.length(disk.open(&file(name)).ok_or(ErrorKind::NotFound)?))
    }

    fn length(&self, file: &Inode) -> Result<u64> {
        Ok(self.0.disk.borrow().length(*file))
    }

    fn read_at(&self, file: &Inode, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let disk = self.0.disk.borrow();
        let rest = disk.contents(*file).get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&self, file: &Inode, offset: u64, bytes: &[u8]) -> Result<usize> {
        let written = self.0.disk.borrow_mut().write_at(*file, offset, bytes)?;
        Ok(if self.lies(Lie::WritesCutShort) { bytes.len() } else { written })
    }

    fn set_length(&self, file: &Inode, length: u64) -> Result<()> {
        if self.lies(Lie::LengthNotSet) {
            return Ok(());
        }
        self.0.disk.borrow_mut().set_length(*file, length)
    }

    fn begin_write_back(&self, _: &Inode, _: u64, _: u64) {}

    fn sync(&self, file: &Inode) -> Result<()> {
        if self.lies(Lie::ResultsNotSynced) {
            return Ok(());
        }
        self.outcome(self.0.disk.borrow_mut().sync(*file))
    }

    fn sync_all(&self) -> Option<Result<()>> {
        if !self.0.plan.syncs_everything {
            return None;
        }
        if self.lies(Lie::FileSystemNotSynced) {
            return Some(Ok(()));
        }
        Some(self.outcome(self.0.disk.borrow_mut().sync_everything()))
    }

    fn rename(&self, from: FileName<'_>, to: FileName<'_>) -> Result<()> {
        self.0.disk.borrow_mut().rename(&file(from), &file(to))
    }

    fn remove(&self, name: FileName<'_>) -> Result<()> {
        self.0.disk.borrow_mut().remove_file(&file(name))
    }

    fn make_directory(&self, name: DirectoryName<'_>) -> Result<()> {
        self.0.disk.borrow_mut().create_directory(&directory(name))
    }

    fn open_directory(&self, name: DirectoryName<'_>) -> Result<String> {
        let path = directory(name);
        match self.0.disk.borrow().is_directory(&path) {
            true => Ok(path),
            false => Err(ErrorKind::NotFound.into()),
        }
    }

    fn sync_directory(&self, directory: &String) -> Result<()> {
        if self.lies(Lie::DirectoriesNotSynced) {
            return Ok(());
        }
        self.outcome(self.0.disk.borrow_mut().sync_directory(directory))
    }

    fn remove_directory(&self, name: DirectoryName<'_>) -> Result<()> {
        self.0.disk.borrow_mut().remove_directory(&directory(name))
    }

    fn list(&self, name: DirectoryName<'_>) -> Result<Vec<Vec<u8>>> {
        let names = self.0.disk.borrow().list(&directory(name));
        Ok(names.into_iter().map(String::into_bytes).collect())
    }

    fn describe(&self, name: FileName<'_>) -> String {
        file(name)
    }

    fn describe_directory(&self, name: DirectoryName<'_>) -> String {
        directory(name)
    }
}
