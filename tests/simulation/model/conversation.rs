//! What peers and the server say to each other.

use super::overview::Known;
use super::{Model, wire};
use builder_engine::server::ConnectionId;
use builder_proto::command::Command;

impl Model {
    pub(crate) fn peer_sent(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let wire = self.wires.entry(connection).or_default();
        let whole = wire.from_peer.push(bytes);
        for (end, payload) in whole {
            wire.heard(end, &payload, &mut self.builds);
        }
        if wire.from_peer.is_hopeless()
            && let Some(build) = wire.build.and_then(|uuid| self.builds.get(uuid))
        {
            build.break_off();
        }
    }

    pub(crate) fn server_read(&mut self, connection: ConnectionId, bytes: usize) {
        let wire = self.wires.entry(connection).or_default();
        wire.read += bytes;
        let Some(uuid) = wire.build.filter(|_| bytes > 0) else { return };
        if wire.finished_at.is_some_and(|end| end <= wire.read) {
            self.pacing.delivered(uuid);
        }
        if let Some(build) = self.builds.get(uuid) {
            build.hear();
        }
    }

    pub(crate) fn server_sent(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let frames = self.wires.entry(connection).or_default().from_server.push(bytes);
        for (_, payload) in frames {
            let outcome = match Command::decode(&payload) {
                Ok(command) => self.server_said(connection, command),
                Err(error) => Err(format!("the server sent what is no message: {error}")),
            };
            self.check(outcome);
        }
    }

    /// The server has nothing more to say on a connection.
    pub(crate) fn server_finished(&mut self, connection: ConnectionId) {
        let Some(wire) = self.wires.get(&connection) else { return };
        if let Some(uuid) = wire.build.filter(|_| !wire.refused)
            && let Some(build) = self.builds.get(uuid)
        {
            let outcome = build.acknowledge().map_err(|text| format!("build {uuid}: {text}"));
            self.check(outcome);
        }
    }

    fn server_said(&mut self, connection: ConnectionId, command: Command) -> Result<(), String> {
        let wire = self.wires.entry(connection).or_default();
        if let Some(survey) = wire.survey.as_mut().filter(|_| !is_greeting_or_refusal(&command)) {
            let known = Known { recorded: &self.recorded, jobs: &self.jobs, pauses: &self.pauses };
            return survey.hear(command, &known);
        }
        match command {
            Command::JobSchedule { uuid, job } => {
                wire.build = Some(uuid);
                if self.checks_order && self.undurable.contains(&uuid) {
                    return Err(format!("build {uuid} is handed out before the record of that is durable"));
                }
                if !self.jobs.was_scheduled(&job) {
                    return Err(format!("build {uuid} runs {job:?}, which nobody scheduled"));
                }
                self.pacing.hand_out(self.time, uuid, &job.platform)?;
                let may_have_limit = self.jobs.may_have_limit(&job.name);
                self.builds.hand_out(self.time, uuid, job, may_have_limit)
            }
            Command::Output { uuid, line, .. } => wire.observe(uuid, line, &mut self.builds),
            Command::InfoReply(reply) => wire::check_info(&reply, |name| self.jobs.has_environments(name)),
            Command::Waiting(reason) => {
                wire.wait_mut()?.reason(&reason)?;
                self.jobs.accepted(connection)
            }
            Command::Build(build) => {
                wire.wait_mut()?.build(build, &mut self.ends)?;
                self.jobs.accepted(connection)
            }
            answer @ (Command::Success | Command::Failure(_)) => {
                wire.refused |= matches!(answer, Command::Failure(_));
                if let Some(wait) = &wire.wait {
                    match &answer {
                        Command::Failure(reason) => wait.failure(reason, self.jobs.removals(wait.name()))?,
                        _ => wait.success()?,
                    }
                }
                if matches!(answer, Command::Success) {
                    wire.close_observation(&mut self.builds);
                }
                if let Some(command) = self.jobs.pending(connection) {
                    self.pauses.answered(command, &answer);
                    if let (Command::Cancel(uuid), Command::Success) = (command, &answer)
                        && let Some(build) = self.builds.get(*uuid)
                    {
                        build.cancel();
                    }
                }
                self.jobs.answered(connection, &answer)
            }
            Command::ServerHello | Command::Remark(_) => Ok(()),
            other => Err(format!("the server sent {}", other.name())),
        }
    }
}

fn is_greeting_or_refusal(command: &Command) -> bool {
    matches!(command, Command::ServerHello | Command::Failure(_))
}
