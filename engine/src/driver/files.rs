//! The files of the data directory, as the driver sees them: one operation at a time, and nothing decided.

use crate::server::record::Contents;
use builder_proto::Uuid;
use builder_proto::execution::ReadAt;
use builder_proto::text::Text;
use core::fmt::Debug;
use std::io::{self, ErrorKind};

/// A file that the driver knows by its meaning. Where it is, is for the platform to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileName<'a> {
    /// The console of a build that is under way.
    Spool(Uuid),
    /// A result that is being written.
    Staged(Uuid),
    /// A stored result.
    Result {
        /// The name of its job. The server lets none in that would lead elsewhere.
        job: &'a Text,
        /// The build.
        uuid: Uuid,
    },
    /// What is remembered of builds.
    History,
    /// A file of the history that is being made.
    HistoryDraft,
    /// A damaged file of the history, set aside; they are numbered from 1.
    DamagedHistory(u32),
    /// The state file of builder 0.4.0.
    OldState,
    /// What others read about the server at present. It may be outside of the data directory.
    Metrics,
    /// A page that is to take its place. Everybody may read what is created under this name.
    MetricsDraft,
    /// Whatever [`Files::list`] found in a directory.
    Entry(DirectoryName<'a>, &'a [u8]),
}

/// A directory that the driver knows by its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryName<'a> {
    /// The data directory, with a directory for each job.
    Root,
    /// The server's own directory in it.
    Private,
    /// Where spools are.
    Spools,
    /// Where results are written.
    Stagings,
    /// The results of a job.
    Job(&'a Text),
    /// The result of a build.
    Build(&'a Text, Uuid),
}

/// The data directory: the real one, or a simulated one that crashes, fills up and forgets what was not synced. A clone is
/// another handle on the same directory, for another thread.
///
/// Every operation may fail, with what the disk says. `NotFound` and `AlreadyExists` mean what they say, `NotADirectory` that
/// a file has the place of a directory. Interrupted calls are repeated by the platform.
pub trait Files: Clone {
    /// A file that is open for reading and, unless it is a stored result, for writing. It stays open when it is renamed or
    /// removed, until the last clone is dropped.
    type File: Clone + Debug;
    /// An open directory.
    type Directory;

    /// Creates an empty file; `AlreadyExists` when there is one of this name.
    fn create(&self, name: FileName<'_>) -> io::Result<Self::File>;

    /// Opens a file. A stored result is opened for reading only, without waiting, and has to be a regular file.
    fn open(&self, name: FileName<'_>) -> io::Result<Self::File>;

    /// Bytes of a file by name.
    fn size(&self, name: FileName<'_>) -> io::Result<u64>;

    /// Bytes of an open file.
    fn length(&self, file: &Self::File) -> io::Result<u64>;

    /// Reads at `offset`; as few bytes as it likes, but none only at the end of the file.
    fn read_at(&self, file: &Self::File, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes at `offset`, as few bytes as it likes, and says how many.
    fn write_at(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Sets the length of a file.
    fn set_length(&self, file: &Self::File, length: u64) -> io::Result<()>;

    /// Has the disk begin with what was written from `offset` on. Only a hint.
    fn start_flush(&self, file: &Self::File, offset: u64, length: u64);

    /// Returns once contents and length of a file are durable. After a failure nothing is known about what is.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Returns once everything is durable that was written to the file system: contents, lengths and names. None where
    /// there is no such call, or where it would not report what failed.
    fn sync_all(&self) -> Option<io::Result<()>>;

    /// Gives a file another name, atomically; a file that has that name is replaced.
    fn rename(&self, from: FileName<'_>, to: FileName<'_>) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: FileName<'_>) -> io::Result<()>;

    /// Makes a directory in one that is there.
    fn make_directory(&self, name: DirectoryName<'_>) -> io::Result<()>;

    /// Opens a directory, to be synced later.
    fn open_directory(&self, name: DirectoryName<'_>) -> io::Result<Self::Directory>;

    /// Makes the names in a directory durable. After a failure nothing is known about what is.
    fn sync_directory(&self, directory: &Self::Directory) -> io::Result<()>;

    /// Removes an empty directory; `DirectoryNotEmpty` when it is not.
    fn remove_directory(&self, name: DirectoryName<'_>) -> io::Result<()>;

    /// The names in a directory, in any order.
    fn list(&self, name: DirectoryName<'_>) -> io::Result<Vec<Vec<u8>>>;

    /// How messages call a file: its path.
    fn describe(&self, name: FileName<'_>) -> String;

    /// How messages call a directory: its path.
    fn describe_directory(&self, name: DirectoryName<'_>) -> String;
}

/// Writes all bytes, however many calls that takes.
pub(crate) fn write_all<F: Files>(
    files: &F,
    file: &F::File,
    mut offset: u64,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = files.write_at(file, offset, bytes)?;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        offset += written as u64;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Fills the buffer from a place in a file.
pub(crate) fn read_exact<F: Files>(
    files: &F,
    file: &F::File,
    mut offset: u64,
    mut buffer: &mut [u8],
) -> io::Result<()> {
    while !buffer.is_empty() {
        let read = files.read_at(file, offset, buffer)?;
        offset += read as u64;
        buffer = match buffer.get_mut(read..) {
            Some(rest) if read > 0 => rest,
            _ => return Err(ErrorKind::UnexpectedEof.into()),
        };
    }
    Ok(())
}

/// All that is in a file of a moderate size; none when there is no such file.
pub(crate) fn read_whole<F: Files>(files: &F, name: FileName<'_>) -> io::Result<Option<Vec<u8>>> {
    let file = match files.open(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let length = files.length(&file)?;
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| ErrorKind::FileTooLarge)?];
    read_exact(files, &file, 0, &mut bytes)?;
    Ok(Some(bytes))
}

/// Whether a file is there. One that cannot be looked at is not taken for absent.
pub(crate) fn exists<F: Files>(files: &F, name: FileName<'_>) -> io::Result<bool> {
    match files.size(name) {
        Ok(_) => Ok(true),
        // Something else has the place of a directory that leads to it.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The job that has the result of a build, if one has: looks into the directory of every job, first that of the `likely` one.
pub(crate) fn find_result<F: Files>(
    files: &F,
    uuid: Uuid,
    likely: Option<&Text>,
) -> io::Result<Option<Text>> {
    if let Some(job) = likely
        && exists(files, FileName::Result { job, uuid }).unwrap_or(false)
    {
        return Ok(Some(job.clone()));
    }
    let jobs = files.list(DirectoryName::Root)?.into_iter().map(Text::from);
    Ok(jobs.into_iter().find(|job| exists(files, FileName::Result { job, uuid }).unwrap_or(false)))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_names<F: Files>(files: &F, name: DirectoryName<'_>) -> io::Result<()> {
    files.sync_directory(&files.open_directory(name)?)
}

/// A stored result that is read from both ends.
#[derive(Clone, Debug)]
pub(crate) enum StoredResult<F: Files> {
    /// In its place.
    File(F, F::File),
    /// In the log, and in memory for as long as its file is not durable.
    Held(Contents),
}

impl<F: Files> StoredResult<F> {
    /// Bytes of it.
    pub(crate) fn length(&self) -> io::Result<u64> {
        match self {
            StoredResult::File(files, file) => files.length(file),
            StoredResult::Held(contents) => Ok(contents.0.len() as u64),
        }
    }
}

impl<F: Files> ReadAt for StoredResult<F> {
    type Error = io::Error;

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            StoredResult::File(files, file) => files.read_at(file, offset, buffer),
            StoredResult::Held(contents) => {
                let Ok(read) = contents.0.as_slice().read_at(offset, buffer);
                Ok(read)
            }
        }
    }
}
