//! The data directory, on a simulated disk.

use super::disk::{Disk, Faults, Inode, LogStorage};
use super::host::Host;
use super::lie::Lie;
use super::random::Random;
use builder_engine::driver::{DirectoryName, FileName, Files};
use builder_proto::Uuid;
use builder_proto::text::Text;
use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Result};
use std::rc::Rc;

/// The directory of all results.
pub const ROOT: &str = "";
/// The server's own directory.
pub const PRIVATE: &str = ".builder";
/// Where spools are.
pub const SPOOLS: &str = ".builder/spool";
/// Where results are written.
pub const STAGINGS: &str = ".builder/staging";
/// What the server says of itself. On real hosts it is outside of the data directory.
pub const METRICS: &str = "metrics.prom";

/// A data directory. Clones are the same one.
#[derive(Clone, Debug)]
pub struct DataDirectory {
    /// The machine, whose time passes while a program waits for the disk.
    pub host: Rc<Host>,
    /// The whole disk.
    pub disk: Rc<RefCell<Disk>>,
    /// What it says to be done although it is not.
    pub lie: Lie,
    /// Whether one call syncs everything, as on Linux.
    pub syncs_everything: bool,
    /// Whether a thread works with the files, beside which the program goes on.
    is_for_thread: bool,
    shared: Rc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    faults: RefCell<Vec<Fault>>,
    /// Each open file has a clone.
    open: Rc<()>,
}

/// What fails: an operation, for all paths that begin like this.
#[derive(Debug)]
struct Fault {
    operation: &'static str,
    path: &'static str,
    error: ErrorKind,
    /// How often it works before it fails.
    spared: Cell<usize>,
}

/// An open file.
#[derive(Clone, Debug)]
pub struct File {
    inode: Inode,
    path: Rc<str>,
    _open: Rc<()>,
}

/// Where the result of a build is.
pub fn result_path(job: &Text, uuid: Uuid) -> String {
    format!("{job}/{uuid}/full")
}

fn file(name: FileName<'_>) -> String {
    match name {
        FileName::Spool(uuid) => format!("{SPOOLS}/{uuid}"),
        FileName::Staged(uuid) => format!("{STAGINGS}/{uuid}"),
        FileName::Result { job, uuid } => result_path(job, uuid),
        FileName::History => format!("{PRIVATE}/history"),
        FileName::HistoryDraft => format!("{PRIVATE}/history.new"),
        FileName::DamagedHistory(number) => format!("{PRIVATE}/history.damaged-{number}"),
        FileName::Metrics => METRICS.to_owned(),
        FileName::MetricsDraft => format!("{METRICS}.new"),
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
    /// All of a disk, which has the server's own directory or will have it.
    pub fn new(host: Rc<Host>, disk: Rc<RefCell<Disk>>) -> DataDirectory {
        DataDirectory {
            host,
            disk,
            lie: Lie::Nothing,
            syncs_everything: false,
            is_for_thread: false,
            shared: Rc::default(),
        }
    }

    /// An empty directory on a disk of its own, which works.
    pub fn alone() -> DataDirectory {
        let host = Host::new();
        let mut disk = Disk::new(host.clone(), Random::new(0), Faults::default());
        disk.create_directory(PRIVATE).and_then(|()| disk.sync_directory(ROOT)).expect("a disk that works");
        DataDirectory::new(host, Rc::new(RefCell::new(disk)))
    }

    /// The same for a thread, beside which the program goes on while the disk is busy.
    #[must_use]
    pub fn for_thread(&self) -> DataDirectory {
        DataDirectory { is_for_thread: true, ..self.clone() }
    }

    /// The server's own directory in it, as the log sees it.
    pub fn log(&self) -> LogStorage {
        LogStorage { host: self.host.clone(), disk: self.disk.clone(), directory: PRIVATE, lie: self.lie }
    }

    /// From now on an operation fails for each path that begins like this.
    pub fn fail(&self, operation: &'static str, path: &'static str, error: ErrorKind) {
        self.fail_after(0, operation, path, error);
    }

    /// The same, once the operation has worked so many times.
    pub fn fail_after(&self, times: usize, operation: &'static str, path: &'static str, error: ErrorKind) {
        let fault = Fault { operation, path, error, spared: Cell::new(times) };
        self.shared.faults.borrow_mut().push(fault);
    }

    /// From now on nothing fails but what the disk lets fail.
    pub fn mend(&self) {
        self.shared.faults.borrow_mut().clear();
    }

    /// How many files are open.
    pub fn open_files(&self) -> usize {
        Rc::strong_count(&self.shared.open) - 1
    }

    /// The paths of all files, in order.
    pub fn paths(&self) -> Vec<String> {
        let disk = self.disk.borrow();
        let (mut paths, mut unvisited) = (Vec::new(), disk.list(ROOT));
        while let Some(path) = unvisited.pop() {
            match disk.is_directory(&path) {
                true => unvisited.extend(disk.list(&path).iter().map(|name| format!("{path}/{name}"))),
                false => paths.push(path),
            }
        }
        paths.sort();
        paths
    }

    /// The same without what is remembered of builds, which is always there.
    pub fn paths_besides_history(&self) -> Vec<String> {
        let history = file(FileName::History);
        self.paths().into_iter().filter(|path| *path != history).collect()
    }

    /// What a file holds, which has to be there.
    pub fn read(&self, path: &str) -> Vec<u8> {
        let disk = self.disk.borrow();
        disk.read(path).unwrap_or_else(|| panic!("no file {path}")).to_vec()
    }

    /// Puts a file in place behind everyone's back, with the directories that lead there.
    pub fn put(&self, path: &str, contents: &[u8]) {
        let mut disk = self.disk.borrow_mut();
        for (end, _) in path.match_indices('/') {
            if !disk.is_directory(&path[..end]) {
                disk.create_directory(&path[..end]).expect("a disk that works");
            }
        }
        disk.put(path, contents);
    }

    fn operate(&self, operation: &str, path: &str) -> Result<()> {
        let faults = self.shared.faults.borrow();
        let fault = faults.iter().find(|fault| fault.operation == operation && path.starts_with(fault.path));
        let Some(fault) = fault else { return Ok(()) };
        match fault.spared.get() {
            0 => Err(fault.error.into()),
            times => {
                fault.spared.set(times - 1);
                Ok(())
            }
        }
    }

    fn opened(&self, inode: Inode, path: String) -> File {
        File { inode, path: path.into(), _open: self.shared.open.clone() }
    }

    /// Syncs something, which takes its time, unless it is a `lie` that this is done.
    fn sync_unless(&self, lie: Lie, sync: impl FnOnce(&mut Disk) -> Result<()>) -> Result<()> {
        let mut disk = self.disk.borrow_mut();
        if !self.is_for_thread {
            self.host.spend(disk.sync_time());
        }
        if self.lie == lie {
            return Ok(());
        }
        match sync(&mut disk) {
            Err(_) if self.lie == Lie::FailuresHidden && self.host.crashed().is_none() => Ok(()),
            synced => synced,
        }
    }
}

impl Files for DataDirectory {
    type File = File;
    type Directory = String;

    fn create(&self, name: FileName<'_>) -> Result<File> {
        let path = file(name);
        self.operate("create", &path)?;
        let inode = self.disk.borrow_mut().create_new(&path)?;
        Ok(self.opened(inode, path))
    }

    fn open(&self, name: FileName<'_>) -> Result<File> {
        let path = file(name);
        self.operate("open", &path)?;
        let inode = self.disk.borrow().open(&path).ok_or(ErrorKind::NotFound)?;
        Ok(self.opened(inode, path))
    }

    fn size(&self, name: FileName<'_>) -> Result<u64> {
        let path = file(name);
        self.operate("size", &path)?;
        let disk = self.disk.borrow();
        Ok(disk.length(disk.open(&path).ok_or(ErrorKind::NotFound)?))
    }

    fn length(&self, file: &File) -> Result<u64> {
        Ok(self.disk.borrow().length(file.inode))
    }

    fn read_at(&self, file: &File, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.operate("read", &file.path)?;
        Ok(self.disk.borrow().read_at(file.inode, offset, buffer))
    }

    /// What is made to fail has written half of it.
    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> Result<usize> {
        let mut disk = self.disk.borrow_mut();
        if let Err(error) = self.operate("write", &file.path) {
            disk.write_all_at(file.inode, offset, &bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        let written = disk.write_at(file.inode, offset, bytes)?;
        Ok(if self.lie == Lie::WritesCutShort { bytes.len() } else { written })
    }

    fn set_length(&self, file: &File, length: u64) -> Result<()> {
        self.operate("set the length of", &file.path)?;
        if self.lie == Lie::LengthNotSet {
            return Ok(());
        }
        self.disk.borrow_mut().set_length(file.inode, length)
    }

    fn start_flush(&self, file: &File, _: u64, _: u64) {
        self.disk.borrow_mut().start_flush(file.inode);
    }

    fn sync(&self, file: &File) -> Result<()> {
        self.operate("sync", &file.path)?;
        self.sync_unless(Lie::ResultsNotSynced, |disk| disk.sync(file.inode))
    }

    fn sync_all(&self) -> Option<Result<()>> {
        let sync = || self.sync_unless(Lie::FileSystemNotSynced, Disk::sync_everything);
        self.syncs_everything.then(sync)
    }

    fn rename(&self, from: FileName<'_>, to: FileName<'_>) -> Result<()> {
        let from = file(from);
        self.operate("rename", &from)?;
        self.disk.borrow_mut().rename(&from, &file(to))
    }

    fn remove(&self, name: FileName<'_>) -> Result<()> {
        let path = file(name);
        self.operate("remove", &path)?;
        self.disk.borrow_mut().remove_file(&path)
    }

    fn make_directory(&self, name: DirectoryName<'_>) -> Result<()> {
        self.disk.borrow_mut().create_directory(&directory(name))
    }

    fn open_directory(&self, name: DirectoryName<'_>) -> Result<String> {
        let path = directory(name);
        match self.disk.borrow().is_directory(&path) {
            true => Ok(path),
            false => Err(ErrorKind::NotFound.into()),
        }
    }

    fn sync_directory(&self, path: &String) -> Result<()> {
        self.operate("sync names in", path)?;
        self.sync_unless(Lie::DirectoriesNotSynced, |disk| disk.sync_directory(path))
    }

    fn remove_directory(&self, name: DirectoryName<'_>) -> Result<()> {
        self.disk.borrow_mut().remove_directory(&directory(name))
    }

    fn list(&self, name: DirectoryName<'_>) -> Result<Vec<Vec<u8>>> {
        let path = directory(name);
        self.operate("list", &path)?;
        let disk = self.disk.borrow();
        if !disk.is_directory(&path) {
            let kind =
                if disk.open(&path).is_some() { ErrorKind::NotADirectory } else { ErrorKind::NotFound };
            return Err(kind.into());
        }
        Ok(disk.list(&path).into_iter().map(String::into_bytes).collect())
    }

    fn describe(&self, name: FileName<'_>) -> String {
        file(name)
    }

    fn describe_directory(&self, name: DirectoryName<'_>) -> String {
        directory(name)
    }
}
