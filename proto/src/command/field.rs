//! How the fields of messages are read and written: one impl for each type that the table may name.

use super::info::{InfoReply, QueueInfo, RunningInfo};
use super::peer::PeerType;
use crate::Uuid;
use crate::build_result::BuildResult;
use crate::environment::Variable;
use crate::history::{Artifact, Build, HistoryQuery};
use crate::job::{File, OrbBuildJob, ScheduleItem, ScriptJob};
use crate::job_settings::JobSettings;
use crate::overview::{JobStatus, PlatformStatus, QueueStatus, ServerStatus};
use crate::text::Text;
use crate::time::{Period, Time};
use crate::wire::{Integer, RawUuid, explicit_tag};
use core::fmt;
use der::asn1::Null;
use der::{Choice, Decode, Encode, Header, Length, Reader, Tag, Writer};

/// The type of a field, as `PROTOCOL.md` writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldType {
    /// The name, such as `ScriptJob`.
    pub name: &'static str,
    /// Whether there is any number of them.
    pub is_list: bool,
    /// Whether it may be absent.
    pub is_optional: bool,
}

impl FieldType {
    const fn named(name: &'static str) -> FieldType {
        FieldType { name, is_list: false, is_optional: false }
    }
}

/// In the notation of ASN.1, such as `SEQUENCE OF File` or `INTEGER OPTIONAL`.
impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_list { "SEQUENCE OF " } else { "" })?;
        f.write_str(self.name)?;
        f.write_str(if self.is_optional { " OPTIONAL" } else { "" })
    }
}

/// A value that can be a field of a message.
pub(super) trait Field: Written + Sized {
    const TYPE: FieldType;

    /// Whether values with this tag are of this type.
    fn begins_with(tag: Tag) -> bool;

    fn read<'a, R: Reader<'a>>(reader: &mut R) -> der::Result<Self>;
}

/// How a field is written: a trait of which there are objects.
pub(super) trait Written {
    /// Bytes that it takes, with its header.
    fn length(&self) -> der::Result<Length>;

    fn append(&self, bytes: &mut Bytes<'_>) -> der::Result<()>;
}

/// A message that is being written: the tag, and what it is appended to.
pub(super) struct Message<'a> {
    tag: Tag,
    bytes: Bytes<'a>,
}

impl<'a> Message<'a> {
    pub(super) fn new(number: u8, payload: &'a mut Vec<u8>) -> Message<'a> {
        Message { tag: explicit_tag(u32::from(number)), bytes: Bytes(payload) }
    }

    /// Writes a message that holds one value.
    pub(super) fn value(&mut self, value: &dyn Written) -> der::Result<()> {
        Header::new(self.tag, value.length()?).encode(&mut self.bytes)?;
        value.append(&mut self.bytes)
    }

    /// Writes a message that holds a SEQUENCE of these values.
    pub(super) fn sequence(&mut self, fields: &[&dyn Written]) -> der::Result<()> {
        let length = fields.iter().try_fold(Length::ZERO, |sum, field| sum + field.length()?)?;
        let header = Header::new(Tag::Sequence, length);
        Header::new(self.tag, (header.encoded_len()? + length)?).encode(&mut self.bytes)?;
        header.encode(&mut self.bytes)?;
        fields.iter().try_for_each(|field| field.append(&mut self.bytes))
    }
}

/// Appends what is written.
pub(super) struct Bytes<'a>(&'a mut Vec<u8>);

impl Writer for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> der::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// A type that says itself how it is spelled in DER.
trait Named {
    const NAME: &'static str;
}

macro_rules! named {
    ($($type:ident)*) => { $(impl Named for $type { const NAME: &'static str = stringify!($type); })* };
}

named! {
    Text Time Period ScriptJob OrbBuildJob ScheduleItem File BuildResult PeerType QueueInfo RunningInfo InfoReply
    Build HistoryQuery Artifact JobSettings JobStatus PlatformStatus QueueStatus ServerStatus Variable
}

impl Named for bool {
    const NAME: &'static str = "BOOLEAN";
}

impl<T: Named + Encode> Written for T {
    fn length(&self) -> der::Result<Length> {
        self.encoded_len()
    }

    fn append(&self, bytes: &mut Bytes<'_>) -> der::Result<()> {
        self.encode(bytes)
    }
}

impl<T> Field for T
where
    T: Named + Encode + for<'a> Choice<'a, Error = der::Error>,
{
    const TYPE: FieldType = FieldType::named(T::NAME);

    fn begins_with(tag: Tag) -> bool {
        T::can_decode(tag)
    }

    fn read<'a, R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
        T::decode(reader)
    }
}

impl Written for Null {
    fn length(&self) -> der::Result<Length> {
        self.encoded_len()
    }

    fn append(&self, bytes: &mut Bytes<'_>) -> der::Result<()> {
        self.encode(bytes)
    }
}

/// Writes and reads a type as another that says how it is spelled: as `$spelled`.
macro_rules! spelled {
    ($type:ident as $spelled:ident, $name:literal) => {
        impl Written for $type {
            fn length(&self) -> der::Result<Length> {
                $spelled(*self).encoded_len()
            }

            fn append(&self, bytes: &mut Bytes<'_>) -> der::Result<()> {
                $spelled(*self).encode(bytes)
            }
        }

        impl Field for $type {
            const TYPE: FieldType = FieldType::named($name);

            fn begins_with(tag: Tag) -> bool {
                <$spelled as Choice>::can_decode(tag)
            }

            fn read<'a, R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
                $spelled::decode(reader).map(|spelled| spelled.0)
            }
        }
    };
}

spelled!(Uuid as RawUuid, "Uuid");
spelled!(i64 as Integer, "INTEGER");

impl<T: Named> Written for Vec<T>
where
    Vec<T>: Encode,
{
    fn length(&self) -> der::Result<Length> {
        self.encoded_len()
    }

    fn append(&self, bytes: &mut Bytes<'_>) -> der::Result<()> {
        self.encode(bytes)
    }
}

impl<T: Named + 'static> Field for Vec<T>
where
    Vec<T>: Encode + for<'a> Choice<'a, Error = der::Error>,
{
    const TYPE: FieldType = FieldType { name: T::NAME, is_list: true, is_optional: false };

    fn begins_with(tag: Tag) -> bool {
        Self::can_decode(tag)
    }

    fn read<'a, R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
        Self::decode(reader)
    }
}

impl<T: Written> Written for Option<T> {
    fn length(&self) -> der::Result<Length> {
        self.as_ref().map_or(Ok(Length::ZERO), Written::length)
    }

    fn append(&self, bytes: &mut Bytes<'_>) -> der::Result<()> {
        self.as_ref().map_or(Ok(()), |value| value.append(bytes))
    }
}

/// A field that may be absent; it is when the sequence ends before it, or goes on with another tag.
impl<T: Field> Field for Option<T> {
    const TYPE: FieldType = FieldType { is_optional: true, ..T::TYPE };

    fn begins_with(tag: Tag) -> bool {
        T::begins_with(tag)
    }

    fn read<'a, R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
        if reader.is_finished() || !T::begins_with(Tag::peek(reader)?) {
            return Ok(None);
        }
        T::read(reader).map(Some)
    }
}
