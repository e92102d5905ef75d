//! What all pages have in common: head, header, and footer.

use super::assets::{ICON, SCRIPT, STYLE};
use super::link::Links;
use super::words::{at, away};
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
