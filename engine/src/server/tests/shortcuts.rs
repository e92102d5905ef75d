//! What the tests do with a rig, in one call.

use super::rig::Rig;
use super::words::daily;
use crate::server::{ConnectionId, Role};
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, InfoReply, PeerType};
use builder_proto::execution::Execution;
use builder_proto::job::{File, ScriptJob};
use builder_proto::text::Text;
use builder_proto::time::Time;
use builder_proto::{CLIENT_VERSION, HISTORY_VERSION, Uuid, WORKER_VERSION};

impl Rig {
    /// Gives a command on a connection of its own; what the server answers before `success`, or its refusal.
    pub(super) fn ask(&mut self, command: &Command) -> Result<Vec<Command>, String> {
        let client = self.client_of_version(command.kind().client_version());
        self.say(client, command);
        self.end_turn();
        let peer = self.peers.remove(&client).unwrap();
        assert!(peer.finished, "the server ends the conversation");
        self.close(client);
        let mut answers = peer.inbox;
        assert_eq!(answers.remove(0), Command::ServerHello);
        match answers.pop().unwrap() {
            Command::Success => Ok(answers),
            Command::Failure(text) => {
                assert_eq!(answers, [], "a refusal is all that is said");
                Err(text.to_string())
            }
            other => panic!("{other:?} at the end"),
        }
    }

    pub(super) fn done(&mut self, command: Command) {
        assert_eq!(self.ask(&command), Ok(Vec::new()), "{command:?}");
    }

    pub(super) fn refusal(&mut self, command: Command) -> String {
        self.ask(&command).expect_err("a refusal")
    }

    pub(super) fn info(&mut self) -> InfoReply {
        match self.ask(&Command::Info).as_deref() {
            Ok([Command::InfoReply(reply)]) => reply.clone(),
            other => panic!("{other:?} is no answer to info"),
        }
    }

    /// A client that has said hello.
    pub(super) fn client(&mut self) -> ConnectionId {
        self.client_of_version(CLIENT_VERSION)
    }

    /// A client that has said hello, and knows of the history.
    pub(super) fn versed_client(&mut self) -> ConnectionId {
        self.client_of_version(HISTORY_VERSION)
    }

    fn client_of_version(&mut self, version: i64) -> ConnectionId {
        let connection = self.connect(Role::Any);
        self.say(connection, &Command::ClientHello { peer: PeerType::Client, version });
        connection
    }

    /// A worker that has asked for a job.
    pub(super) fn worker(&mut self, platform: &str) -> ConnectionId {
        let connection = self.connect(Role::Any);
        self.say(connection, &Command::ClientHello { peer: PeerType::Worker, version: WORKER_VERSION });
        self.say(connection, &Command::JobRequested(platform.into()));
        self.end_turn();
        connection
    }

    /// The job that a worker was handed.
    pub(super) fn job(&self, worker: ConnectionId) -> Option<(Uuid, ScriptJob)> {
        self.peers[&worker].inbox.iter().find_map(|command| match command {
            Command::JobSchedule { uuid, job } => Some((*uuid, job.clone())),
            _ => None,
        })
    }

    /// The name of the job that a worker was handed; empty when it waits.
    pub(super) fn job_name(&self, worker: ConnectionId) -> String {
        self.job(worker).map(|(_, job)| job.name.to_string()).unwrap_or_default()
    }

    /// A worker with the first build of a job called a.
    pub(super) fn started(&mut self) -> (ConnectionId, Uuid) {
        self.done(daily("a", "p"));
        self.build("p")
    }

    /// A new worker that got a job at once.
    pub(super) fn build(&mut self, platform: &str) -> (ConnectionId, Uuid) {
        let worker = self.worker(platform);
        let (uuid, _) = self.job(worker).expect("a job is queued");
        (worker, uuid)
    }

    /// A new worker that got a job as soon as the losses of its platform allowed.
    pub(super) fn patient_build(&mut self, platform: &str) -> (ConnectionId, Uuid) {
        let worker = self.worker(platform);
        if self.job(worker).is_none() {
            let deadline = self.server.next_deadline().expect("the platform waits for its time");
            self.pass(deadline - self.now.monotonic);
        }
        let (uuid, _) = self.job(worker).expect("a job is queued");
        (worker, uuid)
    }

    pub(super) fn print(&mut self, worker: ConnectionId, line: &str) {
        let (uuid, _) = self.job(worker).expect("a build");
        self.say(worker, &Command::Output { uuid, line: line.into(), timestamp: None });
    }

    pub(super) fn finish(&mut self, worker: ConnectionId, result: BuildResult, data: Vec<File>) {
        let (uuid, _) = self.job(worker).expect("a build");
        self.say(worker, &Command::JobFinished { uuid, result, data });
        self.end_turn();
    }

    /// The worker is gone without a result.
    pub(super) fn lose(&mut self, worker: ConnectionId) {
        self.close(worker);
        self.end_turn();
    }

    /// What was said to a peer since the last time.
    pub(super) fn heard(&mut self, connection: ConnectionId) -> Vec<Command> {
        core::mem::take(&mut self.peers.get_mut(&connection).unwrap().inbox)
    }

    /// The text of the failure with which a conversation ended.
    pub(super) fn failure(&self, connection: ConnectionId) -> String {
        let peer = &self.peers[&connection];
        match peer.inbox.last() {
            Some(Command::Failure(text)) if peer.finished => text.to_string(),
            last => panic!("no failure, but {last:?}"),
        }
    }

    pub(super) fn queue(&self, platform: &str) -> Vec<String> {
        let queue = self.server.state().queues.get(&Text::from(platform)).expect("a queue");
        queue.jobs().map(|job| job.name().to_string()).collect()
    }

    pub(super) fn has_queue(&self, platform: &str) -> bool {
        self.server.state().queues.contains_key(&Text::from(platform))
    }

    pub(super) fn next_run(&self, name: &str) -> Time {
        self.server.state().schedule.get(&name.into()).expect("a scheduled job").next
    }

    pub(super) fn stored(&self, uuid: Uuid) -> Execution {
        Execution::decode(self.results.in_place.get(&uuid).expect("a stored result")).unwrap()
    }

    pub(super) fn is_running(&self, uuid: Uuid) -> bool {
        self.server.state().running.contains_key(&uuid)
    }
}
