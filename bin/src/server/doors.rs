//! The listeners, and who may come in through which of them next.

use crate::server::reactor::FIRST_LISTENER;
use crate::server::socket::{Listener, Socket};
use builder_engine::server::Role;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind};
use std::time::Duration;

/// Time to the next attempt to let somebody in after one that failed.
const RETRY: Duration = Duration::from_secs(1);
/// Time between two complaints about a crowd.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// All listeners. Each has its turn, and where there are several, none lets in so many that nobody comes through the others.
#[derive(Debug)]
pub(crate) struct Doors {
    doors: Vec<Door>,
    /// Whose turn it is.
    turn: usize,
    /// The most that may be inside.
    limit: usize,
    /// When to try again to let somebody in; set when the system did not let us. A door that is merely full opens when
    /// somebody leaves.
    retry_at: Option<Duration>,
    /// When the next complaint about a crowd is due.
    complain_at: Duration,
}

/// A listener and who may come in.
#[derive(Debug)]
struct Door {
    listener: Listener,
    role: Role,
    /// Connections may wait that no event will announce.
    pending: bool,
    /// How many are inside that came through it.
    inside: usize,
}

/// Somebody who came in.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) socket: Socket,
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The number of the listener.
    pub(crate) door: usize,
}

impl Doors {
    pub(crate) fn new(limit: usize) -> Doors {
        Doors { doors: Vec::new(), turn: 0, limit, retry_at: None, complain_at: Duration::ZERO }
    }

    pub(crate) fn add(&mut self, registry: &Registry, mut listener: Listener, role: Role) -> io::Result<()> {
        registry.register(&mut listener, Token(FIRST_LISTENER + self.doors.len()), Interest::READABLE)?;
        self.doors.push(Door { listener, role, pending: true, inside: 0 });
        Ok(())
    }

    pub(crate) fn close(&self) {
        self.doors.iter().for_each(|door| door.listener.remove());
    }

    /// Takes note of an event; false when it is not about a listener.
    pub(crate) fn on_event(&mut self, token: Token) -> bool {
        let door = token.0.checked_sub(FIRST_LISTENER).and_then(|number| self.doors.get_mut(number));
        door.map(|door| door.pending = true).is_some()
    }

    /// Whether somebody may be let in without waiting for anything.
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

    /// Whether somebody may be let in as soon as one leaves that came through this listener.
    pub(crate) fn wants_place(&self, door: usize) -> bool {
        let others_wait = self.is_full() && self.is_crowded();
        others_wait || self.doors.get(door).is_some_and(|door| door.pending && !self.may_enter(door))
    }

    /// Lets one in; none when nobody waits, or there is no place.
    pub(crate) fn accept(&mut self, now: Duration) -> Option<Visitor> {
        if self.retry_at.is_some_and(|at| at > now) {
            return None;
        }
        self.retry_at = None;
        while let Some(number) = self.choose() {
            let door = self.doors.get_mut(number)?;
            match door.listener.accept() {
                Ok((socket, name)) => {
                    door.inside += 1;
                    let role = door.role;
                    self.turn = number + 1;
                    return Some(Visitor { socket, name, role, door: number });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => door.pending = false,
                // The peer gave up while it waited.
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(error) => {
                    log::error!(
                        "cannot accept connections on {}: {error}; trying again",
                        door.listener.name()
                    );
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

    /// Takes note that somebody has left.
    pub(crate) fn on_left(&mut self, door: usize) {
        if let Some(door) = self.doors.get_mut(door) {
            door.inside = door.inside.saturating_sub(1);
        }
        self.retry_at = None;
    }

    /// The next listener at which somebody may wait, and for whom there is a place.
    fn choose(&self) -> Option<usize> {
        let is_next =
            |number: &usize| self.doors.get(*number).is_some_and(|door| door.pending && self.may_enter(door));
        let before = self.turn.min(self.doors.len());
        (before..self.doors.len()).chain(0..before).find(is_next)
    }

    /// A listener at which somebody may wait, and for whom there is no place.
    fn crowded(&self) -> Option<&Door> {
        self.doors.iter().find(|door| door.pending && !self.may_enter(door))
    }

    /// Whether there is a place for somebody at this listener.
    fn may_enter(&self, door: &Door) -> bool {
        !self.is_full() && door.inside < self.share()
    }

    /// Says who waits for a place, if anybody may.
    fn complain(&self) -> bool {
        let Some(door) = self.crowded() else { return false };
        match self.is_full() {
            true => log::warn!("reached the limit of {} connections; others wait until one ends", self.limit),
            false => log::warn!(
                "reached the limit of {} connections through {}; others wait until one ends",
                door.inside,
                door.listener.name()
            ),
        }
        true
    }

    fn is_full(&self) -> bool {
        self.inside() >= self.limit
    }

    /// How many may be inside that came through the same listener. One alone may take all places.
    fn share(&self) -> usize {
        if self.doors.len() > 1 { self.limit - self.limit / 4 } else { self.limit }
    }

    fn inside(&self) -> usize {
        self.doors.iter().map(|door| door.inside).sum()
    }
}
