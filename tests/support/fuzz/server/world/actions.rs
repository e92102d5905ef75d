//! The machine's actions, carried out the way the real driver does.

use super::{Outcome, Storing, World};
use crate::fuzz::server::peers::{Closed, Said};
use builder_engine::server::record::Contents;
use builder_engine::server::{ConnectionId, Deferred, Immediate, Input, OutputSource};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, InfoReply, UPLOADS};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use std::sync::Arc;

impl World {
    pub(super) fn perform_now(&mut self, action: Immediate, received: &[u8]) {
        match action {
            Immediate::Spool { uuid, .. } if self.spools_fail => {
                self.model.consoles.remove(&uuid);
                self.tell(Input::SpoolFailed { uuid, error: "no space left" });
            }
            Immediate::Spool { uuid, entries, console_bytes } => {
                self.spools.entry(uuid).or_default().append(&entries, console_bytes);
            }
            Immediate::BeginResult { uuid, .. } if self.storing == Storing::FailsAtOnce => {
                self.tell(Input::ResultFailed { uuid, error: "no space left" });
            }
            Immediate::BeginResult { uuid, head } => {
                if head.output == OutputSource::Empty {
                    assert!(matches!(head.result, BuildResult::Message(_)), "a reason, and no artifacts");
                }
                self.results.begin(uuid, *head, self.spools.entry(uuid).or_default());
            }
            Immediate::AppendArtifacts { uuid, range } => self.results.append(uuid, &received[range]),
            Immediate::AbandonResult { uuid } => self.results.abandon(uuid),
            Immediate::CompleteResult { uuid } => self.digest(uuid),
            Immediate::StoreResult { uuid } => self.store(uuid),
            Immediate::Halt { reason } => panic!("halted: {reason}"),
        }
    }

    /// Tells the machine amid its actions how one of them went; what follows from it comes behind the others.
    pub(super) fn tell(&mut self, input: Input<'_>) {
        self.model.handle(self.now, &input);
        self.server.handle(self.now, input);
    }

    /// A result that failed at once is not looked at any more.
    fn digest(&mut self, uuid: Uuid) {
        if let Some(manifest) = self.results.manifest(uuid) {
            self.tell(Input::ResultDigested { uuid, manifest });
        }
    }

    pub(super) fn store(&mut self, uuid: Uuid) {
        if !self.results.is_complete(uuid) {
            assert_eq!(self.storing, Storing::FailsAtOnce, "nothing to store for build {uuid}");
            return;
        }
        match self.storing {
            Storing::InLog | Storing::FailsAtOnce => {
                let bytes = self.complete(uuid);
                let contents = Some(Contents(Arc::new(bytes)));
                self.tell(Input::ResultStored { uuid, contents });
            }
            Storing::InFile => self.outcomes.push(Outcome::Stored(uuid)),
            Storing::FailsInTheEnd => self.outcomes.push(Outcome::Failed(uuid)),
            Storing::Held => self.held.push(uuid),
        }
    }

    /// The bytes of a result, which has to be what the model expects.
    pub(super) fn complete(&mut self, uuid: Uuid) -> Vec<u8> {
        let (bytes, stored) = self.results.complete(uuid);
        assert_eq!(stored.uuid, uuid);
        match (self.model.jobs.running.get(&uuid), self.model.jobs.aborted.get(&uuid)) {
            (Some(build), None) => {
                assert_eq!((&stored.job, stored.started), (&build.job, build.started));
                assert_eq!(Some(&stored.result), self.model.result_of(uuid));
            }
            (None, Some(build)) => {
                assert_eq!((&stored.job, stored.started), (&build.job, build.started));
                assert_eq!((stored.finished, stored.output.len()), (build.finished, 0));
                assert!(matches!(stored.result, BuildResult::Message(_)), "{:?}", stored.result);
            }
            other => panic!("{other:?} is stored"),
        }
        // None when the disk did not keep it.
        if let Some(console) = self.model.consoles.get(&uuid) {
            assert_eq!(stored.printed().len() < stored.console.len(), stored.result.last_line().is_some());
            let lines =
                stored.printed().iter().map(|line| (line.delta_nanoseconds, line.line.as_bytes().to_vec()));
            assert!(lines.eq(console.iter().cloned()), "the console of build {uuid}");
        }
        bytes
    }

    pub(super) fn report(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Stored(uuid) if self.results.is_complete(uuid) => {
                let bytes = self.complete(uuid);
                self.results.in_place.insert(uuid, bytes);
                self.hand_in(Input::ResultStored { uuid, contents: None });
            }
            // It was abandoned meanwhile.
            Outcome::Stored(_) => {}
            Outcome::Failed(uuid) => {
                self.results.abandon(uuid);
                self.hand_in(Input::ResultFailed { uuid, error: "no space left" });
            }
            Outcome::Removed(uuid) => self.hand_in(Input::ResultRemoved { uuid }),
            Outcome::Remembered(uuid) => self.hand_in(Input::Remembered { uuids: vec![uuid], length: 1 }),
            Outcome::PartSent(connection) => self.hand_in(Input::PartSent { connection }),
            Outcome::ObserverDone(connection) => self.hand_in(Input::ObserverDone { connection }),
            Outcome::ObserverFailed(connection) => {
                self.hand_in(Input::ObserverFailed { connection, error: "uuid not found" });
            }
        }
    }

    pub(super) fn perform_deferred(&mut self, action: Deferred) {
        match action {
            Deferred::Upload { uuid, name } => {
                assert_eq!(self.uploading.replace(uuid), None, "one at a time");
                assert!(self.results.in_place.contains_key(&uuid), "nothing to upload");
                assert!(self.model.jobs.waiting.contains(&(uuid, name)), "{uuid} does not wait");
            }
            Deferred::Notify { uuid, .. } => panic!("nobody is to be told of {uuid}"),
            Deferred::RemoveResult { uuid, name } => {
                assert_eq!(self.model.jobs.leaving.get(&uuid), Some(&name));
                self.results.in_place.remove(&uuid);
                self.outcomes.push(Outcome::Removed(uuid));
            }
            Deferred::Remember { uuid } => {
                let ended = self.server.state().ended_build(uuid).expect("the log says how it ended");
                assert!(ended.build.end.is_some(), "{ended:?}");
                assert!(!self.model.jobs.running.contains_key(&uuid), "{uuid} runs");
                assert!(!self.model.jobs.aborted.contains_key(&uuid), "{uuid} has no result");
                self.outcomes.push(Outcome::Remembered(uuid));
            }
            Deferred::RememberRemoval { uuid, .. } => self.outcomes.push(Outcome::Remembered(uuid)),
            // Version 13, which these clients speak, has no questions of this kind.
            Deferred::List { connection, .. }
            | Deferred::Describe { connection, .. }
            | Deferred::Overview { connection } => {
                panic!("connection {connection} asks for the history or an overview")
            }
            Deferred::Seal { uuid, closing } => {
                let closing = read_messages(&closing);
                let [Command::Output { uuid: sealed, .. }, Command::Success] = closing.as_slice() else {
                    panic!("{closing:?} at the end")
                };
                assert_eq!(*sealed, uuid);
                self.spools.entry(uuid).or_default().seal();
            }
            Deferred::RemoveSpool { uuid } => self.spools.entry(uuid).or_default().remove(),
            // Version 13, which these clients speak, cannot ask for less.
            Deferred::Follow { connection, uuid, waits, closes } => {
                assert!(waits && closes);
                assert!(self.spools.entry(uuid).or_default().is_there(), "the spool of {uuid} is gone");
                self.followers.insert(connection, uuid);
                self.hear(connection, Said::Follow(uuid));
            }
            Deferred::Replay { connection, uuid, closes } => {
                assert!(closes);
                self.outcomes.push(match self.results.in_place.contains_key(&uuid) {
                    true => Outcome::ObserverDone(connection),
                    false => Outcome::ObserverFailed(connection),
                });
                self.hear(connection, Said::Replay(uuid));
            }
            Deferred::Fetch { connection, .. } => {
                panic!("connection {connection} cannot fetch with version 13")
            }
            Deferred::Send { connection, bytes } => {
                self.hear_messages(connection, &bytes);
            }
            Deferred::SendPart { connection, bytes } => {
                self.outcomes.push(Outcome::PartSent(connection));
                // A short answer is sent whole.
                if !self.model.is_out_of_its_depth {
                    self.hear_messages(connection, &bytes);
                }
            }
            Deferred::Finish { connection } => self.end(connection, Closed::Finished),
            Deferred::Drop { connection } => {
                self.end(connection, Closed::Dropped);
                self.peers.remove(&connection);
            }
        }
    }

    fn hear_messages(&mut self, connection: ConnectionId, bytes: &[u8]) {
        for mut message in read_messages(bytes) {
            if let Command::InfoReply(reply) = &mut message {
                simplify(reply);
            }
            let is_refusal = matches!(message, Command::Failure(_));
            self.hear(connection, if is_refusal { Said::Refusal } else { Said::Message(message) });
        }
    }

    pub(super) fn hear(&mut self, connection: ConnectionId, said: Said) {
        assert!(!self.closed.contains(&connection), "{said:?} after the end");
        self.said.entry(connection).or_default().push(said);
    }

    pub(super) fn end(&mut self, connection: ConnectionId, closed: Closed) {
        self.followers.remove(&connection);
        if closed == Closed::Finished {
            self.hear(connection, Said::Closed(closed));
            self.closed.insert(connection);
        } else {
            self.said.entry(connection).or_default().push(Said::Closed(closed));
        }
    }

    /// Whoever has had all lines of a build that ended is done.
    pub(super) fn feed_followers(&mut self) {
        let (spools, outcomes) = (&self.spools, &mut self.outcomes);
        self.followers.retain(|connection, uuid| {
            let goes_on = !spools[uuid].is_sealed();
            if !goes_on {
                outcomes.push(Outcome::ObserverDone(*connection));
            }
            goes_on
        });
    }
}

/// Takes out of an answer what is for people: where results are uploaded, and what became of the last attempt.
fn simplify(reply: &mut InfoReply) {
    let title = reply.queues.last_mut().map(|queue| &mut queue.platform);
    if let Some(title) = title.filter(|title| title.as_bytes().starts_with(UPLOADS.as_bytes())) {
        *title = UPLOADS.into();
    }
}

/// Whole messages, and nothing else.
fn read_messages(bytes: &[u8]) -> Vec<Command> {
    let (mut decoder, mut rest, mut messages) = (FrameDecoder::new(u64::MAX), bytes, Vec::new());
    while let Some(event) = decoder.next(&mut rest).expect("frames") {
        let FrameEvent::Frame(frame) = event else { panic!("a stream") };
        messages.push(Command::decode(frame).expect("a message"));
    }
    assert!(decoder.is_between_frames(), "only whole messages are sent");
    messages
}
