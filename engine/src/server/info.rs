//! The answer to `info`, sent in pieces: neither a long schedule nor a slow reader costs others their time.

use crate::Now;
use crate::limits::{ANSWER_PROGRESS_TIME, DEPARTED_BYTES, INFO_PIECE_BYTES, UNREAD_ANSWERS};
use crate::server::connection::Phase;
use crate::server::conversation::Step;
use crate::server::departed::Departed;
use crate::server::schedule::Item;
use crate::server::state::{Script, State};
use crate::server::{ConnectionId, Deferred, Server};
use builder_proto::Uuid;
use builder_proto::command::{Command, InfoPart, InfoStream, QueueInfo};
use builder_proto::error::EncodeError;
use builder_proto::header::{Header, SEQUENCE};
use builder_proto::job::Job;
use builder_proto::time::{Period, Time};
use builder_proto::wire::RawUuid;
use core::time::Duration;
use der::{Encode, Length};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bytes by which a piece may exceed its size, roughly: names, a package, headers.
const AROUND_SCRIPT_BYTES: usize = 8 * 1024;

/// One value of the answer. Jobs are shared with the state, so that a long answer holds no copies.
#[derive(Debug)]
pub(crate) enum InfoItem {
    Scheduled { next: Time, period: Period, job: Arc<Job> },
    Queued(Arc<Job>),
    Running { started: Time, uuid: Uuid, script: Script },
}

/// Clients that have asked and have not been sent everything.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Those to which bytes are on their way, the last ones included: only so many pieces are held.
    begun: BTreeMap<ConnectionId, Begun>,
    /// Those that wait until there are fewer of these.
    waiting: BTreeSet<ConnectionId>,
    /// Jobs that only what is left of the answers holds.
    departed: Departed,
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
    /// Forgets a client that has been sent everything, or is gone.
    pub(crate) fn remove(&mut self, id: ConnectionId) {
        self.begun.remove(&id);
        self.waiting.remove(&id);
        if self.begun.is_empty() {
            self.departed.clear();
        }
    }

    /// A client gets nothing more than what is on its way.
    pub(crate) fn end(&mut self, id: ConnectionId) {
        self.waiting.remove(&id);
        if let Some(begun) = self.begun.get_mut(&id) {
            begun.is_last = true;
        }
    }

    /// Whether any answer has not been sent to its end.
    pub(crate) fn any(&self) -> bool {
        !self.begun.is_empty()
    }

    fn is_crowded(&self) -> bool {
        self.begun.len() >= UNREAD_ANSWERS || !self.waiting.is_empty()
    }

    /// The client that keeps others waiting the longest, and from when on it may be cut off.
    fn slowest(&self) -> Option<(Duration, ConnectionId)> {
        if self.waiting.is_empty() || self.begun.len() < UNREAD_ANSWERS {
            return None;
        }
        let (since, id) = self.begun.iter().map(|(id, begun)| (begun.since, *id)).min()?;
        Some((since.saturating_add(ANSWER_PROGRESS_TIME), id))
    }

    /// The client that has not read for the longest time, of those whose answers hold jobs.
    fn slowest_holder(&self) -> Option<ConnectionId> {
        let holders = self.begun.iter().filter(|(_, begun)| !begun.is_last);
        holders.map(|(id, begun)| (begun.since, *id)).min().map(|(_, id)| id)
    }

    /// When [`Server::inform_waiting`] has something to do at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.slowest().map(|(at, _)| at)
    }

    /// The client that is to be answered next, if one waits and may be answered.
    fn next(&mut self) -> Option<ConnectionId> {
        if self.begun.len() < UNREAD_ANSWERS { self.waiting.pop_first() } else { None }
    }
}

impl Server {
    /// Answers, or puts that off while many others have not read their answers.
    pub(crate) fn inform(&mut self, now: Now, id: ConnectionId) -> Step {
        if self.answers.is_crowded() {
            self.answers.waiting.insert(id);
            return Step::Enter(Phase::Uninformed);
        }
        self.begin_to_inform(now, id)
    }

    /// Answers those who had to wait, now that others have read their answers, or do not go on reading them.
    pub(crate) fn inform_waiting(&mut self, now: Now) {
        loop {
            if let Some((at, id)) = self.answers.slowest()
                && at <= now.monotonic
            {
                self.cut_off(id);
            }
            let Some(id) = self.answers.next() else { return };
            let step = self.begin_to_inform(now, id);
            self.step_by_id(now, id, step);
        }
    }

    /// Counts jobs that a record was to take out of the state, unless they are still part of it.
    pub(crate) fn note_departed(&mut self, leaving: &[Arc<Job>]) {
        for job in leaving {
            if !self.state.holds(job) {
                self.answers.departed.add(job);
            }
        }
    }

    /// Gives up answers while they hold too much of what has left the state. Whoever reads comes last.
    pub(crate) fn free_departed(&mut self) {
        while self.answers.departed.is_too_much()
            && let Some(id) = self.answers.slowest_holder()
        {
            ::log::debug!(
                "connection {id}: closed: it does not read its answer, and answers hold more than {DEPARTED_BYTES} bytes of jobs that are gone"
            );
            self.cut_off(id);
        }
    }

    /// Begins to answer: the schedule in the order of the next runs, the queues and what waits to be uploaded, what runs
    /// in the order in which it started, and the dropped platforms.
    fn begin_to_inform(&mut self, now: Now, id: ConnectionId) -> Step {
        match lay_out(&self.state, self.upload_queue()) {
            Ok(stream) => self.send_piece(now, id, stream),
            Err(error) => Step::Refuse(format!("the state has no encoding: {error}")),
        }
    }

    /// Goes on with an answer of which a piece has been sent, or forgets it when that was the last.
    pub(crate) fn inform_further(&mut self, now: Now, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !matches!(connection.phase, Phase::Informing(_)) {
            self.answers.remove(id);
            return;
        }
        if let Phase::Informing(stream) = core::mem::replace(&mut connection.phase, Phase::Client) {
            let step = self.send_piece(now, id, *stream);
            self.step_by_id(now, id, step);
        }
    }

    fn send_piece(&mut self, now: Now, id: ConnectionId, mut stream: InfoStream<InfoItem>) -> Step {
        let mut bytes = Vec::with_capacity(INFO_PIECE_BYTES + AROUND_SCRIPT_BYTES);
        if let Err(error) = append_piece(&mut stream, &mut bytes) {
            // Part of the message is on its way; only the end of the connection can tell that it is not whole.
            ::log::error!("connection {id}: cannot encode infoReply: {error}");
            self.answers.remove(id);
            return Step::Finish;
        }
        let is_last = stream.is_finished();
        self.answers.begun.insert(id, Begun { since: now.monotonic, is_last });
        self.act_after_commit(Deferred::SendPart { connection: id, bytes });
        if is_last { Step::Finish } else { Step::Enter(Phase::Informing(Box::new(stream))) }
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

fn lay_out(state: &State, uploads: Option<QueueInfo>) -> Result<InfoStream<InfoItem>, EncodeError> {
    let scheduled = |item: &Item| InfoItem::Scheduled {
        next: item.next,
        period: item.period,
        job: Arc::clone(&item.job),
    };
    let schedule = state.schedule.items().map(scheduled).collect();
    let queues = state.queues.iter().map(|(platform, queue)| {
        (platform, queue.jobs().map(|job| InfoItem::Queued(Arc::clone(job))).collect())
    });
    let (title, uploads) = uploads.map(|queue| (queue.platform, queue.jobs)).unzip();
    let uploads = uploads.into_iter().flatten().map(|job| InfoItem::Queued(Arc::new(job))).collect();
    let queues = queues.chain(title.as_ref().map(|title| (title, uploads)));
    let mut running: Vec<_> = state.running.iter().collect();
    running.sort_by_key(|(uuid, build)| (build.started, **uuid));
    let running = running.into_iter().map(|(uuid, build)| InfoItem::Running {
        started: build.started,
        uuid: *uuid,
        script: build.script.clone(),
    });
    InfoStream::new(schedule, queues, running.collect(), &state.dropped)
}

impl InfoItem {
    /// Octets of the value without its own header; none when it is not a SEQUENCE of its own.
    fn content_length(&self) -> Result<Option<u64>, EncodeError> {
        let octets = |length: Length| u64::from(u32::from(length));
        Ok(match self {
            InfoItem::Queued(_) => None,
            InfoItem::Scheduled { next, period, job } => {
                Some(octets((next.encoded_len()? + period.encoded_len()?)?) + job.encoded_length())
            }
            InfoItem::Running { started, uuid, script } => {
                let started = octets((started.encoded_len()? + RawUuid(*uuid).encoded_len()?)?);
                Some(started + script.job().encoded_length())
            }
        })
    }
}

impl InfoPart for InfoItem {
    fn length(&self) -> Result<u64, EncodeError> {
        if let InfoItem::Queued(job) = self {
            return Ok(job.encoded_length());
        }
        let length = self.content_length()?.unwrap_or_default();
        Ok(length + Header { tag: SEQUENCE, length }.encoded_length())
    }

    fn append_until_script(&self, output: &mut Vec<u8>) -> Result<(), EncodeError> {
        if let Some(length) = self.content_length()? {
            Header { tag: SEQUENCE, length }.append_to(output);
        }
        match self {
            InfoItem::Queued(job) => job.append_until_script(output)?,
            InfoItem::Scheduled { next, period, job } => {
                next.encode_to_vec(output)?;
                period.encode_to_vec(output)?;
                job.append_until_script(output)?;
            }
            InfoItem::Running { started, uuid, script } => {
                started.encode_to_vec(output)?;
                RawUuid(*uuid).encode_to_vec(output)?;
                script.job().append_until_script(output);
            }
        }
        Ok(())
    }

    fn script(&self) -> &[u8] {
        match self {
            InfoItem::Scheduled { job, .. } | InfoItem::Queued(job) => job.script(),
            InfoItem::Running { script, .. } => script.bytes(),
        }
    }

    fn append_after_script(&self, output: &mut Vec<u8>) {
        match self {
            InfoItem::Scheduled { job, .. } | InfoItem::Queued(job) => job.append_after_script(output),
            InfoItem::Running { script, .. } => script.job().append_after_script(output),
        }
    }
}
