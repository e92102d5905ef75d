//! The log in use: what is appended becomes durable with the next commit.

use super::active::ActiveLog;
use super::builder::LogBuilder;
use super::format::{Frame, Salt};
use super::reserve;
use super::storage::{DRAFT, Files, Storage, StorageError};
use crate::limits::{LOG_FRAME_BYTES, LOG_PREALLOCATED_BYTES, LOG_RESERVE_BYTES, LOG_ROTATION_BYTES};
use core::fmt;

/// The write-ahead log of one directory.
///
/// ```
/// use builder_engine::log::{LogFile, Salt, Settings, Storage};
///
/// /// Reads the records of a log, if there is one, and adds one more.
/// fn record<S: Storage>(storage: S, record: &[u8], salts: [Salt; 2]) -> Result<usize, Box<dyn std::error::Error>> {
///     let [salt, next_salt] = salts; // from the system's randomness
///     let mut commits = 0;
///     let (mut log, report) = LogFile::open(storage, Settings::new(salt), |_payload| {
///         commits += 1;
///         Ok::<(), std::convert::Infallible>(())
///     })?;
///     println!("{report}");
///     log.append(record)?; // as often as there is something to record
///     log.commit()?; // one write and one sync, for all of it
///     // Only now let out what depends on the records.
///     let snapshot = [Ok::<&[u8], std::convert::Infallible>(record)];
///     if log.needs_rotation(record.len() as u64) {
///         log.rotate(next_salt, snapshot)?;
///     }
///     Ok(commits)
/// }
/// ```
///
/// After a [`WriteError::Failed`] every later call gives the same error: what is durable is then unknown, so the
/// program has to end without answering anyone. The next start reads what there is.
#[derive(Debug)]
pub struct LogFile<S: Storage> {
    files: Files<S>,
    /// None before the first commit of a new log: a file of this name that holds no frame would be taken for damaged.
    active: Option<ActiveLog<S::File>>,
    settings: Settings,
    /// What was appended since the last commit; one frame, unless it exceeds the limit of a frame.
    pending: Vec<Frame>,
    reserve_available: bool,
    /// The log does not ask for rotation below this length.
    rotation_length: u64,
    failure: Option<String>,
}

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For the log file that [`LogFile::open`] may have to write. Fresh from a source of randomness.
    pub salt: Salt,
    /// Whether to go on without the damaged parts of a log.
    pub salvage: bool,
    /// Whether nobody was ever answered from this directory. Then a log without one good frame is no damage: a first start
    /// was cut off, and another one begins.
    pub unused: bool,
    /// Bytes to hold back for when the disk is full.
    pub reserve_bytes: u64,
    /// Bytes up to which the log is never rotated.
    pub rotation_bytes: u64,
    /// Bytes of zeros to write behind a frame that ends beyond those written before. A sync of a file that does not grow
    /// need not write where the file ends and which blocks it has.
    pub preallocated_bytes: u64,
}

/// Why the log did not take something.
#[derive(Debug)]
pub enum WriteError {
    /// There is no room, and the reserve, if there was one, is used up. The log is as it was before the call; what
    /// was appended is still waiting, and another commit may succeed once there is room.
    Full(StorageError),
    /// A record does not fit into a frame. It has not been appended.
    RecordTooLong {
        /// Bytes of the record.
        length: usize,
    },
    /// A record of a snapshot could not be made, or it has none. The old log goes on.
    NoRecord(String),
    /// What is durable is unknown: end the program, without answers.
    Failed(String),
}

impl Settings {
    /// What the server uses: no salvage, a directory in use, [`LOG_RESERVE_BYTES`], [`LOG_ROTATION_BYTES`] and [`LOG_PREALLOCATED_BYTES`].
    pub fn new(salt: Salt) -> Settings {
        Settings {
            salt,
            salvage: false,
            unused: false,
            reserve_bytes: LOG_RESERVE_BYTES,
            rotation_bytes: LOG_ROTATION_BYTES,
            preallocated_bytes: LOG_PREALLOCATED_BYTES,
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Full(error) => write!(f, "{error}; free some space"),
            WriteError::RecordTooLong { length } => {
                write!(
                    f,
                    "a record of {length} bytes exceeds the {LOG_FRAME_BYTES} that the log takes at once"
                )
            }
            WriteError::NoRecord(reason) => write!(f, "a record cannot be encoded: {reason}"),
            WriteError::Failed(reason) => write!(f, "{reason}; what is on the disk is unknown"),
        }
    }
}

impl core::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            WriteError::Full(error) => Some(error),
            WriteError::RecordTooLong { .. } | WriteError::NoRecord(_) | WriteError::Failed(_) => None,
        }
    }
}

impl From<StorageError> for WriteError {
    fn from(error: StorageError) -> WriteError {
        if error.is_full() { WriteError::Full(error) } else { WriteError::Failed(error.to_string()) }
    }
}

impl<S: Storage> LogFile<S> {
    pub(super) fn new(
        files: Files<S>,
        settings: Settings,
        active: Option<ActiveLog<S::File>>,
        reserve_available: bool,
    ) -> Self {
        let rotation_length = settings.rotation_bytes;
        LogFile {
            files,
            active,
            settings,
            pending: Vec::new(),
            reserve_available,
            rotation_length,
            failure: None,
        }
    }

    /// Appends a record, to become durable with the next commit. Does not touch the disk. A record without bytes is
    /// nothing to be kept.
    ///
    /// # Errors
    ///
    /// [`WriteError::RecordTooLong`] and [`WriteError::Failed`].
    pub fn append(&mut self, record: &[u8]) -> Result<(), WriteError> {
        self.check()?;
        check_length(record)?;
        if record.is_empty() {
            return Ok(());
        }
        match self.pending.last_mut() {
            Some(frame) if frame.has_room(record.len()) => frame.append(record),
            _ => {
                let mut frame = Frame::new();
                frame.append(record);
                self.pending.push(frame);
            }
        }
        Ok(())
    }

    /// Whether something was appended since the last commit.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Makes durable what was appended, with one write and one sync; the first commit of a new log also gives it its
    /// name. Does nothing when nothing was appended.
    ///
    /// # Errors
    ///
    /// [`WriteError::Full`] and [`WriteError::Failed`].
    pub fn commit(&mut self) -> Result<(), WriteError> {
        self.check()?;
        let mut pending = core::mem::take(&mut self.pending);
        let committed = match &self.active {
            _ if pending.is_empty() => Ok(()),
            Some(_) => self.write_frames(&mut pending),
            None => self.begin(&pending),
        };
        if committed.is_err() {
            self.pending = pending;
        }
        committed
    }

    /// Bytes of the log file up to the end of its last frame; 0 before there is one.
    pub fn length(&self) -> u64 {
        self.active.as_ref().map_or(0, |active| active.length)
    }

    /// Whether the log has grown well beyond a snapshot of `snapshot_bytes`. After a rotation for which there was
    /// no room it says no until the log has grown further.
    pub fn needs_rotation(&self, snapshot_bytes: u64) -> bool {
        self.length() > self.rotation_length.max(snapshot_bytes.saturating_mul(2))
    }

    /// Commits, then replaces the log by one that holds `snapshot`: the records that rebuild what all records so far
    /// have built. The new log needs a salt of its own.
    ///
    /// # Errors
    ///
    /// [`WriteError::Full`]: the old log goes on. [`WriteError::RecordTooLong`] and
    /// [`WriteError::NoRecord`], for a record of the snapshot: the same. [`WriteError::Failed`].
    pub fn rotate<R: AsRef<[u8]>, E: fmt::Display>(
        &mut self,
        salt: Salt,
        snapshot: impl IntoIterator<Item = Result<R, E>>,
    ) -> Result<(), WriteError> {
        self.commit()?;
        match write_snapshot(&self.files, salt, snapshot) {
            Ok(active) => {
                self.active = Some(active);
                self.rotation_length = self.settings.rotation_bytes;
                Ok(())
            }
            Err(WriteError::Failed(reason)) => Err(self.fail(reason)),
            Err(error) => {
                self.rotation_length = self.length() + self.settings.rotation_bytes;
                self.files.remove(DRAFT).map_err(|error| self.fail(error.to_string()))?;
                Err(error)
            }
        }
    }

    /// Whether there is space in reserve for a full disk.
    pub fn reserve_available(&self) -> bool {
        self.reserve_available
    }

    /// Fills the reserve again after it was given up. Does nothing when it is there. It takes as long as writing
    /// the reserve takes.
    ///
    /// # Errors
    ///
    /// [`WriteError::Full`] and [`WriteError::Failed`].
    pub fn restore_reserve(&mut self) -> Result<(), WriteError> {
        self.check()?;
        if self.reserve_available {
            return Ok(());
        }
        let filled = reserve::fill(&self.files, self.settings.reserve_bytes, self.settings.salt);
        self.reserve_available = filled.is_ok();
        filled.map_err(|error| match WriteError::from(error) {
            WriteError::Failed(reason) => self.fail(reason),
            full => full,
        })
    }

    fn check(&self) -> Result<(), WriteError> {
        match &self.failure {
            None => Ok(()),
            Some(reason) => Err(WriteError::Failed(reason.clone())),
        }
    }

    fn fail(&mut self, reason: String) -> WriteError {
        self.failure = Some(reason.clone());
        WriteError::Failed(reason)
    }

    /// Writes the first frames of a new log or, as far as the next start can tell, none. Gives up the reserve when
    /// that is what it takes.
    fn begin(&mut self, frames: &[Frame]) -> Result<(), WriteError> {
        let mut begun = write_first(&self.files, self.settings.salt, frames);
        if self.reserve_available && matches!(&begun, Err(error) if error.is_full_disk()) {
            self.reserve_available = false;
            self.files
                .remove(DRAFT)
                .and_then(|()| reserve::give_up(&self.files))
                .map_err(|error| self.fail(error.to_string()))?;
            begun = write_first(&self.files, self.settings.salt, frames);
        }
        match begun {
            Ok(active) => {
                self.active = Some(active);
                Ok(())
            }
            Err(error) if error.is_full() => {
                self.files.remove(DRAFT).map_err(|error| self.fail(error.to_string()))?;
                Err(WriteError::Full(error))
            }
            Err(error) => Err(self.fail(error.to_string())),
        }
    }

    /// Writes all frames or, as far as the next start can tell, none.
    fn write_frames(&mut self, frames: &mut [Frame]) -> Result<(), WriteError> {
        let Some(active) = &mut self.active else { return Ok(()) };
        let before = (active.position, active.length);
        for frame in frames {
            let preallocated_bytes = self.settings.preallocated_bytes;
            match active.append(&self.files, &mut self.reserve_available, preallocated_bytes, frame) {
                Ok(()) => {}
                Err(error) if error.is_full() => {
                    (active.position, active.length) = before;
                    active.cut(&self.files).map_err(|error| self.fail(error.to_string()))?;
                    return Err(WriteError::Full(error));
                }
                Err(error) => return Err(self.fail(error.to_string())),
            }
        }
        Ok(())
    }
}

/// Writes and publishes a new log.
fn write_first<S: Storage>(
    files: &Files<S>,
    salt: Salt,
    frames: &[Frame],
) -> Result<ActiveLog<S::File>, StorageError> {
    let mut builder = LogBuilder::new(files, salt)?;
    for frame in frames {
        builder.append(frame.payload())?;
    }
    builder.publish()
}

/// Writes and publishes a log that holds nothing but `snapshot`.
fn write_snapshot<S: Storage, R: AsRef<[u8]>, E: fmt::Display>(
    files: &Files<S>,
    salt: Salt,
    snapshot: impl IntoIterator<Item = Result<R, E>>,
) -> Result<ActiveLog<S::File>, WriteError> {
    let mut builder = LogBuilder::new(files, salt)?;
    for record in snapshot {
        let record = record.map_err(|error| WriteError::NoRecord(error.to_string()))?;
        let record = record.as_ref();
        check_length(record)?;
        builder.append(record)?;
    }
    if builder.is_empty() {
        return Err(WriteError::NoRecord("a log begins with a record, and there is none".to_owned()));
    }
    Ok(builder.publish()?)
}

fn check_length(record: &[u8]) -> Result<(), WriteError> {
    match record.len() {
        length if length as u64 > LOG_FRAME_BYTES => Err(WriteError::RecordTooLong { length }),
        _ => Ok(()),
    }
}
