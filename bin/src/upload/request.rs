//! One upload: a file as the body of a POST, and what the answer means.

use super::credentials::Credentials;
use super::url::UploadUrl;
use super::verdict::Verdict;
use builder_proto::text::Text;
use minreq::{Error, ResponseLazy};
use std::fmt;
use std::io::{ErrorKind, Read};
use std::panic;
use std::time::Duration;

/// Time that any upload may take.
const BASE_TIME: Duration = Duration::from_secs(5 * 60);
/// Octets that any link is expected to carry in a second.
const SLOWEST_RATE: u64 = 256 * 1024;
/// Longer than anyone waits, and short enough to be added to any time.
const LONGEST_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Octets of an error's explanation that are read.
const EXPLANATION_BYTES: usize = 512;
/// Characters of what a server says that are shown.
const SHOWN_CHARACTERS: usize = 200;
/// How minreq reports an answer that does not begin like one of HTTP.
const NO_STATUS_LINE: (i32, &str) = (503, "Server did not provide a status line");

/// The server has the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Success {
    /// It was stored.
    Stored,
    /// It was there already.
    Known,
}

/// The server does not have the file, or did not say so.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) verdict: Verdict,
    /// What happened, and what may help.
    pub(super) reason: String,
}

/// The longest that an upload of so many octets may take, unless an option says otherwise.
pub(crate) fn patience(octets: u64) -> Duration {
    BASE_TIME.saturating_add(Duration::from_secs(octets / SLOWEST_RATE))
}

/// Uploads a file that has been read. Takes twice its size in memory, as minreq copies the body.
pub(super) fn send(
    url: &UploadUrl,
    credentials: Option<&Credentials>,
    body: Vec<u8>,
    patience: Duration,
) -> Result<Success, Failure> {
    // The credentials are for this server only, so a redirection is an answer like any other.
    let mut request = minreq::post(url.as_str())
        .with_follow_redirects(false)
        .with_header("Content-Type", "application/octet-stream")
        .with_header("User-Agent", concat!("builder-upload/", env!("CARGO_PKG_VERSION")))
        .with_header("Connection", "close")
        .with_timeout(patience.min(LONGEST_TIME).as_secs().max(1))
        .with_body(body);
    if let Some(credentials) = credentials {
        request = request.with_header("Authorization", credentials.authorization());
    }
    // minreq panics about some answers; the message would mean nothing to anyone.
    panic::set_hook(Box::new(|panic| log::debug!("{panic}")));
    let answer = panic::catch_unwind(|| request.send_lazy());
    drop(panic::take_hook());
    match answer {
        Ok(Ok(answer)) => judge(answer, credentials),
        Ok(Err(error)) => Err(explain(error, patience)),
        Err(_) => Err(Failure::refused("the HTTP library gave up; does the server answer in HTTP?")),
    }
}

fn judge(mut answer: ResponseLazy, credentials: Option<&Credentials>) -> Result<Success, Failure> {
    let status = i32::from(answer.status_code);
    if (status, answer.reason_phrase.as_str()) == NO_STATUS_LINE {
        return Err(Failure::refused("the server closed the connection without an answer in HTTP"));
    }
    match status {
        // minreq takes any line with a number in the middle for a status; a header proves that it is one.
        200..=299 | 409 if answer.headers.is_empty() => {
            Err(Failure::refused("the server closed the connection amid its answer"))
        }
        200..=299 => Ok(Success::Stored),
        409 => Ok(Success::Known),
        _ => Err(reject(status, &mut answer, credentials)),
    }
}

/// What an answer means that is no success.
fn reject(status: i32, answer: &mut ResponseLazy, credentials: Option<&Credentials>) -> Failure {
    // Some servers send back what they got, and this goes into logs.
    let show = |text: &str| {
        let text = credentials.map_or_else(|| text.to_owned(), |credentials| credentials.conceal(text));
        Shown(&text).to_string()
    };
    let reason = format!("the server answered {status} {}", show(&answer.reason_phrase));
    let verdict = match status {
        401 | 403 => Verdict::Unauthorized,
        // The server, or one before it, is overloaded or under maintenance.
        408 | 425 | 429 | 502 | 503 | 504 => Verdict::Unavailable,
        _ => Verdict::Refused,
    };
    let reason = match status {
        401 | 403 => format!("{reason}: it refuses the credentials"),
        300..=399 => {
            let location = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
            let location = location.map_or("elsewhere", |(_, location)| location.as_str());
            format!("{reason}, pointing to {}; if that is right, upload there", show(location))
        }
        _ => match read_explanation(answer) {
            Some(explanation) => format!("{reason}: {}", show(&explanation)),
            None => reason,
        },
    };
    Failure { verdict, reason }
}

/// The first line of what a server says about an error, if it is one for people.
fn read_explanation(answer: &mut ResponseLazy) -> Option<String> {
    let is_text = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("content-type") && value.trim_start().starts_with("text/plain")
    };
    if !answer.headers.iter().any(is_text) {
        return None;
    }
    let mut block = [0; EXPLANATION_BYTES];
    // One read is enough: it is a courtesy, and the status says all that matters.
    let octets = answer.read(&mut block).ok()?;
    let text = String::from_utf8_lossy(block.get(..octets)?).into_owned();
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// Why there is no answer.
fn explain(error: Error, patience: Duration) -> Failure {
    match error {
        Error::IoError(error) => match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                Failure::refused(format!("it was not done within {} seconds", patience.as_secs().max(1)))
            }
            // Servers cut the connection when a body is too long for them, so the file may be at fault. A server may also have
            // answered before it had the body, but what it said is lost then: the library sends everything before it reads.
            ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::UnexpectedEof => Failure::refused(format!(
                "the server cut the connection ({error}); is the file too long for it, or does it refuse the \
                 credentials?"
            )),
            // So does rustls report a certificate that it does not trust.
            ErrorKind::InvalidData => Failure::untrusted(&error),
            _ => Failure::unavailable(format!("cannot reach the server: {error}")),
        },
        Error::AddressNotFound => Failure::unavailable("the server has no address"),
        Error::MalformedChunkLength
        | Error::MalformedChunkEnd
        | Error::MalformedContentLength
        | Error::HeadersOverflow
        | Error::StatusLineOverflow
        | Error::InvalidUtf8InResponse => {
            Failure::refused(format!("the server does not answer in HTTP: {error}"))
        }
        // What is left is about TLS.
        error => Failure::untrusted(&error),
    }
}

impl Failure {
    fn refused(reason: impl Into<String>) -> Failure {
        Failure { verdict: Verdict::Refused, reason: reason.into() }
    }

    fn unavailable(reason: impl Into<String>) -> Failure {
        Failure { verdict: Verdict::Unavailable, reason: reason.into() }
    }

    fn untrusted(error: &dyn fmt::Display) -> Failure {
        Failure::unavailable(format!(
            "no TLS with the server: {error}; if it has a certificate authority of its own, set SSL_CERT_FILE to that \
             certificate"
        ))
    }
}

/// What a peer says, made safe for terminals and logs and cut to a bearable length.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(SHOWN_CHARACTERS).map_or(self.0.len(), |(end, _)| end);
        let (shown, rest) = self.0.split_at(end);
        write!(f, "{}{}", Text::from(shown), if rest.is_empty() { "" } else { "…" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_the_file() {
        assert_eq!(patience(0), Duration::from_secs(300));
        assert_eq!(patience(4 << 30), Duration::from_secs(300 + 16 * 1024));
        assert_eq!(patience(u64::MAX), Duration::from_secs(300 + u64::MAX / SLOWEST_RATE));
    }

    #[test]
    fn what_servers_say_is_short_and_harmless() {
        assert_eq!(Shown("a\x1b[2Jb").to_string(), Text::from("a\x1b[2Jb").to_string());
        assert!(!Shown("a\x1b[2Jb").to_string().contains('\x1b'));
        assert_eq!(Shown(&"é".repeat(1000)).to_string().chars().count(), SHOWN_CHARACTERS + 1);
    }
}
