//! Pages that say why there is nothing else to see, and what to do about it.

use super::frame::{Frame, html_response};
use builder_engine::dashboard::http::{Caching, Response};
use builder_engine::dashboard::site::Refusal;
use builder_proto::text::Text;
use maud::{Markup, html};

/// Seconds after which it is worth trying again.
const RETRY: u32 = 5;

/// Why there is no page.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: u16,
    title: String,
    /// What happened.
    words: String,
    /// What to do about it.
    remedy: &'static str,
}

impl Problem {
    /// There is nothing at this address.
    pub(super) fn no_page() -> Problem {
        Problem {
            status: 404,
            title: "There is no such page".to_owned(),
            words: "Nothing is at this address.".to_owned(),
            remedy: "Look for it on the overview; every job and every build can be reached from there.",
        }
    }

    /// There is nothing of this name.
    pub(super) fn unknown(what: impl Into<String>, remedy: &'static str) -> Problem {
        Problem { status: 404, title: "There is no such thing".to_owned(), words: what.into(), remedy }
    }

    /// Something in the address means nothing.
    pub(super) fn bad(words: impl Into<String>) -> Problem {
        Problem {
            status: 400,
            title: "This address cannot be understood".to_owned(),
            words: words.into(),
            remedy: "Go back, and use the links and forms of the page.",
        }
    }

    /// The server did not answer as it should.
    pub(super) fn of(refusal: &Refusal) -> Problem {
        match refusal {
            Refusal::Refused(words) if words.as_bytes().starts_with(b"busy") => Problem {
                status: 503,
                title: "The server is busy".to_owned(),
                words: format!("It says: {words}"),
                remedy: "Load the page again in a moment.",
            },
            Refusal::Refused(words) => Problem {
                status: 404,
                title: "The server does not have this".to_owned(),
                words: format!("It says: {words}"),
                remedy: "Perhaps it was removed. What the server has is on the overview.",
            },
            Refusal::Unreachable(words) => Problem {
                status: 503,
                title: "The server cannot be asked".to_owned(),
                words: Text::from(words.as_str()).to_string(),
                remedy: "The dashboard goes on trying. Load the page again in a moment; if that does not help, \
                         see whether builder-server runs.",
            },
            Refusal::TooLong => Problem {
                status: 502,
                title: "This is too much for a page".to_owned(),
                words: "The answer of the server is longer than what is held for a page.".to_owned(),
                remedy: "Use the command builder-client, which has no such limit, or ask for less.",
            },
        }
    }

    /// The same, where the server was asked how all is: what it refuses then is not the fault of an address.
    pub(super) fn of_snapshot(refusal: &Refusal) -> Problem {
        let problem = Problem::of(refusal);
        match refusal {
            Refusal::Refused(_) if problem.status == 404 => Problem {
                status: 502,
                title: "The server does not say how all is".to_owned(),
                remedy: "The dashboard needs a builder-server of its own version, or a later one, and a listener \
                         on which viewers may ask.",
                ..problem
            },
            _ => problem,
        }
    }

    /// The same in a page that shows something else as well.
    pub(super) fn message(&self) -> Markup {
        html! { p.message.bad role="alert" { "✗ " (self.title) ". " (self.words) " " (self.remedy) } }
    }

    pub(super) fn response(&self, frame: &Frame<'_>) -> Response {
        let markup = frame.page(&self.title, self.body(frame));
        let mut response = html_response(self.status, markup);
        response.caching = Caching::NoStore;
        if self.status == 503 {
            response.headers.push(("Retry-After", RETRY.to_string()));
        }
        response
    }

    fn body(&self, frame: &Frame<'_>) -> Markup {
        html! {
            div.problem {
                p.code { (self.status) }
                h1 { (self.title) }
                p { (self.words) }
                p.aside { (self.remedy) }
                p { a.button href=(frame.links.overview()) { "Overview" } }
            }
        }
    }
}

/// What was answered, if it is of the kind that was asked for.
pub(super) fn known<'a, T>(answer: Option<Result<&'a T, &'a Refusal>>) -> Result<&'a T, Problem> {
    match answer {
        Some(answer) => answer.map_err(Problem::of),
        None => Err(Problem::of(&Refusal::Unreachable("It has not answered.".to_owned()))),
    }
}
