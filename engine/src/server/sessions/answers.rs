//! Answers to `info`, sent in pieces: neither a long schedule nor a slow reader costs others their time.

use crate::Now;
use crate::limits::{ANSWER_PROGRESS_TIME, INFO_PIECE_BYTES, UNREAD_ANSWERS};
use crate::server::action::Deferred;
use crate::server::journal::Journal;
use crate::server::peer::ConnectionId;
use crate::server::sessions::connection::Phase;
use crate::server::sessions::info_item::{InfoItem, lay_out};
use crate::server::sessions::step::Step;
use crate::server::uploads::Uploads;
use builder_proto::command::{Command, InfoStream};
use builder_proto::error::EncodeError;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes by which a piece may exceed its size, roughly: names, a package, headers.
const AROUND_SCRIPT_BYTES: usize = 8 * 1024;

/// Clients that have asked and have not been sent everything.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Those to which bytes are on their way, the last ones included: only so many pieces are held.
    begun: BTreeMap<ConnectionId, Begun>,
    /// Those that wait until there are fewer of these.
    waiting: BTreeSet<ConnectionId>,
}

/// An answer that has not been sent to its end.
#[derive(Debug)]
struct Begun {
    /// Since when its latest piece is on its way.
    since: Duration,
    /// Whether that is the last; the answer holds no jobs any more then.
    is_last: bool,
}

impl Answers {
    /// Answers, or puts that off while many others have not read their answers.
    pub(crate) fn ask(
        &mut self,
        now: Now,
        id: ConnectionId,
        uploads: &Uploads,
        journal: &mut Journal,
    ) -> Step {
        if self.begun.len() >= UNREAD_ANSWERS || !self.waiting.is_empty() {
            self.waiting.insert(id);
            return Step::Enter(Phase::Uninformed);
        }
        self.begin(now, id, uploads, journal)
    }

    /// Answers the next of those who had to wait, if there is one and others have read their answers.
    pub(crate) fn begin_next(
        &mut self,
        now: Now,
        uploads: &Uploads,
        journal: &mut Journal,
    ) -> Option<(ConnectionId, Step)> {
        if self.begun.len() >= UNREAD_ANSWERS {
            return None;
        }
        let id = self.waiting.pop_first()?;
        Some((id, self.begin(now, id, uploads, journal)))
    }

    /// Sends what comes next of an answer.
    pub(crate) fn go_on(
        &mut self,
        now: Now,
        id: ConnectionId,
        mut stream: InfoStream<InfoItem>,
        journal: &mut Journal,
    ) -> Step {
        let mut bytes = Vec::with_capacity(INFO_PIECE_BYTES + AROUND_SCRIPT_BYTES);
        if let Err(error) = append_piece(&mut stream, &mut bytes) {
            // Part of the message is on its way; only the end of the connection can tell that it is not whole.
            ::log::error!("connection {id}: cannot encode infoReply: {error}");
            self.remove(id, journal);
            return Step::Finish;
        }
        let is_last = stream.is_finished();
        self.begun.insert(id, Begun { since: now.monotonic, is_last });
        journal.departed().watch();
        journal.act_after_commit(Deferred::SendPart { connection: id, bytes });
        if is_last { Step::Finish } else { Step::Enter(Phase::Informing(Box::new(stream))) }
    }

    /// Forgets a client that has been sent everything, or is gone.
    pub(crate) fn remove(&mut self, id: ConnectionId, journal: &mut Journal) {
        self.begun.remove(&id);
        self.waiting.remove(&id);
        if self.begun.is_empty() {
            journal.departed().clear();
        }
    }

    /// A client gets nothing more than what is on its way.
    pub(crate) fn end(&mut self, id: ConnectionId) {
        self.waiting.remove(&id);
        if let Some(begun) = self.begun.get_mut(&id) {
            begun.is_last = true;
        }
    }

    /// The client that keeps others waiting the longest, and from when on it may be cut off.
    pub(crate) fn slowest(&self) -> Option<(Duration, ConnectionId)> {
        if self.waiting.is_empty() || self.begun.len() < UNREAD_ANSWERS {
            return None;
        }
        let (since, id) = self.begun.iter().map(|(id, begun)| (begun.since, *id)).min()?;
        Some((since.saturating_add(ANSWER_PROGRESS_TIME), id))
    }

    /// A client that is to give up its answer, while answers hold too much of what has left the state. Whoever reads comes
    /// last.
    pub(crate) fn too_much(&self, journal: &mut Journal) -> Option<ConnectionId> {
        if !journal.departed().is_too_much() {
            return None;
        }
        let holders = self.begun.iter().filter(|(_, begun)| !begun.is_last);
        holders.map(|(id, begun)| (begun.since, *id)).min().map(|(_, id)| id)
    }

    fn begin(&mut self, now: Now, id: ConnectionId, uploads: &Uploads, journal: &mut Journal) -> Step {
        let state = journal.state();
        match lay_out(state, uploads.queue_info(state)) {
            Ok(stream) => self.go_on(now, id, stream, journal),
            Err(error) => Step::Refuse(format!("the state has no encoding: {error}")),
        }
    }
}

/// Appends what comes next of the answer, and `success` to the last of it.
fn append_piece(stream: &mut InfoStream<InfoItem>, output: &mut Vec<u8>) -> Result<(), EncodeError> {
    stream.encode_next(output, INFO_PIECE_BYTES)?;
    if stream.is_finished() {
        output.extend_from_slice(&Command::Success.to_frame()?);
    }
    Ok(())
}

#[cfg(test)]
impl Answers {
    /// How many clients are being told something, or wait for that.
    pub(crate) fn len(&self) -> usize {
        self.begun.len() + self.waiting.len()
    }
}
