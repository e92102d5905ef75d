//! One upload: a file as the body of a POST, and what the answer means.
//!
//! How it can end, the exit code of `builder-upload` tells scripts and the server.

use super::credentials::Credentials;
use super::exchange::{Answer, NoAnswer};
use super::relay::{Relay, Trouble};
use super::target::UploadUrl;
use builder_proto::text::Text;
use minreq::{Error, Proxy};
use std::fmt;
use std::io::{self, ErrorKind};
use std::panic;
use std::process::ExitStatus;
use std::time::Duration;

/// Longer than anyone waits, and short enough to be added to any time.
const LONGEST_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Bytes of an error's explanation that are read.
const EXPLANATION_BYTES: usize = 512;
/// Characters of what a server says that are shown.
const SHOWN_CHARACTERS: usize = 200;
/// Time to read what the server has answered by the time that not everything was sent.
const LAST_WORD_TIME: Duration = Duration::from_secs(3);

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

/// Sends the body of an upload. Takes twice its size in memory, as minreq copies it.
pub(super) fn send(
    url: &UploadUrl,
    credentials: Option<&Credentials>,
    body: Vec<u8>,
    patience: Duration,
) -> Result<Success, Failure> {
    let patience = Duration::from_secs(patience.min(LONGEST_TIME).as_secs().max(1));
    let unreachable = |error| Failure::unavailable(format!("cannot reach the server: {error}"));
    let relay = Relay::open(url.host(), url.port(), patience).map_err(unreachable)?;
    let proxy = Proxy::new(relay.address()).map_err(|error| Failure::unavailable(error.to_string()))?;
    // The credentials are for this server only, so a redirection is an answer like any other.
    let mut request = minreq::post(url.as_str())
        .with_proxy(proxy)
        .with_follow_redirects(false)
        .with_header("Content-Type", "application/octet-stream")
        .with_header("User-Agent", concat!("builder-upload/", env!("CARGO_PKG_VERSION")))
        .with_header("Connection", "close")
        .with_timeout(patience.saturating_add(LAST_WORD_TIME).as_secs())
        .with_body(body);
    if let Some(credentials) = credentials {
        request = request.with_header("Authorization", credentials.authorization());
    }
    // minreq panics about some answers; the message would mean nothing to anyone.
    panic::set_hook(Box::new(|panic| log::debug!("{panic}")));
    let answer = panic::catch_unwind(|| request.send_lazy());
    drop(panic::take_hook());
    match answer {
        Ok(Ok(answer)) => match Answer::read(answer) {
            Ok(answer) => judge(answer, credentials),
            Err(error) => Err(miss(error, relay.trouble(), patience)),
        },
        Ok(Err(error)) => Err(explain(error, relay.trouble(), patience)),
        Err(_) => match relay.trouble() {
            Some(Trouble::Local(error)) => Err(Failure::local(&error)),
            _ => Err(Failure::refused("the HTTP library gave up; does the server answer in HTTP?")),
        },
    }
}

fn judge(mut answer: Answer, credentials: Option<&Credentials>) -> Result<Success, Failure> {
    match answer.status {
        200..=299 => Ok(Success::Stored),
        409 => Ok(Success::Known),
        _ => Err(reject(&mut answer, credentials)),
    }
}

/// What an answer means that is no success.
fn reject(answer: &mut Answer, credentials: Option<&Credentials>) -> Failure {
    // Some servers send back what they got, and this goes into logs.
    let show = |text: &str| {
        let text = credentials.map_or_else(|| text.to_owned(), |credentials| credentials.conceal(text));
        Shown(&text).to_string()
    };
    let status = answer.status;
    let verdict = match status {
        // The server asks for other credentials, or for any.
        401 if credentials.is_none() || answer.header("www-authenticate").is_some() => Verdict::Unauthorized,
        // This is what builder-web says of a job that this user may not upload; its later versions say the second of wrong
        // credentials as well.
        403 | 401 => Verdict::Forbidden,
        // The server, or one before it, is overloaded or under maintenance.
        408 | 425 | 429 | 502 | 503 | 504 => Verdict::Unavailable,
        _ => Verdict::Refused,
    };
    let reason = format!("the server answered {status} {}", show(&answer.phrase));
    let reason = match verdict {
        Verdict::Unauthorized => format!("{reason}: it refuses the credentials"),
        Verdict::Forbidden => format!("{reason}: it does not let this user upload this job"),
        _ if (300..400).contains(&status) => {
            let location = answer.header("location").unwrap_or("elsewhere");
            format!("{reason}, redirecting to {}; if that is right, upload there", show(location))
        }
        _ => match read_explanation(answer) {
            Some(explanation) => format!("{reason}: {}", show(&explanation)),
            None => reason,
        },
    };
    Failure { verdict, reason }
}

/// The first line of what a server says about an error, if it is one for people.
fn read_explanation(answer: &mut Answer) -> Option<String> {
    if !answer.header("content-type").is_some_and(|value| value.starts_with("text/plain")) {
        return None;
    }
    let mut block = [0; EXPLANATION_BYTES];
    // One read is enough: it is a courtesy, and the status says all that matters.
    let bytes = answer.read_body(&mut block).ok()?;
    let text = String::from_utf8_lossy(block.get(..bytes)?).into_owned();
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// Why nothing like an answer came, though minreq took it for one.
fn miss(error: NoAnswer, trouble: Option<Trouble>, patience: Duration) -> Failure {
    match (error, trouble) {
        (NoAnswer::Unreadable(error), trouble) => explain(Error::IoError(error), trouble, patience),
        (_, Some(Trouble::Local(error))) => Failure::local(&error),
        (NoAnswer::Garbled, _) => Failure::refused("the server does not answer in HTTP"),
        (_, Some(Trouble::TooSlow)) => Failure::too_slow(patience),
        (_, Some(Trouble::Cut(error))) => Failure::cut(&error),
        (NoAnswer::Absent, Some(Trouble::Closed) | None) => {
            Failure::refused("the server closed the connection without an answer in HTTP")
        }
        (NoAnswer::CutOff, Some(Trouble::Closed) | None) => {
            Failure::refused("the server closed the connection in the middle of its answer")
        }
    }
}

/// Why there is no answer.
fn explain(error: Error, trouble: Option<Trouble>, patience: Duration) -> Failure {
    // Whatever minreq says then, it has not come as far as the server.
    if let Some(Trouble::Local(error)) = &trouble {
        return Failure::local(error);
    }
    match error {
        Error::IoError(error) => explain_io(&error, trouble, patience),
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

/// The same where reading or writing failed.
fn explain_io(error: &io::Error, trouble: Option<Trouble>, patience: Duration) -> Failure {
    match (error.kind(), trouble) {
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, _) => Failure::too_slow(patience),
        // So does rustls report a certificate that it does not trust; the server may well close the connection then.
        (ErrorKind::InvalidData, _) => Failure::untrusted(error),
        // TLS libraries have kinds of their own for a connection that ends, but the relay has seen that it does.
        (_, Some(Trouble::TooSlow)) => Failure::too_slow(patience),
        (_, Some(Trouble::Cut(error))) => Failure::cut(&error),
        (_, Some(Trouble::Local(error))) => Failure::local(&error),
        (_, Some(Trouble::Closed)) => Failure::cut(error),
        (
            ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::UnexpectedEof,
            None,
        ) => Failure::cut(error),
        (_, None) => Failure::unavailable(format!("cannot reach the server: {error}")),
    }
}

impl Failure {
    fn refused(reason: impl Into<String>) -> Failure {
        Failure { verdict: Verdict::Refused, reason: reason.into() }
    }

    /// Servers cut the connection when a body is too long for them, so the file may be at fault.
    fn cut(error: &dyn fmt::Display) -> Failure {
        Failure::refused(format!(
            "the server cut the connection without an answer ({error}); is the file too long for it?"
        ))
    }

    fn too_slow(patience: Duration) -> Failure {
        Failure::refused(format!("it was not finished within {} seconds", patience.as_secs()))
    }

    /// This host is at fault, and so it is not about one file.
    fn local(error: &dyn fmt::Display) -> Failure {
        Failure::unavailable(format!(
            "it cannot connect to itself by 127.0.0.1, through which it sends: {error}; is there a firewall, or are there \
             too few file descriptors?"
        ))
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

/// What the exit code says. 2 stands for a wrong command line, as with all programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The server has the files.
    Done,
    /// The server takes nothing at present: it cannot be reached, or says so.
    Unavailable,
    /// The credentials are refused as such, or there are none to be had.
    Unauthorized,
    /// The server does not let this user upload a file; others it may. If it does not, the credentials may be wrong.
    Forbidden,
    /// A file was not taken, or cannot be read; others may be.
    Refused,
}

impl Verdict {
    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Verdict::Done => 0,
            Verdict::Unavailable => 1,
            Verdict::Unauthorized => 3,
            Verdict::Refused => 4,
            Verdict::Forbidden => 5,
        }
    }

    /// Whether another file may fare better at once.
    pub(crate) fn is_about_one_file(self) -> bool {
        matches!(self, Verdict::Refused | Verdict::Forbidden)
    }

    /// What a process said with its end. One that was killed or crashed, perhaps of the size of its file, has refused.
    pub(crate) fn of(status: ExitStatus) -> Verdict {
        match status.code() {
            Some(0) => Verdict::Done,
            // A command line that the program does not understand is no fault of the file.
            Some(1 | 2) => Verdict::Unavailable,
            Some(3) => Verdict::Unauthorized,
            Some(5) => Verdict::Forbidden,
            _ => Verdict::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_connection_that_ends_is_about_one_file_whatever_the_tls_library_calls_it() {
        let explain = |kind: ErrorKind, trouble| {
            explain(Error::IoError(io::Error::new(kind, "unexpected EOF")), trouble, Duration::from_secs(1))
                .verdict
        };
        let cut = Trouble::Cut("Connection reset by peer".to_owned());
        for kind in [ErrorKind::Other, ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof] {
            for trouble in [cut.clone(), Trouble::Closed, Trouble::TooSlow] {
                assert_eq!(explain(kind, Some(trouble.clone())), Verdict::Refused, "{kind} {trouble:?}");
            }
            let local = Trouble::Local("Too many open files".to_owned());
            assert_eq!(explain(kind, Some(local)), Verdict::Unavailable, "{kind}");
        }
        assert_eq!(explain(ErrorKind::Other, None), Verdict::Unavailable);
        assert_eq!(explain(ErrorKind::ConnectionReset, None), Verdict::Refused);
        // A server closes the connection as well when it hears that it is not trusted.
        assert_eq!(explain(ErrorKind::InvalidData, Some(Trouble::Closed)), Verdict::Unavailable);
    }

    #[test]
    fn what_servers_say_is_short_and_harmless() {
        assert_eq!(Shown("a\x1b[2Jb").to_string(), Text::from("a\x1b[2Jb").to_string());
        assert!(!Shown("a\x1b[2Jb").to_string().contains('\x1b'));
        assert_eq!(Shown(&"é".repeat(1000)).to_string().chars().count(), SHOWN_CHARACTERS + 1);
    }

    #[test]
    fn the_exit_code_tells_the_verdict() {
        for verdict in
            [Verdict::Done, Verdict::Unavailable, Verdict::Unauthorized, Verdict::Refused, Verdict::Forbidden]
        {
            let status = ExitStatus::from_raw(i32::from(verdict.code()) << 8);
            assert_eq!(Verdict::of(status), verdict);
        }
    }

    #[test]
    fn whoever_crashes_has_refused_the_file() {
        assert_eq!(Verdict::of(ExitStatus::from_raw(9)), Verdict::Refused);
        assert_eq!(Verdict::of(ExitStatus::from_raw(101 << 8)), Verdict::Refused);
        assert_eq!(Verdict::of(ExitStatus::from_raw(2 << 8)), Verdict::Unavailable);
    }
}
