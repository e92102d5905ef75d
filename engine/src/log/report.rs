//! What opening a log came to, in words for the operator.

use super::reader::Damage;
use super::storage::StorageError;
use core::fmt;

/// What opening a log found and did. Displays as sentences for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// There was no log; the first commit makes one.
    pub created: bool,
    /// Commits that were replayed.
    pub frames: u64,
    /// The end of the log was torn and has been cut off.
    pub torn: Option<Saved>,
    /// The log was damaged and has been written anew without the bad parts; if nothing is left, the first commit
    /// replaces it.
    pub salvaged: Option<Salvaged>,
    /// There was a log without one good frame, from which nobody was ever answered; the first commit replaces it.
    pub unfinished: Option<Saved>,
    /// Why there is no reserve for a full disk.
    pub no_reserve: Option<String>,
}

/// What a log holds that was only read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Commits that were replayed.
    pub frames: u64,
    /// Bytes that could not be read: a torn end, or damage.
    pub bad_bytes: u64,
}

/// Bytes that were saved to a file of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The file, as messages call it.
    pub file: String,
    /// How many bytes it holds.
    pub bytes: u64,
}

/// What was lost to damage, and where the damaged log was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// The whole log as it was found.
    pub saved: Saved,
    /// Bytes that could not be read.
    pub bad_bytes: u64,
    /// Commits missing between good ones, by their numbers; those missing at the end cannot be counted.
    pub lost_frames: u64,
}

/// Why a log could not be opened. It still holds every good frame that it held.
#[derive(Debug)]
pub enum OpenError {
    /// An operation failed.
    Storage(StorageError),
    /// Something bad stands before something good.
    Damaged {
        /// The log, as messages call it.
        file: String,
        /// Where.
        damage: Damage,
    },
    /// There is a log, but not one commit in it can be read.
    Unreadable {
        /// The log, as messages call it.
        file: String,
    },
    /// Another version of this program wrote the log.
    UnknownVersion {
        /// The log, as messages call it.
        file: String,
        /// The version of the format, from the header.
        version: u32,
    },
    /// A good frame holds something that makes no sense to the reader of its records.
    Replay {
        /// The log, as messages call it.
        file: String,
        /// Where the frame begins.
        offset: u64,
        /// What the reader of the records says.
        reason: String,
    },
}

impl RecoveryReport {
    /// Whether an operator should know: something was cut off, left out or set aside, or is missing.
    pub fn is_unusual(&self) -> bool {
        self.torn.is_some()
            || self.salvaged.is_some()
            || self.unfinished.is_some()
            || self.no_reserve.is_some()
    }
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.created {
            f.write_str("began a new log")?;
        } else {
            write!(f, "replayed {} commits", self.frames)?;
        }
        if let Some(unfinished) = &self.unfinished {
            write!(
                f,
                "; the old log holds no commit, and no client had an answer from it, so an earlier start was \
                 interrupted; its {} bytes are saved as {}",
                unfinished.bytes, unfinished.file
            )?;
        }
        if let Some(torn) = &self.torn {
            write!(f, "; cut off a torn end of {} bytes, saved as {}", torn.bytes, torn.file)?;
        }
        if let Some(Salvaged { saved, bad_bytes, lost_frames }) = &self.salvaged {
            write!(
                f,
                "; left out {bad_bytes} damaged bytes, which held at least {lost_frames} commits; \
                 the damaged log is saved as {}",
                saved.file
            )?;
        }
        if let Some(reason) = &self.no_reserve {
            write!(f, "; no space is reserved for a full disk: {reason}")?;
        }
        Ok(())
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Storage(error) if error.is_full() => write!(f, "{error}; free some space"),
            OpenError::Storage(error) => error.fmt(f),
            OpenError::Damaged { file, damage: Damage { from, to, lost_frames } } => write!(
                f,
                "{file} is damaged at byte {from}, with intact records from byte {to} on and {lost_frames} commits \
                 missing between; restore it from a backup, or start with --salvage to go on without them"
            ),
            OpenError::Unreadable { file } => write!(
                f,
                "{file} is damaged to its end, without one commit that can be read, or is not a log of builder; restore \
                 it from a backup, or start with --salvage to set it aside and begin with nothing"
            ),
            OpenError::UnknownVersion { file, version } => write!(
                f,
                "{file} was written by another version of builder, in format {version}; start that version"
            ),
            OpenError::Replay { file, offset, reason } => {
                write!(f, "{file} holds a record at byte {offset} that makes no sense: {reason}")
            }
        }
    }
}

impl core::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            OpenError::Storage(error) => Some(error),
            _ => None,
        }
    }
}

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> OpenError {
        OpenError::Storage(error)
    }
}
