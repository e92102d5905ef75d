//! What the reactor watches: the socket and what waits to go into it, the pipe to which the processes of a job write, and
//! signals.

use crate::command_line::Address;
use crate::socket::{self, BlockingSocket, NonBlockingSocket};
use mio::unix::pipe::Receiver;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag::register_conditional_shutdown;
use signal_hook_mio::v1_0::Signals;
use std::fmt;
use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The connection, and what is known of it.
pub(super) struct Server {
    /// None once the connection has ended.
    pub(super) socket: Option<NonBlockingSocket>,
    pub(super) outbox: Outbox,
    /// Whether the socket may have something to read, or room. The system tells only once.
    pub(super) is_readable: bool,
    pub(super) is_writable: bool,
    /// Why nothing can be written any more, while there may still be something to read.
    pub(super) broken: Option<String>,
}

impl Server {
    pub(super) fn new(socket: Option<NonBlockingSocket>) -> Self {
        Self { socket, outbox: Outbox::default(), is_readable: true, is_writable: true, broken: None }
    }
}

/// Why there is no connection, and what to do about it.
#[derive(Debug)]
pub(super) struct ConnectError {
    remote: Address,
    error: io::Error,
}

impl ConnectError {
    pub(super) fn new(remote: &Address, error: io::Error) -> Self {
        Self { remote: remote.clone(), error }
    }

    /// Whether the server's system answered, and then took it back.
    pub(super) fn is_reset(&self) -> bool {
        socket::is_reset(&self.error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { remote, error } = self;
        write!(f, "cannot connect to the server at {remote}: {error}; ")?;
        write!(f, "start builder-server there, or name another address with --remote")
    }
}

/// Connects, which may take a while.
///
/// # Errors
///
/// The error of the last address that was tried.
pub(super) fn connect(remote: &Address) -> Result<NonBlockingSocket, ConnectError> {
    let socket = socket::connect(remote).and_then(BlockingSocket::into_non_blocking);
    socket.map_err(|error| ConnectError::new(remote, error))
}

/// Bytes that the socket has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// How many of them are gone.
    taken: usize,
}

impl Outbox {
    /// Adds bytes behind those that wait.
    pub(super) fn push(&mut self, bytes: Vec<u8>) {
        if self.is_empty() {
            // The usual case, without a copy.
            self.bytes = bytes;
            self.taken = 0;
            return;
        }
        // A socket that is always a little behind never empties the outbox, so what is gone has to go by itself. Once it is
        // the greater part, moving the rest costs less than sending it did.
        if self.taken >= self.bytes.len() / 2 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(&bytes);
    }

    /// What waits, to be added to in place.
    pub(super) fn refill(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        &mut self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }

    /// Writes once; zero means that the socket takes nothing now.
    pub(super) fn write_to(&mut self, socket: &mut impl Write) -> io::Result<usize> {
        let waiting = self.bytes.get(self.taken..).unwrap_or_default();
        match socket.write(waiting) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                self.taken += count;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// Bytes read at a time. An empty line of one byte becomes a frame of 32, so this bounds memory, too: half a mebibyte of
/// frames is the most that a read adds to an outbox that still had room.
pub(super) const READ_BYTES: usize = 16 * 1024;

/// The worker's end of the console.
#[derive(Debug)]
pub(super) struct Console {
    receiver: Receiver,
    /// Whether there may be something to read. The system tells only once.
    is_ready: bool,
    /// Whether the end is waited for: no process is left that could write more.
    is_draining: bool,
}

/// What a read gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ConsoleRead {
    /// This many bytes.
    Bytes(usize),
    /// Nothing now.
    Empty,
    /// Nothing any more.
    End,
}

impl Console {
    /// Makes a console; the writer is for the job.
    pub(super) fn open(registry: &Registry, token: Token) -> io::Result<(Self, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        enlarge(&reader);
        let mut receiver = Receiver::from(OwnedFd::from(reader));
        receiver.set_nonblocking(true)?;
        registry.register(&mut receiver, token, Interest::READABLE)?;
        Ok((Self { receiver, is_ready: false, is_draining: false }, writer))
    }

    pub(super) fn note_ready(&mut self) {
        self.is_ready = true;
    }

    /// From now on, empty means read to the end.
    pub(super) fn begin_draining(&mut self) {
        self.is_draining = true;
        self.is_ready = true;
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<ConsoleRead> {
        loop {
            match self.receiver.read(buffer) {
                Ok(0) => return Ok(ConsoleRead::End),
                Ok(count) => return Ok(ConsoleRead::Bytes(count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_ready = false;
                    return Ok(ConsoleRead::Empty);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Lets the job write ahead of the worker; without effect where the system or a quota does not allow it.
#[cfg(target_os = "linux")]
fn enlarge(pipe: impl std::os::fd::AsFd) {
    /// What Linux grants users by default.
    const PIPE_BYTES: usize = 1024 * 1024;
    if let Err(error) = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES) {
        log::debug!("the console keeps the system's pipe size: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
fn enlarge(_: impl std::os::fd::AsFd) {}

/// What a signal means to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Processes may have ended. Several ends can come as one signal.
    ChildEnded,
    /// The worker is to end.
    Terminate(&'static str),
    /// The worker is to leave unless it has a job.
    Leave,
}

/// SIGHUP, from the start of the program on: it asks a worker without a job to leave, in order.
pub(super) struct Hangup {
    /// Whether the worker was started so that SIGHUP does not end it, as `nohup` does.
    is_ignored: bool,
    /// Whether the signal ends the program by itself, because nobody else looks at it yet.
    is_ending: Arc<AtomicBool>,
}

impl Hangup {
    /// Has SIGHUP end the program with success, until a [`SignalSource`] takes it over: while the first connection is
    /// made, which may take long, there can be no job.
    ///
    /// # Errors
    ///
    /// When the system does not let the signal be handled.
    pub(super) fn heed() -> io::Result<Self> {
        let is_ignored = is_ignored(SIGHUP);
        let is_ending = Arc::new(AtomicBool::new(!is_ignored));
        if !is_ignored {
            register_conditional_shutdown(SIGHUP, 0, Arc::clone(&is_ending))?;
        }
        Ok(Self { is_ignored, is_ending })
    }
}

/// The signals that concern the worker, taken over.
pub(super) struct SignalSource {
    signals: Signals,
    hangup: Hangup,
}

impl SignalSource {
    /// Takes the signals over, which can be done once.
    ///
    /// They are handled rather than ignored, since jobs would inherit that they are ignored; a handler they do not
    /// inherit. SIGXFSZ is among them so that a script beyond the limit on file sizes fails with an error.
    pub(super) fn new(registry: &Registry, token: Token, hangup: Hangup) -> io::Result<Self> {
        let mut signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ])?;
        registry.register(&mut signals, token, Interest::READABLE)?;
        hangup.is_ending.store(false, Ordering::SeqCst);
        Ok(Self { signals, hangup })
    }

    /// The signals that came since the last call.
    pub(super) fn pending(&mut self) -> Vec<Signal> {
        let meaning = |number| match number {
            SIGCHLD => Some(Signal::ChildEnded),
            SIGHUP if !self.hangup.is_ignored => Some(Signal::Leave),
            SIGINT => Some(Signal::Terminate("SIGINT")),
            SIGTERM => Some(Signal::Terminate("SIGTERM")),
            _ => None,
        };
        self.signals.pending().filter_map(meaning).collect()
    }
}

fn is_ignored(signal: i32) -> bool {
    // SAFETY: `sigaction` is plain data for which zeros are a value, and without a new action the call only fills it in.
    unsafe {
        let mut present: libc::sigaction = core::mem::zeroed();
        libc::sigaction(signal, core::ptr::null(), &raw mut present) == 0
            && present.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes three bytes at a time and then nothing once.
    struct Slow {
        taken: Vec<u8>,
        is_full: bool,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.is_full = !self.is_full;
            if !self.is_full {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = bytes.len().min(3);
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bytes_leave_in_order() {
        let mut slow = Slow { taken: Vec::new(), is_full: false };
        let mut outbox = Outbox::default();
        outbox.push(b"abcde".to_vec());
        assert_eq!(outbox.write_to(&mut slow).unwrap(), 3);
        assert_eq!(outbox.write_to(&mut slow).unwrap(), 0);
        outbox.push(b"fg".to_vec());
        outbox.refill().extend_from_slice(b"h");
        while !outbox.is_empty() {
            outbox.write_to(&mut slow).unwrap();
        }
        assert_eq!(slow.taken, b"abcdefgh");
    }

    #[test]
    fn an_outbox_that_is_never_empty_does_not_grow() {
        let mut slow = Slow { taken: Vec::new(), is_full: false };
        let mut outbox = Outbox::default();
        outbox.push(b"ab".to_vec());
        for _ in 0..10_000 {
            outbox.push(b"cde".to_vec());
            while outbox.write_to(&mut slow).unwrap() > 0 {}
            assert!(!outbox.is_empty());
            assert!(outbox.bytes.capacity() < 64, "{}", outbox.bytes.capacity());
        }
        assert_eq!(slow.taken.len(), 30_000);
    }
}
