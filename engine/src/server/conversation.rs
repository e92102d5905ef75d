//! Connections and what is said on them: hello, the first message, refusals, the end.

use crate::Now;
use crate::limits::{COMMAND_TIME, HELD_BYTES, HELLO_TIME, LINGER_TIME, UNREAD_ANSWERS};
use crate::names::{NameKind, check_name};
use crate::server::builds::Ending;
use crate::server::connection::{Connection, Phase, unexpected};
use crate::server::deadlines::Subject;
use crate::server::peer::Role;
use crate::server::{ConnectionId, Deferred, Server};
use builder_proto::command::{Command, OutputRef, PeerType};
use builder_proto::frame::{FrameError, FrameEvent};
use builder_proto::text::Text;
use builder_proto::{CLIENT_VERSION, WORKER_VERSION};

/// How a conversation goes on after a message.
pub(crate) enum Step {
    /// As it is.
    Stay,
    /// In another phase.
    Enter(Phase),
    /// With a refusal, and not further. A build of this connection is lost.
    Refuse(String),
    /// Not further. A build of this connection has been ended already.
    Close(String),
    /// Not further; everything has been said.
    Finish,
}

impl Server {
    pub(crate) fn connect(&mut self, now: Now, id: ConnectionId, role: Role) {
        self.deadlines.set(Subject::Connection(id), now.monotonic.saturating_add(HELLO_TIME));
        self.put_connection(id, Connection::new(role));
    }

    pub(crate) fn disconnect(&mut self, now: Now, id: ConnectionId, reason: &str) {
        let Some(connection) = self.take_connection(id) else { return };
        self.deadlines.clear(Subject::Connection(id));
        self.observers.remove(&id);
        self.answers.remove(id);
        self.leave_phase(now, id, &connection.phase, reason);
    }

    pub(crate) fn receive(&mut self, now: Now, id: ConnectionId, bytes: &[u8]) {
        let Some(mut connection) = self.take_connection(id) else { return };
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
                Err(error) => self.on_bad_frame(now, phase, error, input),
            };
            self.take_step(now, id, &mut connection, step);
        }
        if let Phase::Building(uuid) = connection.phase {
            self.flush_console(uuid);
        }
        self.put_connection(id, connection);
        while let Some(id) = self.incomplete.too_much() {
            let text = format!(
                "busy: {HELD_BYTES} bytes of incomplete messages are being received; try again later"
            );
            self.refuse_by_id(now, id, &text);
        }
    }

    pub(crate) fn expire_connection(&mut self, now: Now, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else { return };
        let text = match connection.phase {
            // Nothing more would be read.
            Phase::Closing | Phase::Informing(_) => {
                self.cut_off(id);
                return;
            }
            Phase::Uninformed => {
                format!("busy: {UNREAD_ANSWERS} clients have not read their answers; try again later")
            }
            Phase::Hello => format!("no clientHello within {} seconds", HELLO_TIME.as_secs()),
            _ => format!("no whole command within {} seconds", COMMAND_TIME.as_secs()),
        };
        self.refuse_by_id(now, id, &text);
    }

    /// Forgets a connection to which nothing can be said any more.
    pub(crate) fn cut_off(&mut self, id: ConnectionId) {
        self.take_connection(id);
        self.deadlines.clear(Subject::Connection(id));
        self.answers.remove(id);
        self.act_after_commit(Deferred::Drop { connection: id });
    }

    pub(crate) fn finish_observer(&mut self, now: Now, id: ConnectionId) {
        self.step_by_id(now, id, Step::Finish);
    }

    pub(crate) fn refuse_by_id(&mut self, now: Now, id: ConnectionId, text: &str) {
        self.step_by_id(now, id, Step::Refuse(text.to_owned()));
    }

    pub(crate) fn step_by_id(&mut self, now: Now, id: ConnectionId, step: Step) {
        let Some(mut connection) = self.take_connection(id) else { return };
        if !matches!(connection.phase, Phase::Closing) {
            self.take_step(now, id, &mut connection, step);
        }
        self.put_connection(id, connection);
    }

    pub(crate) fn send(&mut self, id: ConnectionId, command: &Command) {
        match command.to_frame() {
            Ok(bytes) => self.act_after_commit(Deferred::Send { connection: id, bytes }),
            // Only texts of gigabytes have no encoding, and none is accepted; the peer sees the connection end.
            Err(error) => ::log::error!("connection {id}: cannot encode {}: {error}", command.name()),
        }
    }

    /// Whether part of a message came on a connection, and the rest of it has not.
    pub(crate) fn holds_bytes_of(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| !connection.decoder.is_between_frames())
    }

    /// Takes a connection out, with what it holds of an incomplete frame, to be put back after a change.
    fn take_connection(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        self.incomplete.remove(id, &connection);
        Some(connection)
    }

    fn put_connection(&mut self, id: ConnectionId, connection: Connection) {
        self.incomplete.add(id, &connection);
        self.connections.insert(id, connection);
    }

    fn take_step(&mut self, now: Now, id: ConnectionId, connection: &mut Connection, step: Step) {
        match step {
            Step::Stay => {}
            Step::Enter(phase) => {
                self.deadlines.clear(Subject::Connection(id));
                if matches!(phase, Phase::Client | Phase::Worker | Phase::Uninformed | Phase::Informing(_)) {
                    let patience = now.monotonic.saturating_add(COMMAND_TIME);
                    self.deadlines.set(Subject::Connection(id), patience);
                }
                connection.enter(phase);
            }
            Step::Refuse(text) => {
                self.leave_phase(now, id, &connection.phase, &text);
                self.close(now, id, connection, Some(text));
            }
            Step::Close(text) => self.close(now, id, connection, Some(text)),
            Step::Finish => self.close(now, id, connection, None),
        }
    }

    /// Undoes what the phase had reserved: a place among the waiting workers, or a build, which is lost.
    fn leave_phase(&mut self, now: Now, id: ConnectionId, phase: &Phase, reason: &str) {
        match phase {
            Phase::Waiting { platform, turn } => self.stop_waiting(platform, *turn),
            Phase::Building(uuid) | Phase::Finishing(uuid, _) => {
                ::log::debug!("connection {id}: lost the worker of build {uuid}: {reason}");
                self.end_build(now, *uuid, Ending::Lost(reason));
            }
            Phase::Hello
            | Phase::Client
            | Phase::Worker
            | Phase::Storing
            | Phase::Uninformed
            | Phase::Informing(_)
            | Phase::Observing
            | Phase::Closing => {}
        }
    }

    fn close(&mut self, now: Now, id: ConnectionId, connection: &mut Connection, failure: Option<String>) {
        if let Some(text) = failure {
            ::log::debug!("connection {id}: refused: {text}");
            // Amid a long answer it would be taken for part of that.
            if !matches!(connection.phase, Phase::Informing(_)) {
                self.send(id, &Command::Failure(Text::from(text)));
            }
        }
        self.observers.remove(&id);
        self.answers.end(id);
        self.act_after_commit(Deferred::Finish { connection: id });
        connection.enter(Phase::Closing);
        self.deadlines.set(Subject::Connection(id), now.monotonic.saturating_add(LINGER_TIME));
    }

    fn on_frame(&mut self, now: Now, id: ConnectionId, role: Role, phase: &Phase, frame: &[u8]) -> Step {
        if let Phase::Building(uuid) = phase {
            match OutputRef::decode(frame) {
                Ok(Some(output)) => return self.on_output(now, *uuid, &output),
                Ok(None) => {}
                Err(error) => return Step::Refuse(error.to_string()),
            }
        }
        if let Some(name) = Command::peek_name(frame).filter(|name| !phase.expects(name)) {
            return Step::Refuse(unexpected(name, phase));
        }
        let command = match Command::decode(frame) {
            Ok(command) => command,
            Err(error) => return Step::Refuse(error.to_string()),
        };
        match (phase, command) {
            (Phase::Hello, Command::ClientHello { peer, version }) => self.on_hello(id, role, peer, version),
            (Phase::Client, command) => self.on_client_command(now, id, command, frame.len()),
            (Phase::Worker, Command::JobRequested(platform)) => self.on_job_requested(id, platform),
            (phase, command) => Step::Refuse(unexpected(command.name(), phase)),
        }
    }

    /// What arrives cannot be cut into messages any more; the next octets are `payload`.
    fn on_bad_frame(&mut self, now: Now, phase: &Phase, error: FrameError, payload: &[u8]) -> Step {
        match (phase, error) {
            (Phase::Building(uuid), FrameError::TooLong { length, limit }) if OutputRef::begins(payload) => {
                self.on_long_line(now, *uuid, length, limit)
            }
            _ => Step::Refuse(error.to_string()),
        }
    }

    fn on_hello(&mut self, id: ConnectionId, role: Role, peer: PeerType, version: i64) -> Step {
        let (kind, spoken, phase) = match peer {
            PeerType::Client => ("client", CLIENT_VERSION, Phase::Client),
            PeerType::Worker => ("worker", WORKER_VERSION, Phase::Worker),
        };
        match (role, peer) {
            (Role::Workers, PeerType::Client) => {
                return Step::Refuse(
                    "this port serves workers; clients have an address of their own".to_owned(),
                );
            }
            (Role::Clients, PeerType::Worker) => {
                return Step::Refuse(
                    "this port serves clients; workers have an address of their own".to_owned(),
                );
            }
            _ => {}
        }
        if version != spoken {
            return Step::Refuse(format!(
                "this server speaks {kind} version {spoken}, the peer speaks {kind} version {version}; use programs of the same release"
            ));
        }
        self.send(id, &Command::ServerHello);
        Step::Enter(phase)
    }

    fn on_job_requested(&mut self, id: ConnectionId, platform: Text) -> Step {
        if let Err(error) = check_name(NameKind::Platform, &platform) {
            return Step::Refuse(error.to_string());
        }
        if let Err(refusal) = self.check_platform_count(&platform) {
            return Step::Refuse(refusal);
        }
        let turn = self.start_waiting(&platform, id);
        Step::Enter(Phase::Waiting { platform, turn })
    }
}
