//! Reading messages.

use super::{Command, InfoReply, PeerType, tag};
use crate::Uuid;
use crate::budget::{MESSAGE_VALUES, STATE_VALUES, is_within_budget};
use crate::error::{Cause, DecodeError};
use crate::text::Text;
use crate::wire::{Integer, RawUuid, decode_choice, decode_null, unknown_alternative};
use der::{Choice, Decode, Reader, SliceReader};

pub(super) fn decode(payload: &[u8]) -> Result<Command, DecodeError> {
    let (number, name) = identify(payload)?;
    let values = match number {
        tag::INFO_REPLY | tag::INFO_REPLY_OLD => STATE_VALUES,
        _ => MESSAGE_VALUES,
    };
    if !is_within_budget(payload, values) {
        return Err(DecodeError::new(name, Cause::TooManyValues(values)));
    }
    let mut reader = SliceReader::new(payload).map_err(DecodeError::within(name))?;
    let command = decode_choice(&mut reader, |_, inner| decode_body(number, inner));
    command.and_then(|command| reader.finish().map(|()| command)).map_err(DecodeError::within(name))
}

/// Finds out which message it is, without a look at the rest.
pub(super) fn identify(payload: &[u8]) -> Result<(u32, &'static str), DecodeError> {
    let Some(first) = payload.first() else {
        return Err(DecodeError::without_subject(Cause::NoMessage));
    };
    // The tags of all messages fit into one byte: EXPLICIT and context-specific, with a number below 31.
    let number = u32::from(first & 0x1f);
    let cause = match tag::name(number) {
        _ if first & 0xe0 != 0xa0 || number == 0x1f => Cause::FirstByte(*first),
        Some(name) => return Ok((number, name)),
        None if tag::RESERVED.contains(&number) => Cause::ReservedTag(number),
        None => Cause::UnknownTag(number),
    };
    Err(DecodeError::without_subject(cause))
}

fn decode_body<'a, R: Reader<'a>>(number: u32, body: &mut R) -> der::Result<Command> {
    match number {
        tag::JOB_SCHEDULE => body.sequence(|fields| {
            Ok(Command::JobSchedule { uuid: decode_uuid(fields)?, job: fields.decode()? })
        }),
        tag::JOB_FINISHED => body.sequence(|fields| {
            Ok(Command::JobFinished {
                uuid: decode_uuid(fields)?,
                result: fields.decode()?,
                data: fields.decode()?,
            })
        }),
        tag::OUTPUT => body.sequence(|fields| {
            Ok(Command::Output {
                uuid: decode_uuid(fields)?,
                line: fields.decode()?,
                timestamp: decode_optional::<Integer, R>(fields)?.map(|timestamp| timestamp.0),
            })
        }),
        tag::SCHEDULE => {
            body.sequence(|fields| Ok(Command::Schedule { period: fields.decode()?, job: fields.decode()? }))
        }
        tag::INFO => decode_null(body, Command::Info),
        tag::INFO_REPLY_OLD => body.sequence(|fields| {
            Ok(Command::InfoReplyOld {
                schedule: fields.decode()?,
                queues: fields.decode()?,
                running: fields.decode()?,
            })
        }),
        tag::UNSCHEDULE => Text::decode(body).map(Command::Unschedule),
        tag::OBSERVE => decode_uuid(body).map(Command::Observe),
        tag::EXECUTE_OLD => Text::decode(body).map(Command::ExecuteOld),
        tag::SCHEDULE_ORB_BUILD => body.sequence(|fields| {
            Ok(Command::ScheduleOrbBuild { period: fields.decode()?, job: fields.decode()? })
        }),
        tag::RESCHEDULE => body.sequence(|fields| {
            Ok(Command::Reschedule {
                name: fields.decode()?,
                next: fields.decode()?,
                period: decode_optional(fields)?,
            })
        }),
        tag::CLIENT_HELLO => body.sequence(|fields| {
            Ok(Command::ClientHello { peer: decode_peer(fields)?, version: Integer::decode(fields)?.0 })
        }),
        tag::SERVER_HELLO => decode_null(body, Command::ServerHello),
        tag::JOB_REQUESTED => Text::decode(body).map(Command::JobRequested),
        tag::DROP_PLATFORM => Text::decode(body).map(Command::DropPlatform),
        tag::SUCCESS => decode_null(body, Command::Success),
        tag::FAILURE => Text::decode(body).map(Command::Failure),
        tag::EXECUTE => body.sequence(|fields| {
            Ok(Command::Execute { name: fields.decode()?, platform: decode_optional(fields)? })
        }),
        tag::UNDROP_PLATFORM => Text::decode(body).map(Command::UndropPlatform),
        tag::INFO_REPLY => InfoReply::decode(body).map(Command::InfoReply),
        other => Err(unknown_alternative(other, body)),
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
        tag::CLIENT => decode_null(inner, PeerType::Client),
        tag::WORKER => decode_null(inner, PeerType::Worker),
        other => Err(unknown_alternative(other, inner)),
    })
}
