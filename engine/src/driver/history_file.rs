//! The file of the history: opened at the start, written to by a thread.

use super::files::{DirectoryName, FileName, Files, read_exact, sync_names, write_all};
use crate::history::{ArtifactsEntry, BuildEntry, EndedBuild, Entry, Index, Place};
use crate::log::{Event, FRAME_HEADER_LENGTH, Frame, LogReader, Position, Salt, Verdict, payload};
use builder_proto::Uuid;
use builder_proto::history::{Artifact, Build};
use builder_proto::time::Time;
use core::ops::Range;
use std::io::{self, ErrorKind};

/// Bytes that are read of the file at a time, at the start.
const BLOCK_BYTES: usize = 1024 * 1024;
/// Bytes of a frame that are read in the hope that it is not longer.
const GUESS_BYTES: usize = 1024;
/// Bytes of the longest frame: a list of artifacts, and what surrounds it.
const LONGEST_FRAME: u64 = crate::limits::LOG_FRAME_BYTES + FRAME_HEADER_LENGTH as u64;

/// An open file of the history, and what is next in it.
#[derive(Clone, Debug)]
pub(crate) struct HistoryFile<F: Files> {
    pub(super) file: F::File,
    /// What the next frame continues.
    pub(super) position: Position,
    /// Where the next frame begins.
    pub(super) end: u64,
}

/// What a start found in the file.
#[derive(Debug)]
pub(super) struct Opened<F: Files> {
    pub(super) file: HistoryFile<F>,
    pub(super) index: Index,
    /// Whether the file is known to have every build of which a result is stored.
    pub(super) is_whole: bool,
    /// Whether it says so itself.
    pub(super) says_whole: bool,
}

/// Why a file cannot be opened.
#[derive(Debug)]
pub(super) enum HistoryError {
    /// What the disk says about this file. Another attempt may go better.
    Unusable(FileName<'static>, io::Error),
    /// A sync failed: nobody knows what of the history is durable.
    Unsynced(io::Error),
}

/// Frames in the making: those of one append.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) bytes: Vec<u8>,
    pub(super) start: u64,
    pub(super) position: Position,
    /// Where the frames of builds begin.
    pub(super) places: Vec<(Uuid, u64)>,
}

impl Append {
    pub(super) fn new(position: Position, start: u64) -> Append {
        Append { bytes: Vec::new(), start, position, places: Vec::new() }
    }

    /// Where the next frame begins.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    pub(super) fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        let invalid = |error| io::Error::new(ErrorKind::InvalidInput, format!("{error}"));
        let mut frame = Frame::new();
        frame.append(&entry.encode().map_err(invalid)?);
        let (bytes, position) = frame.seal(self.position);
        self.bytes.extend_from_slice(bytes);
        self.position = position;
        Ok(())
    }

    pub(super) fn build(&mut self, ended: &EndedBuild) -> io::Result<()> {
        let uuid = ended.build.uuid;
        let start = self.end();
        if let Some(artifacts) = ended.artifacts.clone().filter(|artifacts| !artifacts.is_empty()) {
            self.entry(&Entry::Artifacts(ArtifactsEntry { uuid, artifacts }))?;
        }
        let place = self.end();
        self.places.push((uuid.0, place));
        let entry = BuildEntry { build: ended.build.clone(), artifacts_before: place - start };
        self.entry(&Entry::Build(entry))
    }
}

/// Opens the file, or begins one. One that is damaged is set aside and written anew, with all that can still be read.
///
/// # Errors
///
/// What the disk says, and about which file.
pub(super) fn open<F: Files>(
    files: &F,
    mut salt: impl FnMut() -> io::Result<Salt>,
    length: u64,
) -> Result<Opened<F>, HistoryError> {
    let named = |name| move |error| HistoryError::Unusable(name, error);
    let file = match files.open(FileName::History) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        opened => Some(opened.map_err(named(FileName::History))?),
    };
    let Some(file) = file else {
        let draft = begin(files, salt()).map_err(named(FileName::HistoryDraft))?;
        let file = put_in_place(files, draft)?;
        return Ok(Opened { file, index: Index::default(), is_whole: false, says_whole: false });
    };
    let mut found = Loading::default();
    let outcome = read(files, &file, |offset, entry| found.take(offset, entry));
    let reading = outcome.map_err(named(FileName::History))?;
    let end = match reading.verdict {
        Verdict::Clean { good_length } if !reading.is_damaged => Some(good_length),
        Verdict::Torn { good_length } if !reading.is_damaged => {
            files.set_length(&file, good_length).map_err(named(FileName::History))?;
            Some(good_length)
        }
        _ => None,
    };
    if let Some(end) = end {
        // What is read must be there after the next crash, too.
        write_anew(files, &file, length.min(end)..end).map_err(named(FileName::History))?;
        files.sync(&file).map_err(HistoryError::Unsynced)?;
        let is_whole = found.is_whole && end >= length;
        if end < length {
            let path = files.describe(FileName::History);
            ::log::error!(
                "{path}: {} bytes are missing at its end; looking for the builds in the stored results",
                length - end
            );
        }
        let file = HistoryFile { file, position: reading.position, end };
        let says_whole = found.is_whole;
        return Ok(Opened { file, index: found.index(), is_whole, says_whole });
    }
    let (number, copy) = set_aside(files, &file).map_err(named(FileName::HistoryDraft))?;
    files
        .sync(&copy)
        .and_then(|()| sync_names(files, DirectoryName::Private))
        .map_err(HistoryError::Unsynced)?;
    let (path, aside) = (files.describe(FileName::History), files.describe(FileName::DamagedHistory(number)));
    ::log::error!(
        "{path} is damaged; what can be read of it is kept, and the rest looked for in the stored results; the damaged file is {aside}"
    );
    let (file, index) = rewrite(files, &file, salt()).map_err(named(FileName::HistoryDraft))?;
    let file = put_in_place(files, file)?;
    Ok(Opened { file, index, is_whole: false, says_whole: false })
}

/// Writes again what the log does not know to be durable, for the sync that follows. A sync of an earlier server may have
/// failed: the kernel can take for written since then what is in memory only, so that another sync would do nothing about it.
fn write_anew<F: Files>(files: &F, file: &F::File, range: Range<u64>) -> io::Result<()> {
    let mut offset = range.start;
    let mut block = vec![0; BLOCK_BYTES];
    while offset < range.end {
        let length = usize::try_from(range.end - offset).map_or(BLOCK_BYTES, |rest| rest.min(BLOCK_BYTES));
        let bytes = block.get_mut(..length).unwrap_or_default();
        read_exact(files, file, offset, bytes)?;
        write_all(files, file, offset, bytes)?;
        offset += length as u64;
    }
    Ok(())
}

/// What came of reading a whole file.
struct Reading {
    verdict: Verdict,
    is_damaged: bool,
    position: Position,
}

/// Reads all good frames of a file, whatever is between them.
fn read<F: Files>(
    files: &F,
    file: &F::File,
    mut take: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<Reading> {
    let (mut reader, mut offset, mut is_damaged) = (LogReader::new(), 0, false);
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match reader.poll() {
            Event::NeedInput => match files.read_at(file, offset, &mut block)? {
                0 => reader.finish(),
                read => {
                    reader.push(block.get(..read).unwrap_or_default());
                    offset += read as u64;
                }
            },
            Event::Frame { offset, payload } => take(offset, payload)?,
            Event::Damage(_) => is_damaged = true,
            Event::End(verdict) => return Ok(Reading { verdict, is_damaged, position: reader.position() }),
        }
    }
}

/// What is read at the start, before it is put in order.
#[derive(Default)]
struct Loading {
    index: Index,
    gone: Vec<(Uuid, Time)>,
    is_whole: bool,
}

impl Loading {
    fn take(&mut self, offset: u64, payload: &[u8]) -> io::Result<()> {
        match Entry::decode(payload) {
            Ok(Entry::Build(entry)) => drop(self.index.push(&entry.build, Place::File(offset))),
            Ok(Entry::Artifacts(_)) => {}
            Ok(Entry::Gone(gone)) => self.gone.push((gone.uuid.0, gone.at)),
            Ok(Entry::IsWhole(is_whole)) => self.is_whole = is_whole,
            // Its checksum is right, so a later version wrote it.
            Err(error) => {
                ::log::warn!("an entry of the history is of no known kind ({error}); it is left alone")
            }
        }
        Ok(())
    }

    fn index(mut self) -> Index {
        self.index.sort();
        for (uuid, at) in self.gone {
            self.index.set_removed(uuid, at);
        }
        self.index
    }
}

/// Begins a file under another name, with what says that it is not whole.
fn begin<F: Files>(files: &F, salt: io::Result<Salt>) -> io::Result<HistoryFile<F>> {
    let file = create_anew(files, FileName::HistoryDraft)?;
    let (position, header) = Position::start(salt?);
    write_all(files, &file, 0, &header)?;
    let mut first = Append::new(position, header.len() as u64);
    first.entry(&Entry::IsWhole(false))?;
    write_all(files, &file, first.start, &first.bytes)?;
    Ok(HistoryFile { file, position: first.position, end: first.end() })
}

/// Copies the good frames of a damaged file into a new one.
fn rewrite<F: Files>(
    files: &F,
    damaged: &F::File,
    salt: io::Result<Salt>,
) -> io::Result<(HistoryFile<F>, Index)> {
    let mut draft = begin(files, salt)?;
    let mut found = Loading::default();
    let mut artifacts = None;
    read(files, damaged, |_, payload| {
        let mut append = Append::new(draft.position, draft.end);
        match Entry::decode(payload) {
            // It belongs to the build that follows, unless that is what is damaged.
            Ok(Entry::Artifacts(entry)) => artifacts = Some(entry),
            Ok(Entry::Build(BuildEntry { build, artifacts_before })) => {
                let list = artifacts.take().filter(|list| list.uuid == build.uuid).map(|list| list.artifacts);
                let list = list.or((artifacts_before == 0).then(Vec::new));
                append.build(&EndedBuild { build, artifacts: list })?;
            }
            Ok(entry @ Entry::Gone(_)) => append.entry(&entry)?,
            Ok(Entry::IsWhole(_)) | Err(_) => {}
        }
        write_all(files, &draft.file, draft.end, &append.bytes)?;
        for (uuid, place) in &append.places {
            let payload = frame_payload(&append, *place);
            debug_assert!(payload.is_some(), "{uuid}");
            found.take(*place, payload.unwrap_or_default())?;
        }
        if let Ok(Entry::Gone(gone)) = Entry::decode(payload) {
            found.gone.push((gone.uuid.0, gone.at));
        }
        (draft.position, draft.end) = (append.position, append.end());
        Ok(())
    })?;
    Ok((draft, found.index()))
}

fn frame_payload(append: &Append, place: u64) -> Option<&[u8]> {
    let start = usize::try_from(place - append.start).ok()?;
    append.bytes.get(start + FRAME_HEADER_LENGTH..)
}

/// Gives a file its name, once all that it holds is durable.
fn put_in_place<F: Files>(files: &F, draft: HistoryFile<F>) -> Result<HistoryFile<F>, HistoryError> {
    files.sync(&draft.file).map_err(HistoryError::Unsynced)?;
    files
        .rename(FileName::HistoryDraft, FileName::History)
        .map_err(|error| HistoryError::Unusable(FileName::History, error))?;
    sync_names(files, DirectoryName::Private).map_err(HistoryError::Unsynced)?;
    Ok(draft)
}

/// Copies a damaged file to where nobody overwrites it; gives the number of the copy, and the copy.
fn set_aside<F: Files>(files: &F, file: &F::File) -> io::Result<(u32, F::File)> {
    let mut number = 1;
    let copy = loop {
        match files.create(FileName::DamagedHistory(number)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            created => break created?,
        }
    };
    let (mut block, mut offset) = (vec![0; BLOCK_BYTES], 0);
    loop {
        let read = files.read_at(file, offset, &mut block)?;
        if read == 0 {
            break;
        }
        write_all(files, &copy, offset, block.get(..read).unwrap_or_default())?;
        offset += read as u64;
    }
    Ok((number, copy))
}

/// Creates a file in the place of one that an earlier attempt left.
fn create_anew<F: Files>(files: &F, name: FileName<'_>) -> io::Result<F::File> {
    match files.create(name) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            files.remove(name)?;
            files.create(name)
        }
        created => created,
    }
}

/// Reads the build whose frame begins there.
pub(super) fn read_build<F: Files>(
    files: &F,
    file: &F::File,
    salt: Salt,
    place: u64,
) -> io::Result<BuildEntry> {
    match read_entry(files, file, salt, place)? {
        Entry::Build(entry) => Ok(entry),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "the history is damaged")),
    }
}

/// Reads the artifacts of a build; none when they are not listed.
pub(super) fn read_artifacts<F: Files>(
    files: &F,
    file: &F::File,
    salt: Salt,
    place: u64,
    entry: &BuildEntry,
) -> io::Result<Option<Vec<Artifact>>> {
    let count = entry.build.end.as_ref().map_or(0, |end| end.artifacts);
    if entry.artifacts_before == 0 {
        return Ok((count == 0).then(Vec::new));
    }
    let start = place.saturating_sub(entry.artifacts_before);
    match read_entry(files, file, salt, start)? {
        Entry::Artifacts(list) if list.uuid == entry.build.uuid => Ok(Some(list.artifacts)),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "the history is damaged")),
    }
}

fn read_entry<F: Files>(files: &F, file: &F::File, salt: Salt, place: u64) -> io::Result<Entry> {
    let damaged =
        || io::Error::new(ErrorKind::InvalidData, format!("the history is damaged at byte {place}"));
    let mut bytes = vec![0; GUESS_BYTES];
    let read = files.read_at(file, place, &mut bytes)?;
    bytes.truncate(read);
    let length = bytes.first_chunk::<4>().map_or(0, |length| u64::from(u32::from_be_bytes(*length)));
    let whole = length + FRAME_HEADER_LENGTH as u64;
    if whole > LONGEST_FRAME {
        return Err(damaged());
    }
    let have = bytes.len();
    bytes.resize(usize::try_from(whole).map_err(|_| damaged())?, 0);
    if have < bytes.len() {
        let rest = bytes.get_mut(have..).unwrap_or_default();
        read_exact(files, file, place + have as u64, rest)?;
    }
    let payload = payload(&bytes, salt).ok_or_else(damaged)?;
    Entry::decode(payload).map_err(|_| damaged())
}

/// The build as a client is told of it.
pub(super) fn told(mut build: Build, removed: Option<Time>) -> Build {
    if let Some(end) = &mut build.end {
        end.removed = removed;
    }
    build
}
