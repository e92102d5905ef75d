//! Results on their way to their files.
//!
//! A small result is made durable by the log: it is held until then, and written out without a sync of its own. A large one
//! goes straight to a staged file, artifacts at the place that the layout gives them, and is synced before it is put in
//! place.

use super::digest::{DigestProgress, Digested, Digesting};
use super::files::{FileName, Files, write_all};
use super::spools::{Spool, newest_first};
use crate::manifest::Manifest;
use crate::server::{OutputSource, ResultHead};
use builder_proto::Uuid;
use builder_proto::execution::{ExecutionHead, NO_ARTIFACTS};
use builder_proto::text::Text;
use std::io::{self, ErrorKind};

/// Bytes of artifacts that are gathered before the disk begins to write them.
const FLUSH_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes gathered before the console of a large result is written.
const CONSOLE_BUFFER_BYTES: usize = 256 * 1024;

/// A result that is being written.
#[derive(Debug)]
pub(crate) enum Staged<F: Files> {
    /// Held until it is in the log.
    Small(Vec<u8>),
    /// Written to its file.
    Large(LargeResult<F>),
}

/// A result file whose artifacts are being written.
#[derive(Debug)]
pub(crate) struct LargeResult<F: Files> {
    uuid: Uuid,
    job: Text,
    file: F::File,
    before_console: Vec<u8>,
    after_console: Vec<u8>,
    console: Option<(F::File, u64)>,
    /// Where the next bytes of artifacts go.
    position: u64,
    /// Bytes of the whole file.
    total_length: u64,
    /// Up to where the system was asked to write artifacts to the disk.
    flushed: u64,
    digest: DigestProgress,
    /// Whether all artifacts are there.
    is_complete: bool,
}

impl<F: Files> Staged<F> {
    /// Begins a result with the console that is spooled so far. It is small if it has at most `small_bytes`. No other has the
    /// same `number`.
    ///
    /// # Errors
    ///
    /// When the result cannot be laid out or its file cannot be created.
    pub(crate) fn begin(
        files: &F,
        number: u64,
        uuid: Uuid,
        head: ResultHead,
        spool: &Spool<F>,
        small_bytes: u64,
    ) -> io::Result<Self> {
        let (output_length, is_empty) = match head.output {
            OutputSource::Empty => (NO_ARTIFACTS.len() as u64, true),
            OutputSource::Streamed(length) => (length, false),
        };
        let job = head.job.name.clone();
        let head = ExecutionHead {
            job: head.job,
            uuid,
            console_length: spool.console_bytes(),
            started: head.started,
            finished: head.finished,
            result: head.result,
            last_line: head.last_line,
            output_length,
        };
        let layout = head.layout().map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        let mut staged = if layout.total_length <= small_bytes {
            let mut bytes = layout.before_console;
            if let Some(file) = spool.file() {
                newest_first(files, file, spool.length(), |entries| {
                    bytes.extend_from_slice(entries);
                    Ok(())
                })?;
            }
            bytes.extend_from_slice(&layout.after_console);
            Staged::Small(bytes)
        } else {
            let artifacts = layout.total_length - output_length..layout.total_length;
            Staged::Large(LargeResult {
                uuid,
                job,
                file: create(files, uuid)?,
                before_console: layout.before_console,
                after_console: layout.after_console,
                console: spool.file().map(|file| (file.clone(), spool.length())),
                position: artifacts.start,
                total_length: layout.total_length,
                flushed: artifacts.start,
                digest: DigestProgress::new(number, artifacts),
                is_complete: false,
            })
        };
        if is_empty {
            staged.append(files, &NO_ARTIFACTS)?;
        }
        Ok(staged)
    }

    /// Appends bytes of artifacts.
    pub(crate) fn append(&mut self, files: &F, bytes: &[u8]) -> io::Result<()> {
        match self {
            Staged::Small(contents) => contents.extend_from_slice(bytes),
            Staged::Large(large) => {
                write_all(files, &large.file, large.position, bytes)?;
                large.position += bytes.len() as u64;
                large.flush(files);
            }
        }
        Ok(())
    }
}

impl<F: Files> LargeResult<F> {
    pub(crate) fn uuid(&self) -> Uuid {
        self.uuid
    }

    pub(crate) fn job(&self) -> &Text {
        &self.job
    }

    pub(crate) fn file(&self) -> &F::File {
        &self.file
    }

    /// Bytes that the whole file is to have.
    pub(crate) fn total_length(&self) -> u64 {
        self.total_length
    }

    /// All artifacts are there.
    pub(crate) fn set_complete(&mut self) {
        self.is_complete = true;
    }

    /// What a thread is to look at next, of what is there.
    pub(crate) fn next_to_digest(&mut self) -> Option<Digesting<F>> {
        self.digest.next(self.uuid, &self.file, self.position, self.is_complete)
    }

    /// A thread has looked at some of it. False when that was an earlier result of the same build.
    pub(crate) fn take_back(&mut self, digested: Digested) -> bool {
        self.digest.take_back(digested)
    }

    /// Whether a thread is at this result, by its number.
    pub(crate) fn is_number(&self, number: u64) -> bool {
        self.digest.is_number(number)
    }

    /// What it holds, once all of it has been looked at.
    pub(crate) fn take_manifest(&mut self) -> Option<Manifest> {
        if !self.is_complete {
            return None;
        }
        self.digest.finish(self.total_length).map(|walker| walker.finish())
    }

    pub(crate) fn into_file(self) -> F::File {
        self.file
    }

    /// Writes what precedes the artifacts.
    pub(crate) fn complete(&self, files: &F) -> io::Result<()> {
        let (mut gathered, mut position) = (self.before_console.clone(), 0);
        if let Some((spool, length)) = &self.console {
            newest_first(files, spool, *length, |entries| {
                gathered.extend_from_slice(entries);
                if gathered.len() >= CONSOLE_BUFFER_BYTES {
                    write_all(files, &self.file, position, &gathered)?;
                    position += gathered.len() as u64;
                    gathered.clear();
                }
                Ok(())
            })?;
        }
        gathered.extend_from_slice(&self.after_console);
        write_all(files, &self.file, position, &gathered)
    }

    /// Has the disk begin with what has arrived. Otherwise all of it would be left to the sync at the end, during which
    /// commits wait, and so does a server that is to stop.
    fn flush(&mut self, files: &F) {
        let length = self.position - self.flushed;
        if length >= FLUSH_BYTES {
            files.start_flush(&self.file, self.flushed, length);
            self.flushed = self.position;
        }
    }
}

/// Creates a staged file, in the place of one that an attempt left which failed.
pub(crate) fn create<F: Files>(files: &F, uuid: Uuid) -> io::Result<F::File> {
    match files.create(FileName::Staged(uuid)) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            files.remove(FileName::Staged(uuid))?;
            files.create(FileName::Staged(uuid))
        }
        created => created,
    }
}

/// Removes what there is of a result that will not be completed.
pub(crate) fn abandon<F: Files>(files: &F, uuid: Uuid) {
    match files.remove(FileName::Staged(uuid)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            ::log::warn!(
                "cannot remove {}: {error}; the next start of the server tries again",
                files.describe(FileName::Staged(uuid))
            );
        }
        _ => {}
    }
}
