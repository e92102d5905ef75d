//! The listeners, and whose connection is accepted next.

use super::platform::{Listener, ListenerId, Platform};
use crate::server::{ConnectionId, Role};
use core::time::Duration;
use std::io::ErrorKind;

/// Time to the next attempt to accept a connection after one that failed.
const RETRY: Duration = Duration::from_secs(1);
/// Time between two complaints about a crowd.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// All listeners. Each has its turn, and where there are several, none takes so many places that nobody comes through the
/// others.
#[derive(Debug)]
pub(crate) struct Listeners {
    entrances: Vec<Entrance>,
    /// Whose turn it is.
    turn: ListenerId,
    /// The most connections that there may be.
    limit: usize,
    /// When to try again to accept a connection; set when the system did not let us. A listener that has its share of
    /// connections goes on when one of them ends.
    retry_at: Option<Duration>,
    /// When the next complaint about a crowd is due.
    complain_at: Duration,
}

/// A listener and its connections.
#[derive(Debug)]
struct Entrance {
    listener: Listener,
    /// Connections may wait that no event will announce.
    is_pending: bool,
    /// How many connections there are that came through it.
    connections: usize,
}

/// A connection that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) listener: ListenerId,
    pub(crate) role: Role,
}

impl Listeners {
    pub(crate) fn new(listeners: Vec<Listener>, limit: usize) -> Listeners {
        let entrance = |listener| Entrance { listener, is_pending: true, connections: 0 };
        Listeners {
            entrances: listeners.into_iter().map(entrance).collect(),
            turn: 0,
            limit,
            retry_at: None,
            complain_at: Duration::ZERO,
        }
    }

    /// Takes note that connections may wait at a listener.
    pub(crate) fn on_pending(&mut self, listener: ListenerId) {
        if let Some(entrance) = self.entrances.get_mut(listener) {
            entrance.is_pending = true;
        }
    }

    /// Whether a connection may be accepted without waiting for anything.
    pub(crate) fn has_work(&self) -> bool {
        self.retry_at.is_none() && self.choose().is_some()
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.retry_at
    }

    /// Whether somebody may be waiting for whom there is no place.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded().is_some()
    }

    /// Whether a connection may be accepted as soon as one ends that came through this listener.
    pub(crate) fn wants_place(&self, listener: ListenerId) -> bool {
        let others_wait = self.is_full() && self.is_crowded();
        let is_waited_at = |entrance: &Entrance| entrance.is_pending && !self.has_place(entrance);
        others_wait || self.entrances.get(listener).is_some_and(is_waited_at)
    }

    /// Accepts a connection under this number; none when nobody waits, or there is no place.
    pub(crate) fn accept<P: Platform>(
        &mut self,
        platform: &mut P,
        now: Duration,
        connection: ConnectionId,
    ) -> Option<Accepted> {
        if self.retry_at.is_some_and(|at| at > now) {
            return None;
        }
        self.retry_at = None;
        while let Some(number) = self.choose() {
            let entrance = self.entrances.get_mut(number)?;
            match platform.accept(number, connection) {
                Ok(()) => {
                    entrance.connections += 1;
                    self.turn = number + 1;
                    return Some(Accepted { listener: number, role: entrance.listener.role });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => entrance.is_pending = false,
                // The peer gave up while it waited.
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(error) => {
                    let name = &entrance.listener.name;
                    ::log::error!("cannot accept connections on {name}: {error}; trying again");
                    self.retry_at = Some(now.saturating_add(RETRY));
                    return None;
                }
            }
        }
        if now >= self.complain_at && self.complain() {
            self.complain_at = now.saturating_add(COMPLAINT_INTERVAL);
        }
        None
    }

    /// Takes note that a connection has ended.
    pub(crate) fn on_closed(&mut self, listener: ListenerId) {
        if let Some(entrance) = self.entrances.get_mut(listener) {
            entrance.connections = entrance.connections.saturating_sub(1);
        }
        self.retry_at = None;
    }

    /// The next listener at which somebody may wait for whom there is a place.
    fn choose(&self) -> Option<ListenerId> {
        let is_next = |number: &ListenerId| {
            self.entrances
                .get(*number)
                .is_some_and(|entrance| entrance.is_pending && self.has_place(entrance))
        };
        let before = self.turn.min(self.entrances.len());
        (before..self.entrances.len()).chain(0..before).find(is_next)
    }

    /// A listener at which somebody may wait for whom there is no place.
    fn crowded(&self) -> Option<&Entrance> {
        self.entrances.iter().find(|entrance| entrance.is_pending && !self.has_place(entrance))
    }

    /// Whether there is a place for another connection through this listener.
    fn has_place(&self, entrance: &Entrance) -> bool {
        !self.is_full() && entrance.connections < self.share()
    }

    /// Says who waits for a place, if anybody may.
    fn complain(&self) -> bool {
        let Some(entrance) = self.crowded() else { return false };
        match self.is_full() {
            true => {
                ::log::warn!("reached the limit of {} connections; others wait until one ends", self.limit);
            }
            false => ::log::warn!(
                "reached the limit of {} connections through {}; others wait until one ends",
                entrance.connections,
                entrance.listener.name
            ),
        }
        true
    }

    fn is_full(&self) -> bool {
        self.connections() >= self.limit
    }

    /// How many connections there may be through the same listener. One alone may take all places.
    fn share(&self) -> usize {
        if self.entrances.len() > 1 { self.limit - self.limit / 4 } else { self.limit }
    }

    fn connections(&self) -> usize {
        self.entrances.iter().map(|entrance| entrance.connections).sum()
    }
}
