//! Results on their way to `DIR/JOB/UUID/full`.
//!
//! A result is written under `staging/UUID`, and the whole directory is renamed into place. A small result is made durable
//! by the log: it is held until then, and written out without a sync of its own. A large one goes straight to its
//! file, artifacts at the place that the layout gives them, and is synced before it is renamed.

use crate::directory::sync_directory;
use crate::server::paths::{Paths, RESULT};
use crate::server::spool::{Spool, write_newest_first};
use builder_engine::server::{OutputSource, ResultHead};
use builder_proto::Uuid;
use builder_proto::execution::{ExecutionHead, NO_ARTIFACTS};
use builder_proto::text::Text;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;
use std::sync::Arc;

/// Octets of a whole result that the log makes durable. Larger ones would be written twice for little gain.
const SMALL_RESULT_BYTES: u64 = 32 * 1024;
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
            }
        }
        Ok(())
    }
}

impl LargeResult {
    pub(crate) fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// Completes the file, makes it durable and puts it in place. Slow: it waits for the disk.
    pub(crate) fn store(mut self, paths: &Paths) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut output = BufWriter::with_capacity(CONSOLE_BUFFER_BYTES, &self.file);
        output.write_all(&self.before_console)?;
        if let Some((spool, length)) = &self.console {
            write_newest_first(spool, *length, &mut output)?;
        }
        output.write_all(&self.after_console)?;
        output.flush()?;
        drop(output);
        self.file.sync_all()?;
        sync_directory(&paths.staging(self.uuid))?;
        put_in_place(paths, &self.name, self.uuid)?;
        sync_directory(&paths.job(&self.name))?;
        sync_directory(paths.root())
    }
}

/// Writes a small result that the log holds; whoever calls this syncs later.
pub(crate) fn publish(paths: &Paths, name: &Text, uuid: Uuid, contents: &[u8]) -> io::Result<()> {
    create_staging(paths, uuid)?.write_all(contents)?;
    put_in_place(paths, name, uuid)
}

/// Removes a stored result, durably. One that is gone already is no failure.
pub(crate) fn remove(paths: &Paths, name: &Text, uuid: Uuid) -> io::Result<()> {
    let build = paths.build(name, uuid);
    ignore(ErrorKind::NotFound, fs::remove_file(paths.result(name, uuid)))?;
    // What others have put beside the result stays.
    match fs::remove_dir(&build) {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => return sync_directory(&build),
        outcome => ignore(ErrorKind::NotFound, outcome)?,
    }
    ignore(ErrorKind::NotFound, sync_directory(&paths.job(name)))
}

/// Removes what there is of a result that will not be completed.
pub(crate) fn abandon(paths: &Paths, uuid: Uuid) {
    let staging = paths.staging(uuid);
    match fs::remove_dir_all(&staging) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            log::warn!(
                "cannot remove {}: {error}; the next start of the server tries again",
                staging.display()
            );
        }
        _ => {}
    }
}

/// Makes a result that is in place durable, with all names that lead to it.
pub(crate) fn sync(paths: &Paths, name: &Text, uuid: Uuid) -> io::Result<()> {
    File::open(paths.result(name, uuid))?.sync_all()?;
    sync_directory(&paths.build(name, uuid))?;
    sync_directory(&paths.job(name))?;
    sync_directory(paths.root())
}

fn ignore(kind: ErrorKind, outcome: io::Result<()>) -> io::Result<()> {
    outcome.or_else(|error| if error.kind() == kind { Ok(()) } else { Err(error) })
}

fn create_staging(paths: &Paths, uuid: Uuid) -> io::Result<File> {
    let directory = paths.staging(uuid);
    if let Err(error) = create_directory(&directory) {
        if error.kind() != ErrorKind::AlreadyExists {
            return Err(error);
        }
        // Left by an attempt that failed.
        fs::remove_dir_all(&directory)?;
        create_directory(&directory)?;
    }
    OpenOptions::new().write(true).create_new(true).open(directory.join(RESULT))
}

/// Gives the staged result its place; one that is there already is replaced.
fn put_in_place(paths: &Paths, name: &Text, uuid: Uuid) -> io::Result<()> {
    let (staging, place) = (paths.staging(uuid), paths.build(name, uuid));
    let outcome = match fs::rename(&staging, &place) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match create_directory(&paths.job(name)) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            fs::rename(&staging, &place)
        }
        outcome => outcome,
    };
    match outcome {
        Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
            fs::rename(staging.join(RESULT), paths.result(name, uuid))?;
            // Whoever syncs the names that lead to the directory does not look into it.
            sync_directory(&place)?;
            fs::remove_dir(staging)
        }
        outcome => outcome,
    }
}

/// Results are for everyone on the host to read, as those of builder 0.4.0 are.
fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o755).create(path)
}
