//! Who connects to the server: workers, clients, observers, and those who mean harm or mischief.

mod client;
mod rogue;
mod worker;

pub(crate) use client::Client;
pub(crate) use rogue::Rogue;
pub(crate) use worker::Worker;

use crate::environment::Environment;
use crate::network::End;
use crate::queue::Event;
use builder_engine::server::ConnectionId;
use builder_proto::command::{Command, PeerType};
use builder_proto::text::Text;
use builder_proto::{CLIENT_VERSION, WORKER_VERSION};
use builder_tests::world::Random;
use std::rc::Rc;
use std::time::Duration;

/// One end of a connection, with a mind of its own.
pub(crate) trait Peer {
    /// The server has accepted the connection.
    fn connected(&mut self, line: &mut Line);
    fn received(&mut self, line: &mut Line, bytes: &[u8]);
    fn ended(&mut self, line: &mut Line, end: End);
    /// A timer has run out.
    fn woken(&mut self, line: &mut Line);
}

/// A peer's hold on its connection.
pub(crate) struct Line {
    pub(crate) environment: Rc<Environment>,
    pub(crate) connection: ConnectionId,
    pub(crate) random: Random,
    timers: u64,
    left: bool,
    /// Bytes that the peer may still send before something happens to the connection.
    breaks_after: Option<usize>,
}

impl Line {
    pub(crate) fn new(environment: Rc<Environment>, connection: ConnectionId, mut random: Random) -> Line {
        let breaks = !environment.is_calm.get() && random.per_mille(environment.plan.broken_connections);
        let breaks_after = breaks.then(|| random.skewed(12) as usize);
        Line { environment, connection, random, timers: 0, left: false, breaks_after }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if self.left {
            return;
        }
        let mut bytes = bytes;
        let mut breaks = false;
        if let Some(left) = &mut self.breaks_after {
            breaks = *left <= bytes.len();
            bytes = &bytes[..bytes.len().min(*left)];
            *left -= bytes.len();
        }
        let environment = &self.environment;
        environment.model.borrow_mut().peer_sent(self.connection, bytes);
        environment.network.borrow_mut().send_to_server(environment, self.connection, bytes);
        if breaks {
            self.break_off();
        }
    }

    pub(crate) fn say(&mut self, command: &Command) {
        self.send(&command.to_frame().unwrap());
    }

    pub(crate) fn say_hello(&mut self, peer: PeerType) {
        let version = match peer {
            PeerType::Client => CLIENT_VERSION,
            PeerType::Worker => WORKER_VERSION,
        };
        self.say(&Command::ClientHello { peer, version });
    }

    /// Ends the conversation for good.
    pub(crate) fn leave(&mut self, end: End) {
        if !std::mem::replace(&mut self.left, true) {
            let mut network = self.environment.network.borrow_mut();
            network.close_by_peer(&self.environment, self.connection, end);
            network.forget_peer(self.connection);
        }
    }

    /// Is gone without a word.
    pub(crate) fn vanish(&mut self) {
        self.left = true;
        self.environment.network.borrow_mut().vanish(&self.environment, self.connection);
    }

    pub(crate) fn has_left(&self) -> bool {
        self.left
    }

    /// Asks to be woken; only the last timer counts.
    pub(crate) fn wake_after(&mut self, delay: Duration) {
        self.timers += 1;
        let event = Event::Timer { connection: self.connection, number: self.timers };
        self.environment.enter(self.environment.time.get() + delay, event);
    }

    pub(crate) fn is_last_timer(&self, number: u64) -> bool {
        number == self.timers
    }

    fn break_off(&mut self) {
        match self.random.below(3) {
            0 => self.leave(End::Closed),
            1 => self.leave(End::Reset),
            _ => self.vanish(),
        }
    }
}

/// A platform of the simulated site.
pub(crate) fn platform(random: &mut Random, platforms: u64) -> Text {
    format!("platform-{}", random.below(platforms)).into()
}
