//! Pages as they leave.

use builder_engine::dashboard::http::{Caching, Response};
use maud::Markup;

/// A page as an answer.
pub(super) fn html_response(status: u16, markup: Markup) -> Response {
    Response::new(status, "text/html; charset=utf-8", markup.into_string().into_bytes())
}

/// The way to another address, for now.
pub(super) fn redirect_response(address: String) -> Response {
    let mut response = Response::new(302, "text/plain; charset=utf-8", b"See Location.\n".as_slice());
    response.headers.push(("Location", address));
    response.caching = Caching::NoStore;
    response
}
