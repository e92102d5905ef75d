//! The pipe to which the processes of a job write.

use mio::unix::pipe::Receiver;
use mio::{Interest, Registry, Token};
use std::io::{self, PipeWriter, Read};
use std::os::fd::OwnedFd;

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
