//! Connected peers and what is still to be sent to them, as in `bin/src/server/network.rs` and `peer.rs`.

use crate::environment::Environment;
use crate::network::{Reading, Writing};
use builder_engine::server::ConnectionId;
use builder_tests::world::Gone;
use std::collections::{BTreeMap, BTreeSet};

const OUTBOX_BYTES: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Sockets {
    peers: BTreeMap<ConnectionId, Socket>,
    readable: BTreeSet<ConnectionId>,
    held: BTreeSet<ConnectionId>,
    unflushed: BTreeSet<ConnectionId>,
    draining: BTreeSet<ConnectionId>,
    drained: Vec<ConnectionId>,
}

#[derive(Debug)]
pub(super) struct Socket {
    outbox: Vec<u8>,
    sent: usize,
    writable: bool,
    finishing: Finishing,
    /// Records that have to be durable before anything of this is sent.
    depends_on: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finishing {
    No,
    WhenSent,
    Done,
}

impl Socket {
    pub(super) fn send(&mut self, octets: &[u8], depends_on: u64) {
        self.outbox.extend_from_slice(octets);
        self.depends_on = self.depends_on.max(depends_on);
    }

    pub(super) fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    pub(super) fn unsent(&self) -> usize {
        self.outbox.len() - self.sent
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    pub(super) fn finish(&mut self, depends_on: u64) {
        self.depends_on = self.depends_on.max(depends_on);
        if self.finishing == Finishing::No {
            self.finishing = Finishing::WhenSent;
        }
    }

    /// Sends as much as the connection takes; false when it is broken.
    pub(super) fn flush(
        &mut self,
        environment: &Environment,
        id: ConnectionId,
        durable: u64,
    ) -> Result<bool, Gone> {
        if self.unsent() > 0 || self.finishing == Finishing::WhenSent {
            environment.model.borrow_mut().check_order(id, self.depends_on, durable);
        }
        while self.writable && self.unsent() > 0 {
            let unsent = &self.outbox[self.sent..];
            let writing = environment.network.borrow_mut().write(environment, id, unsent)?;
            match writing {
                Writing::Taken(octets) => {
                    let taken = &unsent[..octets];
                    environment.trace.note(b'w', &[id], taken);
                    environment.model.borrow_mut().server_sent(id, taken);
                    self.sent += octets;
                }
                Writing::WouldBlock => self.writable = false,
                Writing::Broken => return Ok(false),
            }
        }
        if self.unsent() == 0 {
            self.outbox.clear();
            self.sent = 0;
            if self.finishing == Finishing::WhenSent {
                self.finishing = Finishing::Done;
                environment.network.borrow_mut().finish_by_server(environment, id)?;
                environment.model.borrow_mut().server_finished(id);
            }
        }
        Ok(true)
    }
}

impl Sockets {
    /// Takes note of what happened on the network since the last turn.
    pub(super) fn take_events(&mut self, environment: &Environment, active: &mut BTreeSet<ConnectionId>) {
        let mut network = environment.network.borrow_mut();
        for id in std::mem::take(&mut network.readable) {
            if self.peers.contains_key(&id) {
                self.readable.insert(id);
            }
        }
        for id in std::mem::take(&mut network.writable) {
            if let Some(socket) = self.peers.get_mut(&id) {
                socket.writable = true;
                self.unflushed.insert(id);
                active.insert(id);
            }
        }
    }

    pub(super) fn accept(&mut self, environment: &Environment) -> Option<ConnectionId> {
        let id = environment.network.borrow_mut().accept()?;
        let socket =
            Socket { outbox: Vec::new(), sent: 0, writable: true, finishing: Finishing::No, depends_on: 0 };
        self.peers.insert(id, socket);
        self.readable.insert(id);
        Some(id)
    }

    pub(super) fn has_work(&self) -> bool {
        !self.readable.is_empty() || !self.drained.is_empty()
    }

    pub(super) fn readable(&mut self) -> Vec<ConnectionId> {
        let full = |id: &ConnectionId| self.peers.get(id).is_some_and(|peer| peer.unsent() > OUTBOX_BYTES);
        let held: Vec<ConnectionId> = self.readable.iter().copied().filter(full).collect();
        for id in held {
            self.readable.remove(&id);
            self.held.insert(id);
        }
        self.readable.iter().copied().collect()
    }

    /// Reads once: octets, or how the connection ended.
    pub(super) fn read(
        &mut self,
        environment: &Environment,
        id: ConnectionId,
        budget: usize,
    ) -> Option<Result<Vec<u8>, &'static str>> {
        if !self.peers.contains_key(&id) {
            self.readable.remove(&id);
            return None;
        }
        let reading = environment.network.borrow_mut().read(id, budget);
        match reading {
            Reading::Octets(octets) => Some(Ok(octets)),
            Reading::Over(reason) => {
                self.readable.remove(&id);
                Some(Err(reason))
            }
            Reading::WouldBlock => {
                self.readable.remove(&id);
                None
            }
        }
    }

    pub(super) fn sending(&mut self, id: ConnectionId) -> Option<&mut Socket> {
        let socket = self.peers.get_mut(&id)?;
        self.unflushed.insert(id);
        Some(socket)
    }

    pub(super) fn has(&self, id: ConnectionId) -> bool {
        self.peers.contains_key(&id)
    }

    pub(super) fn report_when_sent(&mut self, id: ConnectionId) {
        if self.peers.contains_key(&id) {
            self.draining.insert(id);
            self.unflushed.insert(id);
        }
    }

    pub(super) fn drained(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.drained)
    }

    /// Sends what can be sent; says which connections are over.
    pub(super) fn flush(
        &mut self,
        environment: &Environment,
        durable: u64,
    ) -> Result<Vec<ConnectionId>, Gone> {
        let mut over = Vec::new();
        for id in std::mem::take(&mut self.unflushed) {
            let Some(socket) = self.peers.get_mut(&id) else { continue };
            let whole = socket.flush(environment, id, durable)?;
            if socket.unsent() == 0 && self.draining.remove(&id) {
                self.drained.push(id);
            }
            if !whole {
                over.push(id);
            } else if socket.unsent() <= OUTBOX_BYTES && self.held.remove(&id) {
                self.readable.insert(id);
            }
        }
        Ok(over)
    }

    pub(super) fn close(&mut self, environment: &Environment, id: ConnectionId) {
        if self.peers.remove(&id).is_some() {
            environment.network.borrow_mut().close_by_server(environment, id);
            environment.model.borrow_mut().connection_over(id);
        }
        self.readable.remove(&id);
        self.held.remove(&id);
        self.unflushed.remove(&id);
        self.draining.remove(&id);
    }
}
