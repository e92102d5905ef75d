//! Sockets that accept connections, and their files.

use crate::command_line::{Address, Flag, Kind, Matches, UsageError};
use crate::socket::{NonBlockingSocket, Socket, set_acknowledgement_limit, set_tcp_options};
use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use rustix::fs::Mode;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Who may use a socket in the file system, unless a flag says otherwise: its user and its group.
pub(crate) const DEFAULT_SOCKET_MODE: u32 = 0o660;

/// The option that says so of the mode.
pub(crate) const SOCKET_MODE: Flag =
    Flag::with_value("socket-mode", "MODE", Kind::Text, "the mode of sockets for unix:PATH")
        .default("0660")
        .manual(
            "\
The mode of sockets in the file system, in octal.
The default is 0660.",
        );

/// The option that says so of the group.
pub(crate) const SOCKET_GROUP: Flag =
    Flag::with_value("socket-group", "GROUP", Kind::Group, "the group of sockets for unix:PATH").manual(
        "\
The group of sockets in the file system.",
    );

/// Who may use a socket in the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SocketAccess {
    pub(crate) mode: u32,
    /// The group of the file, unless it is that of the program.
    pub(crate) group: Option<String>,
}

/// Who may use sockets in the file system, as the command line says.
pub(crate) fn socket_access(matches: &Matches) -> Result<SocketAccess, UsageError> {
    Ok(SocketAccess { mode: socket_mode(matches)?, group: matches.opt_str(SOCKET_GROUP.long) })
}

fn socket_mode(matches: &Matches) -> Result<u32, UsageError> {
    let Some(text) = matches.opt_str(SOCKET_MODE.long) else { return Ok(DEFAULT_SOCKET_MODE) };
    match u32::from_str_radix(&text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err(UsageError::new(format_args!("--socket-mode {text}: not a mode; write it like 0660"))),
    }
}

/// A socket that accepts connections, and its file if it has one.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket<TcpListener, UnixListener>,
    file: Option<SocketFile>,
    /// The address, unless it is a file.
    ip: Option<IpAddr>,
}

impl Listener {
    /// Listens on an address: on all that a host name stands for.
    pub(crate) fn bind(address: &Address, access: &SocketAccess) -> io::Result<Vec<Listener>> {
        match address {
            Address::Tcp { host, port } => {
                let addresses = (host.as_str(), *port).to_socket_addrs()?;
                addresses.map(Listener::bind_tcp).collect()
            }
            Address::Unix(path) => Ok(vec![Listener::bind_unix(path, access)?]),
        }
    }

    fn bind_unix(path: &Path, access: &SocketAccess) -> io::Result<Listener> {
        remove_stale_socket(path)?;
        // Nobody else gets in before mode and group are set.
        let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
        let listener = UnixListener::bind(path);
        rustix::process::umask(umask);
        let listener = listener?;
        rustix::net::listen(&listener, BACKLOG)?;
        let file = SocketFile::of(path)?;
        if let Some(group) = &access.group {
            chown(path, None, Some(group_id(group)?))?;
        }
        fs::set_permissions(path, Permissions::from_mode(access.mode))?;
        Ok(Listener { socket: Socket::Unix(listener), file: Some(file), ip: None })
    }

    pub(crate) fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
        let listener = TcpListener::bind(address)?;
        set_tcp_options(&listener)?;
        // mio asks for fewer.
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(Listener { socket: Socket::Tcp(listener), file: None, ip: Some(address.ip()) })
    }

    /// Ends connections whose peers acknowledge nothing for two minutes; see [`set_acknowledgement_limit`].
    pub(crate) fn limit_unacknowledged(&self) -> io::Result<()> {
        match &self.socket {
            Socket::Tcp(listener) => set_acknowledgement_limit(listener),
            Socket::Unix(_) => Ok(()),
        }
    }

    /// Where the listener can be reached, for people.
    pub(crate) fn name(&self) -> String {
        match &self.socket {
            Socket::Tcp(listener) => {
                listener.local_addr().map_or_else(|error| error.to_string(), |at| at.to_string())
            }
            Socket::Unix(listener) => match listener.local_addr() {
                Ok(at) => at
                    .as_pathname()
                    .map_or_else(|| "unix".to_owned(), |path| format!("unix:{}", path.display())),
                Err(error) => error.to_string(),
            },
        }
    }

    /// The address on which it listens, unless that is a file.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// Removes what the listener left in the file system; it accepts nothing more.
    pub(crate) fn remove(&self) {
        if let Some(file) = &self.file {
            file.remove();
        }
    }

    /// The next connection and the address of its peer, if it is not local.
    pub(crate) fn accept(&self) -> io::Result<(NonBlockingSocket, Option<SocketAddr>)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok((Socket::Tcp(stream), Some(peer)))
            }
            Socket::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                Ok((Socket::Unix(stream), None))
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
impl Listener {
    /// The socket, if it is one of TCP.
    pub(crate) fn tcp(&self) -> Option<&TcpListener> {
        match &self.socket {
            Socket::Tcp(listener) => Some(listener),
            Socket::Unix(_) => None,
        }
    }
}

impl Source for Listener {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.socket.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.socket.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.socket.deregister(registry)
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

/// The file of a listening socket, as this program made it.
///
/// The path alone does not say whose it is: once somebody has removed the file, another server may listen there. The
/// system does not give its number to another file before the socket is closed.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// Takes note of the file, right after it was made.
    pub(crate) fn of(path: &Path) -> io::Result<SocketFile> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }

    /// Removes the file, unless it is not there any longer or another program's.
    pub(crate) fn remove(&self) {
        let outcome = match fs::symlink_metadata(&self.path) {
            Ok(metadata) if self.is(&metadata) => fs::remove_file(&self.path),
            Ok(_) => {
                log::info!("{} now belongs to another program; leaving it in place", self.path.display());
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = outcome
            && error.kind() != ErrorKind::NotFound
        {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }

    fn is(&self, metadata: &Metadata) -> bool {
        (metadata.dev(), metadata.ino()) == (self.device, self.inode)
    }
}

/// Connections that the server asks the system to hold, at each address, until they are accepted. This is what Linux allows
/// by default. The system cuts what a program asks for to a setting of its own, without a word.
const BACKLOG: i32 = 4096;

/// What a system calls its limit, and what it does with connections beyond that.
struct BacklogLimit {
    setting: &'static str,
    consequence: &'static str,
}

const FREEBSD: BacklogLimit = BacklogLimit {
    setting: "kern.ipc.soacceptqueue",
    consequence: "the system resets the connections of the others",
};
const LINUX: BacklogLimit =
    BacklogLimit { setting: "net.core.somaxconn", consequence: "the others wait for several seconds" };
const HERE: BacklogLimit = if cfg!(target_os = "freebsd") { FREEBSD } else { LINUX };

/// Says so when the system lets fewer connections wait than the server asks for.
pub(crate) fn check_backlog() {
    match longest_backlog() {
        Ok(most) => {
            if let Some(complaint) = backlog_complaint(&HERE, most) {
                log::warn!("{complaint}");
            }
        }
        Err(error) => log::debug!("cannot read {}: {error}", HERE.setting),
    }
}

/// What to say of a system that lets so many connections wait.
fn backlog_complaint(limit: &BacklogLimit, most: u32) -> Option<String> {
    let BacklogLimit { setting, consequence } = limit;
    let is_cut = i64::from(most) < i64::from(BACKLOG);
    is_cut.then(|| {
        format!(
            "no more than {most} connections can wait to be accepted, not {BACKLOG}: if more come at once, \
             {consequence}; run 'sysctl {setting}={BACKLOG}', and restart the server"
        )
    })
}

#[cfg(target_os = "freebsd")]
fn longest_backlog() -> io::Result<u32> {
    let name = c"kern.ipc.soacceptqueue".as_ptr();
    let (mut most, mut length) = (0_u32, size_of::<u32>());
    // SAFETY: the name ends in NUL, and there is room for as many bytes as `length` says.
    match unsafe { libc::sysctlbyname(name, (&raw mut most).cast(), &raw mut length, std::ptr::null(), 0) } {
        0 if length == size_of::<u32>() => Ok(most),
        0 => Err(ErrorKind::InvalidData.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "freebsd"))]
fn longest_backlog() -> io::Result<u32> {
    let value = std::fs::read_to_string("/proc/sys/net/core/somaxconn")?;
    value.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::{KEEPALIVE_COUNT, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL};
    use rustix::net::sockopt;
    use std::net::Ipv4Addr;
    use std::time::{Duration, Instant};

    const ACCESS: SocketAccess = SocketAccess { mode: DEFAULT_SOCKET_MODE, group: None };

    /// The server's end of a connection through a listener.
    fn accept(listener: &Listener) -> mio::net::TcpStream {
        let _client = std::net::TcpStream::connect(listener.name()).unwrap();
        let start = Instant::now();
        loop {
            match listener.accept() {
                Ok((Socket::Tcp(stream), _)) => return stream,
                Ok(_) => panic!("a TCP listener accepts TCP connections"),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    assert!(start.elapsed() < Duration::from_secs(60), "waited in vain for the connection");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn connections_inherit_the_options_of_their_listener() {
        let socket = accept(&Listener::bind_tcp((Ipv4Addr::LOCALHOST, 0).into()).unwrap());
        assert!(sockopt::tcp_nodelay(&socket).unwrap());
        assert!(sockopt::socket_keepalive(&socket).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&socket).unwrap(), KEEPALIVE_IDLE);
        assert_eq!(sockopt::tcp_keepintvl(&socket).unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(sockopt::tcp_keepcnt(&socket).unwrap(), KEEPALIVE_COUNT);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn only_workers_have_to_acknowledge_what_they_are_sent_within_a_time() {
        let listener = Listener::bind_tcp((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        assert_eq!(sockopt::tcp_user_timeout(accept(&listener)).unwrap(), 0);
        listener.limit_unacknowledged().unwrap();
        assert_eq!(sockopt::tcp_user_timeout(accept(&listener)).unwrap(), 120_000);
    }

    #[test]
    fn nobody_else_can_connect_to_a_socket_whose_mode_is_not_set_yet() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        // It gets no further than to the group.
        let access = SocketAccess { mode: 0o666, group: Some("no such group".to_owned()) };
        Listener::bind_unix(&path, &access).unwrap_err();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o077, 0);
    }

    #[test]
    fn a_socket_of_another_kind_is_not_taken_for_one_that_a_killed_server_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let _other = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let error = Listener::bind_unix(&path, &ACCESS).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(path.exists());
    }

    #[test]
    fn a_limit_that_cuts_the_backlog_is_named_with_its_remedy() {
        let complaint = |limit| backlog_complaint(limit, 128).unwrap();
        let said = complaint(&FREEBSD);
        assert!(
            said.starts_with("no more than 128 connections can wait to be accepted, not 4096: "),
            "{said}"
        );
        assert!(said.contains("resets"), "{said}");
        assert!(said.ends_with("run 'sysctl kern.ipc.soacceptqueue=4096', and restart the server"), "{said}");
        assert!(complaint(&LINUX).contains("'sysctl net.core.somaxconn=4096'"));
    }

    #[test]
    fn a_limit_that_cuts_nothing_is_nothing_to_speak_of() {
        for most in [4096, 65_535, u32::MAX] {
            assert_eq!(backlog_complaint(&FREEBSD, most), None, "{most}");
        }
        assert!(backlog_complaint(&LINUX, 4095).is_some());
    }

    #[test]
    fn this_system_says_what_it_allows() {
        assert!(longest_backlog().unwrap() > 0);
    }
}
