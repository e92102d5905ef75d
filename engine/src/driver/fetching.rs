//! Artifacts on their way from a stored result to a client, piece by piece. Threads read them, so that nobody waits for the
//! disk; what is read becomes whole frames, so that a failure can follow any piece.

use super::files::{DirectoryName, FileName, Files, StoredResult, find_result};
use crate::limits::FETCH_PIECE_BYTES;
use crate::names::shown;
use crate::server::Selection;
use crate::server::record::Contents;
use builder_proto::command::{Command, append_data_header};
use builder_proto::execution::{FilesReader, ReadAt, ReadError, StoredExecution, StoredFile};
use builder_proto::history::Artifact;
use builder_proto::text::Text;
use core::ops::Range;
use std::io::{self, ErrorKind};

/// Artifacts that are looked at for one piece. Each may be a block of the disk away from the one before.
const ARTIFACTS_PER_PIECE: usize = 256;
/// Bytes around content in its message, at most.
const FRAMING_BYTES: usize = 64;

/// What a client fetches, how far that is read, and the latest piece.
#[derive(Debug)]
pub(crate) struct Fetching<F: Files> {
    selection: Selection,
    /// The job to which the build belongs, if the history knows it.
    likely: Option<Text>,
    stage: Stage<F>,
    /// Whole frames.
    piece: Vec<u8>,
}

#[derive(Debug)]
enum Stage<F: Files> {
    /// The stored result is to be looked for.
    Searching,
    /// It is there.
    Found(StoredResult<F>),
    Reading(Reading<F>),
    /// Nothing follows the latest piece, or what the client is to be told instead.
    Over(Result<(), String>),
}

#[derive(Debug)]
struct Reading<F: Files> {
    result: StoredResult<F>,
    artifacts: FilesReader<StoredResult<F>>,
    /// How many of those were selected.
    selected: u64,
    /// What is left of the content of the latest.
    content: Range<u64>,
}

impl<F: Files> Fetching<F> {
    /// Reads from what the log holds, or from wherever the result is stored.
    pub(crate) fn new(selection: Selection, likely: Option<Text>, held: Option<Contents>) -> Self {
        let stage = held.map_or(Stage::Searching, |contents| Stage::Found(StoredResult::Held(contents)));
        Fetching { selection, likely, stage, piece: Vec::new() }
    }

    /// Goes on; true when there is a piece, or nothing more comes.
    pub(crate) fn step(&mut self, files: &F) -> bool {
        let stage = core::mem::replace(&mut self.stage, Stage::Over(Ok(())));
        self.stage = match stage {
            Stage::Searching => self.search(files).map_or_else(|text| Stage::Over(Err(text)), Stage::Found),
            Stage::Found(result) => match Reading::open(result) {
                Ok(reading) => Stage::Reading(reading),
                Err(error) => self.broken(&error),
            },
            Stage::Reading(mut reading) => match reading.read(&self.selection, &mut self.piece) {
                Ok(true) => Stage::Over(reading.check(&self.selection)),
                Ok(false) => {
                    // Whoever takes little keeps it for long.
                    reading.artifacts.release();
                    self.stage = Stage::Reading(reading);
                    return true;
                }
                Err(ReadingError::Refused(text)) => Stage::Over(Err(text)),
                Err(ReadingError::Broken(error)) => self.broken(&error),
            },
            Stage::Over(outcome) => Stage::Over(outcome),
        };
        matches!(self.stage, Stage::Over(_))
    }

    /// Puts the latest piece into an outbox. Gives the outcome when nothing follows.
    pub(crate) fn take_piece(&mut self, outbox: &mut Vec<u8>) -> Option<Result<(), String>> {
        if outbox.is_empty() {
            core::mem::swap(outbox, &mut self.piece);
        } else {
            outbox.reserve_exact(self.piece.len());
            outbox.extend_from_slice(&self.piece);
        }
        self.piece.clear();
        match &mut self.stage {
            Stage::Over(outcome) => Some(core::mem::replace(outcome, Ok(()))),
            _ => None,
        }
    }

    /// The file that is read. Whoever gives up on it has it closed by a thread: if it has no name any more, that takes long.
    pub(crate) fn file(&self) -> Option<F::File> {
        match &self.stage {
            Stage::Found(StoredResult::File(_, file))
            | Stage::Reading(Reading { result: StoredResult::File(_, file), .. }) => Some(file.clone()),
            _ => None,
        }
    }

    fn search(&self, files: &F) -> Result<StoredResult<F>, String> {
        let uuid = self.selection.uuid;
        let job = find_result(files, uuid, self.likely.as_ref()).map_err(|error| {
            let root = files.describe_directory(DirectoryName::Root);
            ::log::error!("cannot look for build {uuid} in {root}: {error}");
            format!("the server cannot look for build {uuid}: {error}")
        })?;
        let job = job.ok_or_else(|| {
            format!("no result of build {uuid} is on this server: it was removed or uploaded, or there never was one")
        })?;
        let name = FileName::Result { job: &job, uuid };
        match files.open(name) {
            Ok(file) => Ok(StoredResult::File(files.clone(), file)),
            Err(error) => {
                ::log::error!("{}: {error}", files.describe(name));
                Err(format!("the stored result of build {uuid} {}", ReadError::Source(error)))
            }
        }
    }

    fn broken(&self, error: &ReadError<io::Error>) -> Stage<F> {
        let text = format!("the stored result of build {} {error}", self.selection.uuid);
        ::log::error!("{text}");
        Stage::Over(Err(text))
    }
}

enum ReadingError {
    /// The client asked for what is not there.
    Refused(String),
    Broken(ReadError<io::Error>),
}

impl From<ReadError<io::Error>> for ReadingError {
    fn from(error: ReadError<io::Error>) -> Self {
        ReadingError::Broken(error)
    }
}

impl<F: Files> Reading<F> {
    fn open(result: StoredResult<F>) -> Result<Self, ReadError<io::Error>> {
        let length = result.length().map_err(ReadError::Source)?;
        let output = StoredExecution::open(&result, length)?.output;
        Ok(Reading {
            artifacts: FilesReader::new(result.clone(), output),
            result,
            selected: 0,
            content: 0..0,
        })
    }

    /// Reads a piece, or only goes over artifacts that were not asked for; true after the last.
    fn read(&mut self, selection: &Selection, piece: &mut Vec<u8>) -> Result<bool, ReadingError> {
        // If it grew by doubling it could take twice as much.
        piece.reserve_exact(FETCH_PIECE_BYTES + FRAMING_BYTES);
        for _ in 0..ARTIFACTS_PER_PIECE {
            if !self.content.is_empty() && piece.len() < FETCH_PIECE_BYTES {
                self.append_content(piece)?;
            }
            if piece.len() >= FETCH_PIECE_BYTES {
                return Ok(false);
            }
            match self.artifacts.next_file()? {
                None => return Ok(true),
                Some(artifact) if selection.includes(&artifact.path) => {
                    self.begin(artifact, selection, piece)?;
                }
                Some(_) => {}
            }
        }
        Ok(false)
    }

    fn begin(
        &mut self,
        artifact: StoredFile,
        selection: &Selection,
        piece: &mut Vec<u8>,
    ) -> Result<(), ReadingError> {
        let number = self.selected;
        self.selected += 1;
        if number < selection.skip {
            return Ok(());
        }
        let size = artifact.data.end - artifact.data.start;
        let offset = if number == selection.skip { selection.offset } else { 0 };
        if offset > size {
            let path = shown(&artifact.path);
            return Err(ReadingError::Refused(format!(
                "artifact {path} has {size} bytes, so {offset} cannot be left out"
            )));
        }
        self.content = artifact.data.start + offset..artifact.data.end;
        let artifact = Command::Artifact(Artifact { path: artifact.path, size, sha256: None });
        let frame = artifact.to_frame().map_err(|error| ReadingError::Refused(error.to_string()))?;
        piece.extend_from_slice(&frame);
        Ok(())
    }

    /// Appends as much of the content as there is room for.
    fn append_content(&mut self, piece: &mut Vec<u8>) -> Result<(), ReadError<io::Error>> {
        let room = FETCH_PIECE_BYTES.saturating_sub(piece.len());
        let left = self.content.end - self.content.start;
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(room);
        let begins = piece.len();
        append_data_header(piece, length as u64);
        let mut filled = piece.len();
        piece.resize(filled + length, 0);
        let mut offset = self.content.start;
        while filled < piece.len() {
            let rest = piece.get_mut(filled..).unwrap_or_default();
            let outcome = self.result.read_at(offset, rest).and_then(|read| match read {
                0 => Err(ErrorKind::UnexpectedEof.into()),
                read => Ok(read),
            });
            match outcome {
                Ok(read) => {
                    filled += read;
                    offset += read as u64;
                }
                Err(error) => {
                    // Half a frame would swallow the failure that follows.
                    piece.truncate(begins);
                    return Err(ReadError::Source(error));
                }
            }
        }
        self.content.start = offset;
        Ok(())
    }

    /// After the last artifact: whether there was what the client asked for.
    fn check(&self, selection: &Selection) -> Result<(), String> {
        let Selection { uuid, path, skip, offset } = selection;
        let selected = self.selected;
        match path {
            Some(path) if selected == 0 => Err(format!(
                "build {uuid} has no artifact {}, and none below a directory of that name",
                shown(path)
            )),
            _ if *skip > selected => {
                Err(format!("{selected} artifacts are selected, so {skip} cannot be left out"))
            }
            _ if *skip == selected && *offset > 0 => {
                Err(format!("no artifact is left of which {offset} bytes could be left out"))
            }
            _ => Ok(()),
        }
    }
}
