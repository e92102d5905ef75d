//! The listeners, and whose connection is accepted next.
//!
//! Where there are several, connections through one of them take three quarters of all places at most. Connections of viewers
//! take an eighth, through however many listeners they come: whoever only looks leaves places to those who work.

use super::platform::{Listener, ListenerId};
use crate::server::Role;
use core::time::Duration;
use std::io::{self, ErrorKind};

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

    /// The most connections at a time.
    pub(crate) fn limit(&self) -> usize {
        self.limit
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
        let Some(entrance) = self.entrances.get(listener) else { return others_wait };
        let is_waited_at = |other: &Entrance| other.is_pending && !self.has_place(other);
        others_wait || self.sharing_with(entrance).any(is_waited_at)
    }

    /// Accepts a connection, with `try_accept`; none when nobody waits, or there is no place.
    pub(crate) fn accept(
        &mut self,
        now: Duration,
        mut try_accept: impl FnMut(ListenerId) -> io::Result<()>,
    ) -> Option<Accepted> {
        if self.retry_at.is_some_and(|at| at > now) {
            return None;
        }
        self.retry_at = None;
        while let Some(number) = self.choose() {
            let entrance = self.entrances.get_mut(number)?;
            match try_accept(number) {
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
        !self.is_full() && self.connections_sharing_with(entrance) < self.share(entrance.listener.role)
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
                self.connections_sharing_with(entrance),
                entrance.listener.name
            ),
        }
        true
    }

    fn is_full(&self) -> bool {
        self.connections() >= self.limit
    }

    /// How many connections there may be that share places. Those of a listener that is alone may take all.
    fn share(&self, role: Role) -> usize {
        match role {
            Role::Viewers => (self.limit / 8).max(1),
            Role::Any | Role::Workers | Role::Clients if self.entrances.len() > 1 => {
                self.limit - self.limit / 4
            }
            Role::Any | Role::Workers | Role::Clients => self.limit,
        }
    }

    /// The listeners whose connections share places with those of this one: itself, or all for viewers.
    fn sharing_with<'a>(&'a self, entrance: &'a Entrance) -> impl Iterator<Item = &'a Entrance> {
        self.entrances.iter().filter(move |other| match entrance.listener.role {
            Role::Viewers => other.listener.role == Role::Viewers,
            Role::Any | Role::Workers | Role::Clients => core::ptr::eq(*other, entrance),
        })
    }

    fn connections_sharing_with(&self, entrance: &Entrance) -> usize {
        self.sharing_with(entrance).map(|other| other.connections).sum()
    }

    fn connections(&self) -> usize {
        self.entrances.iter().map(|entrance| entrance.connections).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Listeners, and how many wait at each.
    struct Site {
        listeners: Listeners,
        waiting: Vec<usize>,
    }

    impl Site {
        fn new(roles: &[Role], limit: usize, waiting: &[usize]) -> Site {
            let named = |role: &Role| Listener { role: *role, name: format!("{role:?}") };
            Site {
                listeners: Listeners::new(roles.iter().map(named).collect(), limit),
                waiting: waiting.to_vec(),
            }
        }

        /// Accepts all that can be accepted; gives the listeners in the order in which they had their turns.
        fn accept(&mut self) -> Vec<ListenerId> {
            let waiting = &mut self.waiting;
            let mut try_accept = |listener: ListenerId| match waiting[listener] {
                0 => Err(ErrorKind::WouldBlock.into()),
                _ => {
                    waiting[listener] -= 1;
                    Ok(())
                }
            };
            let accept = || self.listeners.accept(Duration::ZERO, &mut try_accept);
            std::iter::from_fn(accept).map(|accepted| accepted.listener).collect()
        }

        fn arrive(&mut self, listener: ListenerId, count: usize) {
            self.waiting[listener] += count;
            self.listeners.on_pending(listener);
        }
    }

    #[test]
    fn listeners_have_their_turns() {
        let mut site = Site::new(&[Role::Workers, Role::Clients], 100, &[3, 2]);
        assert_eq!(site.accept(), [0, 1, 0, 1, 0]);
        site.arrive(0, 1);
        site.arrive(1, 1);
        assert_eq!(site.accept(), [1, 0], "whose turn it is goes on where it was");
        assert!(!site.listeners.has_work());
    }

    #[test]
    fn none_of_several_takes_more_than_three_quarters_of_the_places() {
        let mut site = Site::new(&[Role::Workers, Role::Clients], 8, &[20, 0]);
        assert_eq!(site.accept(), [0; 6]);
        assert!(site.listeners.is_crowded() && !site.listeners.has_work());
        assert!(site.listeners.wants_place(0) && !site.listeners.wants_place(1));
        site.arrive(1, 3);
        assert_eq!(site.accept(), [1, 1], "the others find places");
        assert!(site.listeners.wants_place(0) && site.listeners.wants_place(1), "any place would help now");
        site.listeners.on_closed(0);
        assert_eq!(site.accept(), [0], "whose turn it is: there is one place, and it had its share before");
    }

    #[test]
    fn viewers_take_an_eighth_of_the_places_through_all_their_listeners_together() {
        let roles = [Role::Workers, Role::Clients, Role::Viewers, Role::Viewers];
        let mut site = Site::new(&roles, 16, &[20, 0, 9, 9]);
        let accepted = site.accept();
        let viewers = accepted.iter().filter(|listener| **listener > 1).count();
        assert_eq!((viewers, accepted.len()), (2, 14), "{accepted:?}");
        site.arrive(1, 3);
        assert_eq!(site.accept(), [1, 1], "there are places for clients, however many the others are");
        for listener in 0..4 {
            assert!(site.listeners.wants_place(listener), "any place would help now");
        }
        site.listeners.on_closed(1);
        assert!(!site.listeners.wants_place(1), "others have had their share");
        assert!(site.listeners.wants_place(2) && site.listeners.wants_place(3));
        let ended = *accepted.iter().find(|listener| **listener > 1).unwrap();
        site.listeners.on_closed(ended);
        assert!(site.accept()[0] > 1, "a place of a viewer serves another one, whichever listener it is at");
    }

    #[test]
    fn a_viewer_gives_way_to_whoever_waits_at_another_listener_for_viewers() {
        let mut site = Site::new(&[Role::Clients, Role::Viewers, Role::Viewers], 16, &[0, 1, 0]);
        assert_eq!(site.accept(), [1]);
        assert!(!site.listeners.wants_place(1), "nobody waits");
        site.arrive(2, 2);
        assert_eq!(site.accept(), [2]);
        assert!(site.listeners.wants_place(1), "they share their places");
        assert!(!site.listeners.wants_place(0), "clients have places of their own");
    }

    #[test]
    fn one_viewer_has_a_place_however_few_there_are() {
        let mut site = Site::new(&[Role::Clients, Role::Viewers], 4, &[0, 2]);
        assert_eq!(site.accept(), [1]);
    }

    #[test]
    fn a_crowd_is_complained_about_once_in_a_while() {
        let mut site = Site::new(&[Role::Any], 1, &[3]);
        site.accept();
        assert_eq!(site.listeners.complain_at, COMPLAINT_INTERVAL, "not with each turn");
    }

    #[test]
    fn one_alone_takes_all_places() {
        let mut site = Site::new(&[Role::Any], 8, &[9]);
        assert_eq!(site.accept().len(), 8);
        assert!(site.listeners.is_crowded());
        site.listeners.on_closed(0);
        assert!(site.listeners.has_work());
        assert_eq!(site.accept(), [0]);
        assert!(!site.listeners.has_work());
    }

    #[test]
    fn whoever_gave_up_waiting_is_passed_over() {
        let mut listeners = Site::new(&[Role::Clients], 8, &[]).listeners;
        let mut outcomes =
            [Err(ErrorKind::ConnectionAborted), Err(ErrorKind::Interrupted), Ok(())].into_iter();
        let accepted = listeners.accept(Duration::ZERO, |_| Ok(outcomes.next().unwrap()?));
        assert_eq!(accepted, Some(Accepted { listener: 0, role: Role::Clients }));
    }

    #[test]
    fn after_a_failure_it_is_tried_again_a_second_later_or_when_a_connection_ends() {
        let mut listeners = Site::new(&[Role::Any], 8, &[]).listeners;
        let fail = |_| Err(io::Error::other("no descriptor"));
        assert_eq!(listeners.accept(Duration::from_secs(5), fail), None);
        assert!(!listeners.has_work());
        assert_eq!(listeners.next_deadline(), Some(Duration::from_secs(6)));
        let mut tries = 0;
        let mut accept_at = |listeners: &mut Listeners, seconds| {
            let accepted = listeners.accept(Duration::from_secs(seconds), |_| {
                tries += 1;
                Err(io::Error::other("no descriptor"))
            });
            assert_eq!(accepted, None);
            tries
        };
        assert_eq!(accept_at(&mut listeners, 5), 0);
        assert_eq!(accept_at(&mut listeners, 6), 1);
        listeners.on_closed(0);
        assert_eq!(accept_at(&mut listeners, 6), 2);
        let accept = |listeners: &mut Listeners, outcome: io::Result<()>| {
            let mut outcome = Some(outcome);
            let nobody = || Err(ErrorKind::WouldBlock.into());
            listeners.accept(Duration::from_secs(7), |_| outcome.take().unwrap_or_else(nobody))
        };
        assert!(accept(&mut listeners, Ok(())).is_some());
        assert_eq!(listeners.next_deadline(), None, "it is over, and no reason for another turn");
        assert_eq!(accept(&mut listeners, Err(ErrorKind::WouldBlock.into())), None);
        assert!(!listeners.has_work());
    }
}
