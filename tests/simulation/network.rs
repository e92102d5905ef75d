//! A network that delays, splits and loses.
//!
//! A connection has two directions. What is sent travels in pieces, in order, each with a delay of its own. Either side can close
//! its direction, reset the connection, or vanish so that the other side hears nothing more.

use crate::environment::Environment;
use crate::queue::Event;
use builder_engine::driver::ListenerId;
use builder_engine::server::ConnectionId;
use builder_tests::world::{Crash, Gone, Random};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Time after which a side notices by itself that the other one has vanished.
const KEEPALIVE: Duration = Duration::from_secs(120);

/// Something on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Delivery {
    pub(crate) connection: ConnectionId,
    pub(crate) to: Side,
    parcel: Parcel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Server,
    Peer,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Parcel {
    Connect,
    Bytes(Vec<u8>),
    End(End),
}

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// The other side has closed it, and all it sent has arrived.
    Closed,
    /// The connection broke.
    Reset,
}

/// What came of an attempt of the server to read.
#[derive(Debug)]
pub(crate) enum Reading {
    Bytes(Vec<u8>),
    WouldBlock,
    Over(&'static str),
}

/// What came of an attempt of the server to write.
#[derive(Debug)]
pub(crate) enum Writing {
    Taken(usize),
    WouldBlock,
    Broken,
}

/// What a peer is to be told.
#[derive(Debug)]
pub(crate) enum News {
    Connected,
    Bytes(Vec<u8>),
    Ended(End),
}

#[derive(Debug)]
pub(crate) struct Network {
    connections: BTreeMap<ConnectionId, Connection>,
    next: ConnectionId,
    random: Random,
    /// Whether a server listens.
    listening: bool,
    /// Who waits to be accepted, by listener.
    backlogs: BTreeMap<ListenerId, VecDeque<ConnectionId>>,
    /// What the server has something to learn about: listeners and connections.
    pub(crate) pending: BTreeSet<ListenerId>,
    pub(crate) readable: BTreeSet<ConnectionId>,
    pub(crate) writable: BTreeSet<ConnectionId>,
}

#[derive(Debug)]
struct Connection {
    /// Through which listener it comes.
    listener: ListenerId,
    to_server: Direction,
    to_peer: Direction,
    /// Whether the server still has its side open.
    served: bool,
    /// Whether the server is to be told when it can send more.
    wants_room: bool,
    peer: Presence,
    /// Bytes that can be on their way to the peer.
    window: usize,
    split: Split,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Here,
    /// It takes nothing from the network any more.
    Deaf,
    /// Nobody is there, and nobody says so.
    Vanished,
    Gone,
}

/// How messages are cut into pieces.
#[derive(Clone, Copy, Debug)]
enum Split {
    Whole,
    Pieces,
    Bytes,
}

#[derive(Debug, Default)]
struct Direction {
    /// When the last piece arrives.
    last: Duration,
    on_the_way: usize,
    arrived: Vec<u8>,
    /// Whether the sender has ended it.
    ended: bool,
    end: Option<End>,
}

impl Network {
    pub(crate) fn new(random: Random) -> Network {
        Network {
            connections: BTreeMap::new(),
            next: 1024,
            random,
            listening: false,
            backlogs: BTreeMap::new(),
            pending: BTreeSet::new(),
            readable: BTreeSet::new(),
            writable: BTreeSet::new(),
        }
    }

    // What peers do.

    pub(crate) fn connect(&mut self, environment: &Environment, listener: ListenerId) -> ConnectionId {
        let id = self.next;
        self.next += 1;
        let split = match self.random.below(1000) {
            number if number < environment.plan.single_bytes => Split::Bytes,
            number if number % 2 == 0 => Split::Pieces,
            _ => Split::Whole,
        };
        let connection = Connection {
            listener,
            to_server: Direction::default(),
            to_peer: Direction::default(),
            served: false,
            wants_room: false,
            peer: Presence::Here,
            window: self.random.between(64, 20_000) as usize,
            split,
        };
        self.connections.insert(id, connection);
        self.dispatch(environment, id, Side::Server, Parcel::Connect);
        id
    }

    pub(crate) fn send_to_server(&mut self, environment: &Environment, id: ConnectionId, bytes: &[u8]) {
        match self.connections.get(&id) {
            Some(connection) if connection.peer == Presence::Here && !connection.to_server.ended => {}
            _ => return,
        }
        self.dispatch_bytes(environment, id, Side::Server, bytes);
    }

    /// The peer has nothing more to say.
    pub(crate) fn close_by_peer(&mut self, environment: &Environment, id: ConnectionId, end: End) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.peer == Presence::Here && !std::mem::replace(&mut connection.to_server.ended, true) {
            self.dispatch(environment, id, Side::Server, Parcel::End(end));
        }
    }

    /// The peer is gone for good.
    pub(crate) fn forget_peer(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.peer = Presence::Gone;
            self.forget_if_over(id);
        }
    }

    /// The peer stops reading.
    pub(crate) fn deafen(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.peer = Presence::Deaf;
        }
    }

    /// The peer is gone, and the server learns of it only by not hearing from it.
    pub(crate) fn vanish(&mut self, environment: &Environment, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.peer = Presence::Vanished;
        connection.to_server.ended = true;
        let at = connection.to_server.last.max(environment.host.time()) + KEEPALIVE;
        connection.to_server.last = at;
        let delivery = Delivery { connection: id, to: Side::Server, parcel: Parcel::End(End::Reset) };
        environment.enter(at, Event::Deliver(delivery));
    }

    // What arrives.

    /// Delivers to the server; true when it has to look.
    pub(crate) fn deliver_to_server(&mut self, environment: &Environment, delivery: Delivery) -> bool {
        let id = delivery.connection;
        if delivery.parcel == Parcel::Connect && !(self.listening && self.connections.contains_key(&id)) {
            environment.model.borrow_mut().connection_over(id);
        }
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        match delivery.parcel {
            Parcel::Connect if self.listening => {
                connection.served = true;
                let listener = connection.listener;
                self.backlogs.entry(listener).or_default().push_back(id);
                self.pending.insert(listener);
                self.dispatch(environment, id, Side::Peer, Parcel::Connect);
                return true;
            }
            Parcel::Connect => {
                self.dispatch(environment, id, Side::Peer, Parcel::End(End::Reset));
                return false;
            }
            Parcel::Bytes(bytes) if connection.served => {
                connection.to_server.arrived.extend_from_slice(&bytes);
            }
            Parcel::End(end) if connection.served => connection.to_server.end = Some(end),
            Parcel::Bytes(_) => {
                // Nobody knows this connection any more, and says so.
                self.dispatch(environment, id, Side::Peer, Parcel::End(End::Reset));
                return false;
            }
            Parcel::End(_) => return false,
        }
        self.readable.insert(id);
        true
    }

    /// Delivers to a peer: what it is to be told, and whether the server can write again.
    pub(crate) fn deliver_to_peer(&mut self, delivery: Delivery) -> (Option<News>, bool) {
        let id = delivery.connection;
        let Some(connection) = self.connections.get_mut(&id) else { return (None, false) };
        let news = match delivery.parcel {
            Parcel::Connect => News::Connected,
            Parcel::End(end) => News::Ended(end),
            Parcel::Bytes(bytes) => {
                if matches!(connection.peer, Presence::Deaf | Presence::Vanished) {
                    return (None, false);
                }
                connection.to_peer.on_the_way -= bytes.len();
                News::Bytes(bytes)
            }
        };
        let writable = connection.wants_room;
        if writable {
            self.writable.insert(id);
        }
        match connection.peer {
            Presence::Here | Presence::Deaf => (Some(news), writable),
            Presence::Vanished | Presence::Gone => (None, writable),
        }
    }

    // What the server does.

    pub(crate) fn listen(&mut self) {
        self.listening = true;
    }

    /// Nobody else can connect. Those who wait to be accepted are turned away.
    pub(crate) fn stop_listening(&mut self, environment: &Environment) {
        self.listening = false;
        for id in std::mem::take(&mut self.backlogs).into_values().flatten() {
            self.end_service(environment, id, true);
            environment.model.borrow_mut().connection_over(id);
        }
    }

    /// Whether somebody waits to be accepted.
    pub(crate) fn has_waiting(&self, listener: ListenerId) -> bool {
        self.backlogs.get(&listener).is_some_and(|backlog| !backlog.is_empty())
    }

    pub(crate) fn accept(&mut self, listener: ListenerId) -> Option<ConnectionId> {
        self.backlogs.get_mut(&listener)?.pop_front()
    }

    /// From now on the server is told of a connection, and at once of what is so already.
    pub(crate) fn watch(&mut self, id: ConnectionId, writable: bool) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.wants_room = writable;
        if !connection.to_server.arrived.is_empty() || connection.to_server.end.is_some() {
            self.readable.insert(id);
        }
        if writable && connection.window > connection.to_peer.on_the_way {
            self.writable.insert(id);
        }
    }

    /// Whether nothing can arrive any more.
    pub(crate) fn has_ended(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.to_server.end.is_some())
    }

    pub(crate) fn read(&mut self, id: ConnectionId, budget: usize) -> Reading {
        let Some(connection) = self.connections.get_mut(&id) else { return Reading::Over("it is unknown") };
        let direction = &mut connection.to_server;
        // A reset does not wait until what was sent before has been read.
        if direction.end == Some(End::Reset) {
            return Reading::Over("the connection failed: reset");
        }
        if !direction.arrived.is_empty() {
            let length = direction.arrived.len().min(budget);
            let rest = direction.arrived.split_off(length);
            return Reading::Bytes(std::mem::replace(&mut direction.arrived, rest));
        }
        match direction.end {
            Some(_) => Reading::Over("the peer closed the connection"),
            None => Reading::WouldBlock,
        }
    }

    pub(crate) fn write(
        &mut self,
        environment: &Environment,
        id: ConnectionId,
        bytes: &[u8],
    ) -> Result<Writing, Gone> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(Writing::Broken) };
        if connection.to_server.end == Some(End::Reset) {
            return Ok(Writing::Broken);
        }
        let room = connection.window.saturating_sub(connection.to_peer.on_the_way);
        if room == 0 {
            return Ok(Writing::WouldBlock);
        }
        environment.host.operate()?;
        let mut length = bytes.len().min(room);
        if length > 1 && self.random.per_mille(50) {
            length = self.random.between(1, length as u64) as usize;
        }
        connection.to_peer.on_the_way += length;
        self.dispatch_bytes(environment, id, Side::Peer, &bytes[..length]);
        Ok(Writing::Taken(length))
    }

    /// The server has nothing more to say.
    pub(crate) fn finish_by_server(
        &mut self,
        environment: &Environment,
        id: ConnectionId,
    ) -> Result<(), Gone> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        environment.host.operate()?;
        if !std::mem::replace(&mut connection.to_peer.ended, true) {
            self.dispatch(environment, id, Side::Peer, Parcel::End(End::Closed));
        }
        Ok(())
    }

    /// The server closes the connection.
    pub(crate) fn close_by_server(&mut self, environment: &Environment, id: ConnectionId) {
        if environment.host.operate().is_ok() {
            self.end_service(environment, id, true);
        }
    }

    /// The server is gone, and with it all that it had not sent. Gives the connections that it had.
    pub(crate) fn lose_server(&mut self, environment: &Environment, crash: Crash) -> Vec<ConnectionId> {
        self.listening = false;
        self.backlogs.clear();
        self.pending.clear();
        self.readable.clear();
        self.writable.clear();
        let served: Vec<ConnectionId> =
            self.connections.iter().filter(|(_, connection)| connection.served).map(|(id, _)| *id).collect();
        for id in &served {
            // The kernel closes the sockets of a process that ends, while nobody does so without power.
            let told = crash == Crash::Kill || self.random.coin();
            self.end_service(environment, *id, told);
        }
        served
    }

    fn end_service(&mut self, environment: &Environment, id: ConnectionId, told: bool) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        (connection.served, connection.wants_room) = (false, false);
        self.readable.remove(&id);
        self.writable.remove(&id);
        if connection.peer == Presence::Gone {
            self.connections.remove(&id);
            return;
        }
        if std::mem::replace(&mut connection.to_peer.ended, true) {
            return;
        }
        // What was not read makes of the end a reset.
        let end = if connection.to_server.arrived.is_empty() { End::Closed } else { End::Reset };
        if told {
            self.dispatch(environment, id, Side::Peer, Parcel::End(end));
        } else {
            let at = environment.host.time() + KEEPALIVE;
            let delivery = Delivery { connection: id, to: Side::Peer, parcel: Parcel::End(End::Reset) };
            environment.enter(at, Event::Deliver(delivery));
        }
    }

    fn forget_if_over(&mut self, id: ConnectionId) {
        let over = self
            .connections
            .get(&id)
            .is_some_and(|connection| connection.peer == Presence::Gone && !connection.served);
        if over {
            self.connections.remove(&id);
        }
    }

    fn dispatch_bytes(&mut self, environment: &Environment, id: ConnectionId, to: Side, bytes: &[u8]) {
        let Some(connection) = self.connections.get(&id) else { return };
        let split = connection.split;
        let mut rest = bytes;
        let mut singles = 40;
        while !rest.is_empty() {
            let length = match split {
                Split::Bytes if singles > 0 => 1,
                Split::Pieces => self.random.between(1, rest.len() as u64) as usize,
                Split::Whole | Split::Bytes => rest.len(),
            };
            singles -= 1;
            let (piece, behind) = rest.split_at(length);
            self.dispatch(environment, id, to, Parcel::Bytes(piece.to_vec()));
            rest = behind;
        }
    }

    fn dispatch(&mut self, environment: &Environment, id: ConnectionId, to: Side, parcel: Parcel) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let direction = match to {
            Side::Server => &mut connection.to_server,
            Side::Peer => &mut connection.to_peer,
        };
        let sent = match to {
            Side::Server => environment.time.get(),
            Side::Peer => environment.host.time(),
        };
        let mut delay = self.random.micros(20, environment.plan.latency);
        if self.random.per_mille(1) {
            delay += self.random.micros(0, 5_000_000);
        }
        direction.last = direction.last.max(sent + delay);
        environment.enter(direction.last, Event::Deliver(Delivery { connection: id, to, parcel }));
    }
}
