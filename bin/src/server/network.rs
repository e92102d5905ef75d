//! All listeners and peers, and which of them need attention.

use crate::server::doors::{Doors, Visitor};
use crate::server::peer::{Peer, Reading};
use crate::server::reactor::FIRST_CONNECTION;
use crate::server::socket::Listener;
use builder_engine::server::{ConnectionId, Role};
use mio::event::Event;
use mio::{Registry, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

/// Octets of an outbox beyond which nothing more is read from its peer.
const OUTBOX_BYTES: usize = 1024 * 1024;
/// Connections accepted in one turn, so that a burst of them holds up nobody else for long.
const ACCEPTS_PER_TURN: usize = 256;

/// Listeners and peers by connection.
#[derive(Debug)]
pub(crate) struct Network {
    doors: Doors,
    peers: BTreeMap<ConnectionId, Peer>,
    next_connection: ConnectionId,
    /// How many were accepted in this turn.
    accepted: usize,
    /// Peers from which octets may be read.
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

impl Network {
    /// Peers are accepted up to `limit`; the other descriptors are for files.
    pub(crate) fn new(limit: usize) -> Network {
        Network {
            doors: Doors::new(limit),
            peers: BTreeMap::new(),
            next_connection: FIRST_CONNECTION,
            accepted: 0,
            readable: BTreeSet::new(),
            held: BTreeSet::new(),
            unflushed: BTreeSet::new(),
            draining: BTreeSet::new(),
            drained: Vec::new(),
            finished: BTreeSet::new(),
        }
    }

    pub(crate) fn listen(&mut self, registry: &Registry, listener: Listener, role: Role) -> io::Result<()> {
        self.doors.add(registry, listener, role)
    }

    /// Accepts nothing more, now that the program ends.
    pub(crate) fn close_doors(&self) {
        self.doors.close();
    }

    /// Takes note of what a socket is ready for.
    pub(crate) fn on_event(
        &mut self,
        token: Token,
        event: &Event,
        active_observers: &mut BTreeSet<ConnectionId>,
    ) {
        if self.doors.on_event(token) {
            return;
        }
        let connection = token.0 as ConnectionId;
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            peer.set_readable(event.is_read_closed() || event.is_error());
            self.readable.insert(connection);
        }
        if event.is_writable() || event.is_write_closed() {
            peer.set_writable();
            self.unflushed.insert(connection);
            active_observers.insert(connection);
        }
    }

    /// Whether something can be done without waiting for an event.
    pub(crate) fn has_work(&self) -> bool {
        !self.readable.is_empty()
            || !self.drained.is_empty()
            || self.doors.has_work()
            || !self.superfluous().is_empty()
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.doors.next_deadline()
    }

    /// Accepts one connection; none when nobody waits, or enough were accepted in this turn.
    pub(crate) fn accept(&mut self, now: Duration) -> Option<(ConnectionId, Role)> {
        if self.accepted >= ACCEPTS_PER_TURN {
            return None;
        }
        let visitor = self.doors.accept(now)?;
        self.accepted += 1;
        let role = visitor.role;
        Some((self.admit(visitor), role))
    }

    /// Peers that are only to close, when others wait for their places.
    pub(crate) fn superfluous(&self) -> Vec<ConnectionId> {
        if !self.doors.is_crowded() {
            return Vec::new();
        }
        let is_superfluous = |connection: &ConnectionId| {
            self.peers.get(connection).is_some_and(|peer| self.doors.wants_place(peer.door()))
        };
        self.finished.iter().copied().filter(is_superfluous).collect()
    }

    /// The peers to read from in this turn.
    pub(crate) fn readable(&mut self) -> Vec<ConnectionId> {
        self.accepted = 0;
        let full = |id: &ConnectionId| self.peers.get(id).is_some_and(|peer| peer.unsent() > OUTBOX_BYTES);
        let held: Vec<ConnectionId> = self.readable.iter().copied().filter(full).collect();
        for connection in held {
            self.readable.remove(&connection);
            self.held.insert(connection);
        }
        self.readable.iter().copied().collect()
    }

    /// Reads once from a peer: octets, or how the connection ended; none when there is nothing for now.
    pub(crate) fn read(
        &mut self,
        connection: ConnectionId,
        buffer: &mut [u8],
    ) -> Option<Result<usize, String>> {
        let Some(peer) = self.peers.get_mut(&connection) else {
            self.readable.remove(&connection);
            return None;
        };
        let reading = peer.read(buffer);
        if !peer.is_readable() {
            self.readable.remove(&connection);
        }
        match reading {
            Reading::Octets(octets) => Some(Ok(octets)),
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
        std::mem::take(&mut self.drained)
    }

    /// Sends what can be sent, and has the system tell of what comes next; says which connections are over, and how.
    pub(crate) fn flush(&mut self, registry: &Registry) -> Vec<(ConnectionId, String)> {
        let mut over = Vec::new();
        for connection in std::mem::take(&mut self.unflushed) {
            let Some(peer) = self.peers.get_mut(&connection) else { continue };
            let flushed = peer.flush().and_then(|()| peer.watch(registry, connection));
            if peer.is_finished() {
                self.finished.insert(connection);
            }
            if peer.unsent() == 0 && self.draining.remove(&connection) {
                self.drained.push(connection);
            }
            match flushed {
                Ok(()) if peer.unsent() <= OUTBOX_BYTES && self.held.remove(&connection) => {
                    self.readable.insert(connection);
                }
                Ok(()) => {}
                Err(error) => over.push((connection, format!("the connection failed: {error}"))),
            }
        }
        over
    }

    /// Forgets a peer and closes its socket, of which the system then tells nothing more.
    pub(crate) fn close(&mut self, connection: ConnectionId, reason: &str) {
        let Some(peer) = self.peers.remove(&connection) else { return };
        log::trace!("connection {connection}: closed: {reason}");
        self.readable.remove(&connection);
        self.held.remove(&connection);
        self.unflushed.remove(&connection);
        self.draining.remove(&connection);
        self.finished.remove(&connection);
        self.doors.on_left(peer.door());
    }

    /// Takes in a peer. It probably has said something already: that is read before the system is asked to tell of more.
    fn admit(&mut self, visitor: Visitor) -> ConnectionId {
        let Visitor { socket, name, door, .. } = visitor;
        let connection = self.next_connection;
        self.next_connection += 1;
        log::trace!("connection {connection}: from {name}");
        self.peers.insert(connection, Peer::new(socket, door));
        self.readable.insert(connection);
        self.unflushed.insert(connection);
        connection
    }
}
