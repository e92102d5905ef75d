//! The files of the data directory, for the driver. Nothing is decided here.
//!
//! Where things are in it:
//!
//! ```text
//! DIR/JOB/UUID/full         a stored result, complete or not there at all
//! DIR/state                 the state of builder 0.4.0; read once, never written
//! DIR/.builder/lock         held by the running server
//! DIR/.builder/log          the write-ahead log
//! DIR/.builder/reserve      space for finishing builds when the disk is full
//! DIR/.builder/spool/UUID   the console of a running build
//! DIR/.builder/staging/UUID    a result that is being written
//! ```
//!
//! What waits for the disk is done by threads, so that the event loop need not wait.

use crate::result_file::{ResultFile, until_uninterrupted};
use crate::server::disk::sync_file;
#[cfg(target_os = "linux")]
use crate::server::disk::sync_file_system;
use crate::server::private_directory::DirectoryLock;
use builder_engine::driver::{DirectoryName, FileName, Files, Outcome, Task, TaskKind};
use builder_proto::Uuid;
use builder_proto::text::Text;
use mio::Waker;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A data directory that nobody else uses.
#[derive(Clone, Debug)]
pub(crate) struct DataDirectory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    paths: Paths,
    _lock: Option<DirectoryLock>,
    /// The root, where one call syncs the whole file system and says what failed. It is open from before the first result is
    /// written: only to those who were there is an error reported that somebody else has seen.
    #[cfg(target_os = "linux")]
    file_system: Option<File>,
}

impl DataDirectory {
    /// The lock is kept as long as there is a handle; there is none only where no server has ever run.
    pub(crate) fn open(paths: Paths, lock: Option<DirectoryLock>) -> io::Result<DataDirectory> {
        #[cfg(target_os = "linux")]
        let file_system = reports_errors_of_file_systems().then(|| File::open(paths.root())).transpose()?;
        paths.root().metadata()?;
        Ok(DataDirectory(Arc::new(Shared {
            paths,
            _lock: lock,
            #[cfg(target_os = "linux")]
            file_system,
        })))
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.0.paths
    }

    fn file(&self, name: FileName<'_>) -> PathBuf {
        let paths = self.paths();
        match name {
            FileName::Spool(uuid) => paths.spool(uuid),
            FileName::Staged(uuid) => paths.staging(uuid),
            FileName::Result { job, uuid } => paths.result(job, uuid),
            FileName::History => paths.private().join("history"),
            FileName::HistoryDraft => paths.private().join("history.new"),
            FileName::DamagedHistory(number) => paths.private().join(format!("history.damaged-{number}")),
            FileName::Metrics => paths.metrics(),
            FileName::MetricsDraft => paths.metrics_draft(),
            FileName::OldState => paths.old_state(),
            FileName::Entry(directory, name) => self.directory(directory).join(OsStr::from_bytes(name)),
        }
    }

    fn directory(&self, name: DirectoryName<'_>) -> PathBuf {
        let paths = self.paths();
        match name {
            DirectoryName::Root => paths.root().to_owned(),
            DirectoryName::Private => paths.private().to_owned(),
            DirectoryName::Spools => paths.spools(),
            DirectoryName::Stagings => paths.stagings(),
            DirectoryName::Job(job) => paths.job(job),
            DirectoryName::Build(job, uuid) => paths.build(job, uuid),
        }
    }
}

impl Files for DataDirectory {
    type File = Arc<File>;
    type Directory = File;

    fn create(&self, name: FileName<'_>) -> io::Result<Arc<File>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(self.file(name))?;
        if name == FileName::MetricsDraft {
            // The exporter that reads it runs as another user, and the server may have been started with a umask against that.
            file.set_permissions(Permissions::from_mode(METRICS_MODE))?;
        }
        Ok(Arc::new(file))
    }

    fn open(&self, name: FileName<'_>) -> io::Result<Arc<File>> {
        let path = self.file(name);
        Ok(Arc::new(match name {
            FileName::Result { .. } => ResultFile::open(&path)?.into_file(),
            FileName::OldState => File::open(path)?,
            _ => OpenOptions::new().read(true).write(true).open(path)?,
        }))
    }

    fn size(&self, name: FileName<'_>) -> io::Result<u64> {
        Ok(fs::metadata(self.file(name))?.len())
    }

    fn length(&self, file: &Arc<File>) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    fn read_at(&self, file: &Arc<File>, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        until_uninterrupted(|| file.read_at(buffer, offset))
    }

    fn write_at(&self, file: &Arc<File>, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        // At the limit for the size of files the kernel sends SIGXFSZ, which the server has asked to be told of, and fails.
        until_uninterrupted(|| file.write_at(bytes, offset))
    }

    fn set_length(&self, file: &Arc<File>, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn start_flush(&self, file: &Arc<File>, offset: u64, length: u64) {
        // It does not matter when it fails.
        let _ = rustix::fs::fadvise(file, offset, NonZeroU64::new(length), rustix::fs::Advice::DontNeed);
    }

    fn sync(&self, file: &Arc<File>) -> io::Result<()> {
        sync_file(file)
    }

    #[cfg(target_os = "linux")]
    fn sync_all(&self) -> Option<io::Result<()>> {
        self.0.file_system.as_ref().map(sync_file_system)
    }

    #[cfg(not(target_os = "linux"))]
    fn sync_all(&self) -> Option<io::Result<()>> {
        None
    }

    fn rename(&self, from: FileName<'_>, to: FileName<'_>) -> io::Result<()> {
        fs::rename(self.file(from), self.file(to))
    }

    fn remove(&self, name: FileName<'_>) -> io::Result<()> {
        fs::remove_file(self.file(name))
    }

    /// Results are for everyone on the host to read, as those of builder 0.4.0 are. The server's own directories are in one
    /// that is closed to others.
    fn make_directory(&self, name: DirectoryName<'_>) -> io::Result<()> {
        DirBuilder::new().mode(0o755).create(self.directory(name))
    }

    fn open_directory(&self, name: DirectoryName<'_>) -> io::Result<File> {
        File::open(self.directory(name))
    }

    fn sync_directory(&self, directory: &File) -> io::Result<()> {
        sync_file(directory)
    }

    fn remove_directory(&self, name: DirectoryName<'_>) -> io::Result<()> {
        fs::remove_dir(self.directory(name))
    }

    fn list(&self, name: DirectoryName<'_>) -> io::Result<Vec<Vec<u8>>> {
        let entries = fs::read_dir(self.directory(name))?;
        entries.map(|entry| Ok(entry?.file_name().into_vec())).collect()
    }

    fn describe(&self, name: FileName<'_>) -> String {
        self.file(name).display().to_string()
    }

    fn describe_directory(&self, name: DirectoryName<'_>) -> String {
        self.directory(name).display().to_string()
    }
}

/// Since Linux 5.8, syncing a whole file system says when something could not be written.
#[cfg(target_os = "linux")]
fn reports_errors_of_file_systems() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(5), Some(8))
}

/// The name of a stored result in the directory of its build.
pub(crate) const RESULT: &str = "full";

/// Who may do what with the file of metrics: everybody may read it.
const METRICS_MODE: u32 = 0o644;

/// Paths below one data directory, and that of the metrics.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    root: PathBuf,
    private: PathBuf,
    /// None when no metrics are written; nobody asks for the file then.
    metrics: Option<PathBuf>,
}

impl Paths {
    /// `private` is what [`prepare`](crate::server::private_directory::prepare) gives for `root`.
    pub(crate) fn new(root: &Path, private: PathBuf) -> Paths {
        Paths { root: root.to_owned(), private, metrics: None }
    }

    /// The same with a file for metrics.
    pub(crate) fn with_metrics(self, metrics: Option<PathBuf>) -> Paths {
        Paths { metrics, ..self }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn private(&self) -> &Path {
        &self.private
    }

    pub(crate) fn old_state(&self) -> PathBuf {
        self.root.join("state")
    }

    pub(crate) fn metrics(&self) -> PathBuf {
        self.metrics.clone().unwrap_or_default()
    }

    /// Beside the file, and with another end than those that the exporter reads.
    pub(crate) fn metrics_draft(&self) -> PathBuf {
        let mut path = self.metrics().into_os_string();
        path.push(".new");
        path.into()
    }

    pub(crate) fn spools(&self) -> PathBuf {
        self.private.join("spool")
    }

    pub(crate) fn spool(&self, uuid: Uuid) -> PathBuf {
        self.spools().join(uuid.to_string())
    }

    pub(crate) fn stagings(&self) -> PathBuf {
        self.private.join("staging")
    }

    pub(crate) fn staging(&self, uuid: Uuid) -> PathBuf {
        self.stagings().join(uuid.to_string())
    }

    /// The directory of a job's results. The engine lets no name in that would lead elsewhere.
    pub(crate) fn job(&self, name: &Text) -> PathBuf {
        self.root.join(OsStr::from_bytes(name.as_bytes()))
    }

    pub(crate) fn build(&self, name: &Text, uuid: Uuid) -> PathBuf {
        self.job(name).join(uuid.to_string())
    }

    pub(crate) fn result(&self, name: &Text, uuid: Uuid) -> PathBuf {
        self.build(name, uuid).join(RESULT)
    }
}

/// The threads. They end with the program: all they do can be cut off at any point.
#[derive(Debug)]
pub(crate) struct Threads {
    tasks: BTreeMap<TaskKind, Sender<Task<DataDirectory>>>,
    outcomes: Receiver<Outcome<DataDirectory>>,
}

/// Where threads report what they have done.
#[derive(Clone, Debug)]
struct Reports {
    sender: Sender<Outcome<DataDirectory>>,
    waker: Arc<Waker>,
}

impl Threads {
    /// Starts them; `waker` is called for each outcome.
    pub(crate) fn start(directory: &DataDirectory, waker: Arc<Waker>) -> io::Result<Threads> {
        let (sender, outcomes) = mpsc::channel();
        let reports = Reports { sender, waker };
        let serve = |kind| Ok((kind, serve(kind, directory, &reports)?));
        let tasks = TaskKind::ALL.into_iter().map(serve).collect::<io::Result<_>>()?;
        Ok(Threads { tasks, outcomes })
    }

    pub(crate) fn submit(&self, task: Task<DataDirectory>) {
        let sender = self.tasks.get(&task.kind());
        if sender.is_none_or(|sender| sender.send(task).is_err()) {
            log::error!("the threads that work on results are gone");
        }
    }

    pub(crate) fn next_outcome(&self) -> Option<Outcome<DataDirectory>> {
        self.outcomes.try_recv().ok()
    }
}

/// Starts the threads for one kind of task.
fn serve(
    kind: TaskKind,
    directory: &DataDirectory,
    reports: &Reports,
) -> io::Result<Sender<Task<DataDirectory>>> {
    let (sender, receiver) = mpsc::channel::<Task<DataDirectory>>();
    let receiver = Arc::new(Mutex::new(receiver));
    let name = match kind {
        TaskKind::Store => "storer",
        TaskKind::Write => "writer",
        TaskKind::Find => "searcher",
        TaskKind::Fetch => "reader",
        TaskKind::Digest => "digester",
        TaskKind::Survey => "surveyor",
        TaskKind::Report => "reporter",
    };
    for number in 0..kind.threads() {
        let (receiver, reports, directory) = (Arc::clone(&receiver), reports.clone(), directory.clone());
        thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
            let next = || receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
            while let Some(task) = next() {
                if let Some(outcome) = task.run(&directory) {
                    reports.send(outcome);
                }
            }
        })?;
    }
    Ok(sender)
}

impl Reports {
    fn send(&self, outcome: Outcome<DataDirectory>) {
        // Without a receiver the program is about to end.
        if self.sender.send(outcome).is_ok()
            && let Err(error) = self.waker.wake()
        {
            log::error!("cannot wake the event loop: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_to_be_new_takes_the_place_of_no_other() {
        let data = tempfile::tempdir().unwrap();
        let private = data.path().join("private");
        fs::create_dir(&private).unwrap();
        let directory = DataDirectory::open(Paths::new(data.path(), private), None).unwrap();
        // What is set aside of a damaged history is for people to look at, however often there is damage.
        let name = FileName::DamagedHistory(1);
        let file = directory.create(name).unwrap();
        directory.write_at(&file, 0, b"damage").unwrap();
        assert_eq!(directory.create(name).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(directory.size(name).unwrap(), 6);
    }
}
