//! How the world of a [`Rig`] carries out what the server wants done.

use super::{Follower, Outcome, Rig, Storing};
use crate::server::record::Contents;
use crate::server::tests::world::depends_on_record;
use crate::server::{Action, ConnectionId, Deferred, Immediate, Input, closing_messages};
use crate::spool::{Found, first_entry};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::execution::Execution;
use builder_proto::text::Text;
use std::sync::Arc;

impl Rig {
    pub(super) fn drain(&mut self, received: &[u8]) {
        while let Some(action) = self.server.poll_action() {
            self.trace.push(format!("{action:?}"));
            assert!(self.halted.is_none(), "{action:?} after the halt");
            match action {
                Action::Append(record) => self.log.append(record),
                Action::Now(action) => self.perform_now(action, received),
                Action::Publish(result) => {
                    assert!(self.log.holds(&result), "{result:?} comes before its record");
                    self.published.push(result);
                }
                Action::AfterCommit(action) => {
                    assert!(depends_on_record(&action, &self.log), "{action:?} comes before its record");
                    self.deferred.push(action);
                }
            }
        }
    }

    fn perform_now(&mut self, action: Immediate, received: &[u8]) {
        match action {
            Immediate::Spool { uuid, .. } if self.spools_fail => {
                self.server.handle(self.now, Input::SpoolFailed { uuid, error: "no space left" });
            }
            Immediate::Spool { uuid, entries, console_bytes } => {
                self.spools.entry(uuid).or_default().append(&entries, console_bytes);
            }
            Immediate::BeginResult { uuid, head } => {
                self.results.begin(uuid, *head, self.spools.entry(uuid).or_default());
            }
            Immediate::AppendArtifacts { uuid, range } => self.results.append(uuid, &received[range]),
            Immediate::AbandonResult { uuid } => self.results.abandon(uuid),
            Immediate::CompleteResult { uuid } => {
                let manifest = self.results.manifest(uuid);
                self.server.handle(self.now, Input::ResultDigested { uuid, manifest });
            }
            Immediate::StoreResult { uuid } => self.store(uuid),
            Immediate::Halt { reason } => self.halted = Some(reason),
        }
    }

    fn store(&mut self, uuid: Uuid) {
        match self.storing {
            Storing::InLog => {
                let contents = Some(Contents(Arc::new(self.results.complete(uuid))));
                self.server.handle(self.now, Input::ResultStored { uuid, contents });
            }
            Storing::InFile => self.outcomes.push(Outcome::Stored(uuid)),
            Storing::Failing => {
                self.results.abandon(uuid);
                self.outcomes.push(Outcome::Failed(uuid));
            }
            Storing::Held => {}
        }
    }

    pub(super) fn report(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Stored(uuid) => self.finish_storing(uuid),
            Outcome::Failed(uuid) => self.hand_in(Input::ResultFailed { uuid, error: "no space left" }),
            Outcome::ObserverDone(connection) => self.hand_in(Input::ObserverDone { connection }),
            Outcome::ReplayMissing(connection) => {
                self.hand_in(Input::ObserverFailed { connection, error: "uuid not found" });
            }
            Outcome::PartSent(connection) => self.read_part(connection),
        }
    }

    /// A peer takes the part of a message that it was sent.
    pub(in crate::server::tests) fn read_part(&mut self, connection: ConnectionId) {
        self.peers.get_mut(&connection).unwrap().read();
        self.hand_in(Input::PartSent { connection });
    }

    /// The file of a result that is complete comes into place.
    pub(in crate::server::tests) fn finish_storing(&mut self, uuid: Uuid) {
        let bytes = self.results.complete(uuid);
        self.results.in_place.insert(uuid, bytes);
        self.hand_in(Input::ResultStored { uuid, contents: None });
    }

    pub(super) fn perform_deferred(&mut self, action: Deferred) {
        match action {
            Deferred::Seal { uuid, closing } => self.spools.entry(uuid).or_default().closing = Some(closing),
            Deferred::Remember { uuid } => {
                assert!(self.server.state().ended_build(uuid).is_some(), "the log says how {uuid} ended");
            }
            Deferred::RemoveSpool { uuid } => self.spools.entry(uuid).or_default().removed = true,
            Deferred::Follow { connection, uuid, waits, closes } => {
                assert!(!self.spools.entry(uuid).or_default().removed, "the spool is still there");
                self.followers.insert(connection, Follower { uuid, sent: 0, waits, closes });
            }
            Deferred::Replay { connection, uuid, closes } => self.replay(connection, uuid, closes),
            Deferred::Fetch { connection, selection } => self.fetches.push((connection, *selection)),
            Deferred::Send { connection, bytes } => {
                if let Some(peer) = self.peers.get_mut(&connection) {
                    peer.receive(&bytes);
                }
            }
            Deferred::SendPart { connection, bytes } => {
                let peer = self.peers.get_mut(&connection).unwrap();
                peer.unread.extend_from_slice(&bytes);
                if !peer.slow {
                    self.outcomes.push(Outcome::PartSent(connection));
                }
            }
            Deferred::Finish { connection } => self.peers.get_mut(&connection).unwrap().finished = true,
            Deferred::Drop { connection } => self.peers.get_mut(&connection).unwrap().dropped = true,
            other @ (Deferred::Upload { .. }
            | Deferred::Notify { .. }
            | Deferred::RemoveResult { .. }
            | Deferred::RememberRemoval { .. }
            | Deferred::List { .. }
            | Deferred::Overview { .. }
            | Deferred::Describe { .. }) => {
                panic!("{other:?} of a client of version 13, without uploads and notices")
            }
        }
    }

    fn replay(&mut self, connection: ConnectionId, uuid: Uuid, closes: bool) {
        let Some(bytes) = self.results.in_place.get(&uuid) else {
            self.outcomes.push(Outcome::ReplayMissing(connection));
            return;
        };
        let stored = Execution::decode(bytes).unwrap();
        let peer = self.peers.get_mut(&connection).unwrap();
        for entry in stored.printed().to_vec() {
            let (line, timestamp) = (entry.line, Some(entry.delta_nanoseconds));
            peer.inbox.push(Command::Output { uuid, line, timestamp });
        }
        let elapsed = stored.finished.duration_since(stored.started);
        if closes {
            peer.receive(&closing_messages(uuid, &stored.result, elapsed));
        }
        self.outcomes.push(Outcome::ObserverDone(connection));
    }

    pub(super) fn feed_followers(&mut self) {
        let spools = &self.spools;
        let (peers, outcomes) = (&mut self.peers, &mut self.outcomes);
        self.followers.retain(|connection, follower| {
            if peers[connection].slow {
                return true;
            }
            let (peer, uuid) = (peers.get_mut(connection).unwrap(), follower.uuid);
            while let Found::Entry(entry, bytes) = first_entry(&spools[&uuid].bytes()[follower.sent..]) {
                let (line, timestamp) = (Text::from(entry.line), Some(entry.delta));
                peer.inbox.push(Command::Output { uuid, line, timestamp });
                follower.sent += bytes;
            }
            match &spools[&uuid].closing {
                Some(closing) if follower.closes => peer.receive(closing),
                Some(_) => {}
                None if follower.waits => return true,
                None => peer.inbox.push(Command::Success),
            }
            outcomes.push(Outcome::ObserverDone(*connection));
            false
        });
    }
}
