//! What ends or is tried again when, and for which reason.

use crate::server::ConnectionId;
use builder_proto::Uuid;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Whose time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A connection: it was to say hello, to give its command or to close by now.
    Connection(ConnectionId),
    /// A running build: its worker was to send the result, or more of it, by now.
    Build(Uuid),
    /// An aborted build: its result is to be stored now.
    Storing(Uuid),
}

/// All deadlines, by monotonic time; one for each subject. A spurious wake-up finds nothing expired and does nothing.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    by_time: BTreeSet<(Duration, Subject)>,
    by_subject: BTreeMap<Subject, Duration>,
}

impl Deadlines {
    /// Gives the subject its deadline, in place of the one it had.
    pub(crate) fn set(&mut self, subject: Subject, at: Duration) {
        self.clear(subject);
        self.by_subject.insert(subject, at);
        self.by_time.insert((at, subject));
    }

    pub(crate) fn clear(&mut self, subject: Subject) {
        if let Some(at) = self.by_subject.remove(&subject) {
            self.by_time.remove(&(at, subject));
        }
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out one subject whose time has come.
    pub(crate) fn pop_expired(&mut self, now: Duration) -> Option<Subject> {
        let (_, subject) = *self.by_time.first().filter(|(at, _)| *at <= now)?;
        self.clear(subject);
        Some(subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_earliest_comes_first_and_nothing_before_its_time() {
        let mut deadlines = Deadlines::default();
        deadlines.set(Subject::Connection(1), 3 * SECOND);
        deadlines.set(Subject::Connection(2), 2 * SECOND);
        assert_eq!(deadlines.next(), Some(2 * SECOND));
        assert_eq!(deadlines.pop_expired(SECOND), None);
        assert_eq!(deadlines.pop_expired(5 * SECOND), Some(Subject::Connection(2)));
        assert_eq!(deadlines.pop_expired(5 * SECOND), Some(Subject::Connection(1)));
        assert_eq!(deadlines.pop_expired(5 * SECOND), None);
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn a_new_deadline_replaces_the_former() {
        let mut deadlines = Deadlines::default();
        deadlines.set(Subject::Connection(1), SECOND);
        deadlines.set(Subject::Connection(1), 2 * SECOND);
        assert_eq!(deadlines.pop_expired(SECOND), None);
        deadlines.clear(Subject::Connection(1));
        assert_eq!(deadlines.next(), None);
    }
}
