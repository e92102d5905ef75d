//! Where the server listens and for whom, the options that say so, and who has connected from this machine.

use crate::command_line::{Address, Flag, Kind, Matches, Port, Repeat, UsageError, value, values};
use crate::listener::{Listener, SocketAccess, socket_access};
use builder_engine::server::Role;
use mio::net::UnixStream;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

pub(super) const IP: Flag =
    Flag::with_value("ip", "IP", Kind::Text, "listen on this address").default("127.0.0.1").manual(
        "\
Listen on this IP address.
The default is 127.0.0.1.",
    );
pub(super) const PORT: Flag =
    Flag::with_value("port", "PORT", Kind::Text, "listen on this port; 0 means any free port")
        .default("1234")
        .manual(
            "\
Listen on this port; 0 means any free port.
The default is 1234.",
        );
pub(super) const WORKER_LISTEN: Flag = Flag::with_value(
    "worker-listen",
    "ADDRESS",
    Kind::Text,
    "listen for workers on this address only; may be repeated",
)
.repeat(Repeat::Adds)
.manual(
    "\
Listen for workers on this address only; repeat the option for further
addresses.
An
.Ar address
is
.Ar host : Ns Ar port ,
with brackets around an IPv6 address, or
.Li unix:\\& Ns Ar path
for a socket in the file system.
.Fl -ip
and
.Fl -port
then apply to clients only.",
);
pub(super) const CLIENT_LISTEN: Flag = Flag::with_value(
    "client-listen",
    "ADDRESS",
    Kind::Text,
    "listen for clients on this address only; may be repeated",
)
.repeat(Repeat::Adds)
.manual(
    "\
Listen for clients on this address only; the option may be repeated.
.Fl -ip
and
.Fl -port
then apply to workers only.
If both options are given,
.Fl -ip
and
.Fl -port
are refused.",
);
pub(super) const VIEWER_LISTEN: Flag = Flag::with_value(
    "viewer-listen",
    "ADDRESS",
    Kind::Text,
    "listen on this address for clients that may only look; may be repeated",
)
.repeat(Repeat::Adds)
.manual(
    "\
Listen for viewers on this address, too; the option may be repeated.
A viewer is a client that may look at everything and change nothing: its
.Cm info ,
.Cm observe
and
.Cm observe-latest
are answered as usual, and every command that changes something is refused.
Whoever can connect to the address can read all scripts and consoles.
All viewers together take up to an eighth of the connections.",
);

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
pub(super) fn resolve_listening(matches: &Matches) -> Result<Listening, UsageError> {
    let ip = value::<IpAddr>(matches, IP.long)?;
    let port = value(matches, PORT.long)?.map(|Port(port)| port);
    let shared_is_named = ip.is_some() || port.is_some();
    let shared =
        Address::Tcp { host: ip.unwrap_or(DEFAULT_IP).to_string(), port: port.unwrap_or(DEFAULT_PORT) };
    let mut workers = values(matches, WORKER_LISTEN.long)?;
    let mut clients = values(matches, CLIENT_LISTEN.long)?;
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
    addresses
        .extend(values(matches, VIEWER_LISTEN.long)?.into_iter().map(|address| (address, Role::Viewers)));
    Ok(Listening { addresses, access: socket_access(matches)? })
}

impl Listening {
    /// Listens on one of the addresses, for those who may speak there.
    pub(crate) fn bind(&self, address: &Address, role: Role) -> io::Result<Vec<Listener>> {
        let listeners = Listener::bind(address, &self.access)?;
        limit_unacknowledged(&listeners, role)?;
        Ok(listeners)
    }
}

/// Has the system notice soon that a worker is gone to which something was sent, through whichever of its listeners it came.
fn limit_unacknowledged(listeners: &[Listener], role: Role) -> io::Result<()> {
    match role {
        Role::Workers => listeners.iter().try_for_each(Listener::limit_unacknowledged),
        Role::Any | Role::Clients | Role::Viewers => Ok(()),
    }
}

/// The file with the names of users.
const PASSWD: &str = "/etc/passwd";

/// Names of users by their numbers, as far as somebody has asked.
#[derive(Debug, Default)]
pub(super) struct Users(BTreeMap<u32, String>);

impl Users {
    /// The user whose program has connected; by number where no name is known.
    pub(super) fn at(&mut self, socket: &UnixStream) -> Option<String> {
        let number = peer_user(socket)
            .inspect_err(|error| log::debug!("cannot find out whose program has connected: {error}"))
            .ok()?;
        Some(self.0.entry(number).or_insert_with(|| name(number)).clone())
    }
}

fn name(number: u32) -> String {
    let passwd = fs::read_to_string(PASSWD).unwrap_or_default();
    name_in(&passwd, number).map_or_else(|| number.to_string(), str::to_owned)
}

fn name_in(passwd: &str, number: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, of) = (fields.next()?, fields.next()?, fields.next()?);
        (of.parse() == Ok(number)).then_some(name)
    })
}

#[cfg(target_os = "linux")]
fn peer_user(socket: &UnixStream) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(socket)?.uid.as_raw())
}

#[cfg(not(target_os = "linux"))]
fn peer_user(socket: &UnixStream) -> io::Result<u32> {
    use std::os::fd::AsRawFd;
    let (mut user, mut group) = (0, 0);
    // SAFETY: the descriptor is open, and both places are there to be written to.
    match unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut user, &raw mut group) } {
        0 => Ok(user),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn listeners_of_workers_limit_what_is_unacknowledged() {
        use crate::listener::DEFAULT_SOCKET_MODE;
        use rustix::net::sockopt;

        let access = SocketAccess { mode: DEFAULT_SOCKET_MODE, group: None };
        let listening = Listening { addresses: Vec::new(), access };
        let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: 0 };
        let roles =
            [(Role::Any, false), (Role::Clients, false), (Role::Viewers, false), (Role::Workers, true)];
        for (role, is_limited) in roles {
            let check = |listeners: &[Listener]| {
                for listener in listeners {
                    let Some(socket) = listener.tcp() else { panic!("the address is one of TCP") };
                    assert_eq!(sockopt::tcp_user_timeout(socket).unwrap() > 0, is_limited, "{role:?}");
                }
            };
            check(&listening.bind(&address, role).unwrap());
            // As of a name that stands for several addresses.
            let bind = |_| Listener::bind(&address, &listening.access).unwrap();
            let several: Vec<Listener> = (0..2).flat_map(bind).collect();
            limit_unacknowledged(&several, role).unwrap();
            check(&several);
        }
    }

    #[test]
    fn users_are_called_by_their_names_where_there_are_some() {
        let passwd = "# users\nroot:*:0:0:Charlie &:/root:/bin/sh\ntoor:*:0:0::/root:\nalice:x:1001:\n";
        assert_eq!(name_in(passwd, 0), Some("root"));
        assert_eq!(name_in(passwd, 1001), Some("alice"));
        assert_eq!(name_in(passwd, 1), None);
    }

    #[test]
    fn the_other_end_of_a_socket_of_ours_is_us() {
        let (socket, _other) = UnixStream::pair().unwrap();
        assert_eq!(peer_user(&socket).unwrap(), rustix::process::geteuid().as_raw());
    }
}
