//! Reading messages.

use super::kind::{self, Kind};
use super::{Command, InfoReply, PeerType};
use crate::Uuid;
use crate::budget::{MESSAGE_VALUES, STATE_VALUES, is_within_budget};
use crate::error::{Cause, DecodeError};
use crate::text::Text;
use crate::wire::{Integer, RawUuid, decode_choice, decode_null, unknown_alternative};
use der::{Choice, Decode, Reader, SliceReader};

pub(super) fn decode(payload: &[u8]) -> Result<Command, DecodeError> {
    let kind = identify(payload)?;
    let name = kind.name();
    let holds_state = matches!(kind, Kind::InfoReply | Kind::InfoReplyOld);
    let values = if holds_state { STATE_VALUES } else { MESSAGE_VALUES };
    if !is_within_budget(payload, values) {
        return Err(DecodeError::new(name, Cause::TooManyValues(values)));
    }
    let mut reader = SliceReader::new(payload).map_err(DecodeError::within(name))?;
    let command = decode_choice(&mut reader, |_, inner| decode_body(kind, inner));
    command.and_then(|command| reader.finish().map(|()| command)).map_err(DecodeError::within(name))
}

/// Finds out which message it is, without a look at the rest.
pub(super) fn identify(payload: &[u8]) -> Result<Kind, DecodeError> {
    let Some(first) = payload.first() else {
        return Err(DecodeError::without_subject(Cause::NoMessage));
    };
    // The tags of all messages fit into one byte: EXPLICIT and context-specific, with a number below 31.
    let number = u32::from(first & 0x1f);
    let cause = match Kind::from_number(number) {
        _ if first & 0xe0 != 0xa0 || number == 0x1f => Cause::FirstByte(*first),
        Some(kind) => return Ok(kind),
        None if kind::RESERVED.contains(&number) => Cause::ReservedTag(number),
        None => Cause::UnknownTag(number),
    };
    Err(DecodeError::without_subject(cause))
}

fn decode_body<'a, R: Reader<'a>>(kind: Kind, body: &mut R) -> der::Result<Command> {
    match kind {
        Kind::JobSchedule => body.sequence(|fields| {
            Ok(Command::JobSchedule { uuid: decode_uuid(fields)?, job: fields.decode()? })
        }),
        Kind::JobFinished => body.sequence(|fields| {
            Ok(Command::JobFinished {
                uuid: decode_uuid(fields)?,
                result: fields.decode()?,
                data: fields.decode()?,
            })
        }),
        Kind::Output => body.sequence(|fields| {
            Ok(Command::Output {
                uuid: decode_uuid(fields)?,
                line: fields.decode()?,
                timestamp: decode_optional::<Integer, R>(fields)?.map(|timestamp| timestamp.0),
            })
        }),
        Kind::Schedule => {
            body.sequence(|fields| Ok(Command::Schedule { period: fields.decode()?, job: fields.decode()? }))
        }
        Kind::Info => decode_null(body, Command::Info),
        Kind::InfoReplyOld => body.sequence(|fields| {
            Ok(Command::InfoReplyOld {
                schedule: fields.decode()?,
                queues: fields.decode()?,
                running: fields.decode()?,
            })
        }),
        Kind::Unschedule => Text::decode(body).map(Command::Unschedule),
        Kind::Observe => decode_uuid(body).map(Command::Observe),
        Kind::ExecuteOld => Text::decode(body).map(Command::ExecuteOld),
        Kind::ScheduleOrbBuild => body.sequence(|fields| {
            Ok(Command::ScheduleOrbBuild { period: fields.decode()?, job: fields.decode()? })
        }),
        Kind::Reschedule => body.sequence(|fields| {
            Ok(Command::Reschedule {
                name: fields.decode()?,
                next: fields.decode()?,
                period: decode_optional(fields)?,
            })
        }),
        Kind::ClientHello => body.sequence(|fields| {
            Ok(Command::ClientHello { peer: decode_peer(fields)?, version: Integer::decode(fields)?.0 })
        }),
        Kind::ServerHello => decode_null(body, Command::ServerHello),
        Kind::JobRequested => Text::decode(body).map(Command::JobRequested),
        Kind::DropPlatform => Text::decode(body).map(Command::DropPlatform),
        Kind::Success => decode_null(body, Command::Success),
        Kind::Failure => Text::decode(body).map(Command::Failure),
        Kind::Execute => body.sequence(|fields| {
            Ok(Command::Execute { name: fields.decode()?, platform: decode_optional(fields)? })
        }),
        Kind::UndropPlatform => Text::decode(body).map(Command::UndropPlatform),
        Kind::InfoReply => InfoReply::decode(body).map(Command::InfoReply),
    }
}

fn decode_uuid<'a, R: Reader<'a>>(reader: &mut R) -> der::Result<Uuid> {
    RawUuid::decode(reader).map(|uuid| uuid.0)
}

/// Reads the last field of a sequence when it is there.
fn decode_optional<'a, T: Choice<'a, Error = der::Error>, R: Reader<'a>>(
    reader: &mut R,
) -> der::Result<Option<T>> {
    Option::<T>::decode(reader)
}

fn decode_peer<'a, R: Reader<'a>>(reader: &mut R) -> der::Result<PeerType> {
    decode_choice(reader, |number, inner| match number {
        kind::CLIENT => decode_null(inner, PeerType::Client),
        kind::WORKER => decode_null(inner, PeerType::Worker),
        other => Err(unknown_alternative(other, inner)),
    })
}
