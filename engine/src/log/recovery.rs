//! Opening a log: replay it, mend what a crash has left, refuse what a crash cannot have done.

use super::active::ActiveLog;
use super::builder::LogBuilder;
use super::file::{LogFile, Settings};
use super::format::{Position, Salt};
use super::reader::{Event, LogReader, Verdict};
use super::report::{OpenError, Reading, RecoveryReport, Salvaged, Saved};
use super::reserve;
use super::storage::{DRAFT, Files, LOG, NamedFile, Storage, StorageError};
use core::fmt;
use core::ops::Range;

/// Bytes read from or copied between files at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// What a log may be like, to be taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tolerance {
    /// As a crash leaves it.
    Sound,
    /// It may also be without one good frame.
    Unfinished,
    /// Anything may be missing.
    Damaged,
}

/// How far a log was read.
struct Scan {
    verdict: Verdict,
    position: Position,
    frames: u64,
    /// Where the last good frame begins.
    last_frame: u64,
    damaged: bool,
    /// Bytes of damage before good frames.
    skipped_bytes: u64,
    lost_frames: u64,
    /// Bytes of the whole file.
    length: u64,
}

impl<S: Storage> LogFile<S> {
    /// Opens the log of a directory; where there is none, the first commit makes one. Hands the payload of each frame to `replay`, in order: the records
    /// of one commit, one after the other. If opening fails, what was replayed does not count.
    ///
    /// A torn end is saved to a file beside the log, `log.torn-1` or the next free number, and cut off. With
    /// [`Settings::salvage`] a damaged log is saved as `log.damaged-1`, or the next free number, and written anew
    /// from what is good; when that is nothing, it stays in place until the first commit replaces it. With
    /// [`Settings::unused`] the same happens to a log without one good frame, which is saved as `log.unfinished-1`.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open<E: fmt::Display>(
        storage: S,
        settings: Settings,
        replay: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(LogFile<S>, RecoveryReport), OpenError> {
        let files = Files(storage);
        files.remove(DRAFT)?;
        let mut recovery = RecoveryReport::default();
        let active = match files.open(LOG)? {
            Some(file) => recover(&files, file, &settings, &mut recovery, replay)?,
            None => {
                recovery.created = true;
                None
            }
        };
        // What was read may be in memory only, if an earlier run ended without a crash of the machine. It has to be
        // durable before the next frame is written: file, name and the removal of drafts.
        if let Some(active) = &active {
            files.sync(&active.file)?;
        }
        files.sync_names()?;
        let reserve_available = ensure_reserve(&files, &settings, &mut recovery)?;
        Ok((LogFile::new(files, settings, active, reserve_available), recovery))
    }
}

/// Reads the log of a directory as [`LogFile::open`] does, but changes nothing: for whoever only wants to know what it
/// holds. Nobody else may be writing to it. None when there is no log.
///
/// # Errors
///
/// See [`OpenError`].
pub fn read<S: Storage, E: fmt::Display>(
    storage: S,
    salvage: bool,
    replay: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Option<Reading>, OpenError> {
    let files = Files(storage);
    let Some(file) = files.open(LOG)? else { return Ok(None) };
    let tolerance = if salvage { Tolerance::Damaged } else { Tolerance::Sound };
    let scan = scan_replaying(&files, &file, tolerance, replay)?;
    Ok(Some(Reading { frames: scan.frames, bad_bytes: scan.bad_bytes() }))
}

impl Scan {
    /// Bytes up to the end of the last good frame; 0 when there is none.
    fn good_length(&self) -> u64 {
        match self.verdict {
            Verdict::Clean { good_length } | Verdict::Torn { good_length } => good_length,
            Verdict::Unreadable | Verdict::UnknownVersion { .. } => 0,
        }
    }

    /// Bytes that could not be read, wherever they are.
    fn bad_bytes(&self) -> u64 {
        let at_the_end = match self.verdict {
            Verdict::Clean { .. } => 0,
            _ => self.length - self.good_length(),
        };
        self.skipped_bytes + at_the_end
    }
}

/// Replays a log and mends it if need be. Gives none when there is nothing good in it.
fn recover<S: Storage, E: fmt::Display>(
    files: &Files<S>,
    file: NamedFile<S::File>,
    settings: &Settings,
    recovery: &mut RecoveryReport,
    replay: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Option<ActiveLog<S::File>>, OpenError> {
    let tolerance = match settings {
        Settings { salvage: true, .. } => Tolerance::Damaged,
        Settings { unused: true, .. } => Tolerance::Unfinished,
        _ => Tolerance::Sound,
    };
    let scan = scan_replaying(files, &file, tolerance, replay)?;
    recovery.frames = scan.frames;
    let good_length = scan.good_length();
    if scan.verdict == Verdict::Unreadable && tolerance == Tolerance::Unfinished {
        recovery.created = true;
        recovery.unfinished = Some(with_reserve(files, || save(files, &file, 0..scan.length, "unfinished"))?);
        return Ok(None);
    }
    if scan.damaged || scan.verdict == Verdict::Unreadable {
        let saved = with_reserve(files, || save(files, &file, 0..scan.length, "damaged"))?;
        let (bad_bytes, lost_frames) = (scan.bad_bytes(), scan.lost_frames);
        recovery.salvaged = Some(Salvaged { saved, bad_bytes, lost_frames });
        if scan.frames == 0 {
            return Ok(None);
        }
        return with_reserve(files, || rewrite(files, &file, settings.salt)).map(Some);
    }
    if let Verdict::Torn { .. } = scan.verdict {
        recovery.torn = Some(with_reserve(files, || save(files, &file, good_length..scan.length, "torn"))?);
    }
    files.set_length(&file, good_length)?;
    // After a sync that failed, the system may take for written what is in memory only, and the next sync would skip
    // it. That can be the last frame, no other, so it is written again, as it is.
    let last_frame = scan.last_frame..good_length;
    with_reserve(files, || Ok(copy(files, (&file, last_frame.clone()), (&file, last_frame.start))?))?;
    Ok(Some(ActiveLog::new(file, scan.position, good_length)))
}

/// Reads a log to its end and hands its payloads to `replay`. Refuses what a crash cannot have done.
fn scan_replaying<S: Storage, E: fmt::Display>(
    files: &Files<S>,
    file: &NamedFile<S::File>,
    tolerance: Tolerance,
    mut replay: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Scan, OpenError> {
    let scan = scan(files, file, |event| match event {
        Event::Frame { offset, payload } => replay(payload).map_err(|reason| OpenError::Replay {
            file: files.describe(LOG),
            offset,
            reason: reason.to_string(),
        }),
        Event::Damage(damage) if tolerance != Tolerance::Damaged => {
            Err(OpenError::Damaged { file: files.describe(LOG), damage })
        }
        _ => Ok(()),
    })?;
    match scan.verdict {
        Verdict::UnknownVersion { version } => {
            Err(OpenError::UnknownVersion { file: files.describe(LOG), version })
        }
        Verdict::Unreadable if tolerance == Tolerance::Sound => {
            Err(OpenError::Unreadable { file: files.describe(LOG) })
        }
        Verdict::Clean { .. } | Verdict::Torn { .. } | Verdict::Unreadable => Ok(scan),
    }
}

/// Reads a log to its end, unless `handle` says otherwise.
fn scan<S: Storage>(
    files: &Files<S>,
    file: &NamedFile<S::File>,
    mut handle: impl FnMut(Event<'_>) -> Result<(), OpenError>,
) -> Result<Scan, OpenError> {
    let mut reader = LogReader::new();
    let mut scan = Scan {
        verdict: Verdict::Unreadable,
        position: reader.position(),
        frames: 0,
        last_frame: 0,
        damaged: false,
        skipped_bytes: 0,
        lost_frames: 0,
        length: 0,
    };
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let event = reader.poll();
        match event {
            Event::NeedInput => match files.read_at(file, scan.length, &mut chunk)? {
                0 => reader.finish(),
                read => {
                    reader.push(chunk.get(..read).unwrap_or_default());
                    scan.length += read as u64;
                }
            },
            Event::Frame { offset, .. } => {
                handle(event)?;
                scan.frames += 1;
                scan.last_frame = offset;
            }
            Event::Damage(damage) => {
                handle(event)?;
                scan.damaged = true;
                scan.skipped_bytes += damage.to - damage.from;
                scan.lost_frames += damage.lost_frames;
            }
            Event::End(verdict) => {
                scan.verdict = verdict;
                scan.position = reader.position();
                return Ok(scan);
            }
        }
    }
}

/// Puts a log in place that holds every good frame of `damaged`.
fn rewrite<S: Storage>(
    files: &Files<S>,
    damaged: &NamedFile<S::File>,
    salt: Salt,
) -> Result<ActiveLog<S::File>, OpenError> {
    let mut builder = LogBuilder::new(files, salt)?;
    scan(files, damaged, |event| match event {
        Event::Frame { payload, .. } => Ok(builder.append(payload)?),
        _ => Ok(()),
    })?;
    Ok(builder.publish()?)
}

/// Copies a part of the log to a file of its own, named after its `kind` with the first free number.
fn save<S: Storage>(
    files: &Files<S>,
    file: &NamedFile<S::File>,
    part: Range<u64>,
    kind: &str,
) -> Result<Saved, OpenError> {
    let mut number = 1;
    while files.open(&format!("{LOG}.{kind}-{number}"))?.is_some() {
        number += 1;
    }
    let name = format!("{LOG}.{kind}-{number}");
    let draft = files.create(DRAFT)?;
    let bytes = copy(files, (file, part), (&draft, 0))?;
    files.publish(draft, &name)?;
    Ok(Saved { file: files.describe(&name), bytes })
}

/// Copies a part of a file to a place in a file, and says how many bytes that were.
fn copy<S: Storage>(
    files: &Files<S>,
    (from, part): (&NamedFile<S::File>, Range<u64>),
    (to, place): (&NamedFile<S::File>, u64),
) -> Result<u64, StorageError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut copied = 0;
    while copied < part.end - part.start {
        let wanted = (part.end - part.start - copied).min(CHUNK_BYTES as u64) as usize;
        let read = files.read_at(from, part.start + copied, chunk.get_mut(..wanted).unwrap_or_default())?;
        if read == 0 {
            break;
        }
        files.write_all_at(to, place + copied, chunk.get(..read).unwrap_or_default())?;
        copied += read as u64;
    }
    Ok(copied)
}

/// Tries again without the reserve what there was no room for.
fn with_reserve<S: Storage, T>(
    files: &Files<S>,
    mut attempt: impl FnMut() -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    match attempt() {
        Err(OpenError::Storage(error)) if error.is_full_disk() && reserve::exists(files)? => {
            reserve::give_up(files)?;
            attempt()
        }
        result => result,
    }
}

/// Makes sure of the reserve, if there is room for it. Says whether there is one, be it a short one.
fn ensure_reserve<S: Storage>(
    files: &Files<S>,
    settings: &Settings,
    recovery: &mut RecoveryReport,
) -> Result<bool, OpenError> {
    if reserve::is_whole(files, settings.reserve_bytes)? {
        return Ok(true);
    }
    match reserve::fill(files, settings.reserve_bytes, settings.salt) {
        Ok(()) => Ok(true),
        Err(error) if error.is_full() => {
            recovery.no_reserve = Some(error.to_string());
            Ok(reserve::exists(files)?)
        }
        Err(error) => Err(error.into()),
    }
}
