//! Results on their way to `DIR/JOB/UUID/full`.
//!
//! A result is written as `staging/UUID` and renamed into place. A small result is made durable by the log: it is held until
//! then, and written out without a sync of its own. A large one goes straight to its file, artifacts at the place that
//! the layout gives them, and is synced before it is renamed.

#[cfg(target_os = "linux")]
use crate::durable::sync_file_system;
use crate::durable::{sync_directory, sync_file};
use crate::server::paths::Paths;
use crate::server::spool::{Spool, write_newest_first};
use builder_engine::driver::{Directory, FileOperation, ResultWork, WorkError};
use builder_engine::server::{BuildOfJob, OutputSource, ResultHead, UnsettledResult};
use builder_proto::Uuid;
use builder_proto::execution::{ExecutionHead, NO_ARTIFACTS};
use builder_proto::text::Text;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::PathBuf;
use std::sync::Arc;

/// Octets of a whole result that the log makes durable. Larger ones would be written twice for little gain.
const SMALL_RESULT_BYTES: u64 = 32 * 1024;
/// Octets of artifacts that are gathered before the disk begins to write them.
const WRITE_BACK_BYTES: u64 = 8 * 1024 * 1024;
/// Octets gathered before the console of a large result is written.
const CONSOLE_BUFFER_BYTES: usize = 256 * 1024;

/// A result that is being written.
#[derive(Debug)]
pub(crate) enum Staged {
    /// Held until it is in the log.
    Small(Vec<u8>),
    /// Written to its file.
    Large(LargeResult),
}

/// A result file whose artifacts are being written.
#[derive(Debug)]
pub(crate) struct LargeResult {
    uuid: Uuid,
    name: Text,
    file: File,
    before_console: Vec<u8>,
    after_console: Vec<u8>,
    console: Option<(Arc<File>, u64)>,
    /// Where the next octets of artifacts go.
    position: u64,
    /// Bytes of the whole file.
    total_length: u64,
    /// Up to where the system was asked to write artifacts to the disk.
    written_back: u64,
}

impl Staged {
    /// Begins a result with the console that is spooled so far.
    ///
    /// # Errors
    ///
    /// When the result cannot be laid out or its file cannot be created.
    pub(crate) fn begin(paths: &Paths, uuid: Uuid, head: ResultHead, spool: &Spool) -> io::Result<Staged> {
        let (output_length, empty) = match head.output {
            OutputSource::Empty => (NO_ARTIFACTS.len() as u64, true),
            OutputSource::Streamed(length) => (length, false),
        };
        let name = head.job.name.clone();
        let head = ExecutionHead {
            job: head.job,
            uuid,
            console_length: spool.console_octets(),
            started: head.started,
            finished: head.finished,
            result: head.result,
            last_line: head.last_line,
            output_length,
        };
        let layout = head.layout().map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        let mut staged = if layout.total_length <= SMALL_RESULT_BYTES {
            let mut octets = layout.before_console;
            if let Some(file) = spool.file() {
                write_newest_first(file, spool.length(), &mut octets)?;
            }
            octets.extend_from_slice(&layout.after_console);
            Staged::Small(octets)
        } else {
            let console = spool.file().map(|file| (Arc::clone(file), spool.length()));
            Staged::Large(LargeResult {
                uuid,
                name,
                file: create_staging(paths, uuid)?,
                before_console: layout.before_console,
                after_console: layout.after_console,
                console,
                position: layout.total_length - output_length,
                total_length: layout.total_length,
                written_back: layout.total_length - output_length,
            })
        };
        if empty {
            staged.append(&NO_ARTIFACTS)?;
        }
        Ok(staged)
    }

    /// Appends octets of artifacts.
    pub(crate) fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Staged::Small(contents) => contents.extend_from_slice(octets),
            Staged::Large(large) => {
                large.file.write_all_at(octets, large.position)?;
                large.position += octets.len() as u64;
                large.write_back();
            }
        }
        Ok(())
    }
}

impl LargeResult {
    pub(crate) fn uuid(&self) -> Uuid {
        self.uuid
    }

    pub(crate) fn into_file(self) -> File {
        self.file
    }

    /// Has the disk begin with what has arrived. Otherwise all of it would be left to the sync at the end, during which
    /// commits wait, and so does a server that is to stop. Only a hint, so it does not matter when it fails.
    fn write_back(&mut self) {
        let length = self.position - self.written_back;
        if length >= WRITE_BACK_BYTES {
            let _ = rustix::fs::fadvise(
                &self.file,
                self.written_back,
                NonZeroU64::new(length),
                rustix::fs::Advice::DontNeed,
            );
            self.written_back = self.position;
        }
    }

    /// Writes what precedes the artifacts.
    fn complete(&self) -> io::Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        let mut output = BufWriter::with_capacity(CONSOLE_BUFFER_BYTES, file);
        output.write_all(&self.before_console)?;
        if let Some((spool, length)) = &self.console {
            write_newest_first(spool, *length, &mut output)?;
        }
        output.write_all(&self.after_console)?;
        output.flush()
    }
}

/// Completes a large result, makes it durable and puts it in place, durably. Slow: it waits for the disk.
pub(crate) fn store(paths: &Paths, result: &LargeResult) -> Result<(), WorkError> {
    let mut files = ResultFiles::new(paths, &result.name, result.uuid, Source::Large(result));
    ResultWork::store().run(|operation| files.perform(operation))
}

/// Writes a small result that the log holds; whoever calls this syncs later.
pub(crate) fn write(paths: &Paths, result: &UnsettledResult) -> io::Result<()> {
    let UnsettledResult { uuid, name, contents } = result;
    let mut files = ResultFiles::new(paths, name, *uuid, Source::Small(&contents.0));
    ResultWork::write().run(|operation| files.perform(operation)).map_err(WorkError::into_inner)
}

/// Makes a result that is in place durable, with all names that lead to it.
pub(crate) fn sync(paths: &Paths, name: &Text, uuid: Uuid) -> io::Result<()> {
    run(ResultWork::sync(), paths, name, uuid)
}

/// Removes a stored result, durably. One that is gone already is no failure.
pub(crate) fn remove(paths: &Paths, name: &Text, uuid: Uuid) -> io::Result<()> {
    run(ResultWork::remove(), paths, name, uuid)
}

fn run(work: ResultWork, paths: &Paths, name: &Text, uuid: Uuid) -> io::Result<()> {
    let mut files = ResultFiles::new(paths, name, uuid, Source::InPlace);
    work.run(|operation| files.perform(operation)).map_err(WorkError::into_inner)
}

/// The files of one result.
struct ResultFiles<'a> {
    paths: &'a Paths,
    name: &'a Text,
    uuid: Uuid,
    source: Source<'a>,
    /// Those of build, job and root, once they are to be open.
    directories: Option<[File; 3]>,
}

/// Where the contents of a result come from.
enum Source<'a> {
    /// They are all here.
    Small(&'a [u8]),
    /// Some are in the staged file.
    Large(&'a LargeResult),
    /// They are where they are to be.
    InPlace,
}

impl<'a> ResultFiles<'a> {
    fn new(paths: &'a Paths, name: &'a Text, uuid: Uuid, source: Source<'a>) -> ResultFiles<'a> {
        ResultFiles { paths, name, uuid, source, directories: None }
    }

    fn perform(&mut self, operation: FileOperation) -> io::Result<()> {
        let (paths, name, uuid) = (self.paths, self.name, self.uuid);
        match operation {
            FileOperation::Complete => match &self.source {
                Source::Small(contents) => create_staging(paths, uuid)?.write_all(contents),
                Source::Large(large) => large.complete(),
                Source::InPlace => Ok(()),
            },
            FileOperation::SetLength => match &self.source {
                Source::Large(large) => large.file.set_len(large.total_length),
                Source::Small(_) | Source::InPlace => Ok(()),
            },
            FileOperation::SyncStaged => match &self.source {
                Source::Large(large) => sync_file(&large.file),
                Source::Small(_) | Source::InPlace => sync_file(&File::open(paths.staging(uuid))?),
            },
            // Results are for everyone on the host to read, as those of builder 0.4.0 are.
            FileOperation::MakeDirectory(directory) => {
                DirBuilder::new().mode(0o755).create(self.directory(directory))
            }
            FileOperation::OpenDirectories => {
                let open = |directory| File::open(self.directory(directory));
                let directories = [open(Directory::Build)?, open(Directory::Job)?, open(Directory::Root)?];
                self.directories = Some(directories);
                Ok(())
            }
            FileOperation::PutInPlace => fs::rename(paths.staging(uuid), paths.result(name, uuid)),
            FileOperation::SyncPlaced => sync_file(&File::open(paths.result(name, uuid))?),
            FileOperation::SyncDirectory(directory) => match &self.directories {
                None => sync_directory(&self.directory(directory)),
                Some([build, job, root]) => sync_file(match directory {
                    Directory::Build => build,
                    Directory::Job => job,
                    Directory::Root => root,
                }),
            },
            FileOperation::RemovePlaced => fs::remove_file(paths.result(name, uuid)),
            FileOperation::RemoveDirectory => fs::remove_dir(self.directory(Directory::Build)),
        }
    }

    fn directory(&self, directory: Directory) -> PathBuf {
        match directory {
            Directory::Build => self.paths.build(self.name, self.uuid),
            Directory::Job => self.paths.job(self.name),
            Directory::Root => self.paths.root().to_owned(),
        }
    }
}

/// How many results are made durable together.
#[derive(Debug)]
pub(crate) enum SyncMethod {
    /// One call for the file system, which is far cheaper than four for each result. The directory is open from before
    /// the first result is written: only to those who were there is an error reported that somebody else has seen.
    #[cfg(target_os = "linux")]
    FileSystem(File),
    /// One result after the other.
    EachResult,
}

impl SyncMethod {
    pub(crate) fn choose(paths: &Paths) -> io::Result<SyncMethod> {
        #[cfg(target_os = "linux")]
        if reports_errors_of_file_systems() {
            return Ok(SyncMethod::FileSystem(File::open(paths.root())?));
        }
        paths.root().metadata()?;
        Ok(SyncMethod::EachResult)
    }

    /// Waits until the results are on disk.
    pub(crate) fn sync(&self, paths: &Paths, builds: &[BuildOfJob]) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            SyncMethod::FileSystem(root) if !builds.is_empty() => sync_file_system(root),
            #[cfg(target_os = "linux")]
            SyncMethod::FileSystem(_) => Ok(()),
            // Somebody may have removed a result.
            SyncMethod::EachResult => builds
                .iter()
                .try_for_each(|(uuid, name)| run(ResultWork::sync_if_there(), paths, name, *uuid)),
        }
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

/// Removes what there is of a result that will not be completed.
pub(crate) fn abandon(paths: &Paths, uuid: Uuid) {
    let staging = paths.staging(uuid);
    match fs::remove_file(&staging) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            log::warn!(
                "cannot remove {}: {error}; the next start of the server tries again",
                staging.display()
            );
        }
        _ => {}
    }
}

fn create_staging(paths: &Paths, uuid: Uuid) -> io::Result<File> {
    let staging = paths.staging(uuid);
    let create = || OpenOptions::new().write(true).create_new(true).open(&staging);
    match create() {
        // Left by an attempt that failed.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(&staging)?;
            create()
        }
        outcome => outcome,
    }
}
