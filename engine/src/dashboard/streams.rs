//! Consoles that browsers follow while they are printed.

use super::feed::{End, Next};
use super::http::Response;
use super::limits::BEAT_TIME;
use super::machine::{Dashboard, Task};
use super::site::{Refusal, Site};
use super::talks::Purpose;
use crate::Now;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::text::Text;

impl<S: Site> Dashboard<S> {
    /// A browser follows a console from this line on.
    pub(super) fn begin_console(&mut self, now: Now, connection: u64, uuid: Uuid, from: u64) {
        let Some(feed) = self.feed_for(now, uuid, from) else {
            let busy =
                Refusal::Unreachable("too many consoles are followed here; try again later".to_owned());
            let response: Response = self.site.refuse(&busy);
            return self.respond(now, connection, response);
        };
        if !self.begin_events(now, connection) {
            return;
        }
        self.follow(now, connection, feed, from);
        self.pump(now, connection);
    }

    /// A feed that has this line, perhaps a new one.
    fn feed_for(&mut self, now: Now, uuid: Uuid, line: u64) -> Option<u64> {
        if let Some(feed) = self.feeds.find(uuid, line) {
            return Some(feed);
        }
        if let Some(question) = self.feeds.make_room().ok()? {
            self.talks.hang(question);
        }
        let question = self.ask(now, Command::Observe(uuid), Purpose::Feed(self.feeds.next_id()));
        Some(self.feeds.begin(now.monotonic, uuid, line, question))
    }

    fn follow(&mut self, now: Now, connection: u64, feed: u64, next: u64) {
        if let Some(followed) = self.feeds.get_mut(feed) {
            followed.followers.insert(connection);
        }
        self.set_task(connection, Task::Console { feed, next, beat: now.monotonic + BEAT_TIME });
    }

    /// Gives a browser what it has not got, one event at a time: what waits for it is held by all who get it.
    pub(super) fn pump(&mut self, now: Now, connection: u64) {
        loop {
            let Some(visitor) = self.visitors.get_mut(&connection) else { return };
            let Task::Console { feed, next, beat } = &mut visitor.task else { return };
            if visitor.http.queued_bytes() > 0 {
                return;
            }
            let (id, line) = (*feed, *next);
            let Some(followed) = self.feeds.get(id) else {
                visitor.http.abort();
                self.concerned.insert(connection);
                return;
            };
            match followed.feed.get(line) {
                Next::Later => return,
                Next::Event(piece, after) => {
                    *next = after;
                    *beat = now.monotonic + BEAT_TIME;
                    visitor.http.push(now.monotonic, piece);
                    self.concerned.insert(connection);
                    self.govern(now, id);
                    return;
                }
                Next::Gone => {
                    let uuid = followed.feed.uuid();
                    self.feeds.leave(now.monotonic, id, connection);
                    match self.feed_for(now, uuid, line) {
                        Some(other) => self.follow(now, connection, other, line),
                        None => return self.end_events(now, connection, &End::Broken),
                    }
                }
                Next::End(end) => {
                    self.feeds.leave(now.monotonic, id, connection);
                    return self.end_events(now, connection, &end);
                }
            }
        }
    }

    fn end_events(&mut self, now: Now, connection: u64, end: &End) {
        let Some(visitor) = self.visitors.get_mut(&connection) else { return };
        let last = match end {
            End::Over => Some("event: end\ndata: \n\n".to_owned()),
            // On one line, as `Text` is printed.
            End::Refused(reason) => Some(format!("event: refused\ndata: {reason}\n\n")),
            End::Broken => None,
        };
        if let Some(last) = last {
            visitor.http.push(now.monotonic, last.into_bytes().into());
        }
        visitor.http.end_stream(now.monotonic);
        visitor.task = Task::Idle;
        self.serve(now, connection);
    }

    /// A line of a console that is followed.
    pub(super) fn take_line(&mut self, now: Now, feed: u64, timestamp: Option<i64>, text: Text) {
        let site = &self.site;
        if let Some(followed) = self.feeds.get_mut(feed) {
            let text = super::collect::shortened(text);
            followed.feed.take(now.monotonic, timestamp, text, |output, line| site.append_line(output, line));
        }
    }

    /// Nothing more comes of a console.
    pub(super) fn end_feed(&mut self, now: Now, feed: u64, end: End) {
        let site = &self.site;
        if let Some(followed) = self.feeds.get_mut(feed) {
            followed.question = None;
            followed.feed.finish(now.monotonic, end, |output, line| site.append_line(output, line));
        }
        self.pump_all(now, feed);
    }

    /// Gives everyone who follows a console what is new.
    pub(super) fn pump_all(&mut self, now: Now, feed: u64) {
        let Some(followed) = self.feeds.get(feed) else { return };
        let followers: Vec<u64> = followed.followers.iter().copied().collect();
        followers.into_iter().for_each(|connection| self.pump(now, connection));
        self.govern(now, feed);
    }

    /// Reads on if there is room, or if somebody has got everything: those who are behind do not hold up the others.
    pub(super) fn govern(&mut self, now: Now, feed: u64) {
        let most = self.feeds.most_bytes();
        let Some(followed) = self.feeds.get_mut(feed) else { return };
        let Some(question) = followed.question else { return };
        if followed.feed.bytes() < most {
            return self.talks.set_paused(now.monotonic, question, false);
        }
        let has_all = |connection: &u64| match self.visitors.get(connection).map(|visitor| &visitor.task) {
            Some(Task::Console { next, .. }) => followed.feed.is_at_end(*next),
            _ => false,
        };
        let is_waited_for = followed.followers.iter().any(has_all);
        if is_waited_for {
            followed.feed.shrink(most / 2);
        }
        self.talks.set_paused(now.monotonic, question, !is_waited_for);
    }

    /// Does what is due in all consoles that are followed.
    pub(super) fn tick_feeds(&mut self, now: Now) {
        for question in self.feeds.forget_idle(now.monotonic) {
            self.talks.hang(question);
        }
        for id in self.feeds.ids() {
            let site = &self.site;
            let Some(followed) = self.feeds.get_mut(id) else { continue };
            if followed.feed.deadline().is_some_and(|deadline| now.monotonic >= deadline) {
                followed.feed.tick(now.monotonic, |output, line| site.append_line(output, line));
                self.pump_all(now, id);
            }
        }
    }
}
