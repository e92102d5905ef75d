//! What the server says, and what becomes of it.

use super::collect::unexpected;
use super::desk::Outcome;
use super::feed::End;
use super::machine::Dashboard;
use super::question::Heard;
use super::site::{Answer, Refusal, Site};
use super::talks::{Purpose, Talk};
use crate::Now;
use builder_proto::command::Command;

/// Questions about the last builds of jobs at the same time.
const LAST_BUILDS_AT_ONCE: usize = 8;

impl<S: Site> Dashboard<S> {
    /// Takes in what the server has sent.
    pub(super) fn hear(&mut self, now: Now, id: u64, mut bytes: &[u8]) {
        let Some(mut talk) = self.talks.take(id) else { return };
        let outcome = match talk.count(bytes.len()) {
            true => self.hear_all(now, id, &mut talk, &mut bytes),
            false => Some(Err(Refusal::TooLong)),
        };
        match outcome {
            None => {
                let (feed, download) = (talk.purpose.feed(), talk.purpose.download());
                self.talks.put_back(now.monotonic, id, talk);
                if let Some(feed) = feed {
                    self.pump_all(now, feed);
                }
                if let Some(connection) = download {
                    self.pace_download(now, connection);
                }
            }
            Some(outcome) => {
                self.talks.hang(id);
                self.conclude(now, talk.purpose, outcome);
            }
        }
    }

    /// How the answer ended, once it has.
    fn hear_all(
        &mut self,
        now: Now,
        id: u64,
        talk: &mut Talk,
        bytes: &mut &[u8],
    ) -> Option<Result<(), Refusal>> {
        let Talk { question, purpose, .. } = talk;
        loop {
            let heard = match question.next(bytes) {
                Ok(heard) => heard?,
                Err(reason) => return Some(Err(Refusal::Unreachable(reason))),
            };
            let outcome = match heard {
                Heard::Part => Ok(()),
                Heard::Tell(bytes) => {
                    self.talks.tell(id, bytes);
                    Ok(())
                }
                Heard::Message(message) => self.hear_message(now, purpose, *message),
                Heard::Content(content) => match purpose {
                    Purpose::Artifact(artifact) if artifact.has_begun => {
                        self.pass_content(now, artifact.connection, content);
                        Ok(())
                    }
                    _ => Err(Refusal::Unreachable("it sent content that was not asked for".to_owned())),
                },
                Heard::Success => return Some(Ok(())),
                Heard::Failure(reason) => return Some(Err(Refusal::Refused(reason))),
            };
            if outcome.is_err() {
                return Some(outcome);
            }
            if purpose.download().is_some_and(|connection| !self.is_downloading(connection)) {
                return Some(Ok(()));
            }
        }
    }

    fn hear_message(&mut self, now: Now, purpose: &mut Purpose, message: Command) -> Result<(), Refusal> {
        match (purpose, message) {
            (Purpose::Overview, message) => self.snapshots.take(message),
            (
                Purpose::LastBuilds(_, builds)
                | Purpose::HasEnded(_, builds)
                | Purpose::TextEnd { builds, .. },
                Command::Build(build),
            ) => {
                builds.push(build);
                Ok(())
            }
            (Purpose::Answer(_, collector), message) => collector.take(message),
            (Purpose::Feed(feed), Command::Output { line, timestamp, .. }) => {
                self.take_line(now, *feed, timestamp, line);
                Ok(())
            }
            (Purpose::Text(text), Command::Output { line, .. }) => {
                self.pass_line(now, text, line);
                Ok(())
            }
            (Purpose::Artifact(download), Command::Artifact(artifact)) => {
                self.pass_artifact(now, download, &artifact)
            }
            (_, message) => Err(unexpected(&message)),
        }
    }

    /// The connection to the server is lost, or was never made.
    pub(super) fn lose(&mut self, now: Now, id: u64, reason: String) {
        if let Some(talk) = self.talks.take(id) {
            self.talks.hang(id);
            self.conclude(now, talk.purpose, Err(Refusal::Unreachable(reason)));
        }
    }

    fn conclude(&mut self, now: Now, purpose: Purpose, outcome: Result<(), Refusal>) {
        self.figures.unanswered += u64::from(outcome.is_err());
        match purpose {
            Purpose::Overview => match outcome {
                Ok(()) => {
                    self.snapshots.take_overview();
                    for _ in 0..LAST_BUILDS_AT_ONCE {
                        self.ask_for_last_builds(now);
                    }
                    self.finish_look(now);
                }
                Err(refusal) => {
                    self.snapshots.fail(now.monotonic, refusal.to_string());
                    self.settle_look(now, Some(refusal));
                }
            },
            Purpose::LastBuilds(place, builds) => {
                // Without an answer, the last builds of this job are not shown.
                self.snapshots.take_builds(place, if outcome.is_ok() { &builds } else { &[] });
                self.ask_for_last_builds(now);
                self.finish_look(now);
            }
            Purpose::HasEnded(need, builds) => match outcome {
                Ok(()) => {
                    let has_ended = builds.first().is_some_and(|build| build.end.is_some());
                    self.ask_for(now, need, has_ended);
                }
                Err(refusal) => self.settle(now, &need, &Err(refusal)),
            },
            Purpose::Answer(need, collector) => {
                let outcome: Outcome =
                    outcome.and_then(|()| -> Result<Answer, Refusal> { collector.finish() });
                self.settle(now, &need, &outcome);
            }
            Purpose::Feed(feed) => {
                let end = match outcome {
                    Ok(()) => End::Over,
                    Err(Refusal::Refused(reason)) => End::Refused(reason),
                    Err(Refusal::Unreachable(_) | Refusal::TooLong) => End::Broken,
                };
                self.end_feed(now, feed, end);
            }
            Purpose::TextEnd { connection, uuid, builds } => match outcome {
                Ok(()) => self.begin_text(now, connection, uuid, &builds),
                Err(refusal) => self.end_download(now, connection, false, Err(refusal)),
            },
            Purpose::Text(text) => self.end_text(now, text, outcome),
            Purpose::Artifact(download) => self.end_artifact(now, &download, outcome),
        }
    }

    fn ask_for_last_builds(&mut self, now: Now) {
        if let Some((place, query)) = self.snapshots.next_question() {
            self.ask(now, Command::History(query), Purpose::LastBuilds(place, Vec::new()));
        }
    }

    fn finish_look(&mut self, now: Now) {
        if self.snapshots.is_complete() {
            self.snapshots.finish(now);
            self.settle_look(now, None);
        }
    }
}
