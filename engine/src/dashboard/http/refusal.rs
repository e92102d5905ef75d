//! What a connection refuses by itself, and what it says then.

use super::message::{Caching, Response};
use crate::limits::{HTTP_HEAD_BYTES, HTTP_HEAD_TIME, HTTP_HEADERS};

/// Why a request is not answered by a page. The connection is closed after it: nobody knows what the bytes behind it are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not HTTP, or may be read in two ways. The text says what is wrong.
    Malformed(&'static str),
    /// It would change something.
    Method,
    /// Its head did not come to an end.
    Slow,
    /// It has a body.
    Body,
    /// Its first line is too long.
    Target,
    /// It is for somebody of another name.
    Host,
    /// Its head is too long.
    Head,
    /// It has too many headers.
    Headers,
    /// What was to be answered cannot be sent.
    Unsendable,
    /// Nobody knows what it wants.
    UnknownMethod,
    /// It is of another version of HTTP.
    Version,
}

impl Refusal {
    fn status(self) -> u16 {
        match self {
            Refusal::Malformed(_) => 400,
            Refusal::Method => 405,
            Refusal::Slow => 408,
            Refusal::Body => 413,
            Refusal::Target => 414,
            Refusal::Host => 421,
            Refusal::Head | Refusal::Headers => 431,
            Refusal::Unsendable => 500,
            Refusal::UnknownMethod => 501,
            Refusal::Version => 505,
        }
    }

    fn text(self) -> String {
        match self {
            Refusal::Malformed(what) => {
                format!("The request is malformed: {what}. Another browser, or another proxy on the way, may help.")
            }
            Refusal::Method => "Nothing can be changed here. GET and HEAD are all that is answered.".to_owned(),
            Refusal::Slow => {
                let seconds = HTTP_HEAD_TIME.as_secs();
                format!("The request was not complete within {seconds} seconds. Try again.")
            }
            Refusal::Body => "The request has a body. Nothing here takes one; ask without it.".to_owned(),
            Refusal::Target => {
                format!("The address is too long: a request may have {HTTP_HEAD_BYTES} bytes. Use a shorter one.")
            }
            Refusal::Host => {
                "The dashboard does not answer under the name in this address, so that no page of that name can read it. On \
                 the same machine, use localhost. If the name is right, whoever runs the dashboard adds the option --host \
                 with it."
                    .to_owned()
            }
            Refusal::Head => format!(
                "The headers of the request are too long: a request may have {HTTP_HEAD_BYTES} bytes. Delete the cookies \
                 of this host and try again."
            ),
            Refusal::Headers => {
                format!("The request has too many headers: {HTTP_HEADERS} are read. Look at what a proxy on the way adds.")
            }
            Refusal::Unsendable => {
                "The answer has a header that HTTP does not allow. This is a fault of the program; please report it.".to_owned()
            }
            Refusal::UnknownMethod => "The method of the request is unknown. Use GET or HEAD.".to_owned(),
            Refusal::Version => "The request is of a version of HTTP other than 1.0 and 1.1. Use one of them.".to_owned(),
        }
    }

    /// The page that says so. Nothing of the request is in it.
    pub(super) fn page(self) -> Response {
        let (status, text) = (self.status(), self.text());
        let title = format!("{status} {}", reason(status));
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
             content=\"width=device-width\">\n<title>{title}</title>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
             <p>{text}</p>\n</main>\n</body>\n</html>\n"
        );
        let response = Response::new(status, "text/html; charset=utf-8", page.into_bytes());
        let response = response.with_caching(Caching::NoStore);
        if self == Refusal::Method { response.with_header("Allow", "GET, HEAD") } else { response }
    }
}

/// The answer to a request for somebody of another name. The request itself is in order, and so is what comes behind it.
pub(crate) fn misdirected() -> Response {
    Refusal::Host.page()
}

/// What stands behind a status, for people who look at the bytes; programs ignore it.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
