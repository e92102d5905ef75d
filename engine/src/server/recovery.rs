//! From the payloads of a log to the state, and to the results that only the log holds.

use crate::server::record::{Contents, Finished, Record, Unsettled};
use crate::server::state::{Inconsistency, State};
use builder_proto::Uuid;
use builder_proto::text::Text;
use core::fmt;
use std::collections::VecDeque;

/// Reads a log from its first record to its last.
///
/// | what the log says of a build | what recovery does |
/// |---|---|
/// | started, nothing more, no result file | aborted, job back to the front of its queue |
/// | started, nothing more, result file in place | finished |
/// | aborted, nothing more | its result is stored from the console that is left |
/// | finished with contents, not settled | the result file is written again, unless it is there |
/// | finished | nothing |
#[derive(Debug, Default)]
pub struct Recovery {
    state: State,
    /// In the order of the log.
    unsettled: VecDeque<UnsettledResult>,
    records: u64,
    tolerant: bool,
    skipped: u64,
}

/// A result that the log made durable, while its file may not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsettledResult {
    /// The build.
    pub uuid: Uuid,
    /// The name of its job.
    pub name: Text,
    /// The whole result file.
    pub contents: Contents,
}

/// What a log amounts to.
#[derive(Debug)]
pub struct Recovered {
    /// The state after the last record.
    pub state: State,
    /// Results to write again unless their files are in place, in the order of the log.
    pub unsettled: Vec<UnsettledResult>,
    /// Records read.
    pub records: u64,
    /// Records left out because they contradict those before; only after a salvage.
    pub skipped: u64,
}

/// Why a log cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryError {
    /// Octets that are no record, though their checksum is right.
    Unreadable {
        /// Number of the record, from 1.
        record: u64,
        /// What the decoder says.
        problem: String,
    },
    /// A record that contradicts those before.
    Inconsistent {
        /// Number of the record, from 1.
        record: u64,
        /// The contradiction.
        problem: Inconsistency,
    },
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecoveryError::Unreadable { record, problem } => {
                write!(
                    f,
                    "record {record} is of no known kind ({problem}); was it written by a newer version?"
                )
            }
            RecoveryError::Inconsistent { record, problem } => {
                write!(f, "record {record} contradicts those before: {problem}; --salvage goes on without it")
            }
        }
    }
}

impl core::error::Error for RecoveryError {}

impl Recovery {
    /// Starts with an empty state. A tolerant one leaves out records that contradict those before, as they do when a
    /// salvage left a hole in the log.
    pub fn new(tolerant: bool) -> Recovery {
        Recovery { tolerant, ..Recovery::default() }
    }

    /// Applies the records of one frame.
    ///
    /// # Errors
    ///
    /// Refuses octets that are no record and, unless tolerant, records that contradict those before.
    pub fn apply_batch(&mut self, batch: &[u8]) -> Result<(), RecoveryError> {
        for record in Record::read_batch(batch) {
            self.records += 1;
            let number = self.records;
            match record {
                Ok(record) => self.apply(record, number)?,
                Err(_) if self.tolerant => self.skipped += 1,
                Err(error) => {
                    return Err(RecoveryError::Unreadable { record: number, problem: error.to_string() });
                }
            }
        }
        Ok(())
    }

    /// The outcome.
    pub fn finish(self) -> Recovered {
        Recovered {
            state: self.state,
            unsettled: self.unsettled.into(),
            records: self.records,
            skipped: self.skipped,
        }
    }

    fn apply(&mut self, record: Record, number: u64) -> Result<(), RecoveryError> {
        let job_name = match &record {
            Record::Finished(Finished { uuid, contents: Some(_) }) => {
                self.state.name_of_build(uuid.0).cloned()
            }
            _ => None,
        };
        match self.state.apply(&record) {
            Ok(()) => {}
            Err(_) if self.tolerant => {
                self.skipped += 1;
                return Ok(());
            }
            Err(problem) => return Err(RecoveryError::Inconsistent { record: number, problem }),
        }
        match (record, job_name) {
            (Record::Finished(Finished { uuid, contents: Some(contents) }), Some(name)) => {
                let result = UnsettledResult { uuid: uuid.0, name, contents };
                self.unsettled.push_back(result);
            }
            (Record::Unsettled(Unsettled { uuid, name, contents }), _) => {
                self.unsettled.push_back(UnsettledResult { uuid: uuid.0, name, contents });
            }
            (Record::Settled(settled), _) => {
                let count = usize::try_from(settled.count).unwrap_or(usize::MAX).min(self.unsettled.len());
                self.unsettled.drain(..count);
            }
            _ => {}
        }
        Ok(())
    }
}
