//! What a peer says it is.

use crate::wire::{
    decode_choice, decode_null, encode_null, explicit_number, explicit_tag, null_length, unknown_alternative,
};
use der::{Choice, Decode, EncodeValue, Length, Reader, Tag, Tagged, Writer};

/// What a peer says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerType {
    /// Sends one command a connection.
    Client,
    /// Runs one job a connection.
    Worker,
}

impl PeerType {
    const fn number(self) -> u32 {
        match self {
            PeerType::Client => 0,
            PeerType::Worker => 1,
        }
    }

    fn from_number(number: u32) -> Option<PeerType> {
        [PeerType::Client, PeerType::Worker].into_iter().find(|peer| peer.number() == number)
    }
}

impl<'a> Choice<'a> for PeerType {
    fn can_decode(tag: Tag) -> bool {
        explicit_number(tag).is_ok_and(|number| PeerType::from_number(number).is_some())
    }
}

impl<'a> Decode<'a> for PeerType {
    type Error = der::Error;

    fn decode<R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
        decode_choice(reader, |number, inner| match PeerType::from_number(number) {
            Some(peer) => decode_null(inner, peer),
            None => Err(unknown_alternative(number, inner)),
        })
    }
}

impl Tagged for PeerType {
    fn tag(&self) -> Tag {
        explicit_tag(self.number())
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
