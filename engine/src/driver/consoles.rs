//! Consoles on their way to an observer: an offset into a spool, or into a stored result.

use super::files::{FileName, Files, StoredResult, read_exact};
use super::spools::SharedSpool;
use crate::server::closing_messages;
use crate::spool::{ENTRY_OVERHEAD, Found, LINE_BYTES, first_entry};
use builder_proto::Uuid;
use builder_proto::command::{Command, append_output_frame};
use builder_proto::execution::{ConsoleReader, ConsoleStep, StoredExecution};
use builder_proto::text::Text;
use core::fmt::Display;
use std::io::{self, ErrorKind};
use std::rc::Rc;

/// Bytes around a line in its message, at most.
const FRAMING_BYTES: usize = 64;
/// Blocks of a stored result that are read for one observer before others have their turn.
const STEPS_PER_TURN: usize = 8;

/// The build runs, or its result is not stored yet.
#[derive(Debug)]
pub(super) struct Following<F: Files> {
    pub(super) uuid: Uuid,
    spool: SharedSpool<F>,
    position: u64,
    /// Where it ends, for an observer that does not wait for lines to come: they could come faster than it reads.
    end: Option<u64>,
    /// Whether the last messages are those that the spool has for observers.
    closes: bool,
}

/// How an observer is told of a build that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Whether it waits for the lines to come.
    pub(crate) waits: bool,
    /// Whether the last messages are those that the spool has for observers.
    pub(crate) closes: bool,
}

/// The result is stored.
#[derive(Debug)]
pub(super) struct Replaying<F: Files> {
    uuid: Uuid,
    console: ConsoleReader<StoredResult<F>>,
    /// None for an observer that somebody else tells how the build ended.
    closing: Option<Vec<u8>>,
}

/// How it goes on with an observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filling {
    /// When there is more to send, or room to send it.
    Waiting,
    /// When it has been given more to be sent.
    Hungry,
    /// At once, after others had their turn.
    Ready,
    /// All is in the outbox.
    Done,
}

impl<F: Files> Following<F> {
    /// Begins with the first line, to end with those that come or, if the observer does not wait for them, where the spool
    /// ends now.
    pub(super) fn new(uuid: Uuid, spool: &SharedSpool<F>, Manner { waits, closes }: Manner) -> Self {
        let end = (!waits).then(|| spool.borrow().length());
        Following { uuid, spool: Rc::clone(spool), position: 0, end, closes }
    }

    pub(super) fn fill(
        &mut self,
        outbox: &mut Vec<u8>,
        full: usize,
        outbox_bytes: usize,
        block: &mut Vec<u8>,
        files: &F,
    ) -> io::Result<Filling> {
        let spool = self.spool.borrow();
        let end = self.end.unwrap_or(spool.length());
        let missing = end - self.position;
        if let (Some(file), 1..) = (spool.file(), missing) {
            // More than the longest entry.
            let at_once = outbox_bytes + LINE_BYTES + ENTRY_OVERHEAD;
            block.resize(usize::try_from(missing).unwrap_or(usize::MAX).min(at_once), 0);
            read_exact(files, file, self.position, block)?;
            let mut rest = block.as_slice();
            while let (true, Found::Entry(entry, bytes)) = (outbox.len() < full, first_entry(rest)) {
                make_room(outbox, full, entry.line);
                append_output_frame(outbox, self.uuid, entry.line, Some(entry.delta));
                rest = rest.get(bytes..).unwrap_or_default();
            }
            let taken = (block.len() - rest.len()) as u64;
            if taken == 0 {
                return Err(io::Error::new(ErrorKind::InvalidData, "the spool of the console is damaged"));
            }
            self.position += taken;
        }
        match spool.closing() {
            _ if self.position < end => Ok(Filling::Ready),
            Some(closing) if end == spool.length() => {
                outbox.extend_from_slice(if self.closes { closing } else { &[] });
                Ok(Filling::Done)
            }
            _ if self.end.is_some() => {
                append_message(outbox, &Command::Success);
                Ok(Filling::Done)
            }
            _ => Ok(Filling::Waiting),
        }
    }
}

impl<F: Files> Replaying<F> {
    pub(super) fn open(files: &F, name: FileName<'_>, uuid: Uuid, closes: bool) -> io::Result<Self> {
        Replaying::of(StoredResult::File(files.clone(), files.open(name)?), uuid, closes)
    }

    /// With the closing messages, if it `closes`.
    pub(super) fn of(result: StoredResult<F>, uuid: Uuid, closes: bool) -> io::Result<Self> {
        let damaged = |error: &dyn Display| io::Error::new(ErrorKind::InvalidData, error.to_string());
        let stored = StoredExecution::open(&result, result.length()?).map_err(|error| damaged(&error))?;
        // The closing says once more how the build ended.
        let console = stored.console_before_result(&result).map_err(|error| damaged(&error))?;
        let elapsed = stored.finished.duration_since(stored.started);
        let closing = closes.then(|| closing_messages(uuid, &stored.result, elapsed));
        Ok(Replaying { uuid, console: ConsoleReader::new(result, console), closing })
    }

    /// Leaves nothing in memory but the outbox: whoever takes little keeps what was read for long.
    pub(super) fn fill(&mut self, outbox: &mut Vec<u8>, full: usize) -> Filling {
        let filling = self.read(outbox, full);
        self.console.release();
        filling
    }

    fn read(&mut self, outbox: &mut Vec<u8>, full: usize) -> Filling {
        let mut blocks = 0;
        while outbox.len() < full && blocks < STEPS_PER_TURN {
            match self.console.step() {
                Ok(ConsoleStep::Entry(entry)) => {
                    make_room(outbox, full, entry.line);
                    append_output_frame(outbox, self.uuid, entry.line, Some(entry.delta_nanoseconds));
                }
                Ok(ConsoleStep::Working) => blocks += 1,
                Ok(ConsoleStep::End) => {
                    outbox.extend_from_slice(self.closing.as_deref().unwrap_or_default());
                    return Filling::Done;
                }
                Err(error) => {
                    ::log::error!("the stored result of build {} {error}", self.uuid);
                    if self.closing.is_some() {
                        let text = format!("the stored result of build {} {error}", self.uuid);
                        append_message(outbox, &Command::Failure(Text::from(text)));
                    }
                    return Filling::Done;
                }
            }
        }
        Filling::Ready
    }
}

/// Appends a short message, which always can be written.
pub(super) fn append_message(outbox: &mut Vec<u8>, message: &Command) {
    if let Ok(frame) = message.to_frame() {
        outbox.extend_from_slice(&frame);
    }
}

/// Makes room for a line, and for more up to where the outbox is full. If it grew by doubling it could take twice as much.
fn make_room(outbox: &mut Vec<u8>, full: usize, line: &[u8]) {
    outbox.reserve_exact(full.saturating_sub(outbox.len()).max(line.len() + FRAMING_BYTES));
}
