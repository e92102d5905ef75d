//! Consoles that are followed, and by whom.

use super::feed::Feed;
use super::limits::{FEED_LEAST_BYTES, FEED_LINGER_TIME, FEED_MOST_BYTES, FEEDS, FEEDS_BYTES};
use builder_proto::Uuid;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// All consoles that are followed. Of a build there are several if some who follow it are too far behind the others.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    feeds: BTreeMap<u64, Followed>,
    last: u64,
}

/// A console, and who follows it.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) feed: Feed,
    /// The question to the server, while it goes on.
    pub(super) question: Option<u64>,
    pub(super) followers: BTreeSet<u64>,
    /// Since when there are none.
    idle_since: Duration,
}

impl Feeds {
    /// One of the build that somebody may join who wants this line.
    pub(super) fn find(&self, uuid: Uuid, line: u64) -> Option<u64> {
        let fits = |followed: &Followed| followed.feed.uuid() == uuid && followed.feed.may_be_joined(line);
        self.feeds.iter().find(|(_, followed)| fits(followed)).map(|(id, _)| *id)
    }

    /// Whether there may be another one. The one that nobody has followed for longest makes room; its question is returned.
    pub(super) fn make_room(&mut self) -> Result<Option<u64>, ()> {
        if self.feeds.len() < FEEDS {
            return Ok(None);
        }
        let idle = self.feeds.iter().filter(|(_, followed)| followed.followers.is_empty());
        let Some(id) = idle.min_by_key(|(_, followed)| followed.idle_since).map(|(id, _)| *id) else {
            return Err(());
        };
        Ok(self.feeds.remove(&id).and_then(|followed| followed.question))
    }

    /// The number that the next one will have.
    pub(super) fn next_id(&self) -> u64 {
        self.last + 1
    }

    /// Follows a build from this line on, with the help of this question.
    pub(super) fn begin(&mut self, now: Duration, uuid: Uuid, line: u64, question: u64) -> u64 {
        self.last += 1;
        let feed = Feed::new(uuid, line);
        let followers = BTreeSet::new();
        self.feeds.insert(self.last, Followed { feed, question: Some(question), followers, idle_since: now });
        self.last
    }

    pub(super) fn get(&self, id: u64) -> Option<&Followed> {
        self.feeds.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Followed> {
        self.feeds.get_mut(&id)
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        self.feeds.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.feeds.len()
    }

    /// Somebody follows no longer.
    pub(super) fn leave(&mut self, now: Duration, id: u64, connection: u64) {
        if let Some(followed) = self.feeds.get_mut(&id) {
            followed.followers.remove(&connection);
            followed.idle_since = now;
        }
    }

    /// Forgets those that nobody has followed for a while. Says which questions are of no use any more.
    pub(super) fn forget_idle(&mut self, now: Duration) -> Vec<u64> {
        let is_over = |followed: &Followed| {
            followed.followers.is_empty() && now >= followed.idle_since + FEED_LINGER_TIME
        };
        let over: Vec<u64> =
            self.feeds.iter().filter(|(_, followed)| is_over(followed)).map(|(id, _)| *id).collect();
        over.iter().filter_map(|id| self.feeds.remove(id)?.question).collect()
    }

    /// Bytes that each of them may hold.
    pub(super) fn most_bytes(&self) -> usize {
        (FEEDS_BYTES / self.feeds.len().max(1)).clamp(FEED_LEAST_BYTES, FEED_MOST_BYTES)
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let of = |followed: &Followed| {
            let idle = followed.followers.is_empty().then(|| followed.idle_since + FEED_LINGER_TIME);
            idle.into_iter().chain(followed.feed.deadline()).min()
        };
        self.feeds.values().filter_map(of).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    #[test]
    fn whoever_wants_a_line_joins_those_who_have_it_before_them() {
        let mut feeds = Feeds::default();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let first = feeds.begin(NOW, one, 10, 100);
        assert_eq!(feeds.find(one, 10), Some(first));
        assert_eq!(feeds.find(one, 12), Some(first));
        assert_eq!(feeds.find(one, 9), None, "it skips that");
        assert_eq!(feeds.find(other, 10), None);
    }

    #[test]
    fn one_that_nobody_follows_goes_on_for_a_while() {
        let mut feeds = Feeds::default();
        let id = feeds.begin(NOW, Uuid::nil(), 1, 100);
        feeds.get_mut(id).unwrap().followers.insert(7);
        assert_eq!((feeds.deadline(), feeds.forget_idle(NOW + FEED_LINGER_TIME * 2)), (None, vec![]));
        let left = NOW + Duration::from_secs(60);
        feeds.leave(left, id, 7);
        assert_eq!(feeds.deadline(), Some(left + FEED_LINGER_TIME));
        assert_eq!(feeds.forget_idle(left), []);
        assert_eq!(feeds.forget_idle(left + FEED_LINGER_TIME), [100]);
        assert_eq!(feeds.len(), 0);
    }

    #[test]
    fn there_are_only_so_many_and_those_that_are_followed_stay() {
        let mut feeds = Feeds::default();
        for number in 0..FEEDS as u64 {
            assert_eq!(feeds.make_room(), Ok(None));
            let id = feeds.begin(NOW, Uuid::from_u128(number.into()), 1, 100 + number);
            feeds.get_mut(id).unwrap().followers.insert(7);
        }
        assert_eq!(feeds.make_room(), Err(()));
        feeds.leave(NOW + FEED_LINGER_TIME, 3, 7);
        feeds.leave(NOW, 5, 7);
        assert_eq!(feeds.make_room(), Ok(Some(104)), "nobody has followed it for longest");
        assert_eq!(feeds.most_bytes(), FEEDS_BYTES / (FEEDS - 1));
        assert_eq!(Feeds::default().most_bytes(), FEED_MOST_BYTES);
    }
}
