//! The connection to the upload server, which minreq uses through this relay.
//!
//! minreq sends a whole request before it reads, and gives up when sending fails. A server that refuses a long file answers
//! before it has read it, and closes; then minreq sees that its connection was reset, and what the server said is lost. The
//! one place where minreq lets others in is its proxy. So this is one, for one connection and within the process: it passes
//! bytes on both ways, with TLS or without, and when the server takes no more it swallows the rest of the request, so that
//! minreq comes to read the answer.

use super::credentials::Credentials;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes passed on at once.
const BLOCK_BYTES: usize = 64 * 1024;
/// The longest that somebody who connects may take to say who it is.
const GREETING_TIME: Duration = Duration::from_secs(5);
/// Bytes of such a greeting; that of minreq has about 200.
const GREETING_BYTES: usize = 4096;
/// Random bytes of the secret.
const SECRET_BYTES: usize = 16;
/// Who connects to the relay. Anyone on this host could, so there is a password.
const USER: &str = "builder-upload";

/// A connection to the server; closed when dropped.
#[derive(Debug)]
pub(super) struct Relay {
    address: String,
    server: TcpStream,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

/// Why the connection came to nothing, should there be no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The server did not take everything in time.
    TooSlow,
    /// The server cut the connection, as this says.
    Cut(String),
}

/// The two ends, as each of the two threads has them.
#[derive(Debug)]
struct Ends {
    client: TcpStream,
    server: TcpStream,
    trouble: Arc<Mutex<Option<Trouble>>>,
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
        let expected = Credentials::parse(&format!("{USER}:{password}")).map(|line| line.authorization());
        let trouble = Arc::default();
        let (far, notes) = (server.try_clone()?, Arc::clone(&trouble));
        thread::Builder::new().spawn(move || {
            let client = expected.and_then(|expected| admit(&listener, &expected, deadline));
            // Without a client, minreq has complained already, or is about to.
            if let Some(client) = client {
                carry(Ends { client, server: far, trouble: notes }, deadline);
            }
        })?;
        Ok(Relay { address, server, trouble })
    }

    /// Where minreq finds its proxy.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// What went wrong on the way to the server, if anything.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Relay {
    /// Ends the threads, and with them what minreq may still be doing.
    fn drop(&mut self) {
        // It may be closed already.
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Ends {
    fn try_clone(&self) -> io::Result<Ends> {
        let trouble = Arc::clone(&self.trouble);
        Ok(Ends { client: self.client.try_clone()?, server: self.server.try_clone()?, trouble })
    }

    /// Keeps the first trouble: what follows is only its echo.
    fn note(&self, error: &io::Error) {
        let trouble = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Trouble::TooSlow,
            _ => Trouble::Cut(error.to_string()),
        };
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(trouble);
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
                Ok([]) => break,
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
    let mut last = io::Error::new(ErrorKind::NotFound, "it has no address");
    for address in (host, port).to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Waits for minreq and tells it to go ahead. Whoever else connects is turned away.
fn admit(listener: &TcpListener, expected: &str, deadline: Instant) -> Option<TcpStream> {
    loop {
        let left = deadline.checked_duration_since(Instant::now())?;
        let timeout = Timespec::try_from(left).ok()?;
        let mut polled = [PollFd::new(listener, PollFlags::IN)];
        match poll(&mut polled, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) | Ok(0) => return None,
            Ok(_) => {}
        }
        let Ok((mut stream, _)) = listener.accept() else { continue };
        if greet(&mut stream, expected).is_ok_and(|known| known) {
            return Some(stream);
        }
    }
}

/// Whether this is the one who knows the password; if so, it may send.
fn greet(stream: &mut TcpStream, expected: &str) -> io::Result<bool> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(GREETING_TIME))?;
    let mut greeting = Vec::new();
    while !greeting.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if greeting.len() == GREETING_BYTES || stream.read(&mut byte)? == 0 {
            return Ok(false);
        }
        greeting.extend(byte);
    }
    stream.set_read_timeout(None)?;
    let expected = format!("Proxy-Authorization: {expected}");
    if !String::from_utf8_lossy(&greeting).lines().any(|line| line == expected) {
        return Ok(false);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    Ok(true)
}

fn carry(ends: Ends, deadline: Instant) {
    let back = match ends.try_clone() {
        Ok(back) => back,
        Err(error) => return ends.note(&error),
    };
    if let Err(error) = thread::Builder::new().spawn(move || back.carry_answer()) {
        return ends.note(&error);
    }
    ends.carry_request(deadline);
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
