//! Connections as the driver knows them: a number, where it came in, and what may be said there.

use builder_proto::command::{Kind, PeerType, Sender};
use builder_proto::text::Text;
use core::fmt;

/// A connection, numbered by the driver; never used again for another.
pub type ConnectionId = u64;

/// Who may speak on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Workers and clients, as in builder 0.4.0.
    Any,
    /// Workers only.
    Workers,
    /// Clients only.
    Clients,
    /// Clients that look at something and change nothing.
    Viewers,
}

/// Where a connection comes from, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address, without a port; none of a local one.
    pub host: Option<Text>,
    /// The user of this system whose program connected; none of one that comes over the network.
    pub user: Option<Text>,
}

/// Follows the word "by".
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin { user: Some(user), .. } => write!(f, "user {user}"),
            Origin { host: Some(host), user: None } => write!(f, "a client at {host}"),
            Origin { host: None, user: None } => f.write_str("a client"),
        }
    }
}

impl Role {
    /// Why a peer of this kind is not served here.
    pub(crate) fn refuses_peer(self, peer: PeerType) -> Option<&'static str> {
        match (self, peer) {
            (Role::Any, _)
            | (Role::Workers, PeerType::Worker)
            | (Role::Clients | Role::Viewers, PeerType::Client) => None,
            (Role::Workers, PeerType::Client) => {
                Some("this port serves workers; clients have an address of their own")
            }
            (Role::Clients, PeerType::Worker) => {
                Some("this port serves clients; workers have an address of their own")
            }
            (Role::Viewers, PeerType::Worker) => {
                Some("this port serves viewers; workers have an address of their own")
            }
        }
    }

    /// Why this message has no place here, whatever the phase of its conversation. The table of messages says which of them
    /// change something, so that there is no list here that a new one could be missing from.
    pub(crate) fn refuses(self, kind: Kind) -> Option<&'static str> {
        match (self, kind.sender()) {
            (Role::Any | Role::Workers | Role::Clients, _)
            | (Role::Viewers, Sender::Peer | Sender::ClientLooks) => None,
            (
                Role::Viewers,
                Sender::ClientChanges | Sender::Worker | Sender::WorkerAndServer | Sender::Server,
            ) => Some("this port serves viewers, who change nothing; use the address of the clients"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_say_hello_and_look_and_nothing_else() {
        let names: Vec<&str> = Kind::ALL
            .iter()
            .filter(|kind| Role::Viewers.refuses(**kind).is_none())
            .map(|kind| kind.name())
            .collect();
        assert_eq!(
            names,
            ["info", "observe", "clientHello", "history", "details", "console", "fetch", "overview"]
        );
    }

    #[test]
    fn no_other_role_says_anything_about_messages() {
        for role in [Role::Any, Role::Workers, Role::Clients] {
            assert!(Kind::ALL.iter().all(|kind| role.refuses(*kind).is_none()), "{role:?}");
        }
    }
}
