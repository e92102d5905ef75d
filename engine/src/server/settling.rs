//! Small results between the log, which made them durable, and their files.
//!
//! The log must keep a small result until its file is safe on disk. Files are written at once, in the order of the log,
//! and synced together a little later; then a record says that the log need not keep them any longer.
//!
//! The driver writes and syncs. When a sync fails it has to end the program: the kernel may believe from then on that
//! the files are on disk, so neither another sync nor a look at them proves anything. The log still holds the results, and the
//! next start writes them anew.

use crate::limits::{RETRY_TIME, SETTLE_BYTES, SETTLE_TIME};
use crate::server::record::{Record, Unsettled};
use crate::server::recovery::UnsettledResult;
use builder_proto::Uuid;
use builder_proto::text::Text;
use builder_proto::wire::RawUuid;
use core::fmt::Display;
use core::time::Duration;
use std::collections::VecDeque;

/// The build that a result belongs to, and the name of its job.
pub type BuildOfJob = (Uuid, Text);

/// What is still to be done for the small results.
#[derive(Debug, Default)]
pub struct Settling {
    /// In the order of the log, which forgets from the front only: one that cannot be written keeps those behind it in the
    /// log, but not out of their files.
    entries: VecDeque<Entry>,
    /// When to sync what is written, in monotonic time.
    sync_at: Option<Duration>,
    /// When to try again to write what could not be written.
    retry_at: Option<Duration>,
    /// Octets of all that is written and not synced.
    octets: usize,
}

/// A result that the log has to hold.
#[derive(Debug)]
struct Entry {
    result: UnsettledResult,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It could not be written so far.
    Unwritten,
    /// It is not known to be on disk.
    Written,
    /// A sync that covers it is under way.
    Syncing,
    /// It is on disk; the log holds one before it that is not.
    Synced,
}

impl Settling {
    /// Takes charge of a result that the log has made durable, and has its file written by `write`, which need not sync it.
    /// What cannot be written is tried again later.
    pub fn publish<E: Display>(
        &mut self,
        result: UnsettledResult,
        now: Duration,
        write: impl FnMut(&UnsettledResult) -> Result<(), E>,
    ) {
        self.entries.push_back(Entry { result, stage: Stage::Unwritten });
        self.write(self.entries.len() - 1, now, write);
    }

    /// When [`Settling::go_on`] has something to do, in monotonic time.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.sync_at.into_iter().chain(self.retry_at).min()
    }

    /// Has written what could not be written before, and says what is to be synced now, if anything. Once
    /// that is done, call [`Settling::synced`].
    pub fn go_on<E: Display>(
        &mut self,
        now: Duration,
        write: impl FnMut(&UnsettledResult) -> Result<(), E>,
    ) -> Option<Vec<BuildOfJob>> {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if is_due(self.retry_at) {
            self.retry_at = None;
            self.write(0, now, write);
        }
        if !is_due(self.sync_at) {
            return None;
        }
        self.sync_at = None;
        if self.has_any(Stage::Syncing) || !self.has_any(Stage::Written) {
            return None;
        }
        Some(self.begin_sync())
    }

    /// The same for everything and at once, as the log is to be rotated; none when that is not possible now.
    pub fn settle_all<E: Display>(
        &mut self,
        now: Duration,
        write: impl FnMut(&UnsettledResult) -> Result<(), E>,
    ) -> Option<Vec<BuildOfJob>> {
        self.write(0, now, write);
        if self.has_any(Stage::Syncing) || self.has_any(Stage::Unwritten) {
            return None;
        }
        Some(self.begin_sync())
    }

    /// Takes note that what was to be synced is on disk; says how many results the log may forget, the oldest first.
    pub fn synced(&mut self, now: Duration) -> u64 {
        for entry in self.entries.iter_mut().filter(|entry| entry.stage == Stage::Syncing) {
            entry.stage = Stage::Synced;
            self.octets -= entry.result.contents.0.len();
        }
        let count = self.entries.iter().take_while(|entry| entry.stage == Stage::Synced).count();
        self.entries.drain(..count);
        if self.has_any(Stage::Written) {
            self.sync_within(now, SETTLE_TIME);
        }
        count as u64
    }

    /// Whether nothing depends on the log any longer.
    pub fn is_settled(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the file of this build's result is not known to be on disk.
    pub fn holds(&self, uuid: Uuid) -> bool {
        self.entries.iter().any(|entry| entry.result.uuid == uuid && entry.stage != Stage::Synced)
    }

    /// The results that a new log has to hold, behind the [snapshot](crate::server::State::snapshot) of the state.
    pub fn snapshot(&self) -> impl Iterator<Item = Record> + '_ {
        let results = self.entries.iter().map(|entry| entry.result.clone());
        results.map(|UnsettledResult { uuid, name, contents }| {
            Record::Unsettled(Unsettled { uuid: RawUuid(uuid), name, contents })
        })
    }

    fn has_any(&self, stage: Stage) -> bool {
        self.entries.iter().any(|entry| entry.stage == stage)
    }

    fn begin_sync(&mut self) -> Vec<BuildOfJob> {
        let written = self.entries.iter_mut().filter(|entry| entry.stage == Stage::Written);
        let syncing = written.map(|entry| {
            entry.stage = Stage::Syncing;
            (entry.result.uuid, entry.result.name.clone())
        });
        syncing.collect()
    }

    /// Writes what is unwritten from an entry on. One failure says nothing of the others: it may be about one job's directory.
    fn write<E: Display>(
        &mut self,
        from: usize,
        now: Duration,
        mut write: impl FnMut(&UnsettledResult) -> Result<(), E>,
    ) {
        let (mut has_written, mut failures) = (false, 0);
        let unwritten = self.entries.iter_mut().skip(from).filter(|entry| entry.stage == Stage::Unwritten);
        for Entry { result, stage } in unwritten {
            match write(result) {
                Ok(()) => {
                    *stage = Stage::Written;
                    self.octets += result.contents.0.len();
                    has_written = true;
                }
                Err(error) => {
                    failures += 1;
                    // On a full disk there may be many, and they all say the same.
                    if failures == 1 {
                        ::log::error!(
                            "cannot write the result of build {} of job {}: {error}; it is safe in the log; next attempt in {} seconds",
                            result.uuid,
                            result.name,
                            RETRY_TIME.as_secs()
                        );
                    }
                }
            }
        }
        if failures > 1 {
            ::log::error!("cannot write {} more results either", failures - 1);
        }
        if failures > 0 {
            self.retry_at.get_or_insert(now.saturating_add(RETRY_TIME));
        }
        if has_written {
            self.sync_within(now, if self.octets < SETTLE_BYTES { SETTLE_TIME } else { Duration::ZERO });
        }
    }

    fn sync_within(&mut self, now: Duration, delay: Duration) {
        let at = now.saturating_add(delay);
        self.sync_at = Some(self.sync_at.map_or(at, |sync_at| sync_at.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::record::Contents;
    use std::sync::Arc;

    fn result(number: u128) -> UnsettledResult {
        let contents = Contents(Arc::new(vec![number as u8]));
        UnsettledResult { uuid: Uuid::from_u128(number), name: "job".into(), contents }
    }

    fn numbers(builds: Option<Vec<BuildOfJob>>) -> Option<Vec<u128>> {
        Some(builds?.into_iter().map(|(uuid, _)| uuid.as_u128()).collect())
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn written(_: &UnsettledResult) -> Result<(), &'static str> {
        Ok(())
    }

    fn refused(_: &UnsettledResult) -> Result<(), &'static str> {
        Err("no room")
    }

    #[test]
    fn results_are_written_at_once_and_synced_together() {
        let mut settling = Settling::default();
        settling.publish(result(1), at(10), written);
        settling.publish(result(2), at(10), written);
        assert_eq!(settling.next_deadline(), Some(at(11)));
        assert_eq!(settling.go_on(at(10), written), None);
        assert_eq!(numbers(settling.go_on(at(11), written)), Some(vec![1, 2]));
        settling.publish(result(3), at(11), written);
        assert_eq!(settling.synced(at(12)), 2, "what came later is not covered by the sync");
        assert!(!settling.is_settled());
        assert_eq!(numbers(settling.go_on(at(13), written)), Some(vec![3]));
        assert_eq!(settling.synced(at(13)), 1);
        assert!(settling.is_settled());
    }

    #[test]
    fn what_cannot_be_written_is_tried_again_and_holds_up_no_other() {
        let mut settling = Settling::default();
        settling.publish(result(1), at(0), written);
        settling.publish(result(2), at(0), refused);
        settling.publish(result(3), at(0), written);
        assert_eq!(settling.settle_all(at(0), refused), None);
        assert_eq!(numbers(settling.go_on(at(1), refused)), Some(vec![1, 3]));
        assert_eq!(settling.synced(at(1)), 1, "the log forgets in its order");
        assert!(settling.holds(Uuid::from_u128(2)));
        assert!(!settling.holds(Uuid::from_u128(3)));
        assert_eq!(settling.snapshot().count(), 2);
        assert_eq!(settling.next_deadline(), Some(at(10)));
        assert_eq!(settling.go_on(at(10), written), None);
        assert_eq!(numbers(settling.go_on(at(11), refused)), Some(vec![2]));
        assert_eq!(settling.synced(at(11)), 2);
        assert!(settling.is_settled());
    }

    #[test]
    fn a_sync_that_is_under_way_is_not_begun_twice() {
        let mut settling = Settling::default();
        settling.publish(result(1), at(0), written);
        assert!(settling.go_on(at(1), written).is_some());
        settling.publish(result(2), at(1), written);
        assert_eq!(settling.go_on(at(2), written), None);
        assert_eq!(settling.settle_all(at(2), written), None);
        assert_eq!(settling.synced(at(2)), 1);
        assert_eq!(numbers(settling.settle_all(at(2), written)), Some(vec![2]));
    }
}
