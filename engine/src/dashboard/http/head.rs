//! The head of a request: where it ends, and what it says.
//!
//! All that a proxy on the way might read in another way is refused: lines that do not end in CR LF, folded lines, characters
//! other than ASCII, two of a header that may only be there once, and a body of any kind. Whoever is in front of a dashboard
//! agrees with it on where a request ends, so nothing can be smuggled past.

use super::message::{Method, Request};
use super::refusal::Refusal;
use crate::limits::{HTTP_HEAD_BYTES, HTTP_HEADERS};
use httparse::{EMPTY_HEADER, Error, Header, Status};

/// Methods of RFC 9110 and RFC 5789 that are not answered.
const KNOWN_METHODS: [&str; 7] = ["CONNECT", "DELETE", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// Finds the end of a head. It looks at each byte once and by itself, so the pieces in which they come change nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scanner {
    seen: usize,
    /// Bytes of the line that has begun.
    line: usize,
    /// Whether a line with something in it has ended. Empty lines before it belong to the request before.
    has_line: bool,
    is_after_return: bool,
}

impl Scanner {
    /// How many bytes it has looked at.
    pub(super) fn seen(self) -> usize {
        self.seen
    }

    /// Looks at further bytes. Gives the length of the whole head when it ends in them, and looks at nothing behind it.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        for &byte in bytes {
            if self.seen == HTTP_HEAD_BYTES {
                return Err(if self.has_line { Refusal::Head } else { Refusal::Target });
            }
            self.seen += 1;
            match byte {
                b'\n' if self.is_after_return => {
                    let is_empty = self.line == 0;
                    if is_empty && self.has_line {
                        return Ok(Some(self.seen));
                    }
                    self.has_line |= !is_empty;
                    self.line = 0;
                    self.is_after_return = false;
                }
                _ if self.is_after_return => {
                    return Err(Refusal::Malformed("a carriage return stands alone"));
                }
                b'\n' => return Err(Refusal::Malformed("a line ends without a carriage return")),
                b'\r' => self.is_after_return = true,
                b'\t' | b' '..=b'~' => self.line += 1,
                _ => return Err(Refusal::Malformed("it has bytes that are not text in ASCII")),
            }
        }
        Ok(None)
    }
}

/// A request, and what its answer has to keep to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) request: Request,
    /// Whether it is of HTTP/1.0, which knows no chunks.
    pub(super) is_old: bool,
    /// Whether the connection is to be closed after its answer.
    pub(super) is_last: bool,
}

/// Reads a head whose end was found by a [`Scanner`].
pub(super) fn parse(head: &[u8]) -> Result<Asked, Refusal> {
    let mut headers = [EMPTY_HEADER; HTTP_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(Refusal::Malformed("its head has no clear end")),
        Err(error) => return Err(explain(error, head)),
    }
    let is_old = parsed.version == Some(0);
    let method = match parsed.method.unwrap_or_default() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        other if KNOWN_METHODS.contains(&other) => return Err(Refusal::Method),
        _ => return Err(Refusal::UnknownMethod),
    };
    let headers = Headers(parsed.headers);
    let host = headers.host(is_old)?;
    headers.refuse_body()?;
    let target = Target::read(parsed.path.unwrap_or_default())?;
    let forwarded = headers.all("x-forwarded-proto").collect::<Vec<_>>();
    let forwarded_proto = match forwarded[..] {
        [scheme] if ["http", "https"].contains(&scheme) => Some(scheme.to_owned()),
        _ => None,
    };
    let tags: Vec<&str> = headers.all("if-none-match").collect();
    let request = Request {
        method,
        path: target.path,
        query: target.query,
        host: target.authority.unwrap_or(host),
        forwarded_proto,
        if_none_match: (!tags.is_empty()).then(|| tags.join(", ")),
        last_event_id: headers.all("last-event-id").next().and_then(number),
    };
    Ok(Asked { request, is_old, is_last: is_old || headers.closes() })
}

/// What is wrong with a head that httparse does not read.
fn explain(error: Error, head: &[u8]) -> Refusal {
    match error {
        Error::TooManyHeaders => Refusal::Headers,
        Error::Version if names_a_version(head) => Refusal::Version,
        Error::HeaderName => Refusal::Malformed("a header is folded, or its name is no name"),
        Error::HeaderValue => Refusal::Malformed("a header has no value"),
        _ => Refusal::Malformed("its first line is not that of HTTP"),
    }
}

/// Whether the first line ends in a version of HTTP.
fn names_a_version(head: &[u8]) -> bool {
    let lines = head.split(|byte| *byte == b'\r' || *byte == b'\n');
    let line = lines.into_iter().find(|line| !line.is_empty()).unwrap_or_default();
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    version.strip_prefix(b"HTTP/").and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit)
}

/// A number in digits alone.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The header fields of a request.
struct Headers<'h, 'b>(&'h [Header<'b>]);

impl Headers<'_, '_> {
    /// The values of all headers of this name, without the spaces around them.
    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        // They are ASCII, as the scanner has seen; were one not, it would say nothing.
        named.map(|header| core::str::from_utf8(header.value).unwrap_or_default().trim())
    }

    /// The name of this place; it has to be there once.
    fn host(&self, is_old: bool) -> Result<Option<String>, Refusal> {
        let mut hosts = self.all("host");
        match (hosts.next(), hosts.next()) {
            (None, _) if is_old => Ok(None),
            (None, _) => Err(Refusal::Malformed("it has no Host header")),
            (Some(host), None) => authority(host),
            (Some(_), Some(_)) => Err(Refusal::Malformed("it has two Host headers")),
        }
    }

    /// Where a body ends is not a question that is answered here.
    fn refuse_body(&self) -> Result<(), Refusal> {
        let lengths: Vec<&str> = self.all("content-length").collect();
        let is_encoded = self.all("transfer-encoding").next().is_some();
        match (&lengths[..], is_encoded) {
            ([], false) => Ok(()),
            ([], true) => Err(Refusal::Body),
            ([_], true) => Err(Refusal::Malformed("it gives the length of its body in two ways")),
            ([length], false) => match number(length) {
                Some(0) => Ok(()),
                Some(_) => Err(Refusal::Body),
                None => Err(Refusal::Malformed("the length of its body is not a number")),
            },
            (_, _) => Err(Refusal::Malformed("it has two Content-Length headers")),
        }
    }

    /// Whether the peer wants to close.
    fn closes(&self) -> bool {
        self.all("connection")
            .flat_map(|value| value.split(','))
            .any(|option| option.trim().eq_ignore_ascii_case("close"))
    }
}

/// What a host may be called, and where: a name, an address, and a port. It gets into pages, so there is nothing else in it.
fn authority(text: &str) -> Result<Option<String>, Refusal> {
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte)) {
        return Err(Refusal::Malformed("the name of the host has characters that no such name has"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// The target of a request.
struct Target {
    /// Of the host, when the target names one; it then counts more than the header.
    authority: Option<Option<String>>,
    path: String,
    query: Option<String>,
}

impl Target {
    fn read(text: &str) -> Result<Target, Refusal> {
        if text.contains('#') {
            return Err(Refusal::Malformed("its target has a fragment, which browsers keep to themselves"));
        }
        if text.starts_with('/') {
            return Ok(Target::split(None, text));
        }
        // What a proxy is asked. A server has to understand it, too.
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Refusal::Malformed("its target does not begin with a slash"));
        };
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(Refusal::Malformed("the scheme of its target is not http"));
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let authority = authority(name)?;
        if authority.is_none() {
            return Err(Refusal::Malformed("its target names no host"));
        }
        Ok(Target::split(Some(authority), rest))
    }

    fn split(authority: Option<Option<String>>, text: &str) -> Target {
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (text, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        Target { authority, path: path.to_owned(), query }
    }
}
