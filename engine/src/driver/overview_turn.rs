//! The overview's part in a turn.

use super::files::Files;
use super::history::History;
use super::observers::Rest;
use super::overview::{Overview, Surroundings};
use super::platform::Platform;
use super::reasons::StopReason;
use super::turn::Driver;
use crate::history::running_builds;
use crate::server::{ConnectionId, State};
use builder_proto::history::{Build, HistoryQuery};
use std::collections::VecDeque;

impl<P: Platform> Driver<P> {
    /// Begins to tell a client how all is.
    pub(super) fn survey(&mut self, connection: ConnectionId) {
        self.observers.tell(connection, Some(Rest::Overview(Overview::default())));
    }

    /// Goes on to tell a client how all is.
    pub(super) fn survey_further(&mut self, connection: ConnectionId) -> Result<(), StopReason> {
        // What is not durable yet may be taken back by a crash.
        if self.log.has_pending() {
            self.observers.activate(connection);
            return Ok(());
        }
        let Some(Rest::Overview(overview)) = self.observers.rest(connection) else { return Ok(()) };
        let state = self.server.state();
        let running = || self.history.running(state);
        let surroundings = Surroundings {
            // While the file cannot be opened, what it has is not known.
            index: self.history.file().map(|_| self.history.index()),
            running: &running,
            log_bytes: self.log.length(),
            free_bytes: self.rotation.free_space(),
        };
        let piece = overview
            .next_piece(self.platform.now(), &self.server, &surroundings)
            .map_err(|error| StopReason::Encoding(error.to_string()))?;
        let is_over = overview.is_over();
        self.observers.told(connection, piece, is_over);
        Ok(())
    }
}

impl<F: Files> History<F> {
    /// Builds that run, those that started first at the front.
    fn running(&self, state: &State) -> VecDeque<Build> {
        running_builds(&HistoryQuery::default(), self.under_way(state)).into()
    }
}
