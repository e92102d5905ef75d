//! The heads of answers.

use super::message::{Caching, Response, Stream};
use super::refusal::reason;
use core::fmt::Write as _;
use sha2::{Digest, Sha256};

/// What every answer tells the browser for its own safety: all it shows comes from here, nothing that a job printed is obeyed or
/// taken for something else, and no other site learns of it or takes part in it.
const SAFETY: [(&str, &str); 5] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

/// What follows from the rest of an answer, or is the business of the connection.
const OWN: [&str; 8] = [
    "Cache-Control",
    "Connection",
    "Content-Length",
    "Content-Type",
    "ETag",
    "Keep-Alive",
    "Trailer",
    "Transfer-Encoding",
];

/// How a peer knows where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none, whatever else the head says.
    Bodiless,
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// Where the connection ends.
    UntilClose,
}

/// The head of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    status: u16,
    content_type: &'a str,
    headers: &'a [(&'static str, String)],
    caching: Caching,
    etag: Option<&'a str>,
    framing: Framing,
    is_last: bool,
}

/// A header that cannot be sent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsendable;

impl<'a> Head<'a> {
    pub(super) fn of_response(response: &'a Response, etag: Option<&'a str>, is_last: bool) -> Head<'a> {
        let caching = match response.caching {
            // What went wrong today may be right tomorrow.
            Caching::Forever if response.status != 200 => Caching::Revalidate,
            caching => caching,
        };
        let framing = match response.status {
            204 | 304 => Framing::Bodiless,
            _ => Framing::Length(response.body.len() as u64),
        };
        let (content_type, headers) = (response.content_type, &response.headers[..]);
        Head { status: response.status, content_type, headers, caching, etag, framing, is_last }
    }

    pub(super) fn of_stream(stream: &'a Stream, framing: Framing, is_last: bool) -> Head<'a> {
        let caching = if stream.etag.is_some() { Caching::Revalidate } else { Caching::NoStore };
        let (content_type, headers) = (&stream.content_type[..], &stream.headers[..]);
        Head { status: 200, content_type, headers, caching, etag: stream.etag.as_deref(), framing, is_last }
    }

    /// The head of the answer that says only that the browser has it already.
    pub(super) fn not_modified(self) -> Head<'a> {
        Head { status: 304, framing: Framing::Bodiless, ..self }
    }

    /// Whether a body follows, unless only the head was asked for.
    pub(super) fn has_body(self) -> bool {
        self.framing != Framing::Bodiless
    }

    /// The bytes. What would not be read as one header, or contradict the framing, is not sent.
    pub(super) fn to_bytes(self) -> Result<Vec<u8>, Unsendable> {
        self.check()?;
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        let mut put = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                text.push_str(part);
            }
        };
        if self.has_body() {
            put("Content-Type", self.content_type);
        }
        match self.framing {
            Framing::Length(length) => put("Content-Length", &length.to_string()),
            Framing::Chunked => put("Transfer-Encoding", "chunked"),
            Framing::Bodiless | Framing::UntilClose => {}
        }
        let caching = match self.caching {
            Caching::NoStore => "no-store",
            Caching::Revalidate => "no-cache",
            Caching::Forever => "public, max-age=31536000, immutable",
        };
        put("Cache-Control", caching);
        if let Some(tag) = self.etag {
            put("ETag", &format!("\"{tag}\""));
        }
        let is_named = |name: &str| self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        for (name, value) in SAFETY.iter().filter(|(name, _)| !is_named(name)) {
            put(name, value);
        }
        for (name, value) in self.headers {
            put(name, value);
        }
        if self.is_last {
            put("Connection", "close");
        }
        text.push_str("\r\n");
        Ok(text.into_bytes())
    }

    fn check(&self) -> Result<(), Unsendable> {
        let is_text = |value: &str| value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        let is_name = |name: &str| {
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            !name.is_empty()
                && name.bytes().all(is_token)
                && !OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
        };
        let is_tag =
            |tag: &str| tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b',');
        let is_sound = matches!(self.status, 200..=599)
            && is_text(self.content_type)
            && self.headers.iter().all(|(name, value)| is_name(name) && is_text(value))
            && self.etag.is_none_or(is_tag);
        is_sound.then_some(()).ok_or(Unsendable)
    }
}

/// What a body is known by: half of its SHA-256, which is enough for bodies that nobody has made to collide.
pub(super) fn entity_tag(body: &[u8]) -> String {
    Sha256::digest(body).iter().take(16).fold(String::new(), |mut tag, byte| {
        // Writing to a string does not fail.
        let _ = write!(tag, "{byte:02x}");
        tag
    })
}

/// Whether one of the tags that a browser has is this one.
pub(super) fn has_tag(if_none_match: Option<&str>, tag: &str) -> bool {
    if_none_match.is_some_and(|tags| {
        tags.split(',').map(str::trim).any(|known| {
            let known = known.strip_prefix("W/").unwrap_or(known);
            known == "*" || known.strip_prefix('"').and_then(|known| known.strip_suffix('"')) == Some(tag)
        })
    })
}
