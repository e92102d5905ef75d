//! One question to the server, on a connection of its own, and what comes back.

use super::limits::MESSAGE_BYTES;
use crate::limits::COMMAND_FRAME_BYTES;
use builder_proto::command::{Command, DATA_TAG, PeerType, read_data_header};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use builder_proto::text::Text;

/// A question that was asked.
#[derive(Debug)]
pub(super) struct Question {
    command: Command,
    decoder: FrameDecoder,
    is_greeted: bool,
    /// The beginning of a message with content, while it does not say how much there is.
    beginning: Vec<u8>,
    /// Bytes of the message that is read in passing.
    length: u64,
    /// Bytes of content in it that are still to come.
    left: u64,
}

/// What came back.
#[derive(Debug)]
pub(super) enum Heard<'a> {
    /// Nothing that matters by itself; there may be more in what was received.
    Part,
    /// This is to be sent.
    Tell(Vec<u8>),
    /// A part of the answer.
    Message(Box<Command>),
    /// Content of an artifact.
    Content(&'a [u8]),
    /// That was all.
    Success,
    /// The server does not answer that. Its words.
    Failure(Text),
}

impl Question {
    /// A question, and what is to be sent first.
    pub(super) fn new(command: Command) -> (Question, Vec<u8>) {
        let version = command.kind().client_version();
        // A message without a text of any length can always be encoded.
        let hello = Command::ClientHello { peer: PeerType::Client, version }.to_frame().unwrap_or_default();
        let mut decoder = FrameDecoder::new(MESSAGE_BYTES);
        decoder.set_streamed_tag(Some(DATA_TAG));
        decoder.set_streamed_limit(COMMAND_FRAME_BYTES);
        let (beginning, length, left) = (Vec::new(), 0, 0);
        (Question { command, decoder, is_greeted: false, beginning, length, left }, hello)
    }

    /// Whether the server has said hello.
    pub(super) fn is_greeted(&self) -> bool {
        self.is_greeted
    }

    /// Looks at what was received; `None` when all of it has been looked at.
    ///
    /// # Errors
    ///
    /// In words, when this is no server that could be talked to. Nothing more is to be asked of it.
    pub(super) fn next<'a, 'input: 'a>(
        &'a mut self,
        input: &mut &'input [u8],
    ) -> Result<Option<Heard<'a>>, String> {
        if self.left > 0 {
            return self.next_content(input);
        }
        let event = self.decoder.next(input).map_err(|error| error.to_string())?;
        match event {
            None => Ok(None),
            Some(FrameEvent::Frame(payload)) => {
                let message = Command::decode(payload).map_err(|error| error.to_string())?;
                match message {
                    Command::ServerHello if !self.is_greeted => {
                        self.is_greeted = true;
                        self.command
                            .to_frame()
                            .map(|frame| Some(Heard::Tell(frame)))
                            .map_err(|error| error.to_string())
                    }
                    Command::Failure(reason) => Ok(Some(Heard::Failure(reason))),
                    Command::Success if self.is_greeted => Ok(Some(Heard::Success)),
                    message if self.is_greeted => Ok(Some(Heard::Message(Box::new(message)))),
                    message => Err(format!("it said {} instead of a hello", message.name())),
                }
            }
            Some(FrameEvent::StreamStart { length }) if self.is_greeted => {
                (self.length, self.left) = (length, length);
                self.beginning.clear();
                Ok(Some(Heard::Part))
            }
            Some(FrameEvent::StreamStart { .. } | FrameEvent::StreamBytes { .. }) => {
                Err("it sent content that was not asked for".to_owned())
            }
        }
    }

    /// The next bytes of a message with content. Its header is at its beginning, and is taken byte by byte.
    fn next_content<'a, 'input: 'a>(
        &'a mut self,
        input: &mut &'input [u8],
    ) -> Result<Option<Heard<'a>>, String> {
        let is_header = self.length != 0;
        let most = if is_header { 1 } else { usize::try_from(self.left).unwrap_or(usize::MAX) };
        let most = most.min(input.len());
        let (mut now, later) = input.split_at(most);
        let event = self.decoder.next(&mut now).map_err(|error| error.to_string())?;
        *input = later;
        let Some(FrameEvent::StreamBytes { bytes, .. }) = event else { return Ok(None) };
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if !is_header {
            return Ok(Some(Heard::Content(bytes)));
        }
        self.beginning.extend_from_slice(bytes);
        let header = read_data_header(&self.beginning, self.length).map_err(|error| error.to_string())?;
        if header.is_some() {
            self.length = 0;
        } else if self.left == 0 {
            return Err("it sent a message that ends too early".to_owned());
        }
        Ok(Some(Heard::Part))
    }
}
