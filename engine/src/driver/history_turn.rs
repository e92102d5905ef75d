//! The history's part in a turn.

use super::files::Files;
use super::history::History;
use super::history_file::{self, HistoryError};
use super::history_tasks::{Appending, Survey};
use super::listing::Batch;
use super::observers::Rest;
use super::platform::Platform;
use super::reasons::StopReason;
use super::tasks::Task;
use super::turn::Driver;
use crate::history::EndedBuild;
use crate::limits::RETRY_TIME;
use crate::server::{ConnectionId, Input, State};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::history::HistoryQuery;
use std::io;

/// Bytes that are held for clients who asked for what is known of a build, from which on the next ones have to wait.
const HELD_BYTES: usize = 64 * 1024 * 1024;

/// Opens the history, and adds to it what only the log knows; none when another attempt may go better. This reads the whole file.
/// It does so before anybody can connect, or later while everybody waits, if the file could not be opened before.
///
/// # Errors
///
/// When a sync fails.
pub(super) fn open<P: Platform>(
    platform: &mut P,
    files: &P::Files,
    state: &State,
) -> Result<Option<History<P::Files>>, StopReason> {
    match history_file::open(files, || platform.salt(), state.history_length()) {
        Ok(opened) => Ok(Some(History::new(opened, state))),
        Err(HistoryError::Unusable(name, error)) => {
            let (path, pause) = (files.describe(name), RETRY_TIME.as_secs());
            ::log::error!(
                "cannot use {path}: {error}; the log holds what the history is to say; next attempt in {pause} seconds"
            );
            Ok(None)
        }
        Err(HistoryError::Unsynced(error)) => Err(StopReason::History(error)),
    }
}

impl<P: Platform> Driver<P> {
    /// Has what the log says of builds carried over into the history, and looks for what it lacks.
    pub(super) fn carry_over(&mut self) -> Result<(), StopReason> {
        let now = self.platform.now().monotonic;
        if self.history.wants_file(now) {
            match open(&mut self.platform, &self.files, self.server.state())? {
                Some(history) => self.history.opened(now, history),
                None => self.history.not_opened(now),
            }
        }
        if let Some(task) = self.history.next_task(now, self.server.state()) {
            self.platform.submit(task);
        }
        Ok(())
    }

    /// Takes in a build whose end is durable, after which others of its job may have to go.
    pub(super) fn remember(&mut self, uuid: Uuid) {
        let ended = self.server.state().ended_build(uuid);
        self.history.remember(self.platform.now().monotonic, uuid, ended);
        let Some(ended) = ended else { return };
        self.retention.want(&ended.build.job);
        if let Some(metrics) = &mut self.metrics {
            metrics.tally.ended(ended);
        }
    }

    pub(super) fn on_appended(
        &mut self,
        appending: Appending,
        outcome: io::Result<()>,
    ) -> Result<(), StopReason> {
        let now = self.platform.now().monotonic;
        match self.history.appended(now, appending, outcome) {
            Some((uuids, length)) => self.input(Input::Remembered { uuids, length }, &[]),
            None => Ok(()),
        }
    }

    pub(super) fn on_surveyed(&mut self, found: Vec<EndedBuild>, outcome: io::Result<Option<Survey>>) {
        let now = self.platform.now().monotonic;
        match outcome {
            Ok(rest) => self.history.surveyed(now, found, rest, self.server.state()),
            Err(error) => self.history.not_surveyed(&error),
        }
    }

    /// Begins to tell a client of builds.
    pub(super) fn list(&mut self, connection: ConnectionId, query: &HistoryQuery) {
        let listing = self.history.list(query, self.server.state());
        self.observers.tell(connection, Some(Rest::Listing(listing)));
    }

    /// Goes on to tell a client of builds, or of all.
    pub(super) fn list_further(&mut self, connection: ConnectionId) -> Result<(), StopReason> {
        let listing = match self.observers.rest(connection) {
            Some(Rest::Listing(listing)) => listing,
            Some(Rest::Overview(_)) => return self.survey_further(connection),
            None => return Ok(()),
        };
        match self.history.next_batch(listing, self.server.state()) {
            Batch::NotYet => self.observers.activate(connection),
            Batch::Builds(items) => {
                self.observers.asked(connection);
                self.platform.submit(Task::list(connection, self.history.file().cloned(), items));
            }
            Batch::End => {
                let success =
                    Command::Success.to_frame().map_err(|error| StopReason::Encoding(error.to_string()))?;
                self.observers.told(connection, success, true);
            }
        }
        Ok(())
    }

    /// Tells a client what is known of a build.
    pub(super) fn describe(&mut self, connection: ConnectionId, uuid: Uuid) -> Result<(), StopReason> {
        if self.observers.told_bytes() > HELD_BYTES {
            let error = "busy: others read what they asked for; try again later";
            return self.input(Input::ObserverFailed { connection, error }, &[]);
        }
        let state = self.server.state();
        let encoding = |error: builder_proto::error::EncodeError| StopReason::Encoding(error.to_string());
        if let Some(build) = self.history.under_way(state).find(|build| build.uuid() == uuid) {
            let mut messages = Command::Build(build).to_frame().map_err(encoding)?;
            if let Some(job) = state.script_under_way(uuid) {
                messages.extend(Command::JobSchedule { uuid, job }.to_frame().map_err(encoding)?);
            }
            messages.extend(Command::Success.to_frame().map_err(encoding)?);
            self.observers.tell(connection, None);
            self.observers.told(connection, messages, true);
            return Ok(());
        }
        let Some(recall) = self.history.recall(uuid, state) else {
            return self.input(Input::ObserverFailed { connection, error: "uuid not found" }, &[]);
        };
        let held = self.write_back.result(uuid).map(|result| result.contents.clone());
        self.observers.tell(connection, None);
        self.platform.submit(Task::describe(connection, recall, held));
        Ok(())
    }

    /// Messages for a client are there.
    pub(super) fn on_read(
        &mut self,
        connection: ConnectionId,
        messages: io::Result<Vec<u8>>,
    ) -> Result<(), StopReason> {
        match messages {
            Ok(messages) => self.observers.told(connection, messages, false),
            Err(error) => {
                if !self.observers.forget(connection) {
                    return Ok(());
                }
                let error = format!("the history cannot be read: {error}");
                ::log::error!("connection {connection}: {error}");
                return self.input(Input::ObserverFailed { connection, error: &error }, &[]);
            }
        }
        Ok(())
    }

    /// The builds that the history has, for those who watch; none while its file cannot be opened.
    pub fn remembered(&self) -> Option<impl Iterator<Item = Uuid> + '_> {
        self.history.uuids()
    }
}
