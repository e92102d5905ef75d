//! Results on their way to `JOB/UUID/full`, as in `bin/src/server/result.rs`.

use super::spools::Spool;
use crate::disk::{Disk, Inode};
use crate::variant::Variant;
use builder_engine::server::{OutputSource, ResultHead, UnsettledResult};
use builder_proto::Uuid;
use builder_proto::execution::{ExecutionHead, NO_ARTIFACTS};
use builder_proto::text::Text;
use std::io::{Error, ErrorKind, Result};

/// The directory of all results.
pub(crate) const ROOT: &str = "";
pub(super) const STAGINGS: &str = ".builder/staging";
const RESULT: &str = "full";
/// The step of storing a large result after which others can see it.
const PUT_IN_PLACE: usize = 4;

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
    steps: usize,
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
                steps: 0,
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
    pub(super) fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// Whether only the names that lead to it are still to be synced.
    pub(super) fn is_in_place(&self) -> bool {
        self.steps > PUT_IN_PLACE
    }

    /// Takes the next step of storing it; true after the last.
    pub(super) fn store_further(&mut self, disk: &mut Disk, variant: Variant) -> Result<bool> {
        self.steps += 1;
        match self.steps {
            1 => {
                let mut octets = self.before_console.clone();
                if let Some((spool, length)) = self.console {
                    octets.extend(super::spools::newest_first(disk.contents(spool), length)?);
                }
                octets.extend_from_slice(&self.after_console);
                disk.write_all_at(self.file, 0, &octets)?;
                if variant != Variant::LengthNotSet {
                    disk.set_length(self.file, self.total_length)?;
                }
            }
            2 if variant == Variant::PlaceBeforeSync => {}
            2 => disk.sync(self.file)?,
            3 => make_directories(disk, &self.name, self.uuid)?,
            PUT_IN_PLACE => put_in_place(disk, &self.name, self.uuid)?,
            5..8 if variant == Variant::ResultNamesNotSynced => {}
            5 => disk.sync_directory(&build_path(&self.name, self.uuid))?,
            6 => disk.sync_directory(&job_path(&self.name))?,
            7 => disk.sync_directory(ROOT)?,
            _ => return Ok(true),
        }
        Ok(false)
    }
}

/// Takes the next step of writing a small result that the log holds; true after the last. Whoever calls this syncs later.
pub(super) fn write_further(disk: &mut Disk, result: &UnsettledResult, step: usize) -> Result<bool> {
    let UnsettledResult { uuid, name, contents } = result;
    match step {
        0 => {
            let file = create_staging(disk, *uuid)?;
            disk.write_all_at(file, 0, &contents.0)?;
        }
        1 => make_directories(disk, name, *uuid)?,
        2 => put_in_place(disk, name, *uuid)?,
        _ => return Ok(true),
    }
    Ok(false)
}

pub(super) fn write(disk: &mut Disk, result: &UnsettledResult) -> Result<()> {
    let mut step = 0;
    while !write_further(disk, result, step)? {
        step += 1;
    }
    Ok(())
}

/// Takes the next step of removing a stored result; true after the last.
pub(super) fn remove_further(disk: &mut Disk, name: &Text, uuid: Uuid, step: usize) -> Result<bool> {
    match step {
        1 => ignore(ErrorKind::NotFound, disk.remove_file(&result_path(name, uuid)))?,
        2 => match disk.remove_directory(&build_path(name, uuid)) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
                disk.sync_directory(&build_path(name, uuid))?;
                return Ok(true);
            }
            outcome => ignore(ErrorKind::NotFound, outcome)?,
        },
        3 => ignore(ErrorKind::NotFound, disk.sync_directory(&job_path(name)))?,
        _ => return Ok(true),
    }
    Ok(false)
}

fn ignore(kind: ErrorKind, outcome: Result<()>) -> Result<()> {
    outcome.or_else(|error| if error.kind() == kind { Ok(()) } else { Err(error) })
}

pub(super) fn abandon(disk: &mut Disk, uuid: Uuid) {
    // Like the real one, this goes on when it fails; the next start clears up.
    let _ = disk.remove_file(&staging(uuid));
}

/// Makes a result that is in place durable, one step after the other; true after the last.
pub(super) fn sync_further(
    disk: &mut Disk,
    name: &Text,
    uuid: Uuid,
    step: usize,
    variant: Variant,
) -> Result<bool> {
    match step {
        0 => {
            let file = disk.open(&result_path(name, uuid)).ok_or(ErrorKind::NotFound)?;
            disk.sync(file)?;
        }
        1..4 if variant == Variant::ResultNamesNotSynced => {}
        1 => disk.sync_directory(&build_path(name, uuid))?,
        2 => disk.sync_directory(&job_path(name))?,
        3 => disk.sync_directory(ROOT)?,
        _ => return Ok(true),
    }
    Ok(false)
}

pub(super) fn sync(disk: &mut Disk, name: &Text, uuid: Uuid, variant: Variant) -> Result<()> {
    let mut step = 0;
    while !sync_further(disk, name, uuid, step, variant)? {
        step += 1;
    }
    Ok(())
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

fn make_directories(disk: &mut Disk, name: &Text, uuid: Uuid) -> Result<()> {
    let build = build_path(name, uuid);
    match create_directory(disk, &build) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            create_directory(disk, &job_path(name))?;
            create_directory(disk, &build)
        }
        outcome => outcome,
    }
}

fn create_directory(disk: &mut Disk, path: &str) -> Result<()> {
    ignore(ErrorKind::AlreadyExists, disk.create_directory(path))
}

fn put_in_place(disk: &mut Disk, name: &Text, uuid: Uuid) -> Result<()> {
    disk.rename(&staging(uuid), &result_path(name, uuid))
}

fn staging(uuid: Uuid) -> String {
    format!("{STAGINGS}/{uuid}")
}

fn job_path(name: &Text) -> String {
    name.to_string()
}

fn build_path(name: &Text, uuid: Uuid) -> String {
    format!("{name}/{uuid}")
}

/// Where the result of a build is.
pub(crate) fn result_path(name: &Text, uuid: Uuid) -> String {
    format!("{name}/{uuid}/{RESULT}")
}
