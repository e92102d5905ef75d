//! Where the server listens, and for whom.

use crate::command_line::{Address, Matches, Port, UsageError, value, values};
use crate::listener::{Listener, SocketAccess, socket_access};
use builder_engine::server::Role;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

const DEFAULT_IP: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DEFAULT_PORT: u16 = 1234;

/// What the command line says about listening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listening {
    pub(crate) addresses: Vec<(Address, Role)>,
    pub(crate) access: SocketAccess,
}

/// Without further flags one port serves workers and clients; where one of these has an address of its own, it is served only
/// there. Viewers are served where they have an address, and clients may look everywhere they are served.
pub(crate) fn resolve(matches: &Matches) -> Result<Listening, UsageError> {
    let ip = value::<IpAddr>(matches, "ip")?;
    let port = value(matches, "port")?.map(|Port(port)| port);
    let shared_is_named = ip.is_some() || port.is_some();
    let shared =
        Address::Tcp { host: ip.unwrap_or(DEFAULT_IP).to_string(), port: port.unwrap_or(DEFAULT_PORT) };
    let mut workers = values(matches, "worker-listen")?;
    let mut clients = values(matches, "client-listen")?;
    let mut addresses: Vec<(Address, Role)> = match (workers.is_empty(), clients.is_empty()) {
        (true, true) => vec![(shared, Role::Any)],
        (false, false) if shared_is_named => {
            return Err(UsageError::new(
                "--ip and --port have no effect when both --worker-listen and --client-listen are given; leave them out",
            ));
        }
        (no_workers, no_clients) => {
            if no_workers {
                workers.push(shared);
            } else if no_clients {
                clients.push(shared);
            }
            let workers = workers.into_iter().map(|address| (address, Role::Workers));
            workers.chain(clients.into_iter().map(|address| (address, Role::Clients))).collect()
        }
    };
    addresses.extend(values(matches, "viewer-listen")?.into_iter().map(|address| (address, Role::Viewers)));
    Ok(Listening { addresses, access: socket_access(matches)? })
}

impl Listening {
    /// Listens on one of the addresses, for those who may speak there.
    pub(crate) fn bind(&self, address: &Address, role: Role) -> io::Result<Vec<Listener>> {
        let listeners = Listener::bind(address, &self.access)?;
        if role == Role::Workers {
            listeners.iter().try_for_each(Listener::limit_unacknowledged)?;
        }
        Ok(listeners)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn listeners_of_workers_limit_what_is_unacknowledged() {
        use super::*;
        use crate::listener::DEFAULT_SOCKET_MODE;
        use rustix::net::sockopt;

        let access = SocketAccess { mode: DEFAULT_SOCKET_MODE, group: None };
        let listening = Listening { addresses: Vec::new(), access };
        let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: 0 };
        let roles =
            [(Role::Any, false), (Role::Clients, false), (Role::Viewers, false), (Role::Workers, true)];
        for (role, is_limited) in roles {
            for listener in listening.bind(&address, role).unwrap() {
                let Some(socket) = listener.tcp() else { panic!("the address is one of TCP") };
                assert_eq!(sockopt::tcp_user_timeout(socket).unwrap() > 0, is_limited, "{role:?}");
            }
        }
    }
}
