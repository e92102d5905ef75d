//! Results on their way to `JOB/UUID/full`, as in `bin/src/server/result.rs`.

use super::spools::Spool;
use crate::variant::Variant;
use builder_engine::driver::{Directory, FileOperation, ResultWork, WorkError};
use builder_engine::server::{OutputSource, ResultHead, UnsettledResult};
use builder_proto::Uuid;
use builder_proto::execution::{ExecutionHead, NO_ARTIFACTS};
use builder_proto::text::Text;
use builder_tests::world::{Disk, Inode};
use std::io::{Error, ErrorKind, Result};

/// The directory of all results.
pub(crate) const ROOT: &str = "";
pub(super) const STAGINGS: &str = ".builder/staging";
const RESULT: &str = "full";

/// A result that is being written.
#[derive(Debug)]
pub(super) enum Staged {
    Small(Vec<u8>),
    Large(LargeResult),
}

#[derive(Debug)]
pub(super) struct LargeResult {
    uuid: Uuid,
    name: Text,
    file: Inode,
    before_console: Vec<u8>,
    after_console: Vec<u8>,
    console: Option<(Inode, u64)>,
    position: u64,
    total_length: u64,
}

impl Staged {
    pub(super) fn begin(
        disk: &mut Disk,
        uuid: Uuid,
        head: ResultHead,
        spool: &Spool,
        small_octets: u64,
    ) -> Result<Staged> {
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
        let layout = head.layout().map_err(|error| Error::new(ErrorKind::InvalidInput, error))?;
        let mut staged = if layout.total_length <= small_octets {
            let mut octets = layout.before_console;
            if let Some(file) = spool.file() {
                octets.extend(super::spools::newest_first(disk.contents(file), spool.length())?);
            }
            octets.extend_from_slice(&layout.after_console);
            Staged::Small(octets)
        } else {
            Staged::Large(LargeResult {
                uuid,
                name,
                file: create_staging(disk, uuid)?,
                before_console: layout.before_console,
                after_console: layout.after_console,
                console: spool.file().map(|file| (file, spool.length())),
                position: layout.total_length - output_length,
                total_length: layout.total_length,
            })
        };
        if empty {
            staged.append(disk, &NO_ARTIFACTS)?;
        }
        Ok(staged)
    }

    pub(super) fn append(&mut self, disk: &mut Disk, octets: &[u8]) -> Result<()> {
        match self {
            Staged::Small(contents) => contents.extend_from_slice(octets),
            Staged::Large(large) => {
                disk.write_all_at(large.file, large.position, octets)?;
                large.position += octets.len() as u64;
            }
        }
        Ok(())
    }
}

impl LargeResult {
    /// Which build it is, with the name of its job first.
    pub(super) fn build(&self) -> (&Text, Uuid) {
        (&self.name, self.uuid)
    }

    /// Writes what precedes the artifacts.
    fn complete(&self, disk: &mut Disk) -> Result<()> {
        let mut bytes = self.before_console.clone();
        if let Some((spool, length)) = self.console {
            bytes.extend(super::spools::newest_first(disk.contents(spool), length)?);
        }
        bytes.extend_from_slice(&self.after_console);
        disk.write_all_at(self.file, 0, &bytes)
    }
}

/// Where the contents of a result come from.
pub(super) enum Source<'a> {
    /// They are all here.
    Small(&'a [u8]),
    /// Some are in the staged file.
    Large(&'a LargeResult),
    /// They are where they are to be.
    InPlace,
}

/// Carries out one operation, unless the platform lies.
pub(super) fn perform(
    disk: &mut Disk,
    (name, uuid): (&Text, Uuid),
    source: &Source<'_>,
    operation: FileOperation,
    variant: Variant,
) -> Result<()> {
    match (operation, source) {
        (FileOperation::Complete, Source::Small(contents)) => {
            let file = create_staging(disk, uuid)?;
            disk.write_all_at(file, 0, contents)
        }
        (FileOperation::Complete, Source::Large(large)) => large.complete(disk),
        (FileOperation::Complete, Source::InPlace) | (FileOperation::OpenDirectories, _) => Ok(()),
        (FileOperation::SyncStaged, _) if variant == Variant::PlaceBeforeSync => Ok(()),
        (FileOperation::SetLength, Source::Large(large)) if variant != Variant::LengthNotSet => {
            disk.set_length(large.file, large.total_length)
        }
        (FileOperation::SetLength, _) => Ok(()),
        (FileOperation::SyncStaged, Source::Large(large)) => disk.sync(large.file),
        (FileOperation::SyncStaged, _) => sync_file(disk, &staging(uuid)),
        (FileOperation::MakeDirectory(directory), _) => disk.create_directory(&path(directory, name, uuid)),
        (FileOperation::PutInPlace, _) => disk.rename(&staging(uuid), &result_path(name, uuid)),
        (FileOperation::SyncPlaced, _) => sync_file(disk, &result_path(name, uuid)),
        (FileOperation::SyncDirectory(_), _) if variant == Variant::ResultNamesNotSynced => Ok(()),
        (FileOperation::SyncDirectory(directory), _) => disk.sync_directory(&path(directory, name, uuid)),
        (FileOperation::RemovePlaced, _) => disk.remove_file(&result_path(name, uuid)),
        (FileOperation::RemoveDirectory, _) => disk.remove_directory(&path(Directory::Build, name, uuid)),
    }
}

/// Writes a small result at once.
pub(super) fn write(disk: &mut Disk, result: &UnsettledResult, variant: Variant) -> Result<()> {
    let UnsettledResult { uuid, name, contents } = result;
    let source = Source::Small(&contents.0);
    let outcome =
        ResultWork::write().run(|operation| perform(disk, (name, *uuid), &source, operation, variant));
    outcome.map_err(WorkError::into_inner)
}

/// Syncs, at once, a result that is in place.
pub(super) fn sync(
    disk: &mut Disk,
    work: ResultWork,
    name: &Text,
    uuid: Uuid,
    variant: Variant,
) -> Result<()> {
    let outcome = work.run(|operation| perform(disk, (name, uuid), &Source::InPlace, operation, variant));
    outcome.map_err(WorkError::into_inner)
}

pub(super) fn abandon(disk: &mut Disk, uuid: Uuid) {
    // Like the real one, this goes on when it fails; the next start clears up.
    let _ = disk.remove_file(&staging(uuid));
}

fn create_staging(disk: &mut Disk, uuid: Uuid) -> Result<Inode> {
    match disk.create_new(&staging(uuid)) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            disk.remove_file(&staging(uuid))?;
            disk.create_new(&staging(uuid))
        }
        outcome => outcome,
    }
}

fn sync_file(disk: &mut Disk, path: &str) -> Result<()> {
    let file = disk.open(path).ok_or(ErrorKind::NotFound)?;
    disk.sync(file)
}

fn staging(uuid: Uuid) -> String {
    format!("{STAGINGS}/{uuid}")
}

fn path(directory: Directory, name: &Text, uuid: Uuid) -> String {
    match directory {
        Directory::Build => format!("{name}/{uuid}"),
        Directory::Job => name.to_string(),
        Directory::Root => ROOT.to_owned(),
    }
}

/// Where the result of a build is.
pub(crate) fn result_path(name: &Text, uuid: Uuid) -> String {
    format!("{name}/{uuid}/{RESULT}")
}
