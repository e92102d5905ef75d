//! What the driver runs on: sockets, files, threads, processes and clocks of a real system. It does what it is told.

use crate::clock::Clock;
use crate::listener::{self, Listener};
use crate::server::data_directory::{DataDirectory, Threads};
use crate::server::disk::{self, file_size_limit, free_bytes, fresh_salt};
use crate::server::listen::{Listening, Users};
use crate::server::notifier::Notifier;
use crate::server::template::TemplateDirectory;
use crate::server::uploader::Uploader;
use crate::socket::{NonBlockingSocket, Socket};
use builder_engine::Now;
use builder_engine::driver::{
    self, FreeSpace, ListenerId, Look, Notice, NoticeEnd, Outcome, Platform, Task, TemplateReading, UploadEnd,
};
use builder_engine::log::Salt;
use builder_engine::server::{ConnectionId, Origin, Role};
use builder_proto::Uuid;
use builder_proto::text::Text;
use mio::event::Source;
use mio::{Interest, Registry, Token};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

/// The platform of the programs.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) clock: Clock,
    pub(crate) registry: Registry,
    pub(crate) directory: DataDirectory,
    pub(crate) listening: Listening,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) users: Users,
    pub(crate) threads: Threads,
    pub(crate) templates: TemplateDirectory,
    /// None when results are not uploaded.
    pub(crate) uploader: Option<Uploader>,
    /// None when no program is told of builds.
    pub(crate) notifier: Option<Notifier>,
}

#[derive(Debug)]
pub(crate) struct Connection {
    socket: NonBlockingSocket,
    origin: Origin,
    is_registered: bool,
}

impl System {
    /// What a thread has done, if any.
    pub(crate) fn next_outcome(&self) -> Option<Outcome<DataDirectory>> {
        self.threads.next_outcome()
    }

    /// How the process ended that uploaded a result, if it has; to be asked after SIGCHLD.
    pub(crate) fn reap_upload(&mut self) -> Option<UploadEnd> {
        self.uploader.as_mut()?.reap()
    }

    /// Looks for programs that were told of builds and have ended; to be called after SIGCHLD.
    pub(crate) fn reap_notices(&mut self) {
        if let Some(notifier) = &mut self.notifier {
            notifier.reap();
        }
    }

    /// How a program ended that was told of a build, if one has.
    pub(crate) fn next_notice_end(&mut self) -> Option<(Uuid, NoticeEnd)> {
        self.notifier.as_mut()?.next_end()
    }

    fn socket(&mut self, connection: ConnectionId) -> io::Result<&mut NonBlockingSocket> {
        let connection = self.connections.get_mut(&connection).ok_or(ErrorKind::NotConnected)?;
        Ok(&mut connection.socket)
    }
}

impl Platform for System {
    type Files = DataDirectory;
    type Storage = disk::Disk;

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn files(&self) -> DataDirectory {
        self.directory.clone()
    }

    fn storage(&mut self) -> io::Result<disk::Disk> {
        disk::Disk::open(self.directory.paths().private())
    }

    fn salt(&mut self) -> io::Result<Salt> {
        fresh_salt().map_err(io::Error::other)
    }

    fn uuids(&mut self) -> Box<dyn Iterator<Item = Uuid>> {
        Box::new(random_uuids())
    }

    fn free_space(&mut self) -> io::Result<FreeSpace> {
        let free = free_bytes(self.directory.paths().private())?;
        Ok(FreeSpace { free, longest_file: file_size_limit().unwrap_or(u64::MAX) })
    }

    fn templates(&mut self, look: Look) -> Option<TemplateReading> {
        match look {
            Look::Anew => Some(self.templates.read()),
            Look::Quick => self.templates.read_changes(false),
            Look::Thorough => self.templates.read_changes(true),
        }
    }

    fn listen(&mut self) -> io::Result<Vec<driver::Listener>> {
        let mut listeners = Vec::new();
        for (address, role) in &self.listening.addresses {
            let failed = |error: io::Error| {
                let remedy = match error.kind() {
                    ErrorKind::AddrInUse => "stop the other program, or choose another --port",
                    _ => "choose another --ip or --port",
                };
                io::Error::new(error.kind(), format!("cannot listen on {address}: {error}; {remedy}"))
            };
            for mut listener in self.listening.bind(address, *role).map_err(failed)? {
                let name = listener.name();
                let whom = match role {
                    Role::Any => "",
                    Role::Workers => " for workers",
                    Role::Clients => " for clients",
                    Role::Viewers => " for viewers",
                };
                let token = Tokens::of_listener(self.listeners.len());
                listener.register(&self.registry, token, Interest::READABLE).map_err(failed)?;
                // For people and scripts that asked for any free port; a closed stdout is fine.
                let _ = writeln!(io::stdout(), "listening on {name}{whom}");
                listeners.push(driver::Listener { role: *role, name });
                self.listeners.push(listener);
            }
        }
        listener::check_backlog();
        Ok(listeners)
    }

    fn stop_listening(&mut self) {
        self.listeners.iter().for_each(Listener::remove);
    }

    fn accept(&mut self, listener: ListenerId, connection: ConnectionId) -> io::Result<()> {
        let listener = self.listeners.get(listener).ok_or(ErrorKind::NotFound)?;
        let (socket, peer) = listener.accept()?;
        let name = peer.map_or_else(|| "a local client".to_owned(), |peer| peer.to_string());
        log::trace!("connection {connection}: from {name}");
        let user = match &socket {
            Socket::Unix(socket) => self.users.at(socket).map(Text::from),
            Socket::Tcp(_) => None,
        };
        let origin = Origin { host: peer.map(host), user };
        self.connections.insert(connection, Connection { socket, origin, is_registered: false });
        Ok(())
    }

    fn origin(&self, connection: ConnectionId) -> Origin {
        self.connections.get(&connection).map(|connection| connection.origin.clone()).unwrap_or_default()
    }

    fn watch(&mut self, connection: ConnectionId, writable: bool) -> io::Result<()> {
        let token = Tokens::of_connection(connection)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        let interest = if writable { both } else { Interest::READABLE };
        let connection = self.connections.get_mut(&connection).ok_or(ErrorKind::NotConnected)?;
        match connection.is_registered {
            true => connection.socket.reregister(&self.registry, token, interest)?,
            false => connection.socket.register(&self.registry, token, interest)?,
        }
        connection.is_registered = true;
        Ok(())
    }

    fn read(&mut self, connection: ConnectionId, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket(connection)?.read(buffer)
    }

    fn write(&mut self, connection: ConnectionId, bytes: &[u8], is_last: bool) -> io::Result<usize> {
        let socket = self.socket(connection)?;
        if is_last { socket.write_last(bytes) } else { socket.write(bytes) }
    }

    fn shut_down(&mut self, connection: ConnectionId) -> io::Result<()> {
        self.socket(connection)?.shutdown_write()
    }

    fn close(&mut self, connection: ConnectionId, reason: &str) {
        log::trace!("connection {connection}: closed: {reason}");
        self.connections.remove(&connection);
    }

    fn submit(&mut self, task: Task<DataDirectory>) {
        self.threads.submit(task);
    }

    fn start_upload(&mut self, job: &Text, uuid: Uuid) -> io::Result<()> {
        let result = self.directory.paths().result(job, uuid);
        match &mut self.uploader {
            Some(uploader) => uploader.start(result),
            None => Err(io::Error::new(ErrorKind::Unsupported, "results are not uploaded")),
        }
    }

    fn kill_upload(&mut self) {
        if let Some(uploader) = &mut self.uploader {
            uploader.kill();
        }
    }

    fn start_notice(&mut self, notice: Notice<'_>) -> io::Result<()> {
        let paths = self.directory.paths();
        // The program has a working directory of its own.
        let result = notice.result_of.map(|job| std::path::absolute(paths.result(job, notice.uuid)));
        let result = result.transpose()?;
        match &mut self.notifier {
            Some(notifier) => notifier.start(&notice, result.as_deref()),
            None => Err(io::Error::new(ErrorKind::Unsupported, "no program is told of builds")),
        }
    }

    fn kill_notice(&mut self, uuid: Uuid) {
        if let Some(notifier) = &mut self.notifier {
            notifier.kill(uuid);
        }
    }
}

/// Random uuids, made from randomness that is fetched for many at once. Ends while the system has none to give.
pub(crate) fn random_uuids() -> impl Iterator<Item = Uuid> {
    let mut pool = [0; 16 * 64];
    let mut used = pool.len();
    std::iter::from_fn(move || {
        if used == pool.len() {
            if let Err(error) = getrandom::fill(&mut pool) {
                log::error!("no randomness for the uuid of a build: {error}");
                return None;
            }
            used = 0;
        }
        let bytes = pool.get(used..used + 16)?.first_chunk()?;
        used += 16;
        Some(uuid::Builder::from_random_bytes(*bytes).into_uuid())
    })
}

/// The host of a peer. A listener for both families names an address of the old one in the way of the new one.
fn host(peer: SocketAddr) -> Text {
    Text::from(peer.ip().to_canonical().to_string())
}

/// What a token of mio stands for.
pub(crate) struct Tokens;

impl Tokens {
    pub(crate) const SIGNALS: Token = Token(0);
    pub(crate) const WAKER: Token = Token(1);
    /// Listeners have the tokens from here on.
    const FIRST_LISTENER: usize = 2;
    /// Connections have the tokens from here on.
    const FIRST_CONNECTION: usize = 1024;

    pub(crate) fn of_listener(listener: ListenerId) -> Token {
        Token(Tokens::FIRST_LISTENER + listener)
    }

    pub(crate) fn of_connection(connection: ConnectionId) -> io::Result<Token> {
        Ok(Token(Tokens::FIRST_CONNECTION + usize::try_from(connection).map_err(io::Error::other)?))
    }

    /// The listener of a token that is nobody else's.
    pub(crate) fn to_listener(token: Token) -> ListenerId {
        token.0.saturating_sub(Tokens::FIRST_LISTENER)
    }

    /// None when the token is not that of a connection.
    pub(crate) fn to_connection(token: Token) -> Option<ConnectionId> {
        token.0.checked_sub(Tokens::FIRST_CONNECTION).map(|number| number as ConnectionId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_name_whichever_listener_it_comes_to() {
        let host = |peer: &str| host(peer.parse().unwrap()).to_string();
        assert_eq!(host("192.0.2.7:1024"), "192.0.2.7");
        assert_eq!(host("[::ffff:192.0.2.7]:1024"), "192.0.2.7");
        assert_eq!(host("[2001:db8::7]:1024"), "2001:db8::7");
    }
}
