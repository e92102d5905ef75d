//! What is sent of a stored result, and what the upload server answers, behind any interim answers.
//!
//! Any server may send some before the one that counts: `100 Continue`, `102 Processing`, `103 Early Hints`. minreq takes the
//! first for the answer, and what follows for its body. So the head of the one that counts is read here.

use crate::result_file::ResultFile;
use builder_engine::server::UploadFilter;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::{Excerpt, ReadAt, ReadError, StoredExecution};
use minreq::ResponseLazy;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;

/// Bytes of all heads behind the first. minreq allows 8 KiB for a head.
const HEADS_BYTES: usize = 64 * 1024;
/// Bytes of the line before a chunk that are read.
const CHUNK_LINE_BYTES: usize = 1024;
/// How minreq reports an answer that does not begin like one of HTTP.
const NO_STATUS_LINE: (u16, &str) = (503, "Server did not provide a status line");
/// The status with which a server changes to another protocol, which nobody asks for: it has no successor.
const SWITCHING_PROTOCOLS: u16 = 101;

/// An answer whose body has not been read.
pub(super) struct Answer {
    pub(super) status: u16,
    /// What the server says beside the status.
    pub(super) phrase: String,
    headers: Vec<(String, String)>,
    body: ResponseLazy,
    /// Whether there were interim answers, so that minreq does not know how this one is framed.
    is_raw: bool,
}

/// Why there is no answer, though the connection stood.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// Nothing came, or nothing like HTTP.
    Absent,
    /// It ended amid its head.
    CutOff,
    /// It has a head that is too long or not one of HTTP.
    Garbled,
    /// It could not be read.
    Unreadable(io::Error),
}

/// Status line and headers.
type Head = (u16, String, Vec<(String, String)>);

impl Answer {
    /// Reads on until the answer that is not an interim one.
    pub(super) fn read(mut body: ResponseLazy) -> Result<Answer, NoAnswer> {
        let mut status = body.status_code;
        let mut phrase = std::mem::take(&mut body.reason_phrase);
        let mut headers = std::mem::take(&mut body.headers);
        if (status, phrase.as_str()) == NO_STATUS_LINE {
            return Err(NoAnswer::Absent);
        }
        // minreq takes any line with a number in the middle for a status; a header proves that it is one.
        if matches!(status, 200..=299 | 409) && headers.is_empty() {
            return Err(NoAnswer::CutOff);
        }
        let mut room = HEADS_BYTES;
        let is_raw = is_interim(status);
        while is_interim(status) {
            let head = read_head(&mut body, &mut room)?;
            (status, phrase, headers) = parse_head(&head).ok_or(NoAnswer::Garbled)?;
        }
        Ok(Answer { status, phrase, headers, body, is_raw })
    }

    /// The value of a header; its name in any case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let is_named = |(header, _): &&(String, String)| header.trim().eq_ignore_ascii_case(name);
        self.headers.iter().find(is_named).map(|(_, value)| value.trim())
    }

    /// The first bytes of the body, as many as arrive at once. To be called once.
    pub(super) fn read_body(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let is_chunked =
            self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        if self.is_raw && is_chunked { read_chunk(&mut self.body, block) } else { self.body.read(block) }
    }
}

fn is_interim(status: u16) -> bool {
    (100..200).contains(&status) && status != SWITCHING_PROTOCOLS
}

/// Reads up to the empty line, which is not missing.
fn read_head(stream: &mut impl Read, room: &mut usize) -> Result<Vec<u8>, NoAnswer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        let mut byte = [0];
        *room = room.checked_sub(1).ok_or(NoAnswer::Garbled)?;
        match stream.read(&mut byte) {
            Ok(0) => return Err(NoAnswer::CutOff),
            Ok(_) => head.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(NoAnswer::Unreadable(error)),
        }
    }
    Ok(head)
}

/// Reads from the first chunk of a chunked body.
fn read_chunk(stream: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < CHUNK_LINE_BYTES {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.extend(byte);
    }
    let line = String::from_utf8_lossy(&line);
    // Behind a semicolon there may be extensions.
    let length = line.split(';').next().unwrap_or_default().trim();
    let length = usize::from_str_radix(length, 16).map_err(io::Error::other)?;
    let bound = block.len().min(length);
    stream.read(block.get_mut(..bound).unwrap_or_default())
}

fn parse_head(head: &[u8]) -> Option<Head> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let line = lines.next()?.strip_prefix("HTTP/1.")?;
    let (_, line) = line.split_once(' ')?;
    let (status, phrase) = line.split_once(' ').unwrap_or((line, ""));
    let status = status.parse().ok().filter(|status| (100..1000).contains(status))?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let owned = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    Some((status, phrase.to_owned(), owned.collect()))
}

/// The body of an upload.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// None when everything is sent.
    pub(super) held_back: Option<HeldBack>,
}

/// Artifacts that are not sent, and the result that is the reason.
#[derive(Debug)]
pub(super) struct HeldBack {
    pub(super) count: u64,
    pub(super) result: BuildResult,
}

/// Why a file is not sent.
#[derive(Debug)]
pub(super) enum BodyError {
    Open(io::Error),
    Read(ReadError<io::Error>),
}

impl Body {
    /// Reads a file, but for what the filter holds back.
    ///
    /// What is no stored result at all is read as it is: no server takes it for one. What begins like one and is damaged may
    /// hold anything, and so it is not sent.
    pub(super) fn read(path: &Path, filter: UploadFilter) -> Result<Body, BodyError> {
        let file = ResultFile::open(path).map_err(BodyError::Open)?;
        let mut first = [0];
        let count = file.read_at(0, &mut first).map_err(BodyError::Open)?;
        if !StoredExecution::begins(first.get(..count).unwrap_or_default()) {
            return Ok(Body { bytes: std::fs::read(path).map_err(BodyError::Open)?, held_back: None });
        }
        let stored = StoredExecution::open(&file, file.length())?;
        let excerpt = Excerpt::new(&file, &stored, |path| filter.lets_through(&stored.result, path))?;
        let mut bytes = Vec::with_capacity(usize::try_from(excerpt.length).unwrap_or_default());
        excerpt.read::<_, ReadError<io::Error>>(&file, |block| {
            bytes.extend_from_slice(block);
            Ok(())
        })?;
        let count = excerpt.left_out;
        let held_back = (count > 0).then_some(HeldBack { count, result: stored.result });
        Ok(Body { bytes, held_back })
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Open(error) => write!(f, "cannot read it: {error}"),
            BodyError::Read(error) => write!(f, "it {error}"),
        }
    }
}

impl std::error::Error for BodyError {}

impl From<ReadError<io::Error>> for BodyError {
    fn from(error: ReadError<io::Error>) -> BodyError {
        BodyError::Read(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Option<Head> {
        parse_head(head.as_bytes())
    }

    #[test]
    fn a_head_is_a_status_line_and_headers() {
        let (status, phrase, headers) =
            parse("HTTP/1.1 401 Not You\r\nWWW-Authenticate: Basic realm=\"a:b\"\r\n\r\n").unwrap();
        assert_eq!((status, phrase.as_str()), (401, "Not You"));
        assert_eq!(headers, [("WWW-Authenticate".to_owned(), "Basic realm=\"a:b\"".to_owned())]);
        assert_eq!(parse("HTTP/1.0 204\r\n\r\n"), Some((204, String::new(), Vec::new())));
        for garbled in ["", "\r\n", "HTTP/2 200\r\n", "HTTP/1.1 20 OK\r\n", "HTTP/1.1 OK\r\n", "200 OK\r\n"] {
            assert_eq!(parse(garbled), None, "{garbled:?}");
        }
    }

    #[test]
    fn a_head_ends_with_an_empty_line_and_has_a_bound() {
        let mut stream = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody".as_slice();
        let mut room = HEADS_BYTES;
        assert_eq!(read_head(&mut stream, &mut room).unwrap(), b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n");
        assert_eq!(stream, b"body");
        assert!(matches!(read_head(&mut stream, &mut room), Err(NoAnswer::CutOff)));
        assert!(matches!(read_head(&mut io::repeat(b'x'), &mut room), Err(NoAnswer::Garbled)));
    }

    #[test]
    fn a_chunk_has_its_length_before_it() {
        let read = |mut stream: &[u8]| {
            let mut block = [0; 8];
            read_chunk(&mut stream, &mut block).ok().map(|count| block[..count].to_vec())
        };
        assert_eq!(read(b"5\r\nhello\r\n0\r\n\r\n").as_deref(), Some(b"hello".as_slice()));
        assert_eq!(read(b"C;a=b\r\nhello, world\r\n").as_deref(), Some(b"hello, w".as_slice()));
        assert_eq!(read(b"0\r\n\r\n").as_deref(), Some(b"".as_slice()));
        for garbled in [b"".as_slice(), b"\r\nhello", b"-1\r\nhello", &[b'1'; 2000], b"g\r\nhello"] {
            assert_eq!(read(garbled), None, "{garbled:?}");
        }
    }

    #[test]
    fn interim_answers_are_all_below_200_but_that_of_another_protocol() {
        for (status, is_one) in
            [(99, false), (100, true), (101, false), (103, true), (199, true), (200, false)]
        {
            assert_eq!(is_interim(status), is_one, "{status}");
        }
    }
}
