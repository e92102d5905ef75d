//! Small results between the log, which made them durable, and their files.
//!
//! The log must keep a small result until its file is safe on disk. Files are written at once and synced together a little
//! later; then a record says which results the log need not keep any longer.
//!
//! The driver writes and syncs. When a sync fails it has to end the program: the kernel may believe from then on that
//! the files are on disk, so neither another sync nor a look at them proves anything. The log still holds the results, and the
//! next start writes them anew.

use crate::limits::{RETRY_TIME, WRITE_BACK_BYTES, WRITE_BACK_TIME};
use crate::server::record::{Pending, Record};
use crate::server::recovery::PendingResult;
use builder_proto::Uuid;
use builder_proto::text::Text;
use builder_proto::wire::RawUuid;
use core::fmt::Display;
use core::time::Duration;
use std::collections::BTreeMap;

/// The build that a result belongs to, and the name of its job.
pub type BuildOfJob = (Uuid, Text);

/// What is still to be done for the small results.
#[derive(Debug, Default)]
pub struct WriteBack {
    entries: BTreeMap<Uuid, Entry>,
    /// When to sync what is written, in monotonic time.
    sync_at: Option<Duration>,
    /// When to try again to write what could not be written.
    retry_at: Option<Duration>,
    /// Bytes of all that is written and not synced.
    bytes: usize,
}

/// A result that the log has to hold.
#[derive(Debug)]
struct Entry {
    result: PendingResult,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its file is being written.
    Writing,
    /// It could not be written so far.
    Unwritten,
    /// It is not known to be on disk.
    Written,
    /// A sync that covers it is under way.
    Syncing,
}

/// Whether the file of a result will stay as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The log will not write it again.
    Durable,
    /// Not yet, but soon.
    Soon,
    /// It could not be written, and that may go on.
    Stuck,
}

impl WriteBack {
    /// Takes charge of a result that the log has made durable. Its file is to be written, which need not sync it; then
    /// call [`WriteBack::written`].
    pub fn publish(&mut self, result: PendingResult) {
        self.entries.insert(result.uuid, Entry { result, stage: Stage::Writing });
    }

    /// Takes note of files that were written, or could not be; the latter are tried again later. One failure says nothing
    /// of the others: it may be about one job's directory.
    pub fn written<E: Display>(
        &mut self,
        now: Duration,
        outcomes: impl IntoIterator<Item = (Uuid, Result<(), E>)>,
    ) {
        let (mut has_written, mut failures) = (false, 0_usize);
        for (uuid, outcome) in outcomes {
            let Some(Entry { result, stage }) = self.entries.get_mut(&uuid) else { continue };
            let Err(error) = outcome else {
                *stage = Stage::Written;
                self.bytes += result.contents.0.len();
                has_written = true;
                continue;
            };
            *stage = Stage::Unwritten;
            failures += 1;
            // On a full disk there may be many, and they all say the same.
            if failures == 1 {
                let (name, pause) = (&result.name, RETRY_TIME.as_secs());
                ::log::error!(
                    "cannot write the result of build {uuid} of job {name}: {error}; it is safe in the log; next attempt in {pause} seconds"
                );
            }
        }
        if failures > 1 {
            ::log::error!("cannot write {} more results either", failures - 1);
        }
        if failures > 0 {
            self.retry_at.get_or_insert(now.saturating_add(RETRY_TIME));
        }
        if has_written {
            self.sync_within(
                now,
                if self.bytes < WRITE_BACK_BYTES { WRITE_BACK_TIME } else { Duration::ZERO },
            );
        }
    }

    /// When [`WriteBack::retry`] or [`WriteBack::sync`] has something to do, in monotonic time.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.sync_at.into_iter().chain(self.retry_at).min()
    }

    /// Results that could not be written and are to be written now, as after [`WriteBack::publish`].
    pub fn retry(&mut self, now: Duration) -> Vec<PendingResult> {
        if self.retry_at.take_if(|at| *at <= now).is_none() {
            return Vec::new();
        }
        self.enter(Stage::Unwritten, Stage::Writing)
    }

    /// Results to be synced now, if any. Once that is done, call [`WriteBack::synced`].
    pub fn sync(&mut self, now: Duration) -> Option<Vec<BuildOfJob>> {
        self.sync_at.take_if(|at| *at <= now)?;
        if self.entries.values().any(|entry| entry.stage == Stage::Syncing) {
            return None;
        }
        Some(self.sync_all()).filter(|builds| !builds.is_empty())
    }

    /// The same for everything that is written, at once.
    pub fn sync_all(&mut self) -> Vec<BuildOfJob> {
        let results = self.enter(Stage::Written, Stage::Syncing);
        results.into_iter().map(|result| (result.uuid, result.name)).collect()
    }

    /// Takes note that what was to be synced is on disk; gives the builds whose results the log may forget.
    pub fn synced(&mut self, now: Duration) -> Vec<Uuid> {
        let mut synced = Vec::new();
        self.entries.retain(|uuid, entry| {
            let is_synced = entry.stage == Stage::Syncing;
            if is_synced {
                self.bytes -= entry.result.contents.0.len();
                synced.push(*uuid);
            }
            !is_synced
        });
        if self.bytes > 0 {
            self.sync_within(now, WRITE_BACK_TIME);
        }
        synced
    }

    /// Whether nothing depends on the log any longer.
    pub fn is_written_back(&self) -> bool {
        self.entries.is_empty()
    }

    /// The result of this build, if the log has to hold it: then its file may be old, damaged or missing.
    pub fn result(&self, uuid: Uuid) -> Option<&PendingResult> {
        self.entries.get(&uuid).map(|entry| &entry.result)
    }

    /// Whether the file of this build's result is on disk.
    pub fn durability(&self, uuid: Uuid) -> Durability {
        match self.entries.get(&uuid).map(|entry| entry.stage) {
            None => Durability::Durable,
            Some(Stage::Unwritten) => Durability::Stuck,
            Some(Stage::Writing | Stage::Written | Stage::Syncing) => Durability::Soon,
        }
    }

    /// The results that a new log has to hold, behind the [snapshot](crate::server::State::snapshot) of the state.
    pub fn snapshot(&self) -> impl Iterator<Item = Record> + '_ {
        self.entries.values().map(|entry| entry.result.clone().into())
    }

    /// Moves all that are in one stage to another.
    fn enter(&mut self, from: Stage, to: Stage) -> Vec<PendingResult> {
        let entries = self.entries.values_mut().filter(|entry| entry.stage == from);
        let moved = entries.map(|entry| {
            entry.stage = to;
            entry.result.clone()
        });
        moved.collect()
    }

    fn sync_within(&mut self, now: Duration, delay: Duration) {
        let at = now.saturating_add(delay);
        self.sync_at = Some(self.sync_at.map_or(at, |sync_at| sync_at.min(at)));
    }
}

impl From<PendingResult> for Record {
    fn from(PendingResult { uuid, name, contents }: PendingResult) -> Record {
        Record::Pending(Pending { uuid: RawUuid(uuid), name, contents })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::record::Contents;
    use std::sync::Arc;

    const NO_ROOM: Result<(), &str> = Err("no room");

    fn result(number: u128) -> PendingResult {
        let contents = Contents(Arc::new(vec![number as u8]));
        PendingResult { uuid: Uuid::from_u128(number), name: "job".into(), contents }
    }

    fn numbers(uuids: impl IntoIterator<Item = Uuid>) -> Vec<u128> {
        uuids.into_iter().map(|uuid| uuid.as_u128()).collect()
    }

    fn to_sync(builds: Option<Vec<BuildOfJob>>) -> Option<Vec<u128>> {
        Some(numbers(builds?.into_iter().map(|(uuid, _)| uuid)))
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    impl WriteBack {
        fn publish_and_write(&mut self, number: u128, now: Duration, outcome: Result<(), &str>) {
            self.publish(result(number));
            self.written(now, [(Uuid::from_u128(number), outcome)]);
        }
    }

    #[test]
    fn results_are_synced_together_once_they_are_written() {
        let mut write_back = WriteBack::default();
        write_back.publish_and_write(1, at(10), Ok(()));
        write_back.publish_and_write(2, at(10), Ok(()));
        write_back.publish(result(3));
        assert_eq!(write_back.next_deadline(), Some(at(11)));
        assert_eq!(write_back.sync(at(10)), None);
        assert_eq!(to_sync(write_back.sync(at(11))), Some(vec![1, 2]));
        assert_eq!(write_back.durability(Uuid::from_u128(1)), Durability::Soon, "the sync is under way");
        write_back.written(at(11), [(Uuid::from_u128(3), Ok::<(), &str>(()))]);
        assert_eq!(numbers(write_back.synced(at(12))), [1, 2], "what came later is not covered by the sync");
        assert!(!write_back.is_written_back());
        assert_eq!(to_sync(write_back.sync(at(13))), Some(vec![3]));
        assert_eq!(numbers(write_back.synced(at(13))), [3]);
        assert!(write_back.is_written_back());
    }

    #[test]
    fn what_cannot_be_written_is_tried_again_and_holds_up_no_other() {
        let mut write_back = WriteBack::default();
        write_back.publish_and_write(1, at(0), Ok(()));
        write_back.publish_and_write(2, at(0), NO_ROOM);
        write_back.publish_and_write(3, at(0), Ok(()));
        assert_eq!(write_back.durability(Uuid::from_u128(2)), Durability::Stuck);
        assert_eq!(write_back.durability(Uuid::from_u128(3)), Durability::Soon);
        assert_eq!(to_sync(write_back.sync(at(1))), Some(vec![1, 3]));
        assert_eq!(numbers(write_back.synced(at(1))), [1, 3]);
        assert_eq!(write_back.durability(Uuid::from_u128(3)), Durability::Durable);
        assert_eq!(write_back.snapshot().count(), 1);
        assert_eq!(write_back.next_deadline(), Some(at(10)));
        assert_eq!(write_back.retry(at(9)), []);
        assert_eq!(write_back.retry(at(10)), [result(2)]);
        assert_eq!(write_back.retry(at(10)), []);
        write_back.written(at(10), [(Uuid::from_u128(2), Ok::<(), &str>(()))]);
        assert_eq!(to_sync(write_back.sync(at(11))), Some(vec![2]));
        assert_eq!(numbers(write_back.synced(at(11))), [2]);
        assert!(write_back.is_written_back());
        assert_eq!(write_back.next_deadline(), None);
    }

    #[test]
    fn of_results_that_one_thread_has_written_each_is_looked_at_by_itself() {
        let mut write_back = WriteBack::default();
        (1..=4).for_each(|number| write_back.publish(result(number)));
        let outcome = |number| (Uuid::from_u128(number), if number % 2 == 0 { NO_ROOM } else { Ok(()) });
        write_back.written(at(0), (1..=4).map(outcome));
        assert_eq!(to_sync(write_back.sync(at(1))), Some(vec![1, 3]));
        assert_eq!(numbers(write_back.synced(at(1))), [1, 3]);
        assert_eq!(write_back.next_deadline(), Some(at(10)));
        assert_eq!(write_back.retry(at(10)), [result(2), result(4)]);
        // The same once more, with one that works in between.
        write_back.written(at(10), [outcome(2), (Uuid::from_u128(4), Ok(()))]);
        assert_eq!(write_back.durability(Uuid::from_u128(2)), Durability::Stuck);
        assert_eq!(write_back.retry(at(20)), [result(2)]);
    }

    #[test]
    fn what_comes_later_puts_nothing_off() {
        let mut write_back = WriteBack::default();
        write_back.publish_and_write(1, at(0), NO_ROOM);
        write_back.publish_and_write(2, at(6), NO_ROOM);
        assert_eq!(write_back.next_deadline(), Some(at(10)));
        let half = WRITE_BACK_TIME / 2;
        write_back.publish_and_write(3, at(6), Ok(()));
        write_back.publish_and_write(4, at(6) + half, Ok(()));
        assert_eq!(write_back.next_deadline(), Some(at(6) + WRITE_BACK_TIME));
    }

    #[test]
    fn a_sync_that_is_under_way_is_not_begun_twice() {
        let mut write_back = WriteBack::default();
        write_back.publish_and_write(1, at(0), Ok(()));
        assert!(write_back.sync(at(1)).is_some());
        write_back.publish_and_write(2, at(1), Ok(()));
        assert_eq!(write_back.sync(at(2)), None);
        assert_eq!(numbers(write_back.synced(at(2))), [1]);
        assert_eq!(to_sync(write_back.sync(at(3))), Some(vec![2]));
    }

    #[test]
    fn many_bytes_do_not_wait() {
        let mut write_back = WriteBack::default();
        write_back.publish_and_write(1, at(0), Ok(()));
        assert_eq!(write_back.next_deadline(), Some(WRITE_BACK_TIME));
        let contents = Contents(Arc::new(vec![0; WRITE_BACK_BYTES]));
        write_back.publish(PendingResult { contents, ..result(2) });
        write_back.written(at(0), [(Uuid::from_u128(2), Ok::<(), &str>(()))]);
        assert_eq!(write_back.next_deadline(), Some(at(0)));
    }
}
