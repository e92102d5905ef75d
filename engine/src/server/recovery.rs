//! From the payloads of a log to the state, and to the results that only the log holds.

use crate::names::{NameKind, check_name};
use crate::server::inconsistency::Inconsistency;
use crate::server::record::{Contents, Finished, Pending, Record, WrittenBack};
use crate::server::state::State;
use builder_proto::Uuid;
use builder_proto::execution::StoredExecution;
use builder_proto::text::Text;
use builder_proto::wire::RawUuid;
use core::fmt;
use std::collections::BTreeMap;

/// Reads a log from its first record to its last.
///
/// | what the log says of a build | what recovery does |
/// |---|---|
/// | started, nothing more, no result file | aborted, job back to the front of its queue |
/// | started, nothing more, result file in place | finished |
/// | aborted, nothing more | its result is stored from the console that is left |
/// | finished with contents, not written back | the result file is written again |
/// | finished | nothing |
#[derive(Debug, Default)]
pub struct Recovery {
    state: State,
    pending: BTreeMap<Uuid, PendingResult>,
    records: u64,
    tolerant: bool,
    skipped: u64,
}

/// A result that the log made durable, while its file may not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingResult {
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
    /// Results to write again, whatever is in their places, by uuid.
    pub pending: Vec<PendingResult>,
    /// Records read.
    pub records: u64,
    /// Records left out because they contradict those before; only after a salvage.
    pub skipped: u64,
}

/// Why a log cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryError {
    /// Bytes that are no record, though their checksum is right.
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
                write!(
                    f,
                    "record {record} contradicts those before: {problem}; --salvage continues without it"
                )
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
    /// Refuses bytes that are no record and, unless tolerant, records that contradict those before.
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
            pending: self.pending.into_values().collect(),
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
        if let Err(problem) = self.state.apply(&record) {
            if !self.tolerant {
                return Err(RecoveryError::Inconsistent { record: number, problem });
            }
            self.skipped += 1;
        }
        match record {
            Record::Finished(Finished { uuid, contents: Some(contents) }) => {
                // The record that names the job may be what a salvage left out; a result is kept all the same.
                if let Some(name) = job_name.or_else(|| name_in(&contents)) {
                    self.hold(PendingResult { uuid: uuid.0, name, contents });
                }
            }
            Record::Pending(Pending { uuid, name, contents }) => {
                self.hold(PendingResult { uuid: uuid.0, name, contents });
            }
            Record::WrittenBack(WrittenBack { uuids }) => {
                for RawUuid(uuid) in uuids {
                    self.pending.remove(&uuid);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn hold(&mut self, result: PendingResult) {
        self.pending.insert(result.uuid, result);
    }
}

/// The name of the job in a result file.
fn name_in(contents: &Contents) -> Option<Text> {
    let bytes = contents.0.as_slice();
    let stored = StoredExecution::open(bytes, bytes.len() as u64).ok()?;
    check_name(NameKind::Job, &stored.job.name).ok()?;
    Some(stored.job.name)
}
