//! What all pages have in common: head, header and footer; the style sheet, the script and the icon; how they leave.

use super::link::Links;
use super::words::{at, away};
use builder_engine::dashboard::http::{Caching, Response};
use builder_engine::dashboard::snapshot::Snapshot;
use builder_proto::text::Text;
use builder_proto::time::Time;
use maud::{DOCTYPE, Markup, html};

/// What stands around the contents of a page.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) links: &'a Links,
    /// What the whole site is called.
    pub(super) title: &'a str,
    /// What is known of the server, if anything is.
    pub(super) snapshot: Option<&'a Snapshot>,
    pub(super) now: Option<Time>,
    /// The job that the page is about.
    pub(super) job: Option<&'a Text>,
    /// Where the same is for programs.
    pub(super) json: Option<String>,
    /// Where the script hears that the page has changed.
    pub(super) live: Option<String>,
}

impl<'a> Frame<'a> {
    pub(super) fn new(links: &'a Links, title: &'a str) -> Frame<'a> {
        Frame { links, title, snapshot: None, now: None, job: None, json: None, live: None }
    }

    /// A whole page.
    pub(super) fn page(&self, title: &str, contents: Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                (self.head(title))
                body data-live=[self.live.as_deref()] {
                    a.skip href="#main" { "Skip to the contents" }
                    (self.header())
                    main #main tabindex="-1" {
                        (self.trouble())
                        (contents)
                    }
                    (self.footer())
                }
            }
        }
    }

    fn head(&self, title: &str) -> Markup {
        let links = self.links;
        let asset = |name: String| links.asset(&name);
        html! {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(now) = self.now { meta name="made" content=(now.unix_milliseconds()); }
                title { (title) " · " (self.title) }
                link rel="stylesheet" href=(asset(STYLE.name()));
                link rel="icon" type="image/svg+xml" href=(asset(ICON.name()));
                link rel="alternate" type="application/atom+xml" title="Changes of all jobs" href=(links.feed());
                @if let Some(job) = self.job {
                    link rel="alternate" type="application/atom+xml" title={ "Changes of " (job) }
                        href=(links.job_feed(job));
                }
                script src=(asset(SCRIPT.name())) defer {}
            }
        }
    }

    fn header(&self) -> Markup {
        let links = self.links;
        html! {
            header.top {
                a.home href=(links.overview()) {
                    svg viewBox="0 0 16 16" width="20" height="20" aria-hidden="true" {
                        path d="M2 2h5v5H2z" {}
                        path d="M9 2h5v5H9z" {}
                        path d="M2 9h5v5H2z" {}
                        path.last d="M9 9h5v5H9z" {}
                    }
                    span { (self.title) }
                }
                nav aria-label="Site" {
                    a href=(links.overview()) { "Overview" }
                    a href=(links.feed()) { "Feed" }
                }
            }
        }
    }

    /// That what the page says may not be true any more.
    fn trouble(&self) -> Markup {
        let trouble = self.snapshot.and_then(|snapshot| Some((snapshot, snapshot.trouble.as_ref()?)));
        html! {
            @if let Some((snapshot, trouble)) = trouble {
                p.banner role="alert" {
                    strong { "! The server cannot be asked at the moment" }
                    " (" (Text::from(trouble.as_str())) "). What is here is as of "
                    @match self.now {
                        Some(now) => { (at(snapshot.taken)) ", " (away(snapshot.taken, now)) }
                        None => (at(snapshot.taken)),
                    }
                    "."
                }
            }
        }
    }

    fn footer(&self) -> Markup {
        html! {
            footer.bottom {
                p {
                    @if let Some(snapshot) = self.snapshot {
                        "builder-server " (snapshot.server.version) " · as of " (at(snapshot.taken))
                    } @else {
                        "builder-dashboard " (env!("CARGO_PKG_VERSION"))
                    }
                }
                p {
                    @if let Some(json) = &self.json {
                        a href=(json) { "JSON" } " · "
                    }
                    a href=(self.links.metrics()) { "Metrics" }
                }
            }
        }
    }
}

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

/// A file that goes with the pages. What is in it stands in its address, so that browsers may keep it for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asset {
    stem: &'static str,
    extension: &'static str,
    content_type: &'static str,
    content: &'static str,
    hash: u64,
}

pub(super) const STYLE: Asset =
    Asset::new("style", "css", "text/css; charset=utf-8", include_str!("../assets/style.css"));
pub(super) const SCRIPT: Asset =
    Asset::new("script", "js", "text/javascript; charset=utf-8", include_str!("../assets/script.js"));
pub(super) const ICON: Asset = Asset::new("icon", "svg", "image/svg+xml", include_str!("../assets/icon.svg"));

impl Asset {
    const fn new(
        stem: &'static str,
        extension: &'static str,
        content_type: &'static str,
        content: &'static str,
    ) -> Asset {
        Asset { stem, extension, content_type, content, hash: hash(content.as_bytes()) }
    }

    /// What it is called in an address.
    pub(super) fn name(&self) -> String {
        let Asset { stem, extension, hash, .. } = self;
        format!("{stem}-{hash:016x}.{extension}")
    }

    pub(super) fn response(&self, caching: Caching) -> Response {
        Response { caching, ..Response::new(200, self.content_type, self.content.as_bytes()) }
    }
}

/// The file of this name.
pub(super) fn find_asset(name: &str) -> Option<Asset> {
    [STYLE, SCRIPT, ICON].into_iter().find(|asset| asset.name() == name)
}

/// FNV-1a. It tells versions of one file from each other, and has no other duty.
const fn hash(mut bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    while let [first, rest @ ..] = bytes {
        hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
        bytes = rest;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_file_stands_in_its_name() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8, "from the page of its authors");
        let found = find_asset(&STYLE.name()).unwrap();
        assert_eq!(found.response(Caching::Forever).body[..], *STYLE.content.as_bytes());
        assert!(find_asset("style-0000000000000000.css").is_none());
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for asset in [STYLE, SCRIPT, ICON] {
            let content = asset.content.replace("http://www.w3.org/2000/svg", "");
            assert!(!content.contains("//") || !content.contains("http"), "{}", asset.name());
            assert!(!content.contains("@import") && !content.contains("url("), "{}", asset.name());
        }
    }
}
