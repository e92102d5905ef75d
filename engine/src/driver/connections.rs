//! All listeners and peers, and which of them need attention.

use super::listeners::Listeners;
use super::peer::{Peer, Reading};
use super::platform::{Listener, ListenerId, Platform};
use crate::server::{ConnectionId, Role};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Listeners and peers by connection.
#[derive(Debug)]
pub(crate) struct Connections {
    listeners: Listeners,
    peers: BTreeMap<ConnectionId, Peer>,
    next_connection: ConnectionId,
    limits: ConnectionLimits,
    /// How many were accepted in this turn.
    accepted: usize,
    /// Peers from which bytes may be read.
    readable: BTreeSet<ConnectionId>,
    /// Peers that were not read from because their outboxes are full.
    held: BTreeSet<ConnectionId>,
    /// Peers that may have something to be sent, and those that are new.
    unflushed: BTreeSet<ConnectionId>,
    /// Peers of which it is to be reported when they have been sent everything, and those of which that is so.
    draining: BTreeSet<ConnectionId>,
    drained: Vec<ConnectionId>,
    /// Peers that have been told everything and are only to close.
    finished: BTreeSet<ConnectionId>,
}

/// How much at a time.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections accepted in one turn, so that a burst of them holds up nobody else for long.
    pub accepts: usize,
    /// Bytes of an outbox beyond which nothing more is read from its peer.
    pub outbox_bytes: usize,
}

impl Default for ConnectionLimits {
    /// What the server uses.
    fn default() -> ConnectionLimits {
        ConnectionLimits { accepts: 256, outbox_bytes: 1024 * 1024 }
    }
}

impl Connections {
    /// Accepts up to `most` connections at a time; the other descriptors are for files.
    pub(crate) fn new(listeners: Vec<Listener>, most: usize, limits: ConnectionLimits) -> Connections {
        Connections {
            listeners: Listeners::new(listeners, most),
            peers: BTreeMap::new(),
            next_connection: 1,
            limits,
            accepted: 0,
            readable: BTreeSet::new(),
            held: BTreeSet::new(),
            unflushed: BTreeSet::new(),
            draining: BTreeSet::new(),
            drained: Vec::new(),
            finished: BTreeSet::new(),
        }
    }

    pub(crate) fn on_pending(&mut self, listener: ListenerId) {
        self.listeners.on_pending(listener);
    }

    pub(crate) fn on_readable(&mut self, connection: ConnectionId, is_end: bool) {
        if let Some(peer) = self.peers.get_mut(&connection) {
            if is_end {
                peer.on_end();
            }
            self.readable.insert(connection);
        }
    }

    pub(crate) fn on_writable(&mut self, connection: ConnectionId) {
        if let Some(peer) = self.peers.get_mut(&connection) {
            peer.on_writable();
            self.unflushed.insert(connection);
        }
    }

    /// Whether something can be done without waiting for an event.
    pub(crate) fn has_work(&self) -> bool {
        !self.readable.is_empty()
            || !self.drained.is_empty()
            || self.listeners.has_work()
            || !self.evictable().is_empty()
    }

    /// How many peers there are, how many there may be, and how many there have been.
    pub(crate) fn figures(&self) -> (usize, usize, u64) {
        (self.peers.len(), self.listeners.limit(), self.next_connection.saturating_sub(1))
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.listeners.next_deadline()
    }

    /// Accepts one connection; none when nobody waits, or enough were accepted in this turn. It probably has said something
    /// already: that is read before the platform is asked to tell of more.
    pub(crate) fn accept<P: Platform>(
        &mut self,
        platform: &mut P,
        now: Duration,
    ) -> Option<(ConnectionId, Role)> {
        if self.accepted >= self.limits.accepts {
            return None;
        }
        let connection = self.next_connection;
        let accepted = self.listeners.accept(now, |listener| platform.accept(listener, connection))?;
        self.accepted += 1;
        self.next_connection += 1;
        self.peers.insert(connection, Peer::new(connection, accepted.listener));
        self.readable.insert(connection);
        self.unflushed.insert(connection);
        Some((connection, accepted.role))
    }

    /// Peers that are only to close, when others wait for their places.
    pub(crate) fn evictable(&self) -> Vec<ConnectionId> {
        if !self.listeners.is_crowded() {
            return Vec::new();
        }
        let is_in_the_way = |connection: &ConnectionId| {
            self.peers.get(connection).is_some_and(|peer| self.listeners.wants_place(peer.listener()))
        };
        self.finished.iter().copied().filter(is_in_the_way).collect()
    }

    /// The peers to read from in this turn.
    pub(crate) fn readable(&mut self) -> Vec<ConnectionId> {
        self.accepted = 0;
        let full = |id: &ConnectionId| {
            self.peers.get(id).is_some_and(|peer| peer.unsent() > self.limits.outbox_bytes)
        };
        let held: Vec<ConnectionId> = self.readable.iter().copied().filter(full).collect();
        for connection in held {
            self.readable.remove(&connection);
            self.held.insert(connection);
        }
        self.readable.iter().copied().collect()
    }

    /// Reads once from a peer: bytes, or how the connection ended; none when there is nothing for now.
    pub(crate) fn read<P: Platform>(
        &mut self,
        platform: &mut P,
        connection: ConnectionId,
        buffer: &mut [u8],
    ) -> Option<Result<usize, String>> {
        let Some(peer) = self.peers.get_mut(&connection) else {
            self.readable.remove(&connection);
            return None;
        };
        let reading = peer.read(platform, buffer);
        if !matches!(reading, Reading::Bytes { may_have_more: true, .. }) {
            self.readable.remove(&connection);
        }
        match reading {
            Reading::Bytes { bytes, .. } => Some(Ok(bytes)),
            Reading::Over(reason) => Some(Err(reason)),
            Reading::WouldBlock => None,
        }
    }

    pub(crate) fn has(&self, connection: ConnectionId) -> bool {
        self.peers.contains_key(&connection)
    }

    /// Gives access to a peer that is about to be sent something.
    pub(crate) fn sending(&mut self, connection: ConnectionId) -> Option<&mut Peer> {
        let peer = self.peers.get_mut(&connection)?;
        self.unflushed.insert(connection);
        Some(peer)
    }

    /// Has it reported, once, when a peer has been sent everything that is in its outbox.
    pub(crate) fn report_when_sent(&mut self, connection: ConnectionId) {
        if self.peers.contains_key(&connection) {
            self.draining.insert(connection);
            self.unflushed.insert(connection);
        }
    }

    /// The peers of which that was to be reported, and which have been sent everything.
    pub(crate) fn drained(&mut self) -> Vec<ConnectionId> {
        core::mem::take(&mut self.drained)
    }

    /// Sends what can be sent, and has the platform tell of what comes next; says which connections are over, and how.
    pub(crate) fn flush<P: Platform>(&mut self, platform: &mut P) -> Vec<(ConnectionId, String)> {
        let mut over = Vec::new();
        for connection in core::mem::take(&mut self.unflushed) {
            let Some(peer) = self.peers.get_mut(&connection) else { continue };
            let flushed = peer.flush(platform).and_then(|()| peer.watch(platform));
            if peer.is_finished() {
                self.finished.insert(connection);
            }
            if peer.unsent() == 0 && self.draining.remove(&connection) {
                self.drained.push(connection);
            }
            match flushed {
                Ok(()) if peer.unsent() <= self.limits.outbox_bytes && self.held.remove(&connection) => {
                    self.readable.insert(connection);
                }
                Ok(()) => {}
                Err(error) => over.push((connection, format!("the connection failed: {error}"))),
            }
        }
        over
    }

    /// Forgets a peer and closes its connection, of which the platform then tells nothing more.
    pub(crate) fn close<P: Platform>(&mut self, platform: &mut P, connection: ConnectionId, reason: &str) {
        let Some(peer) = self.peers.remove(&connection) else { return };
        platform.close(connection, reason);
        self.readable.remove(&connection);
        self.held.remove(&connection);
        self.unflushed.remove(&connection);
        self.draining.remove(&connection);
        self.finished.remove(&connection);
        self.listeners.on_closed(peer.listener());
    }
}
