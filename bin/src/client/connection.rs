//! A connection to a server, one message at a time.

use super::error::ClientError;
use crate::command_line::Address;
use crate::socket::{self, BlockingSocket, Socket};
use builder_engine::limits::COMMAND_FRAME_BYTES;
use builder_engine::reconnecting::Reconnecting;
use builder_proto::CLIENT_VERSION;
use builder_proto::command::{
    Command, DATA_TAG, INFO_REPLY_TAG, InfoSource, Kind, PeerType, read_data_header, read_info_reply,
};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use builder_proto::malformed::Malformed;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::thread;
use std::time::Duration;

/// How long the server may take for each answer.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// Bytes of the longest answer that is held whole. A server of 0.4.0 sends console lines of any length.
const ANSWER_BYTES: u64 = 16 * COMMAND_FRAME_BYTES;
/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;
/// The same for the content of artifacts.
const CONTENT_READ_BYTES: usize = 256 * 1024;

/// A connection on which both sides have said hello.
pub(super) struct Connection {
    peer: Address,
    stream: BlockingSocket,
    decoder: FrameDecoder,
    buffer: Vec<u8>,
    /// The part of the buffer that was received and not yet looked at.
    unread: Range<usize>,
    /// How long to wait for what comes next; `None` for as long as it takes.
    patience: Option<Duration>,
    /// Whether the server ended the connection without regard to what was still under way.
    was_reset: bool,
    /// Bytes of content that are still to come in the message that is read in passing.
    content_left: u64,
}

/// What comes while artifacts are fetched.
#[expect(clippy::large_enum_variant, reason = "one is held at a time")]
pub(super) enum Piece<'a> {
    /// A message.
    Message(Command),
    /// The next bytes of content.
    Content(&'a [u8]),
}

impl Connection {
    /// Connects and says hello, in the lowest version that has this command, so that every server that knows the command
    /// understands. A connection that is reset before the server's hello is made again after a pause.
    pub(super) fn open(peer: &Address, command: Kind) -> Result<Connection, ClientError> {
        let version = command.client_version();
        match Connection::open_with(peer, version) {
            Err(error) if version > CLIENT_VERSION && error.is_refused_hello() => {
                Err(explain_refusal(peer, command, error))
            }
            result => result,
        }
    }

    /// The same, but with a server of an earlier version, which does not know this command, as such a server understands it.
    /// Says whether it does.
    pub(super) fn open_or_older(peer: &Address, command: Kind) -> Result<(Connection, bool), ClientError> {
        let version = command.client_version();
        match Connection::open_with(peer, version) {
            Err(error) if version > CLIENT_VERSION && error.is_refused_hello() && !error.is_busy() => {
                log::info!(
                    "{peer} does not take version {version}: {error}; trying version {CLIENT_VERSION}"
                );
                Connection::open_with(peer, CLIENT_VERSION).map(|connection| (connection, false))
            }
            result => result.map(|connection| (connection, true)),
        }
    }

    fn open_with(peer: &Address, version: i64) -> Result<Connection, ClientError> {
        let mut reconnecting = Reconnecting::new(socket::spread());
        loop {
            match Connection::try_open(peer, version) {
                Err(ClientError::Reset { peer }) => {
                    let Some(delay) = reconnecting.next_delay() else {
                        return Err(ClientError::Reset { peer });
                    };
                    log::info!("{peer} reset the connection before its hello; trying again in {delay:?}");
                    thread::sleep(delay);
                }
                result => return result,
            }
        }
    }

    fn try_open(peer: &Address, version: i64) -> Result<Connection, ClientError> {
        let stream = connect(peer).map_err(|error| match socket::is_reset(&error) {
            true => ClientError::Reset { peer: peer.clone() },
            false => ClientError::Connect { peer: peer.clone(), error },
        })?;
        let mut decoder = FrameDecoder::new(ANSWER_BYTES);
        decoder.set_streamed_tag(Some(INFO_REPLY_TAG));
        decoder.set_streamed_limit(u64::MAX);
        let mut connection = Connection {
            peer: peer.clone(),
            stream,
            decoder,
            buffer: vec![0; READ_BYTES],
            unread: 0..0,
            patience: Some(ANSWER_TIME),
            was_reset: false,
            content_left: 0,
        };
        let hello = Command::ClientHello { peer: PeerType::Client, version };
        match connection.ask(&hello) {
            Ok(Command::ServerHello) => Ok(connection),
            Ok(other) => Err(connection.refusal(&hello, other)),
            Err(ClientError::Closed { peer, .. }) if connection.was_reset => Err(ClientError::Reset { peer }),
            Err(ClientError::Closed { peer, .. }) => Err(ClientError::NoHello { peer, version }),
            Err(error) => Err(error),
        }
    }

    /// Sends a command and waits for the answer.
    pub(super) fn ask(&mut self, command: &Command) -> Result<Command, ClientError> {
        self.tell(command)?;
        self.receive()?.ok_or_else(|| self.closed("its answer"))
    }

    /// Sends a command.
    pub(super) fn tell(&mut self, command: &Command) -> Result<(), ClientError> {
        let frame = command.to_frame().map_err(ClientError::Encode)?;
        log::info!("sending {} to {}", command.name(), self.peer);
        if let Err(error) = self.stream.write_all(&frame) {
            // A server that does not want to read all of a command may still have said why.
            log::info!("{} did not take all of {}: {error}", self.peer, command.name());
            self.was_reset |= socket::is_reset(&error);
        }
        Ok(())
    }

    /// Waits for a message; `None` when the server has closed the connection.
    pub(super) fn receive(&mut self) -> Result<Option<Command>, ClientError> {
        loop {
            if let Some(command) = self.take_received()? {
                return Ok(Some(command));
            }
            if !self.read_more()? {
                return Ok(None);
            }
        }
    }

    /// Waits for the next of several answers; `None` when the server has said that this is all.
    pub(super) fn receive_answer(&mut self, question: &Command) -> Result<Option<Command>, ClientError> {
        match self.receive()? {
            Some(Command::Success) => Ok(None),
            Some(failure @ Command::Failure(_)) => Err(self.refusal(question, failure)),
            Some(answer) => Ok(Some(answer)),
            None => Err(self.closed("the end of its answer")),
        }
    }

    /// A message that has arrived already. Of an `infoReply` the beginning has, and the scripts in it are left out.
    pub(super) fn take_received(&mut self) -> Result<Option<Command>, ClientError> {
        let mut input = &self.buffer[self.unread.clone()];
        let event = self.decoder.next(&mut input);
        self.unread.start = self.unread.end - input.len();
        match event {
            Ok(Some(FrameEvent::Frame(payload))) => {
                let command = Command::decode(payload);
                command.map(Some).map_err(|error| ClientError::Decode { peer: self.peer.clone(), error })
            }
            Ok(Some(FrameEvent::StreamStart { length })) => {
                read_info_reply(self, length).map(|reply| Some(Command::InfoReply(reply)))
            }
            Ok(Some(FrameEvent::StreamBytes { .. }) | None) => Ok(None),
            Err(error) => Err(ClientError::Frame { peer: self.peer.clone(), error }),
        }
    }

    /// Reads the content of artifacts in passing from now on, with [`Connection::receive_piece`], and in larger pieces.
    pub(super) fn stream_content(&mut self) {
        self.decoder.set_streamed_tag(Some(DATA_TAG));
        self.decoder.set_limit(COMMAND_FRAME_BYTES);
        self.buffer.resize(CONTENT_READ_BYTES, 0);
    }

    /// Waits for a message, or for more of the content of an artifact; `None` when the server has closed the connection.
    pub(super) fn receive_piece(&mut self) -> Result<Option<Piece<'_>>, ClientError> {
        while self.content_left == 0 {
            let mut input = &self.buffer[self.unread.clone()];
            let event = self.decoder.next(&mut input);
            self.unread.start = self.unread.end - input.len();
            match event {
                Ok(Some(FrameEvent::StreamStart { length })) => {
                    self.content_left = self.read_data_header(length)?;
                }
                Ok(Some(FrameEvent::Frame(payload))) => {
                    let command = Command::decode(payload);
                    let peer = &self.peer;
                    let decoded = command.map_err(|error| ClientError::Decode { peer: peer.clone(), error });
                    return decoded.map(|command| Some(Piece::Message(command)));
                }
                Ok(Some(FrameEvent::StreamBytes { .. }) | None) => {
                    if !self.read_more()? {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(ClientError::Frame { peer: self.peer.clone(), error }),
            }
        }
        let most = usize::try_from(self.content_left).unwrap_or(usize::MAX);
        if self.unread.is_empty() && !self.read_more()? {
            return Ok(None);
        }
        let length = self.unread.len().min(most);
        // It is in the buffer, and the decoder gives it without a copy.
        self.content_left -= length as u64;
        self.next_streamed(length).map(|bytes| Some(Piece::Content(bytes)))
    }

    /// Reads up to the bytes of a `data` message, and says how many these are.
    fn read_data_header(&mut self, length: u64) -> Result<u64, ClientError> {
        let mut beginning = Vec::new();
        loop {
            match read_data_header(&beginning, length) {
                Ok(Some((_, bytes))) => return Ok(bytes),
                Ok(None) => beginning.extend_from_slice(self.next_streamed(1)?),
                Err(error) => return Err(self.malformed(error)),
            }
        }
    }

    /// The next bytes of a message that is read in passing; at least one, at most `most`.
    fn next_streamed(&mut self, most: usize) -> Result<&[u8], ClientError> {
        if self.unread.is_empty() && !self.read_more()? {
            return Err(self.closed("the end of its answer"));
        }
        let end = self.unread.end.min(self.unread.start.saturating_add(most));
        let mut input = &self.buffer[self.unread.start..end];
        let event = self.decoder.next(&mut input);
        self.unread.start = end - input.len();
        match event {
            Ok(Some(FrameEvent::StreamBytes { bytes, .. })) => Ok(bytes),
            // What is read is checked against the length of the message, so there is more of it.
            _ => Err(ClientError::Closed { peer: self.peer.clone(), missing: "the end of its answer" }),
        }
    }

    /// Waits until more has arrived; false when the server has closed the connection.
    pub(super) fn read_more(&mut self) -> Result<bool, ClientError> {
        self.read().map_err(|error| self.broken(error))
    }

    /// Waits until more has arrived, but not longer than `time`; `None` when that is over.
    pub(super) fn read_within(&mut self, time: Duration) -> Result<Option<bool>, ClientError> {
        set_read_time(&self.stream, Some(time)).map_err(|error| self.broken(error))?;
        let result = self.read();
        set_read_time(&self.stream, self.patience).map_err(|error| self.broken(error))?;
        match result {
            Ok(arrived) => Ok(Some(arrived)),
            Err(error) if is_timeout(&error) => Ok(None),
            Err(error) => Err(self.broken(error)),
        }
    }

    fn read(&mut self) -> io::Result<bool> {
        let length = loop {
            match self.stream.read(&mut self.buffer) {
                Ok(length) => break length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Closed with something of ours unread, so as good as closed.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    self.was_reset = true;
                    break 0;
                }
                Err(error) => return Err(error),
            }
        };
        self.unread = 0..length;
        Ok(length > 0)
    }

    /// Waits for the next message as long as it takes, as a build may be silent for long.
    pub(super) fn wait_without_limit(&mut self) -> Result<(), ClientError> {
        self.patience = None;
        set_read_time(&self.stream, self.patience).map_err(|error| self.broken(error))
    }

    /// The error for an answer other than the one that was hoped for.
    pub(super) fn refusal(&self, question: &Command, answer: Command) -> ClientError {
        match answer {
            Command::Failure(reason) => ClientError::Refused { reason, hint: String::new() },
            other => ClientError::Unexpected {
                peer: self.peer.clone(),
                question: question.name(),
                answer: other.name(),
            },
        }
    }

    /// The error for a connection that was closed before something was there.
    pub(super) fn closed(&self, missing: &'static str) -> ClientError {
        ClientError::Closed { peer: self.peer.clone(), missing }
    }

    fn broken(&self, error: io::Error) -> ClientError {
        let peer = self.peer.clone();
        if is_timeout(&error) {
            ClientError::NoAnswer { peer, time: ANSWER_TIME }
        } else {
            ClientError::Connection { peer, error }
        }
    }
}

impl InfoSource for Connection {
    type Error = ClientError;

    fn read(&mut self, mut buffer: &mut [u8]) -> Result<(), ClientError> {
        while !buffer.is_empty() {
            let bytes = self.next_streamed(buffer.len())?;
            let (filled, rest) = buffer.split_at_mut(bytes.len());
            filled.copy_from_slice(bytes);
            buffer = rest;
        }
        Ok(())
    }

    fn skip(&mut self, mut count: u64) -> Result<(), ClientError> {
        while count > 0 {
            let most = usize::try_from(count).unwrap_or(usize::MAX);
            count = count.saturating_sub(self.next_streamed(most)?.len() as u64);
        }
        Ok(())
    }

    fn malformed(&self, error: Malformed) -> ClientError {
        ClientError::Malformed { peer: self.peer.clone(), error }
    }
}

/// Why a server does not greet who needs this command. One that is merely of an earlier version greets who speaks the
/// earliest; one that is busy, or serves others, says the same again.
fn explain_refusal(peer: &Address, command: Kind, refusal: ClientError) -> ClientError {
    let version = command.client_version();
    log::info!("{peer} does not take version {version}: {refusal}; trying version {CLIENT_VERSION}");
    match Connection::open_with(peer, CLIENT_VERSION) {
        // By now, it has time again.
        Ok(_) if refusal.is_busy() => refusal,
        Ok(_) => ClientError::too_old(peer.clone(), command),
        Err(error) => error,
    }
}

/// Whether nothing arrived in time; systems have two names for it.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Connects, so that neither side can keep the other waiting for ever.
fn connect(peer: &Address) -> io::Result<BlockingSocket> {
    let stream = socket::connect(peer)?;
    set_read_time(&stream, Some(ANSWER_TIME))?;
    match &stream {
        Socket::Tcp(stream) => stream.set_write_timeout(Some(ANSWER_TIME))?,
        Socket::Unix(stream) => stream.set_write_timeout(Some(ANSWER_TIME))?,
    }
    Ok(stream)
}

fn set_read_time(stream: &BlockingSocket, time: Option<Duration>) -> io::Result<()> {
    match stream {
        Socket::Tcp(stream) => stream.set_read_timeout(time),
        Socket::Unix(stream) => stream.set_read_timeout(time),
    }
}
