//! What the answer to `info` holds, and in which order.

use crate::server::schedule::Item;
use crate::server::script::Script;
use crate::server::state::State;
use builder_proto::Uuid;
use builder_proto::command::{InfoPart, InfoStream, QueueInfo};
use builder_proto::error::EncodeError;
use builder_proto::header::{Header, SEQUENCE};
use builder_proto::job::Job;
use builder_proto::time::{Period, Time};
use builder_proto::wire::RawUuid;
use der::{Encode, Length};
use std::sync::Arc;

/// One value of the answer. Jobs are shared with the state, so that a long answer holds no copies.
#[derive(Debug)]
pub(crate) enum InfoItem {
    Scheduled { next: Time, period: Period, job: Arc<Job> },
    Queued(Arc<Job>),
    Running { started: Time, uuid: Uuid, script: Script },
}

/// The answer to `info`: the schedule in the order of the next runs, the queues and what waits to be uploaded, what runs in
/// the order in which it started, and the dropped platforms.
pub(crate) fn lay_out(
    state: &State,
    uploads: Option<QueueInfo>,
) -> Result<InfoStream<InfoItem>, EncodeError> {
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
    /// Bytes of the value without its own header; none when it is not a SEQUENCE of its own.
    fn content_length(&self) -> Result<Option<u64>, EncodeError> {
        let bytes = |length: Length| u64::from(u32::from(length));
        Ok(match self {
            InfoItem::Queued(_) => None,
            InfoItem::Scheduled { next, period, job } => {
                Some(bytes((next.encoded_len()? + period.encoded_len()?)?) + job.encoded_length())
            }
            InfoItem::Running { started, uuid, script } => {
                let started = bytes((started.encoded_len()? + RawUuid(*uuid).encoded_len()?)?);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_takes_little_memory_for_each_job() {
        assert!(size_of::<InfoItem>() <= 48, "SECURITY.md says so: {}", size_of::<InfoItem>());
    }
}
