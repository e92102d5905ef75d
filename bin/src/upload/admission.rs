//! Who is let into the relay: the one who knows its password.
//!
//! Anyone on this host can find the port and connect. So nobody is waited for: all who have connected are heard at the same
//! time, and when there are many the one who has been here longest makes room for the next. What this process has to say
//! follows its connection at once, so that it is heard however many others say nothing.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

/// Connections that are listened to at the same time.
const CANDIDATES: usize = 64;
/// Bytes of a greeting; that of minreq has about 200.
const GREETING_BYTES: usize = 4096;

/// The listener of a relay. Whoever waits there is turned away when it is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    listener: TcpListener,
    /// The line that proves who it is.
    expected: String,
    /// Those who have not said who they are, the longest here first.
    candidates: VecDeque<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    stream: TcpStream,
    greeting: Vec<u8>,
}

/// What a candidate has said so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Known,
    Unfinished,
    Stranger,
}

impl Admission {
    /// Lets in the one who sends these credentials, as the value of a header.
    ///
    /// # Errors
    ///
    /// When the listener cannot be told not to block.
    pub(super) fn new(listener: TcpListener, authorization: &str) -> io::Result<Admission> {
        listener.set_nonblocking(true)?;
        let expected = format!("Proxy-Authorization: {authorization}");
        Ok(Admission { listener, expected, candidates: VecDeque::new() })
    }

    /// Waits for the one who knows the password and tells it to go ahead.
    ///
    /// # Errors
    ///
    /// When nobody has come by the deadline, or no connection can be accepted.
    pub(super) fn wait(&mut self, deadline: Instant) -> io::Result<TcpStream> {
        loop {
            if self.poll(deadline)? {
                self.accept()?;
            }
            if let Some(stream) = self.hear() {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                (&stream).write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                return Ok(stream);
            }
        }
    }

    /// Waits until somebody connects or says something; whether somebody connects.
    fn poll(&self, deadline: Instant) -> io::Result<bool> {
        loop {
            let left = deadline.checked_duration_since(Instant::now()).ok_or(ErrorKind::TimedOut)?;
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            let candidates =
                self.candidates.iter().map(|candidate| PollFd::new(&candidate.stream, PollFlags::IN));
            let mut polled: Vec<PollFd<'_>> =
                std::iter::once(PollFd::new(&self.listener, PollFlags::IN)).chain(candidates).collect();
            match poll(&mut polled, Some(&timeout)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(polled.first().is_some_and(|listener| !listener.revents().is_empty())),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                if self.candidates.len() == CANDIDATES {
                    self.candidates.pop_front();
                }
                // On some systems it does not block already, as the listener does not.
                stream.set_nonblocking(true)?;
                self.candidates.push_back(Candidate { stream, greeting: Vec::new() });
                Ok(())
            }
            Err(error) if is_passing(&error) => Ok(()),
            // This may be for want of descriptors. Those of strangers are the first to be given up, and one less each time.
            Err(error) => self.candidates.pop_front().map(drop).ok_or(error),
        }
    }

    /// Reads what has been said, and dismisses strangers.
    fn hear(&mut self) -> Option<TcpStream> {
        let mut number = 0;
        while let Some(candidate) = self.candidates.get_mut(number) {
            match candidate.hear(&self.expected) {
                Standing::Unfinished => number += 1,
                Standing::Stranger => drop(self.candidates.remove(number)),
                Standing::Known => return self.candidates.remove(number).map(|known| known.stream),
            }
        }
        None
    }
}

impl Candidate {
    /// Reads what is there. minreq says no more than its greeting before it is told to go ahead.
    fn hear(&mut self, expected: &str) -> Standing {
        let mut block = [0; GREETING_BYTES];
        let count = match self.stream.read(&mut block) {
            Ok(0) => return Standing::Stranger,
            Ok(count) => count,
            Err(error) if is_passing(&error) => return Standing::Unfinished,
            Err(_) => return Standing::Stranger,
        };
        self.greeting.extend_from_slice(block.get(..count).unwrap_or_default());
        if self.greeting.ends_with(b"\r\n\r\n") {
            let greeting = String::from_utf8_lossy(&self.greeting);
            return if greeting.lines().any(|line| line == expected) {
                Standing::Known
            } else {
                Standing::Stranger
            };
        }
        if self.greeting.len() < GREETING_BYTES { Standing::Unfinished } else { Standing::Stranger }
    }
}

/// Whether there is nothing wrong with the socket: nothing is there yet, or who was there has left.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, UdpSocket};
    use std::os::fd::OwnedFd;
    use std::thread::{self, JoinHandle};
    use std::time::Duration;

    const GREETING: &[u8] = b"CONNECT host:80 HTTP/1.1\r\nProxy-Authorization: Basic right\r\n\r\n";

    fn open(patience: Duration) -> (SocketAddr, JoinHandle<io::Result<TcpStream>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut admission = Admission::new(listener, "Basic right").unwrap();
        (address, thread::spawn(move || admission.wait(Instant::now() + patience)))
    }

    fn say(address: SocketAddr, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    }

    #[track_caller]
    fn assert_admitted(mut known: TcpStream, waiting: JoinHandle<io::Result<TcpStream>>) {
        let admitted = waiting.join().unwrap().unwrap();
        assert_eq!(admitted.peer_addr().unwrap(), known.local_addr().unwrap());
        let mut answer = [0; 19];
        known.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK\r\n\r\n");
    }

    #[test]
    fn strangers_who_say_nothing_or_little_hold_up_nobody() {
        let (address, waiting) = open(Duration::from_secs(60));
        // More than are listened to. If each had a second, the time would not be enough.
        let strangers: Vec<TcpStream> =
            (0..CANDIDATES + 20).map(|number| say(address, &GREETING[..number % 3])).collect();
        assert_admitted(say(address, GREETING), waiting);
        drop(strangers);
    }

    #[test]
    fn a_greeting_may_come_in_pieces_while_others_come_and_go() {
        let (address, waiting) = open(Duration::from_secs(60));
        let mut known = say(address, &GREETING[..30]);
        for bytes in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[b'x'; GREETING_BYTES], b"\r\n\r\n"] {
            let mut stranger = say(address, bytes);
            // It is turned away, perhaps with something unread.
            assert!(!stranger.read(&mut [0]).is_ok_and(|count| count > 0));
        }
        known.write_all(&GREETING[30..]).unwrap();
        assert_admitted(known, waiting);
    }

    #[test]
    fn the_wrong_password_does_not_help() {
        let (address, waiting) = open(Duration::from_secs(60));
        let mut stranger =
            say(address, b"CONNECT host:80 HTTP/1.1\r\nProxy-Authorization: Basic rightly\r\n\r\n");
        assert!(!stranger.read(&mut [0]).is_ok_and(|count| count > 0));
        assert_admitted(say(address, GREETING), waiting);
    }

    #[test]
    fn nobody_is_let_in_after_the_deadline_though_strangers_keep_talking() {
        let (address, waiting) = open(Duration::from_millis(100));
        let mut stranger = say(address, b"CONNECT");
        while !waiting.is_finished() {
            // Whoever says too much is turned away, and comes again.
            if stranger.write(b"x").is_err() {
                let Ok(next) = TcpStream::connect(address) else { break };
                stranger = next;
            }
        }
        assert_eq!(waiting.join().unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn a_listener_that_accepts_nobody_is_an_error() {
        // Something waits at this socket, and it cannot be accepted.
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", socket.local_addr().unwrap()).unwrap();
        let mut admission = Admission::new(TcpListener::from(OwnedFd::from(socket)), "Basic right").unwrap();
        let error = admission.wait(Instant::now() + Duration::from_secs(5)).unwrap_err();
        assert_ne!(error.kind(), ErrorKind::TimedOut, "{error}");
    }
}
