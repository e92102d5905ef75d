//! The connection to the upload server, which minreq uses through this relay.
//!
//! minreq sends a whole request before it reads, and gives up when sending fails. A server that refuses a long file answers
//! before it has read it, and closes; then minreq sees that its connection was reset, and what the server said is lost. The
//! one place where minreq lets others in is its proxy. So this is one, for one connection and within the process: it passes
//! bytes on both ways, with TLS or without, and when the server takes no more it swallows the rest of the request, so that
//! minreq comes to read the answer.

use super::admission::Admission;
use super::credentials::Credentials;
use crate::socket::CONNECT_TIME;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes passed on at once.
const BLOCK_BYTES: usize = 64 * 1024;
/// Random bytes of the secret.
const SECRET_BYTES: usize = 16;
/// Who connects to the relay. Anyone on this host could, so there is a password.
const USER: &str = "builder-upload";

/// A connection to the server; closed when dropped.
#[derive(Debug)]
pub(super) struct Relay {
    address: String,
    server: TcpStream,
    notes: Notes,
}

/// Why the connection came to nothing, should there be no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// minreq could not be let in, as this says; the server is not to blame.
    Local(String),
    /// The server did not take everything in time.
    TooSlow,
    /// The server cut the connection, as this says.
    Cut(String),
    /// The server ended the connection in good order. Behind a whole answer that is no trouble at all.
    Closed,
}

/// What goes wrong first; the rest is its echo.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Option<Trouble>>>);

/// The two ends, as each of the two threads has them.
#[derive(Debug)]
struct Ends {
    client: TcpStream,
    server: TcpStream,
    notes: Notes,
}

impl Relay {
    /// Connects to the server. What is not sent within `patience` is not sent any more.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, or this process cannot listen to itself.
    pub(super) fn open(host: &str, port: u16, patience: Duration) -> io::Result<Relay> {
        let deadline = Instant::now() + patience;
        let server = connect(host, port, deadline)?;
        server.set_nodelay(true)?;
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
        let password: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = format!("http://{USER}:{password}@{}", listener.local_addr()?);
        let credentials = Credentials::parse(&format!("{USER}:{password}"))
            .ok_or_else(|| io::Error::other("the system's random bytes make no password"))?;
        let mut admission = Admission::new(listener, &credentials.authorization())?;
        let notes = Notes::default();
        let (far, noted) = (server.try_clone()?, notes.clone());
        thread::Builder::new().spawn(move || {
            match admission.wait(deadline) {
                Ok(client) => {
                    drop(admission);
                    carry(Ends { client, server: far, notes: noted }, deadline);
                }
                // It is noted before the listener is closed, by which minreq learns that something went wrong.
                Err(error) => noted.note(Trouble::Local(error.to_string())),
            }
        })?;
        Ok(Relay { address, server, notes })
    }

    /// Where minreq finds its proxy.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// What went wrong on the way to the server, if anything.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.notes.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Relay {
    /// Ends the threads, and with them what minreq may still be doing.
    fn drop(&mut self) {
        // It may be closed already.
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Notes {
    /// Keeps the first trouble, but for an end in good order: what follows that says more.
    fn note(&self, trouble: Trouble) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*noted, None | Some(Trouble::Closed)) {
            *noted = Some(trouble);
        }
    }
}

impl Ends {
    fn try_clone(&self) -> io::Result<Ends> {
        let notes = self.notes.clone();
        Ok(Ends { client: self.client.try_clone()?, server: self.server.try_clone()?, notes })
    }

    fn note(&self, error: &io::Error) {
        self.notes.note(match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Trouble::TooSlow,
            _ => Trouble::Cut(error.to_string()),
        });
    }

    /// Passes the request on for as long as the server takes it, and swallows the rest.
    fn carry_request(mut self, deadline: Instant) {
        let mut block = vec![0; BLOCK_BYTES];
        let mut is_open = true;
        while let Some(bytes) = receive(&mut self.client, &mut block).ok().filter(|bytes| !bytes.is_empty()) {
            if is_open && let Err(error) = send_until(&mut self.server, bytes, deadline) {
                self.note(&error);
                is_open = false;
            }
        }
        // minreq has its answer, or has given up.
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// Passes the answer back. What the server sent before it cut the connection is still there to be read.
    fn carry_answer(mut self) {
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            match receive(&mut self.server, &mut block) {
                Ok([]) => {
                    self.notes.note(Trouble::Closed);
                    break;
                }
                Ok(bytes) if self.client.write_all(bytes).is_ok() => {}
                Ok(_) => break,
                Err(error) => {
                    self.note(&error);
                    break;
                }
            }
        }
        // From this minreq learns that there is no more; what it still sends is swallowed.
        let _ = self.client.shutdown(Shutdown::Write);
    }
}

fn connect(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    let left = || deadline.saturating_duration_since(Instant::now());
    first_of(&addresses, left, TcpStream::connect_timeout)
}

/// Connects to the first address that accepts. One that does not answer leaves the others their share of the time.
fn first_of<T>(
    addresses: &[SocketAddr],
    left: impl Fn() -> Duration,
    mut connect: impl FnMut(&SocketAddr, Duration) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = io::Error::new(ErrorKind::NotFound, "it has no address");
    for (address, untried) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share = left() / u32::try_from(untried).unwrap_or(u32::MAX);
        // No time at all is an error of its own.
        match connect(address, share.clamp(Duration::from_millis(1), CONNECT_TIME)) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn carry(ends: Ends, deadline: Instant) {
    let started = ends.try_clone().and_then(|back| thread::Builder::new().spawn(move || back.carry_answer()));
    match started {
        Ok(_) => ends.carry_request(deadline),
        Err(error) => ends.notes.note(Trouble::Local(error.to_string())),
    }
}

/// What has arrived; nothing at the end.
fn receive<'a>(stream: &mut TcpStream, block: &'a mut [u8]) -> io::Result<&'a [u8]> {
    loop {
        match stream.read(block) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return Ok(block.get(..result?).unwrap_or_default()),
        }
    }
}

fn send_until(stream: &mut TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = deadline.checked_duration_since(Instant::now()).ok_or(ErrorKind::TimedOut)?;
        stream.set_write_timeout(Some(left.max(Duration::from_millis(1))))?;
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Tries addresses that swallow everything; gives the time that each was waited for.
    fn waits(count: u16, patience: Duration) -> Vec<Duration> {
        let addresses: Vec<SocketAddr> =
            (0..count).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).collect();
        let left = Cell::new(patience);
        let mut waits = Vec::new();
        let result: io::Result<()> = first_of(
            &addresses,
            || left.get(),
            |_, time| {
                left.set(left.get().saturating_sub(time));
                waits.push(time);
                Err(ErrorKind::TimedOut.into())
            },
        );
        result.unwrap_err();
        waits
    }

    #[test]
    fn an_address_that_swallows_everything_leaves_time_for_the_next() {
        assert_eq!(waits(3, Duration::from_secs(3)), [Duration::from_secs(1); 3]);
        assert_eq!(waits(2, Duration::from_secs(300)), [CONNECT_TIME; 2]);
        assert_eq!(waits(2, Duration::ZERO), [Duration::from_millis(1); 2]);
        assert!(waits(0, Duration::from_secs(3)).is_empty());
    }

    /// Sends something through a relay as minreq does, to a server that does this; gives the trouble at the end.
    fn trouble_with(server: impl FnOnce(TcpStream) + Send + 'static) -> Option<Trouble> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = thread::spawn(move || server(listener.accept().unwrap().0));
        let relay = Relay::open("127.0.0.1", port, Duration::from_secs(60)).unwrap();
        let (credentials, address) =
            relay.address().strip_prefix("http://").unwrap().split_once('@').unwrap();
        let authorization = Credentials::parse(credentials).unwrap().authorization();
        let mut client = TcpStream::connect(address).unwrap();
        let greeting = format!("CONNECT server:1 HTTP/1.1\r\nProxy-Authorization: {authorization}\r\n\r\n");
        client.write_all(greeting.as_bytes()).unwrap();
        client.read_exact(&mut [0; b"HTTP/1.1 200 OK\r\n\r\n".len()]).unwrap();
        client.write_all(b"request").unwrap();
        let _ = client.read_to_end(&mut Vec::new());
        thread.join().unwrap();
        relay.trouble()
    }

    #[test]
    fn a_server_that_leaves_is_noted_before_minreq_learns_of_it() {
        let closes = |mut stream: TcpStream| stream.read_exact(&mut [0; b"request".len()]).unwrap();
        assert_eq!(trouble_with(closes), Some(Trouble::Closed));
        let cuts = |stream: TcpStream| {
            assert!(stream.peek(&mut [0]).is_ok());
            // Closed so, it is reset on every system.
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        };
        assert!(matches!(trouble_with(cuts), Some(Trouble::Cut(_))));
    }

    #[test]
    fn what_follows_an_end_in_good_order_says_more() {
        let notes = Notes::default();
        for trouble in [Trouble::Closed, Trouble::TooSlow, Trouble::Closed, Trouble::Cut("reset".to_owned())]
        {
            notes.note(trouble);
        }
        assert_eq!(*notes.0.lock().unwrap(), Some(Trouble::TooSlow));
    }
}
