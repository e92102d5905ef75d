//! Observers, as in `bin/src/server/observer.rs`.

use super::spools::SharedSpool;
use super::{Server, Stop};
use crate::variant::Variant;
use builder_engine::server::{ConnectionId, Input, closing_messages};
use builder_engine::spool::{Found, first_entry};
use builder_proto::Uuid;
use builder_proto::command::append_output_frame;
use builder_proto::execution::{ConsoleLine, Execution};
use builder_tests::world::Disk;
use std::rc::Rc;

/// Octets of an outbox up to which it is filled.
const OUTBOX_BYTES: usize = 500;

#[derive(Debug)]
pub(super) enum Observer {
    Searching,
    Following(Following),
    Replaying(Replaying),
    Served,
}

#[derive(Debug)]
pub(super) struct Following {
    uuid: Uuid,
    spool: SharedSpool,
    position: u64,
}

#[derive(Debug)]
pub(super) struct Replaying {
    uuid: Uuid,
    lines: std::vec::IntoIter<ConsoleLine>,
    closing: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    Ready,
    Done,
}

impl Observer {
    pub(super) fn following(uuid: Uuid, spool: &SharedSpool) -> Observer {
        Observer::Following(Following { uuid, spool: Rc::clone(spool), position: 0 })
    }

    fn replaying(uuid: Uuid, octets: &[u8]) -> Result<Observer, String> {
        let stored = Execution::decode(octets).map_err(|error| error.to_string())?;
        let elapsed = stored.finished.duration_since(stored.started);
        let closing = closing_messages(uuid, &stored.result, elapsed);
        Ok(Observer::Replaying(Replaying { uuid, lines: stored.printed().to_vec().into_iter(), closing }))
    }

    fn fill(
        &mut self,
        disk: &Disk,
        outbox: &mut Vec<u8>,
        unsent: usize,
        variant: Variant,
    ) -> Result<Progress, String> {
        if unsent >= OUTBOX_BYTES {
            if let (Observer::Following(following), Variant::LinesSkipped) = (&mut *self, variant) {
                following.position = following.spool.borrow().length();
            }
            return Ok(Progress::Waiting);
        }
        match self {
            Observer::Searching | Observer::Served => Ok(Progress::Waiting),
            Observer::Following(following) => following.fill(disk, outbox),
            Observer::Replaying(replaying) => Ok(replaying.fill(outbox)),
        }
    }
}

impl Following {
    pub(super) fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn fill(&mut self, disk: &Disk, outbox: &mut Vec<u8>) -> Result<Progress, String> {
        let spool = self.spool.borrow();
        let filled = outbox.len();
        if let Some(file) = spool.file() {
            let octets = &disk.contents(file)[..spool.length() as usize];
            while self.position < spool.length() && outbox.len() - filled < OUTBOX_BYTES {
                let Found::Entry(entry, length) = first_entry(&octets[self.position as usize..]) else {
                    return Err("the spool of the console is damaged".to_owned());
                };
                append_output_frame(outbox, self.uuid, entry.line, Some(entry.delta));
                self.position += length as u64;
            }
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
    fn fill(&mut self, outbox: &mut Vec<u8>) -> Progress {
        let filled = outbox.len();
        while outbox.len() - filled < OUTBOX_BYTES {
            let Some(line) = self.lines.next() else {
                outbox.extend_from_slice(&self.closing);
                return Progress::Done;
            };
            append_output_frame(outbox, self.uuid, line.line.as_bytes(), Some(line.delta_nanoseconds));
        }
        Progress::Ready
    }
}

impl Server {
    /// Fills the outboxes of observers that have room, with what is new.
    pub(super) fn feed_observers(&mut self) -> Result<(), Stop> {
        let environment = self.environment.clone();
        for connection in std::mem::take(&mut self.active_observers) {
            let (Some(observer), Some(socket)) =
                (self.observers.get_mut(&connection), self.sockets.sending(connection))
            else {
                continue;
            };
            // First, as what still waits after it waits for the socket, and an event will tell.
            if !socket.flush(&environment, connection, self.order.durable).unwrap_or(false) {
                continue;
            }
            let unsent = socket.unsent();
            let filled =
                observer.fill(&environment.disk.borrow(), socket.outbox(), unsent, environment.variant);
            match filled {
                Ok(Progress::Waiting) => {}
                Ok(Progress::Ready) => {
                    let whole = socket.flush(&environment, connection, self.order.durable).unwrap_or(false);
                    if whole && socket.is_writable() {
                        self.active_observers.insert(connection);
                    }
                }
                Ok(Progress::Done) => {
                    self.forget_observer(connection);
                    self.observers.insert(connection, Observer::Served);
                    self.sockets.report_when_sent(connection);
                }
                Err(error) => {
                    self.observers.remove(&connection);
                    self.input(Input::ObserverFailed { connection, error: &error }, &[])?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn on_found(
        &mut self,
        connection: ConnectionId,
        uuid: Uuid,
        path: Option<String>,
    ) -> Result<(), Stop> {
        if !self.observers.contains_key(&connection) {
            return Ok(());
        }
        let Some(path) = path else {
            return self.input(Input::ObserverFailed { connection, error: "uuid not found" }, &[]);
        };
        let octets = self.environment.disk.borrow().read(&path).unwrap_or_default().to_vec();
        match Observer::replaying(uuid, &octets) {
            Ok(observer) => {
                self.observers.insert(connection, observer);
                self.active_observers.insert(connection);
                Ok(())
            }
            Err(error) => self.input(Input::ObserverFailed { connection, error: &error }, &[]),
        }
    }
}
