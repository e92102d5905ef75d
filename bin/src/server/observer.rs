//! Observers: an offset into a spool or a stored result. They take octets when their socket has room.

use crate::result_file::ResultFile;
use crate::server::spool::SharedSpool;
use builder_engine::server::closing_messages;
use builder_engine::spool::{ENTRY_OVERHEAD, Found, LINE_BYTES, first_entry};
use builder_proto::Uuid;
use builder_proto::command::{Command, append_output_frame};
use builder_proto::execution::{ConsoleReader, ConsoleStep, StoredExecution};
use builder_proto::text::Text;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

/// Octets of an outbox up to which it is filled.
const OUTBOX_BYTES: usize = 64 * 1024;
/// Octets of an outbox that are still to be sent when it is filled again.
const REFILL_BYTES: usize = OUTBOX_BYTES / 2;
/// Octets around a line in its message, at most.
const FRAMING_BYTES: usize = 64;
/// Octets read from a spool at once; more than the longest entry.
const READ_BYTES: usize = OUTBOX_BYTES + LINE_BYTES + ENTRY_OVERHEAD;
/// Blocks of a stored result that are read for one observer before others have their turn.
const STEPS_PER_TURN: usize = 8;

/// A client that follows a build.
#[derive(Debug)]
pub(crate) enum Observer {
    /// The stored result is being looked for.
    Searching,
    /// The build runs, or its result is not stored yet.
    Following(Following),
    /// The result is stored.
    Replaying(Box<Replaying>),
    /// All is in the outbox.
    Served,
}

#[derive(Debug)]
pub(crate) struct Following {
    uuid: Uuid,
    spool: SharedSpool,
    position: u64,
}

#[derive(Debug)]
pub(crate) struct Replaying {
    uuid: Uuid,
    console: ConsoleReader<ResultFile>,
    closing: Vec<u8>,
}

/// How it goes on with an observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// When there is more to send, or room to send it.
    Waiting,
    /// At once, after others had their turn.
    Ready,
    /// All is in the outbox.
    Done,
}

impl Observer {
    pub(crate) fn following(uuid: Uuid, spool: &SharedSpool) -> Observer {
        Observer::Following(Following { uuid, spool: Rc::clone(spool), position: 0 })
    }

    /// Opens a stored result.
    pub(crate) fn replaying(uuid: Uuid, path: &Path) -> io::Result<Observer> {
        let file = ResultFile::open(path)?;
        let stored = StoredExecution::open(&file, file.length())
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error.to_string()))?;
        // The closing says once more how the build ended.
        let console = stored
            .console_before_result(&file)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error.to_string()))?;
        let elapsed = stored.finished.duration_since(stored.started);
        let closing = closing_messages(uuid, &stored.result, elapsed);
        Ok(Observer::Replaying(Box::new(Replaying {
            uuid,
            console: ConsoleReader::new(file, console),
            closing,
        })))
    }

    /// Fills the outbox, of which `unsent` octets wait for the socket.
    pub(crate) fn fill(
        &mut self,
        outbox: &mut Vec<u8>,
        unsent: usize,
        block: &mut Vec<u8>,
    ) -> io::Result<Progress> {
        if unsent > REFILL_BYTES {
            return Ok(Progress::Waiting);
        }
        let full = outbox.len() + OUTBOX_BYTES - unsent;
        match self {
            Observer::Searching | Observer::Served => Ok(Progress::Waiting),
            Observer::Following(following) => following.fill(outbox, full, block),
            Observer::Replaying(replaying) => Ok(replaying.fill(outbox, full)),
        }
    }
}

impl Following {
    pub(crate) fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn fill(&mut self, outbox: &mut Vec<u8>, full: usize, block: &mut Vec<u8>) -> io::Result<Progress> {
        let spool = self.spool.borrow();
        let missing = spool.length() - self.position;
        if let (Some(file), 1..) = (spool.file(), missing) {
            block.resize(usize::try_from(missing).unwrap_or(usize::MAX).min(READ_BYTES), 0);
            file.read_exact_at(block, self.position)?;
            let mut rest = block.as_slice();
            while let (true, Found::Entry(entry, octets)) = (outbox.len() < full, first_entry(rest)) {
                make_room(outbox, full, entry.line);
                append_output_frame(outbox, self.uuid, entry.line, Some(entry.delta));
                rest = rest.get(octets..).unwrap_or_default();
            }
            let taken = (block.len() - rest.len()) as u64;
            if taken == 0 {
                return Err(io::Error::new(ErrorKind::InvalidData, "the spool of the console is damaged"));
            }
            self.position += taken;
        }
        match spool.closing() {
            _ if self.position < spool.length() => Ok(Progress::Ready),
            Some(closing) => {
                outbox.extend_from_slice(closing);
                Ok(Progress::Done)
            }
            None => Ok(Progress::Waiting),
        }
    }
}

impl Replaying {
    /// Leaves nothing in memory but the outbox: whoever takes little keeps what was read for long.
    fn fill(&mut self, outbox: &mut Vec<u8>, full: usize) -> Progress {
        let progress = self.read(outbox, full);
        self.console.release();
        progress
    }

    fn read(&mut self, outbox: &mut Vec<u8>, full: usize) -> Progress {
        let mut blocks = 0;
        while outbox.len() < full && blocks < STEPS_PER_TURN {
            match self.console.step() {
                Ok(ConsoleStep::Entry(entry)) => {
                    make_room(outbox, full, entry.line);
                    append_output_frame(outbox, self.uuid, entry.line, Some(entry.delta_nanoseconds));
                }
                Ok(ConsoleStep::Working) => blocks += 1,
                Ok(ConsoleStep::End) => {
                    outbox.extend_from_slice(&self.closing);
                    return Progress::Done;
                }
                Err(error) => {
                    log::error!("the stored result of build {} {error}", self.uuid);
                    let text = format!("the stored result of build {} {error}", self.uuid);
                    if let Ok(failure) = Command::Failure(Text::from(text)).to_frame() {
                        outbox.extend_from_slice(&failure);
                    }
                    return Progress::Done;
                }
            }
        }
        Progress::Ready
    }
}

/// Makes room for a line, and for more up to where the outbox is full. If it grew by doubling it could take twice as much.
fn make_room(outbox: &mut Vec<u8>, full: usize, line: &[u8]) {
    outbox.reserve_exact((full - outbox.len()).max(line.len() + FRAMING_BYTES));
}
