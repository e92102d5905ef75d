//! What is said on connections, and to which part of the server it goes.

use crate::Now;
use crate::limits::HELD_BYTES;
use crate::names::{NameKind, check_name};
use crate::server::Server;
use crate::server::builds::{Loss, Progress};
use crate::server::jobs;
use crate::server::peer::{ConnectionId, Role};
use crate::server::sessions::{Connection, Phase, Step, unexpected};
use builder_proto::command::{Command, OutputRef, PeerType};
use builder_proto::frame::{FrameError, FrameEvent};
use builder_proto::text::Text;
use builder_proto::{CLIENT_VERSION, HISTORY_VERSION, Uuid, WORKER_VERSION};

impl Server {
    pub(super) fn disconnect(&mut self, now: Now, id: ConnectionId, reason: &str) {
        self.dismiss_waiter(id);
        if let Some(connection) = self.sessions.disconnect(id, &mut self.journal) {
            self.leave_phase(now, id, &connection.phase, reason);
        }
    }

    pub(super) fn receive(&mut self, now: Now, id: ConnectionId, bytes: &[u8]) {
        let Some(mut connection) = self.sessions.take(id) else { return };
        let mut input = bytes;
        while !matches!(connection.phase, Phase::Storing | Phase::Closing) {
            let Connection { decoder, phase, role, .. } = &mut connection;
            let step = match decoder.next(&mut input) {
                Ok(None) => break,
                Ok(Some(FrameEvent::Frame(frame))) => self.on_frame(now, id, *role, phase, frame),
                Ok(Some(FrameEvent::StreamStart { length })) => self.on_result_start(now, phase, length),
                Ok(Some(FrameEvent::StreamBytes { bytes: streamed, .. })) => {
                    let end = bytes.len() - input.len();
                    self.on_result_bytes(now, phase, streamed, end - streamed.len())
                }
                Err(error) => self.on_bad_frame(now, *role, phase, error, input),
            };
            self.take_step(now, id, &mut connection, step);
        }
        if let Phase::Building(uuid) = connection.phase {
            self.builds.flush_console(uuid, &mut self.journal);
        }
        self.sessions.put(id, connection);
        while let Some(id) = self.sessions.holds_too_much() {
            let text = format!(
                "busy: {HELD_BYTES} bytes of incomplete messages are being received; try again later"
            );
            self.refuse_by_id(now, id, &text);
        }
    }

    pub(super) fn expire_connection(&mut self, now: Now, id: ConnectionId) {
        if let Some(refusal) = self.sessions.expire(id, &mut self.journal) {
            self.refuse_by_id(now, id, &refusal);
        }
    }

    pub(super) fn inform_further(&mut self, now: Now, id: ConnectionId) {
        if let Some(step) = self.sessions.inform_further(now, id, &mut self.journal) {
            self.step_by_id(now, id, step);
        }
    }

    pub(super) fn inform_waiting(&mut self, now: Now) {
        while let Some((id, step)) = self.sessions.inform_next(now, &self.uploads, &mut self.journal) {
            self.step_by_id(now, id, step);
        }
    }

    pub(super) fn refuse_by_id(&mut self, now: Now, id: ConnectionId, text: &str) {
        self.step_by_id(now, id, Step::Refuse(text.to_owned()));
    }

    pub(super) fn step_by_id(&mut self, now: Now, id: ConnectionId, step: Step) {
        let Some(mut connection) = self.sessions.take(id) else { return };
        if !matches!(connection.phase, Phase::Closing) {
            self.take_step(now, id, &mut connection, step);
        }
        self.sessions.put(id, connection);
    }

    fn take_step(&mut self, now: Now, id: ConnectionId, connection: &mut Connection, step: Step) {
        if let Step::Refuse(text) = &step {
            self.leave_phase(now, id, &connection.phase, text);
        }
        self.sessions.step(now, id, connection, step, &mut self.journal);
        if matches!(connection.phase, Phase::Closing) {
            self.dismiss_waiter(id);
        }
    }

    /// Undoes what the phase had reserved: a place among the waiting workers, or a build, which is lost.
    fn leave_phase(&mut self, now: Now, id: ConnectionId, phase: &Phase, reason: &str) {
        match phase {
            Phase::Waiting { platform, turn } => self.dispatcher.stop_waiting(platform, *turn),
            Phase::Building(uuid) | Phase::Finishing(uuid, _) => {
                ::log::debug!("connection {id}: lost the worker of build {uuid}: {reason}");
                self.lose_build(now, *uuid, Loss::Gone(reason));
            }
            Phase::Hello
            | Phase::Client { .. }
            | Phase::Worker
            | Phase::Storing
            | Phase::Uninformed
            | Phase::Informing(_)
            | Phase::Observing
            | Phase::Draining
            | Phase::Closing => {}
        }
    }

    fn on_frame(&mut self, now: Now, id: ConnectionId, role: Role, phase: &Phase, frame: &[u8]) -> Step {
        if let Phase::Building(uuid) = phase {
            match OutputRef::decode(frame) {
                Ok(Some(output)) => return self.builds.on_output(now, *uuid, &output, &mut self.journal),
                Ok(None) => {}
                Err(error) => return Step::Refuse(error.to_string()),
            }
        }
        if let Some(kind) = Command::peek_kind(frame) {
            if !phase.expects(kind) {
                return Step::Refuse(unexpected(kind.name(), phase));
            }
            if let Some(refusal) = role.refuses(kind) {
                return Step::Refuse(refusal.to_owned());
            }
        }
        let command = match Command::decode(frame) {
            Ok(command) => command,
            Err(error) => return Step::Refuse(error.to_string()),
        };
        match (phase, command) {
            (Phase::Hello, Command::ClientHello { peer, version }) => self.on_hello(id, role, peer, version),
            (Phase::Client { .. }, command) => self.on_client_command(now, id, role, command, frame.len()),
            (Phase::Worker, Command::JobRequested(platform)) => self.on_job_requested(id, platform),
            (
                Phase::Hello
                | Phase::Worker
                | Phase::Waiting { .. }
                | Phase::Building(_)
                | Phase::Finishing(..)
                | Phase::Storing
                | Phase::Uninformed
                | Phase::Informing(_)
                | Phase::Observing
                | Phase::Draining
                | Phase::Closing,
                command,
            ) => Step::Refuse(unexpected(command.name(), phase)),
        }
    }

    /// What arrives cannot be cut into messages any more; the next bytes are `payload`.
    fn on_bad_frame(
        &mut self,
        now: Now,
        role: Role,
        phase: &Phase,
        error: FrameError,
        payload: &[u8],
    ) -> Step {
        match (phase, error) {
            (Phase::Building(uuid), FrameError::TooLong { length, limit }) if OutputRef::begins(payload) => {
                self.builds.on_long_line(now, *uuid, length, limit, &mut self.journal)
            }
            // What changes something is longer than what only looks; its length is not what is wrong here.
            (Phase::Client { .. }, FrameError::TooLong { .. }) => {
                let refusal = Command::peek_kind(payload).and_then(|kind| role.refuses(kind));
                Step::Refuse(refusal.map_or_else(|| error.to_string(), str::to_owned))
            }
            _ => Step::Refuse(error.to_string()),
        }
    }

    fn on_result_start(&mut self, now: Now, phase: &Phase, length: u64) -> Step {
        match *phase {
            Phase::Building(uuid) => self.builds.on_result_start(now, uuid, length, &mut self.journal),
            _ => Step::Stay,
        }
    }

    /// Bytes of a result came; they begin at `offset` of the input.
    fn on_result_bytes(&mut self, now: Now, phase: &mut Phase, bytes: &[u8], offset: usize) -> Step {
        let Phase::Finishing(uuid, walker) = phase else { return Step::Stay };
        let uuid: Uuid = *uuid;
        match self.builds.on_result_bytes(now, uuid, walker, bytes, offset, &mut self.journal) {
            Progress::Step(step) => step,
            Progress::Complete => {
                self.dispatcher.note_delivery(uuid, self.journal.state());
                Step::Enter(Phase::Storing)
            }
        }
    }

    fn on_hello(&mut self, id: ConnectionId, role: Role, peer: PeerType, version: i64) -> Step {
        let (kind, spoken, phase): (_, &[i64], _) = match peer {
            PeerType::Client => ("client", &[CLIENT_VERSION, HISTORY_VERSION], Phase::Client { version }),
            PeerType::Worker => ("worker", &[WORKER_VERSION], Phase::Worker),
        };
        if let Some(refusal) = role.refuses_peer(peer) {
            return Step::Refuse(refusal.to_owned());
        }
        if !spoken.contains(&version) {
            let spoken: Vec<String> = spoken.iter().map(i64::to_string).collect();
            let spoken = spoken.join(" or ");
            return Step::Refuse(format!(
                "this server speaks {kind} version {spoken}, the peer speaks {kind} version {version}; use programs of the same release"
            ));
        }
        self.journal.send(id, &Command::ServerHello);
        Step::Enter(phase)
    }

    fn on_job_requested(&mut self, id: ConnectionId, platform: Text) -> Step {
        if let Err(error) = check_name(NameKind::Platform, &platform) {
            return Step::Refuse(error.to_string());
        }
        if let Err(refusal) = jobs::check_platform_count(self.journal.state(), &platform) {
            return Step::Refuse(refusal);
        }
        let turn = self.dispatcher.start_waiting(&platform, id);
        Step::Enter(Phase::Waiting { platform, turn })
    }
}
