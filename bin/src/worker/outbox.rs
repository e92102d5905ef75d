//! Bytes on their way into the socket.

use std::io::{self, Write};

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
