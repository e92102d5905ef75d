//! What is going to happen, in the order of time.

use crate::network::Delivery;
use builder_engine::driver::{NoticeEnd, UploadEnd};
use builder_engine::server::ConnectionId;
use builder_proto::Uuid;
use builder_tests::world::Crash;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// The server starts.
    Start,
    /// The server takes a turn; the number says for which life of it this was meant.
    Turn(u64),
    /// A process that uploaded a result ends; with what the upload server then has.
    Uploaded { life: u64, process: u64, uuid: Uuid, end: UploadEnd, contents: Option<Vec<u8>> },
    /// A program ends that was told of a build; whether it has taken note by then, and the job whose result it was
    /// told to be in its place.
    Noticed { life: u64, process: u64, uuid: Uuid, end: NoticeEnd, is_noted: bool, result_of: Option<String> },
    /// A thread of the server takes the next step of a task.
    Step { life: u64, task: u64 },
    /// The network delivers.
    Deliver(Delivery),
    /// A peer wanted to be woken.
    Timer { connection: ConnectionId, number: u64 },
    /// Somebody connects.
    Visit,
    /// The server is to crash about now.
    Crash(Crash),
    /// Somebody stops the server, and kills it if it takes too long.
    Stop { life: u64 },
    /// Somebody changes the templates.
    Templates,
    /// Somebody sends SIGHUP.
    Reload,
    /// The wall clock of the server jumps.
    Jump,
    /// The disk of the server fills up, or is cleared.
    Room,
}

/// All events to come. Those of the same time happen in the order in which they were entered.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    entered: u64,
}

impl Queue {
    pub(crate) fn enter(&mut self, at: Duration, event: Event) {
        self.entered += 1;
        self.events.push(Reverse((at, self.entered, event)));
    }

    pub(crate) fn next(&mut self) -> Option<(Duration, Event)> {
        self.events.pop().map(|Reverse((at, _, event))| (at, event))
    }
}
