//! Uploads: stored results on their way to an upload server, one at a time, until it has them.
//!
//! | what becomes of an attempt | what the server does |
//! |---|---|
//! | the server has the result | records that, then has the file removed unless it is to be kept |
//! | the server cannot be reached | tries again after a delay; everything else waits as well |
//! | the server does not take this result | tries it again after a delay; the others go on |
//! | the server does not let this user upload this result | the same |
//! | … results of several jobs in a row | waits an hour with all of them, as that may well be about the credentials |
//! | the server refuses the credentials | waits until it is told to go on |
//! | the file is gone | records that, and forgets the result |
//!
//! What waits is part of the [`State`]. Whose turn it is, and when, is not.

mod filter;
mod retry_schedule;

pub use filter::UploadFilter;
pub(crate) use retry_schedule::RetrySchedule;

use crate::Now;
use crate::history::Gone;
use crate::limits::{UPLOAD_DOUBTS, UPLOADS_SHOWN};
use crate::server::action::Deferred;
use crate::server::journal::Journal;
use crate::server::notices::Notices;
use crate::server::record::{Record, Removed, UploadQueued, Uploaded};
use crate::server::state::State;
use builder_proto::Uuid;
use builder_proto::command::{QueueInfo, UPLOADS};
use builder_proto::job::{Job, ScriptJob};
use builder_proto::overview::{UploadsStatus, WaitingUpload};
use builder_proto::text::Text;
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use core::time::Duration;
use std::collections::BTreeSet;

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadSettings {
    /// The URL, for people: without credentials.
    pub destination: String,
    /// Whether the files stay where they are when the upload server has them.
    pub keep_local: bool,
}

/// What became of an attempt to upload a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadOutcome<'a> {
    /// The upload server has the result.
    Done,
    /// The server takes nothing at present, for this reason: it cannot be reached, or says so.
    Unavailable(&'a str),
    /// The server did not take this result, for this reason; it may take others.
    Refused(&'a str),
    /// The server did not let the user upload this result, in these words. Whether that is about the job or about the
    /// credentials, it did not say.
    Forbidden(&'a str),
    /// The server refused the credentials as such, in these words.
    Unauthorized(&'a str),
    /// There is no file.
    Missing,
}

/// What the server knows of uploads besides the durable outbox.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    /// None when nothing is uploaded.
    settings: Option<UploadSettings>,
    retry_schedule: RetrySchedule,
    /// Jobs of which a result was forbidden since the server took one, or judged one by anything but its user.
    forbidden: BTreeSet<Text>,
    complaint: Option<Complaint>,
}

/// Why the last attempt that failed did so, as long as that matters.
#[derive(Debug)]
struct Complaint {
    text: String,
    /// The result that the server did not take, if it may take others.
    about: Option<Uuid>,
}

impl Uploads {
    /// Uploads what comes, and what waits since an earlier run. Without settings, what waits goes on waiting.
    pub(crate) fn start(settings: Option<UploadSettings>, state: &State) -> Uploads {
        let mut uploads = Uploads::default();
        let Some(settings) = settings else {
            let waiting = state.waiting_uploads();
            if waiting > 0 {
                ::log::warn!(
                    "results waiting for upload: {waiting}; to upload them, start with --upload URL"
                );
            }
            return uploads;
        };
        // A result that waits although its build has not finished is the trace of a crash: it has its turn when it is stored.
        let stored = |uuid: &Uuid| state.name_of_build(*uuid).is_none();
        let waiting: Vec<Uuid> = state.outbox.waiting().map(|(uuid, _)| uuid).filter(stored).collect();
        if !waiting.is_empty() {
            ::log::warn!("results waiting for upload to {}: {}", settings.destination, waiting.len());
        }
        uploads.settings = Some(settings);
        waiting.into_iter().for_each(|uuid| uploads.retry_schedule.push(uuid));
        uploads
    }

    /// Has the files removed that an earlier run had uploaded but not removed. Those that a notice names wait for it.
    pub(crate) fn remove_leftovers(notices: &Notices, journal: &mut Journal) {
        let state = journal.state();
        let leaving = state.outbox.leaving().filter(|(uuid, _)| !notices.hold(*uuid, state));
        let leaving: Vec<_> = leaving.map(|(uuid, name)| (uuid, name.clone())).collect();
        for (uuid, name) in leaving {
            journal.act_after_commit(Deferred::RemoveResult { uuid, name });
        }
    }

    /// Puts a result into the outbox; to be called just before its build is recorded as finished.
    pub(crate) fn queue(&mut self, uuid: Uuid, journal: &mut Journal) {
        let Some(name) = journal.state().name_of_build(uuid).cloned() else { return };
        if self.settings.is_none() {
            return;
        }
        if !journal.state().outbox.contains(uuid) {
            journal.commit(Record::UploadQueued(UploadQueued { uuid: RawUuid(uuid), name }));
        }
        self.retry_schedule.push(uuid);
    }

    /// Starts the next upload when it is time.
    pub(crate) fn start_next(&mut self, now: Now, journal: &mut Journal) {
        while let Some(uuid) = self.retry_schedule.start_next(now.monotonic) {
            if let Some(name) = journal.state().outbox.name(uuid).cloned() {
                journal.act_after_commit(Deferred::Upload { uuid, name });
                return;
            }
            self.retry_schedule.stop(uuid);
        }
    }

    pub(crate) fn on_ended(
        &mut self,
        now: Now,
        uuid: Uuid,
        outcome: UploadOutcome<'_>,
        notices: &Notices,
        journal: &mut Journal,
    ) {
        let Some(name) = journal.state().outbox.name(uuid).cloned() else { return };
        if !self.retry_schedule.stop(uuid) {
            return;
        }
        match outcome {
            UploadOutcome::Done => self.finish(uuid, name, notices, journal),
            UploadOutcome::Missing => {
                ::log::warn!("the result of build {uuid} of job {name} is gone; it will not be uploaded");
                self.retry_schedule.forget(uuid);
                // Whether the server takes the others remains to be seen.
                self.complaint.take_if(|complaint| complaint.about == Some(uuid));
                record_removal(now, uuid, journal);
            }
            UploadOutcome::Unavailable(error) => {
                let delay = self.retry_schedule.delay_all(now.monotonic, uuid);
                self.complain(uuid, &name, error, &next_attempt(now, delay), journal.state());
            }
            UploadOutcome::Refused(error) => {
                self.forbidden.clear();
                self.delay(now, uuid, &name, error, journal.state());
            }
            UploadOutcome::Forbidden(error) => self.on_forbidden(now, uuid, &name, error, journal.state()),
            UploadOutcome::Unauthorized(error) => {
                self.retry_schedule.pause(uuid);
                self.complain(
                    uuid,
                    &name,
                    error,
                    "uploads are paused; correct the credentials, then send SIGHUP or restart the server",
                    journal.state(),
                );
            }
        }
    }

    /// The server takes this result no sooner than later; it may take others.
    fn delay(&mut self, now: Now, uuid: Uuid, name: &Text, error: &str, state: &State) {
        let delay = self.retry_schedule.delay_one(now.monotonic, uuid);
        self.complain(uuid, name, error, &next_attempt(now, delay), state);
        if let Some(complaint) = &mut self.complaint {
            complaint.about = Some(uuid);
        }
    }

    /// A server that knows the user but not the job, and one that knows neither, may answer in the same way. So this is taken
    /// to be about the result until it happens with one job after the other. Many results of one job prove nothing.
    fn on_forbidden(&mut self, now: Now, uuid: Uuid, name: &Text, error: &str, state: &State) {
        self.forbidden.insert(name.clone());
        let jobs = self.forbidden.len();
        if jobs < UPLOAD_DOUBTS {
            return self.delay(now, uuid, name, error, state);
        }
        self.retry_schedule.delay_one(now.monotonic, uuid);
        let rest = next_attempt(now, self.retry_schedule.rest(now.monotonic));
        let next = format!(
            "because it refused {jobs} jobs in a row, uploads are paused; {rest}, or at once after SIGHUP or a restart"
        );
        self.complain(uuid, name, error, &next, state);
    }

    /// Goes on at once with everything that waits or is paused.
    pub(crate) fn resume(&mut self) {
        self.forbidden.clear();
        self.retry_schedule.resume();
    }

    pub(crate) fn on_removed(now: Now, uuid: Uuid, journal: &mut Journal) {
        if journal.state().outbox.is_leaving(uuid) {
            record_removal(now, uuid, journal);
        }
    }

    /// When [`Uploads::start_next`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.retry_schedule.next_deadline()
    }

    /// What waits to be uploaded as a queue among those of the platforms, so that every client can show it; none when
    /// nothing waits.
    pub(crate) fn queue_info(&self, state: &State) -> Option<QueueInfo> {
        let outbox = &state.outbox;
        let count = outbox.len();
        if count == 0 {
            return None;
        }
        let mut title = format!("{UPLOADS}{}", self.destination());
        if count > UPLOADS_SHOWN {
            title += &format!(", the first {UPLOADS_SHOWN} of {count}");
        }
        if let Some(complaint) = &self.complaint {
            title += &format!("; {}", complaint.text);
        }
        let job = |(uuid, name): (Uuid, &Text)| {
            Job::Script(ScriptJob {
                name: name.clone(),
                script: Text::default(),
                platform: uuid.to_string().into(),
            })
        };
        Some(QueueInfo {
            platform: title.into(),
            jobs: outbox.waiting().take(UPLOADS_SHOWN).map(job).collect(),
        })
    }

    /// What waits to be uploaded, and what is wrong; none when nothing waits.
    pub(crate) fn status(&self, state: &State) -> Option<UploadsStatus> {
        let outbox = &state.outbox;
        let waiting = |(uuid, job): (Uuid, &Text)| WaitingUpload { uuid: RawUuid(uuid), job: job.clone() };
        (outbox.len() > 0).then(|| UploadsStatus {
            destination: self.destination().into(),
            waiting: outbox.len() as u64,
            first: outbox.waiting().take(UPLOADS_SHOWN).map(waiting).collect(),
            trouble: self.complaint.as_ref().map(|complaint| Text::from(complaint.text.as_str())),
        })
    }

    fn destination(&self) -> String {
        match &self.settings {
            Some(settings) => settings.destination.to_string(),
            None => "n/a, as the server runs without --upload".to_owned(),
        }
    }

    fn finish(&mut self, uuid: Uuid, name: Text, notices: &Notices, journal: &mut Journal) {
        let Some(settings) = &self.settings else { return };
        let (keep_local, destination) = (settings.keep_local, settings.destination.clone());
        self.retry_schedule.succeed(uuid);
        self.forbidden.clear();
        // What the server did not take still waits, whatever becomes of the others.
        self.complaint.take_if(|complaint| complaint.about.is_none_or(|refused| refused == uuid));
        journal.commit(Record::Uploaded(Uploaded { uuid: RawUuid(uuid), keep_local }));
        ::log::info!(
            "uploaded the result of build {uuid} of job {name} to {destination}; waiting: {}",
            journal.state().outbox.len()
        );
        // The program that is told of the build may want to read it first.
        if !keep_local && !notices.hold(uuid, journal.state()) {
            journal.act_after_commit(Deferred::RemoveResult { uuid, name });
        }
    }

    fn complain(&mut self, uuid: Uuid, name: &Text, error: &str, next: &str, state: &State) {
        ::log::error!(
            "the result of build {uuid} of job {name} was not uploaded: {error}; {next}; waiting: {}",
            state.outbox.len()
        );
        self.complaint = Some(Complaint { text: format!("{error}; {next}"), about: None });
    }
}

/// A result that was in the outbox is no longer here.
fn record_removal(now: Now, uuid: Uuid, journal: &mut Journal) {
    journal.commit(Record::Removed(Removed { uuid: RawUuid(uuid) }));
    remember_removal(now, uuid, journal);
}

/// The result of a build is no longer here; the history is to say since when.
pub(crate) fn remember_removal(now: Now, uuid: Uuid, journal: &mut Journal) {
    let at = now.wall;
    journal.commit(Record::Gone(Gone { uuid: RawUuid(uuid), at }));
    journal.act_after_commit(Deferred::RememberRemoval { uuid, at });
}

/// In wall time to the second, as it may be read much later.
fn next_attempt(now: Now, delay: Duration) -> String {
    let milliseconds = now.wall.saturating_add(delay).unix_milliseconds();
    let at = Time::from_unix_milliseconds(milliseconds - milliseconds.rem_euclid(1000));
    format!("next attempt at {at}")
}

#[cfg(test)]
mod tests;
