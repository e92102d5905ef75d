//! What ends or is tried again when.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Deadlines by monotonic time; one for each subject. A spurious wake-up finds nothing expired and does nothing.
#[derive(Debug)]
pub(crate) struct Deadlines<S> {
    by_time: BTreeSet<(Duration, S)>,
    by_subject: BTreeMap<S, Duration>,
}

impl<S> Default for Deadlines<S> {
    fn default() -> Self {
        Deadlines { by_time: BTreeSet::new(), by_subject: BTreeMap::new() }
    }
}

impl<S: Copy + Ord> Deadlines<S> {
    /// Gives the subject its deadline, in place of the one it had.
    pub(crate) fn set(&mut self, subject: S, at: Duration) {
        self.clear(subject);
        self.by_subject.insert(subject, at);
        self.by_time.insert((at, subject));
    }

    pub(crate) fn clear(&mut self, subject: S) {
        if let Some(at) = self.by_subject.remove(&subject) {
            self.by_time.remove(&(at, subject));
        }
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out one subject whose time has come.
    pub(crate) fn pop_expired(&mut self, now: Duration) -> Option<S> {
        let (_, subject) = *self.by_time.first().filter(|(at, _)| *at <= now)?;
        self.clear(subject);
        Some(subject)
    }
}

#[cfg(test)]
impl<S: Copy + Ord> Deadlines<S> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_time.len().max(self.by_subject.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_earliest_comes_first_and_nothing_before_its_time() {
        let mut deadlines = Deadlines::default();
        deadlines.set(1, 3 * SECOND);
        deadlines.set(2, 2 * SECOND);
        assert_eq!(deadlines.next(), Some(2 * SECOND));
        assert_eq!(deadlines.pop_expired(SECOND), None);
        assert_eq!(deadlines.pop_expired(5 * SECOND), Some(2));
        assert_eq!(deadlines.pop_expired(5 * SECOND), Some(1));
        assert_eq!(deadlines.pop_expired(5 * SECOND), None);
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn a_new_deadline_replaces_the_former() {
        let mut deadlines = Deadlines::default();
        deadlines.set(1, SECOND);
        deadlines.set(1, 2 * SECOND);
        assert_eq!(deadlines.pop_expired(SECOND), None);
        deadlines.clear(1);
        assert_eq!(deadlines.next(), None);
    }
}
