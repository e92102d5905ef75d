//! The `state` file of builder 0.4.0: schedule, queues and dropped platforms.

use crate::budget::{STATE_VALUES, is_within_budget};
use crate::command::QueueInfo;
use crate::error::{Cause, DecodeError, EncodeError};
use crate::job::{Job, ScheduleItem, ScriptJob};
use crate::text::Text;
use crate::wire::{decode_choice, explicit_tag, unknown_alternative};
use der::{Decode, Encode, EncodeValue, Header, Length, Reader, SliceReader, Tag, Tagged, Writer};

/// What 0.4.0 remembers.
///
/// ```
/// use builder_proto::state_file::{StateFile, StateItem};
///
/// let state = StateFile { items: vec![StateItem::Dropped { platform: "freebsd-13".into() }] };
/// let (read, warnings) = StateFile::decode(&state.encode()?)?;
/// assert_eq!(read, state);
/// assert!(warnings.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateFile {
    /// In the order of the file.
    pub items: Vec<StateItem>,
}

/// One thing that 0.4.0 remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateItem {
    /// A job and when it runs.
    Schedule(ScheduleItem),
    /// What waits on a platform.
    Queue {
        /// The platform.
        platform: Text,
        /// The jobs, the next one first.
        jobs: Vec<Job>,
    },
    /// A platform whose jobs are refused.
    Dropped {
        /// The platform.
        platform: Text,
    },
}

impl StateFile {
    /// Reads a file, together with a sentence for every obsolete item that was left out.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the file is not exactly one state in DER.
    pub fn decode(file: &[u8]) -> Result<(StateFile, Vec<String>), DecodeError> {
        if !is_within_budget(file, STATE_VALUES) {
            return Err(DecodeError::new(SUBJECT, Cause::TooManyValues(STATE_VALUES)));
        }
        let mut state = StateFile::default();
        let mut warnings = Vec::new();
        for entry in decode_entries(file).map_err(DecodeError::within(SUBJECT))? {
            match entry {
                Entry::Item(item) => state.items.push(item),
                Entry::Obsolete(warning) => warnings.push(warning),
            }
        }
        Ok((state, warnings))
    }

    /// Writes a file that 0.4.0 reads.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when it would take 4 GiB or more.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        Ok(self.items.to_der()?)
    }
}

const SUBJECT: &str = "state file";

const QUEUE_OLD: u32 = 0;
const SCHEDULE_OLD: u32 = 1;
const JOB_OLD: u32 = 2;
const SCHEDULE: u32 = 3;
const QUEUE: u32 = 4;
const DROPPED: u32 = 5;

/// What an alternative of the CHOICE in the file means today.
enum Entry {
    Item(StateItem),
    Obsolete(String),
}

fn decode_entries(file: &[u8]) -> der::Result<Vec<Entry>> {
    let mut reader = SliceReader::new(file)?;
    let entries = reader.sequence(|items| {
        let mut entries = Vec::new();
        while !items.is_finished() {
            entries.push(decode_entry(items)?);
        }
        Ok::<_, der::Error>(entries)
    })?;
    reader.finish()?;
    Ok(entries)
}

fn decode_entry<'a, R: Reader<'a>>(reader: &mut R) -> der::Result<Entry> {
    decode_choice(reader, |number, inner| {
        Ok(Entry::Item(match number {
            QUEUE_OLD => return ScriptJob::decode(inner).map(|job| obsolete("the former queue", &job.name)),
            JOB_OLD => return Job::decode(inner).map(|job| obsolete("the former job list", job.name())),
            SCHEDULE_OLD => inner.sequence(decode_former_schedule_item).map(StateItem::Schedule)?,
            SCHEDULE => StateItem::Schedule(inner.decode()?),
            QUEUE => {
                let QueueInfo { platform, jobs } = inner.decode()?;
                StateItem::Queue { platform, jobs }
            }
            DROPPED => StateItem::Dropped { platform: inner.decode()? },
            other => return Err(unknown_alternative(other, inner)),
        }))
    })
}

fn obsolete(list: &str, name: &Text) -> Entry {
    Entry::Obsolete(format!("job {name} is in {list}, which is obsolete; it was left out"))
}

/// A schedule item from when there were only script jobs.
fn decode_former_schedule_item<'a, R: Reader<'a>>(fields: &mut R) -> der::Result<ScheduleItem> {
    Ok(ScheduleItem { next: fields.decode()?, period: fields.decode()?, job: Job::Script(fields.decode()?) })
}

impl Tagged for StateItem {
    fn tag(&self) -> Tag {
        explicit_tag(match self {
            StateItem::Schedule(_) => SCHEDULE,
            StateItem::Queue { .. } => QUEUE,
            StateItem::Dropped { .. } => DROPPED,
        })
    }
}

impl EncodeValue for StateItem {
    fn value_len(&self) -> der::Result<Length> {
        match self {
            StateItem::Schedule(item) => item.encoded_len(),
            StateItem::Queue { platform, jobs } => queue_header(platform, jobs).and_then(total_length),
            StateItem::Dropped { platform } => platform.encoded_len(),
        }
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        match self {
            StateItem::Schedule(item) => item.encode(writer),
            StateItem::Queue { platform, jobs } => {
                queue_header(platform, jobs)?.encode(writer)?;
                platform.encode(writer)?;
                jobs.encode(writer)
            }
            StateItem::Dropped { platform } => platform.encode(writer),
        }
    }
}

fn queue_header(platform: &Text, jobs: &Vec<Job>) -> der::Result<Header> {
    Ok(Header::new(Tag::Sequence, (platform.encoded_len()? + jobs.encoded_len()?)?))
}

fn total_length(header: Header) -> der::Result<Length> {
    header.encoded_len()? + header.length()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Period, Time};

    fn state() -> StateFile {
        let script = ScriptJob { name: "n".into(), script: "s".into(), platform: "p".into() };
        let job = Job::Script(script);
        StateFile {
            items: vec![
                StateItem::Queue { platform: "p".into(), jobs: vec![job.clone()] },
                StateItem::Queue { platform: "empty".into(), jobs: Vec::new() },
                StateItem::Schedule(ScheduleItem { next: Time::NEVER, period: Period::Never, job }),
                StateItem::Dropped { platform: "gone".into() },
            ],
        }
    }

    #[test]
    fn a_state_survives_its_file() {
        let file = state().encode().unwrap();
        assert_eq!(StateFile::decode(&file), Ok((state(), Vec::new())));
    }

    #[test]
    fn obsolete_items_are_left_out_with_a_warning() {
        let queue_old = b"\xa0\x0a\x30\x08\x0c\x01q\x0c\x01s\x30\x00";
        let job_old = b"\xa2\x0a\xa1\x08\x30\x06\x0c\x01o\x0c\x01p";
        let dropped = b"\xa5\x03\x0c\x01d";
        let file = [&b"\x30\x1d"[..], queue_old, job_old, dropped].concat();
        let (state, warnings) = StateFile::decode(&file).unwrap();
        assert_eq!(state.items, [StateItem::Dropped { platform: "d".into() }]);
        assert_eq!(
            warnings,
            [
                "job q is in the former queue, which is obsolete; it was left out",
                "job o is in the former job list, which is obsolete; it was left out",
            ]
        );
    }

    #[test]
    fn a_damaged_file_is_refused_at_every_length() {
        let file = state().encode().unwrap();
        for end in 0..file.len() {
            let error = StateFile::decode(&file[..end]).unwrap_err().to_string();
            assert!(error.starts_with("state file: "), "{error}");
        }
    }

    #[test]
    fn unknown_items_are_refused() {
        let error = StateFile::decode(b"\x30\x04\xa6\x02\x05\x00").unwrap_err();
        assert!(error.to_string().contains("CONTEXT-SPECIFIC [6]"), "{error}");
    }
}
