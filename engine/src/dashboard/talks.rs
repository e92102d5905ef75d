//! Questions to the server that are under way, and what each of them is for.

use super::collect::Collector;
use super::limits::{ANSWER_BYTES, ANSWER_TIME};
use super::question::Question;
use super::site::Need;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::history::Build;
use builder_proto::text::Text;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// What a question is for.
pub(super) enum Purpose {
    /// To find out how all is.
    Overview,
    /// To find out how the last builds of a job ended, which has this number in the look.
    LastBuilds(usize, Vec<Build>),
    /// To find out whether a build has ended, before its console is asked for a page.
    HasEnded(Need, Vec<Build>),
    /// To answer what a page needs.
    Answer(Need, Box<Collector>),
    /// To follow a console.
    Feed(u64),
    /// To find out whether a build has ended, before its console is downloaded.
    TextEnd { connection: u64, uuid: Uuid, builds: Vec<Build> },
    /// To send a console as it is.
    Text(TextDownload),
    /// To send an artifact.
    Artifact(ArtifactDownload),
}

/// A console on its way to a browser.
pub(super) struct TextDownload {
    pub(super) connection: u64,
    /// Whether the last line tells the result, and is not wanted.
    pub(super) has_result: bool,
    /// Whether the browser was told that the console comes.
    pub(super) has_begun: bool,
    pub(super) held: Option<Text>,
}

/// An artifact on its way to a browser.
pub(super) struct ArtifactDownload {
    pub(super) connection: u64,
    pub(super) path: Text,
    /// Whether the artifact is there, and its content comes.
    pub(super) has_begun: bool,
}

/// What is to be done with connections to the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect to the server, and send this.
    Dial {
        /// The number of the question, which no other has.
        question: u64,
        /// What is to be sent as soon as there is a connection.
        bytes: Vec<u8>,
    },
    /// Send this.
    Tell {
        /// The question.
        question: u64,
        /// What is to be sent.
        bytes: Vec<u8>,
    },
    /// Close the connection.
    Hang {
        /// The question.
        question: u64,
    },
}

/// A question that is under way.
pub(super) struct Talk {
    pub(super) question: Question,
    pub(super) purpose: Purpose,
    /// Bytes that have come.
    heard: usize,
    /// When the server will have said nothing for too long.
    deadline: Option<Duration>,
    /// Whether nothing is to be read for now.
    is_paused: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Talks {
    talks: BTreeMap<u64, Talk>,
    last: u64,
    actions: VecDeque<Action>,
}

impl Talks {
    /// Asks the server.
    pub(super) fn begin(&mut self, now: Duration, command: Command, purpose: Purpose) -> u64 {
        let (question, bytes) = Question::new(command);
        self.last += 1;
        let deadline = Some(now + ANSWER_TIME);
        let talk = Talk { question, purpose, heard: 0, deadline, is_paused: false };
        self.talks.insert(self.last, talk);
        self.actions.push_back(Action::Dial { question: self.last, bytes });
        self.last
    }

    /// Takes one out, to look at what was received for it.
    pub(super) fn take(&mut self, id: u64) -> Option<Talk> {
        self.talks.remove(&id)
    }

    /// Puts it back: there is more to come.
    pub(super) fn put_back(&mut self, now: Duration, id: u64, mut talk: Talk) {
        talk.expect(now);
        self.talks.insert(id, talk);
    }

    pub(super) fn tell(&mut self, question: u64, bytes: Vec<u8>) {
        self.actions.push_back(Action::Tell { question, bytes });
    }

    /// The question is answered, or nobody wants to know any more.
    pub(super) fn hang(&mut self, question: u64) {
        self.talks.remove(&question);
        self.actions.push_back(Action::Hang { question });
    }

    /// Those that are for a browser that has gone.
    pub(super) fn hang_of(&mut self, connection: u64) {
        let is_for = |talk: &Talk| talk.purpose.download() == Some(connection);
        let gone: Vec<u64> = self.talks.iter().filter(|(_, talk)| is_for(talk)).map(|(id, _)| *id).collect();
        gone.iter().for_each(|id| self.hang(*id));
    }

    /// Whether what the server sends is to be read.
    pub(super) fn wants(&self, question: u64) -> bool {
        self.talks.get(&question).is_some_and(|talk| !talk.is_paused)
    }

    /// Stops reading, or goes on.
    pub(super) fn set_paused(&mut self, now: Duration, question: u64, is_paused: bool) {
        let Some(talk) = self.talks.get_mut(&question).filter(|talk| talk.is_paused != is_paused) else {
            return;
        };
        talk.is_paused = is_paused;
        talk.expect(now);
    }

    /// The question whose answer a browser is sent.
    pub(super) fn of_download(&self, connection: u64) -> Option<u64> {
        let mut found = self.talks.iter().filter(|(_, talk)| talk.purpose.download() == Some(connection));
        found.next().map(|(id, _)| *id)
    }

    /// How many are under way whose answers browsers are sent.
    pub(super) fn downloads(&self) -> usize {
        self.talks.values().filter(|talk| talk.purpose.download().is_some()).count()
    }

    /// One that the server has kept waiting for too long.
    pub(super) fn next_overdue(&self, now: Duration) -> Option<u64> {
        let is_overdue = |talk: &Talk| talk.deadline.is_some_and(|deadline| now >= deadline);
        self.talks.iter().find(|(_, talk)| is_overdue(talk)).map(|(id, _)| *id)
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.talks.values().filter_map(|talk| talk.deadline).min()
    }

    pub(super) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}

impl Talk {
    /// Takes note of bytes that have come. Says whether the answer can still be held, if all of it is.
    pub(super) fn count(&mut self, bytes: usize) -> bool {
        self.heard = self.heard.saturating_add(bytes);
        let is_held = match &self.purpose {
            Purpose::Overview | Purpose::LastBuilds(..) | Purpose::HasEnded(..) | Purpose::TextEnd { .. } => {
                true
            }
            Purpose::Answer(_, collector) => collector.holds_all(),
            Purpose::Feed(_) | Purpose::Text(_) | Purpose::Artifact(_) => false,
        };
        !is_held || self.heard <= ANSWER_BYTES
    }

    /// From now on, the server has its time again, if it is the server that is waited for: builds may be silent for long, and
    /// browsers slow.
    fn expect(&mut self, now: Duration) {
        let is_patient = matches!(self.purpose, Purpose::Feed(_)) && self.question.is_greeted();
        self.deadline = (!is_patient && !self.is_paused).then(|| now + ANSWER_TIME);
    }
}

impl Purpose {
    /// The console that is followed.
    pub(super) fn feed(&self) -> Option<u64> {
        match self {
            Purpose::Feed(feed) => Some(*feed),
            _ => None,
        }
    }

    /// The browser that downloads something.
    pub(super) fn download(&self) -> Option<u64> {
        match self {
            Purpose::TextEnd { connection, .. } => Some(*connection),
            Purpose::Text(text) => Some(text.connection),
            Purpose::Artifact(artifact) => Some(artifact.connection),
            Purpose::Overview
            | Purpose::LastBuilds(..)
            | Purpose::HasEnded(..)
            | Purpose::Answer(..)
            | Purpose::Feed(_) => None,
        }
    }
}
