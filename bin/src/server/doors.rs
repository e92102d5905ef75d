//! The listeners, and who may come in through which of them next.

use crate::server::reactor::FIRST_LISTENER;
use crate::server::socket::{Listener, Socket};
use builder_engine::server::Role;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind};
use std::time::Duration;

/// Time to the next attempt to let somebody in when that was not possible.
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
    /// When to try again to let somebody in; set when that was not possible.
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
        self.retry_at.is_none() && self.doors.iter().any(|door| door.pending)
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.retry_at
    }

    /// Whether somebody may be waiting who cannot be let in.
    pub(crate) fn is_crowded(&self) -> bool {
        self.retry_at.is_some()
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
        if self.doors.iter().any(|door| door.pending) {
            self.retry_at = Some(now.saturating_add(RETRY));
            if now >= self.complain_at {
                self.complain_at = now.saturating_add(COMPLAINT_INTERVAL);
                log::warn!("{} connections, the limit; others wait until one ends", self.inside());
            }
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
        if self.inside() >= self.limit {
            return None;
        }
        // One alone may take all places.
        let share = if self.doors.len() > 1 { self.limit - self.limit / 4 } else { self.limit };
        let may_enter = |door: &Door| door.pending && door.inside < share;
        let doors = self.doors.iter().enumerate();
        let (before, after): (Vec<_>, Vec<_>) =
            doors.filter(|(_, door)| may_enter(door)).partition(|(number, _)| *number < self.turn);
        after.first().or(before.first()).map(|(number, _)| *number)
    }

    fn inside(&self) -> usize {
        self.doors.iter().map(|door| door.inside).sum()
    }
}
