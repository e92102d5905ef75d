//! HTTP/1.1, as far as a dashboard speaks it: the server's end of one connection, without a socket and without a clock.
//!
//! A [`Connection`] takes bytes and gives [requests](Request), one at a time and in their order. It takes a [`Response`], or a
//! [`Stream`] that is pushed in [pieces](Piece), and gives bytes. It refuses by itself what is malformed, too large, too slow,
//! or asks for a change, and it says when it has waited long enough. `head` finds and reads heads of requests, `refusal`
//! says what is wrong with them, `host` knows under which names we answer, `answer` writes heads of answers, `outbox` holds
//! what waits to be sent, and `percent` reads and writes what stands in addresses.
//!
//! # The loop
//!
//! Whatever has happened, ask for the [next request](Connection::next_request) until there is none, then for
//! [bytes to write](Connection::next_write) until the socket takes no more, and then for the [deadline](Connection::deadline):
//!
//! ```
//! use builder_engine::dashboard::http::{Connection, Response};
//! use core::time::Duration;
//!
//! let now = Duration::from_secs(1);
//! let mut connection = Connection::new(now);
//! // Two requests at once; the second one has to wait until the answer to the first one is written.
//! connection.received(now, b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\nGET /b HTTP/1.0\r\n\r\n");
//! let mut sent = Vec::new();
//! loop {
//!     while let Some(request) = connection.next_request(now) {
//!         connection.respond(now, Response::new(200, "text/plain", request.path.into_bytes()));
//!     }
//!     let Some(bytes) = connection.next_write() else { break };
//!     sent.extend(bytes);
//!     let count = bytes.len();
//!     connection.written(now, count);
//! }
//! assert!(connection.is_over(), "HTTP/1.0 closes");
//! let sent = String::from_utf8(sent)?;
//! assert!(sent.contains("\r\n\r\n/aHTTP/1.1 200 OK\r\n") && sent.ends_with("\r\n\r\n/b"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod connection;
mod date;
mod head;
mod host;
mod message;
mod outbox;
mod percent;
mod refusal;
#[cfg(test)]
mod tests;

pub use connection::Connection;
pub use date::date;
pub(crate) use host::is_known;
pub use host::{HostName, HostNameError};
pub use message::{Caching, Method, Request, Response, Stream};
pub use outbox::Piece;
pub use percent::{percent_decode, percent_encode, query_fields};
pub(crate) use refusal::misdirected;
