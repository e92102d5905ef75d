//! Writing messages.

use super::{Command, PeerType, kind};
use crate::error::EncodeError;
use crate::frame;
use crate::wire::{Integer, RawUuid, encode_null, explicit_tag, null_length};
use der::asn1::Null;
use der::{Encode, EncodeValue, Header, Length, Tag, Tagged, Writer};

/// Writes a frame.
pub(super) fn to_frame(command: &Command) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = frame::header(0).to_vec();
    append_payload(command, &mut bytes)?;
    let length = bytes.len().saturating_sub(frame::HEADER_LENGTH) as u64;
    for (byte, value) in bytes.iter_mut().zip(frame::header(length)) {
        *byte = value;
    }
    Ok(bytes)
}

/// Appends the payload of a frame.
pub(super) fn append_payload(command: &Command, payload: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut message =
        Message { tag: explicit_tag(u32::from(command.kind().number())), bytes: Bytes(payload) };
    match command {
        Command::JobSchedule { uuid, job } => message.sequence(&[&RawUuid(*uuid), job]),
        Command::JobFinished { uuid, result, data } => message.sequence(&[&RawUuid(*uuid), result, data]),
        Command::Output { uuid, line, timestamp } => {
            message.sequence(&[&RawUuid(*uuid), line, &timestamp.map(Integer)])
        }
        Command::Schedule { period, job } => message.sequence(&[period, job]),
        Command::Info | Command::ServerHello | Command::Success => message.value(&Null),
        Command::InfoReplyOld { schedule, queues, running } => message.sequence(&[schedule, queues, running]),
        Command::Observe(uuid) => message.value(&RawUuid(*uuid)),
        Command::ScheduleOrbBuild { period, job } => message.sequence(&[period, job]),
        Command::Reschedule { name, next, period } => message.sequence(&[name, next, period]),
        Command::ClientHello { peer, version } => message.sequence(&[peer, &Integer(*version)]),
        Command::Execute { name, platform } => message.sequence(&[name, platform]),
        Command::InfoReply(reply) => message.value(reply),
        Command::Unschedule(text)
        | Command::ExecuteOld(text)
        | Command::JobRequested(text)
        | Command::DropPlatform(text)
        | Command::Failure(text)
        | Command::UndropPlatform(text) => message.value(text),
    }
    .map_err(EncodeError::from)
}

/// A message that is being written: the tag, and what it is appended to.
struct Message<'a> {
    tag: Tag,
    bytes: Bytes<'a>,
}

impl Message<'_> {
    /// Writes a message that holds one value.
    fn value(&mut self, value: &dyn Field) -> der::Result<()> {
        Header::new(self.tag, value.length()?).encode(&mut self.bytes)?;
        value.append(&mut self.bytes)
    }

    /// Writes a message that holds a SEQUENCE of these values.
    fn sequence(&mut self, fields: &[&dyn Field]) -> der::Result<()> {
        let length = fields.iter().try_fold(Length::ZERO, |sum, field| sum + field.length()?)?;
        let header = Header::new(Tag::Sequence, length);
        Header::new(self.tag, (header.encoded_len()? + length)?).encode(&mut self.bytes)?;
        header.encode(&mut self.bytes)?;
        fields.iter().try_for_each(|field| field.append(&mut self.bytes))
    }
}

/// [`Encode`], as a trait of which there are objects.
trait Field {
    /// Bytes that it takes, with its header.
    fn length(&self) -> der::Result<Length>;

    fn append(&self, bytes: &mut Bytes<'_>) -> der::Result<()>;
}

impl<T: Encode> Field for T {
    fn length(&self) -> der::Result<Length> {
        self.encoded_len()
    }

    fn append(&self, bytes: &mut Bytes<'_>) -> der::Result<()> {
        self.encode(bytes)
    }
}

/// Appends what is written.
struct Bytes<'a>(&'a mut Vec<u8>);

impl Writer for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> der::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl Tagged for PeerType {
    fn tag(&self) -> Tag {
        explicit_tag(match self {
            PeerType::Client => kind::CLIENT,
            PeerType::Worker => kind::WORKER,
        })
    }
}

impl EncodeValue for PeerType {
    fn value_len(&self) -> der::Result<Length> {
        null_length()
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        encode_null(writer)
    }
}
