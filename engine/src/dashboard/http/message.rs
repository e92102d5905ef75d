//! What a browser asks, and what it is answered.

use std::rc::Rc;

/// What a browser may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Get a page.
    Get,
    /// Get what stands above the page.
    Head,
}

/// What a browser asks for. All of it is ASCII without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// The target up to the query. It begins with a slash, and is percent-encoded still. With two slashes in front, it names
    /// another host to a browser that is sent there.
    pub path: String,
    /// The rest of the target, behind the question mark.
    pub query: Option<String>,
    /// Under which name, and port if any, the browser knows this place: letters, digits, and `.-_:[]`.
    pub host: Option<String>,
    /// The scheme under which it does, if a proxy says so: `http` or `https`.
    pub forwarded_proto: Option<String>,
    /// Entity tags that the browser has.
    pub if_none_match: Option<String>,
    /// The last event that the browser has got of a stream.
    pub last_event_id: Option<u64>,
}

/// An answer that is held whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Such as 200.
    pub status: u16,
    /// The media type of the body.
    pub content_type: &'static str,
    /// What else stands above it. A header for the browser's safety that is named here takes the place of the one that every
    /// answer has. What frames the answer, its caching and its type cannot be named.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Rc<[u8]>,
    /// For how long it may be kept.
    pub caching: Caching,
}

/// For how long an answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Not at all.
    NoStore,
    /// For as long as its entity tag stays the same; each time, it has to be asked for.
    Revalidate,
    /// Forever: what is in it stands in its address. An answer other than 200 is asked for each time all the same.
    Forever,
}

/// An answer 200 whose body follows in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The media type of the body.
    pub content_type: String,
    /// As in a [`Response`].
    pub headers: Vec<(&'static str, String)>,
    /// The bytes of the body. None when they are not known yet; then it is sent in chunks.
    pub length: Option<u64>,
    /// What the body is known by: printable ASCII without quotes and commas. With it, the browser may keep the body and ask each
    /// time whether it is the same; without it, the body is not kept.
    pub etag: Option<String>,
}

impl Response {
    /// An answer without further headers, to be asked for anew each time.
    #[must_use]
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Rc<[u8]>>) -> Response {
        Response {
            status,
            content_type,
            headers: Vec::new(),
            body: body.into(),
            caching: Caching::Revalidate,
        }
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.push((name, value.into()));
        self
    }

    /// The same answer, to be kept for as long as this.
    #[must_use]
    pub fn with_caching(mut self, caching: Caching) -> Response {
        self.caching = caching;
        self
    }
}
