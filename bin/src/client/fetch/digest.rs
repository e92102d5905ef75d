//! The digest of what comes, computed beside the writing: of a long artifact by a thread, as that takes half as long as all
//! the rest.

use builder_proto::history::Sha256;
use sha2::Digest;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

/// Bytes from which on it is worth a thread.
const THREAD_BYTES: u64 = 1024 * 1024;
/// Pieces that wait for the thread. Whoever brings more waits, too.
const PIECES: usize = 4;

/// A digest that is being computed.
#[derive(Debug)]
pub(super) enum Digesting {
    Here(sha2::Sha256),
    Beside(Thread),
}

/// A thread that computes one.
#[derive(Debug)]
pub(super) struct Thread {
    pieces: SyncSender<Vec<u8>>,
    /// Buffers of pieces that were taken in, for the next ones.
    empty: Receiver<Vec<u8>>,
    handle: JoinHandle<sha2::Sha256>,
}

impl Digesting {
    /// Goes on with a digest, of which `left` bytes are to come.
    pub(super) fn new(hasher: sha2::Sha256, left: u64) -> Digesting {
        if left < THREAD_BYTES {
            return Digesting::Here(hasher);
        }
        match Thread::start(hasher.clone()) {
            Ok(thread) => Digesting::Beside(thread),
            Err(error) => {
                log::info!("digests are computed without a thread: {error}");
                Digesting::Here(hasher)
            }
        }
    }

    /// Takes in the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Digesting::Here(hasher) => {
                hasher.update(bytes);
                Ok(())
            }
            Digesting::Beside(thread) => {
                let mut piece = thread.empty.try_recv().unwrap_or_default();
                piece.clear();
                piece.extend_from_slice(bytes);
                thread.pieces.send(piece).map_err(|_| gone())
            }
        }
    }

    /// The digest of all bytes.
    pub(super) fn finish(self) -> io::Result<Sha256> {
        let hasher = match self {
            Digesting::Here(hasher) => hasher,
            Digesting::Beside(Thread { pieces, handle, .. }) => {
                // That there are no more is what ends it.
                drop(pieces);
                handle.join().map_err(|_| gone())?
            }
        };
        Ok(Sha256(hasher.finalize().into()))
    }
}

impl Thread {
    fn start(mut hasher: sha2::Sha256) -> io::Result<Thread> {
        let (pieces, next) = sync_channel::<Vec<u8>>(PIECES);
        let (used, empty) = channel();
        let handle = Builder::new().name("digest".to_owned()).spawn(move || {
            for piece in next {
                hasher.update(&piece);
                // The other side may be about to end.
                let _ = used.send(piece);
            }
            hasher
        })?;
        Ok(Thread { pieces, empty, handle })
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that computes digests has ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_computes_the_same_digest() {
        let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 3) as u8).collect();
        let expected = Sha256(sha2::Sha256::digest(&content).into());
        for already in [0, 7, 2_500_000] {
            let (there, rest) = content.split_at(already);
            let mut digest = Digesting::new(sha2::Sha256::new_with_prefix(there), rest.len() as u64);
            assert_eq!(matches!(digest, Digesting::Beside(_)), rest.len() as u64 >= THREAD_BYTES);
            rest.chunks(77_777).for_each(|piece| digest.update(piece).unwrap());
            assert_eq!(digest.finish().unwrap(), expected);
        }
    }
}
