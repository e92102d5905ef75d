//! What a server was told and what it said, connection by connection.

use crate::history::{ConnectionId, History, Line, What};
use builder_proto::command::Command;
use std::collections::BTreeMap;

/// Bytes of the length before each message.
const LENGTH_BYTES: usize = 8;

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) received: Vec<Message>,
    pub(crate) sent: Vec<Message>,
    /// The call that ended what is sent.
    pub(crate) shutdown: Option<usize>,
}

/// A message, of which the server was told, or which it began to say.
#[derive(Debug)]
pub(crate) struct Message {
    /// The call with its first byte, for a message that was sent, and with its last byte for one that was received.
    pub(crate) call: usize,
    pub(crate) line: Line,
    pub(crate) command: Command,
}

/// One direction of a connection.
#[derive(Default)]
struct Stream {
    /// Bytes that are no whole message yet.
    bytes: Vec<u8>,
    /// Which of them came with which call, by the position behind them.
    calls: Vec<(usize, usize, Line)>,
}

/// All conversations, in the order in which they were begun.
pub(crate) fn read(history: &History) -> BTreeMap<ConnectionId, Conversation> {
    let mut conversations: BTreeMap<ConnectionId, Conversation> = BTreeMap::new();
    let mut streams: BTreeMap<(ConnectionId, bool), Stream> = BTreeMap::new();
    for event in &history.events {
        let (connection, bytes, is_sent) = match &event.what {
            What::Receive { connection, bytes } => (*connection, bytes, false),
            What::Send { connection, bytes } => (*connection, bytes, true),
            What::Shutdown(connection) => {
                conversations.entry(*connection).or_default().shutdown = Some(event.call);
                continue;
            }
            _ => continue,
        };
        let stream = streams.entry((connection, is_sent)).or_default();
        let line = if is_sent { event.begin } else { event.end };
        stream.push(bytes, event.call, line);
        let conversation = conversations.entry(connection).or_default();
        let messages = if is_sent { &mut conversation.sent } else { &mut conversation.received };
        messages.extend(std::iter::from_fn(|| stream.next(is_sent)));
    }
    conversations
}

impl Stream {
    fn push(&mut self, bytes: &[u8], call: usize, line: Line) {
        self.bytes.extend_from_slice(bytes);
        self.calls.push((self.bytes.len(), call, line));
    }

    /// Takes the next whole message.
    fn next(&mut self, is_sent: bool) -> Option<Message> {
        let header = self.bytes.first_chunk::<LENGTH_BYTES>()?;
        let end = LENGTH_BYTES + usize::try_from(u64::from_be_bytes(*header)).unwrap();
        let command = Command::decode(self.bytes.get(LENGTH_BYTES..end)?).unwrap();
        let byte = if is_sent { 0 } else { end - 1 };
        let (_, call, line) = *self.calls.iter().find(|(until, ..)| byte < *until).unwrap();
        self.bytes.drain(..end);
        self.calls.retain_mut(|(until, ..)| {
            *until = until.saturating_sub(end);
            *until > 0
        });
        Some(Message { call, line, command })
    }
}
