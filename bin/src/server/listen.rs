//! Where the server listens, and for whom.

use crate::command_line::{Address, Matches, Port, UsageError, value, values};
use crate::server::backlog::BACKLOG;
use crate::server::socket::Listener;
use crate::server::socket_file::SocketFile;
use builder_engine::server::Role;
use mio::net::UnixListener;
use rustix::fs::Mode;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::Path;

const DEFAULT_IP: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DEFAULT_PORT: u16 = 1234;
/// Who may use a socket in the file system, unless a flag says otherwise: its user and its group.
const DEFAULT_SOCKET_MODE: u32 = 0o660;

/// What the command line says about listening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listening {
    pub(crate) addresses: Vec<(Address, Role)>,
    pub(crate) socket_mode: u32,
    pub(crate) socket_group: Option<String>,
}

/// Without further flags one port serves both roles; a role with an address of its own is served only there.
pub(crate) fn resolve(matches: &Matches) -> Result<Listening, UsageError> {
    let ip = value::<IpAddr>(matches, "ip")?;
    let port = value(matches, "port")?.map(|Port(port)| port);
    let shared_is_named = ip.is_some() || port.is_some();
    let shared =
        Address::Tcp { host: ip.unwrap_or(DEFAULT_IP).to_string(), port: port.unwrap_or(DEFAULT_PORT) };
    let mut workers = values(matches, "worker-listen")?;
    let mut clients = values(matches, "client-listen")?;
    let addresses = match (workers.is_empty(), clients.is_empty()) {
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
    Ok(Listening {
        addresses,
        socket_mode: socket_mode(matches)?,
        socket_group: matches.opt_str("socket-group"),
    })
}

fn socket_mode(matches: &Matches) -> Result<u32, UsageError> {
    let Some(text) = matches.opt_str("socket-mode") else { return Ok(DEFAULT_SOCKET_MODE) };
    match u32::from_str_radix(&text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err(UsageError::new(format_args!("--socket-mode {text}: not a mode; write it like 0660"))),
    }
}

impl Listening {
    /// Listens on one of the addresses, for those who may speak there.
    pub(crate) fn bind(&self, address: &Address, role: Role) -> io::Result<Vec<Listener>> {
        let listeners: Vec<Listener> = match address {
            Address::Tcp { host, port } => {
                let addresses = (host.as_str(), *port).to_socket_addrs()?;
                addresses.map(Listener::bind_tcp).collect::<io::Result<_>>()?
            }
            Address::Unix(path) => vec![self.bind_unix(path)?],
        };
        if role == Role::Workers {
            listeners.iter().try_for_each(Listener::limit_unacknowledged)?;
        }
        Ok(listeners)
    }

    fn bind_unix(&self, path: &Path) -> io::Result<Listener> {
        remove_stale_socket(path)?;
        // Nobody else gets in before mode and group are set.
        let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
        let listener = UnixListener::bind(path);
        rustix::process::umask(umask);
        let listener = listener?;
        rustix::net::listen(&listener, BACKLOG)?;
        let file = SocketFile::of(path)?;
        if let Some(group) = &self.socket_group {
            chown(path, None, Some(group_id(group)?))?;
        }
        fs::set_permissions(path, Permissions::from_mode(self.socket_mode))?;
        Ok(Listener::Unix(listener, file))
    }
}

/// Removes the socket that a server left behind which was killed.
fn remove_stale_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(io::Error::new(
                ErrorKind::AlreadyExists,
                "there is a file of that name that is not a socket",
            ));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(ErrorKind::AddrInUse.into()),
    }
}

/// The number of a group: itself, or what the system's group file says.
fn group_id(group: &str) -> io::Result<u32> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let groups = fs::read_to_string("/etc/group")?;
    let lines = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines
        .filter(|fields| fields.first() == Some(&group))
        .find_map(|fields| fields.get(2)?.parse().ok())
        .ok_or_else(|| io::Error::new(ErrorKind::NotFound, format!("/etc/group has no group {group}")))
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt::tcp_user_timeout;

    #[test]
    fn only_workers_have_to_acknowledge_what_they_are_sent_within_a_time() {
        let listening =
            Listening { addresses: Vec::new(), socket_mode: DEFAULT_SOCKET_MODE, socket_group: None };
        let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: 0 };
        for (role, is_limited) in [(Role::Any, false), (Role::Clients, false), (Role::Workers, true)] {
            for listener in listening.bind(&address, role).unwrap() {
                let Listener::Tcp(socket) = listener else { panic!("the address is one of TCP") };
                assert_eq!(tcp_user_timeout(&socket).unwrap() > 0, is_limited, "{role:?}");
            }
        }
    }
}
