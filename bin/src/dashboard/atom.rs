//! Changes from good to bad and back, as an Atom feed (RFC 4287), for whoever wants to be told without looking.

use super::outcome::Outcome;
use builder_engine::dashboard::colours::push_escaped;
use builder_engine::dashboard::snapshot::{Job, RECENT};
use builder_proto::Uuid;
use builder_proto::history::Cause;
use builder_proto::text::{Text, Visible};
use builder_proto::time::Time;
use std::cmp::Reverse;

/// Changes that are told of, the last ones.
const MOST: usize = 50;

/// A build that ended in another way than those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The build.
    pub(super) uuid: Uuid,
    /// Its job.
    pub(super) job: Text,
    /// Where it ran.
    pub(super) platform: Text,
    /// When its result was known.
    pub(super) finished: Time,
    /// Why it ended.
    pub(super) cause: Cause,
    /// So many builds before it ended in the other way.
    pub(super) before: usize,
    /// Whether there may have been more of them, before those that are known.
    pub(super) is_open: bool,
}

impl Change {
    /// Such as `hello on freebsd-14 failed`.
    pub(super) fn title(&self) -> String {
        let verb = if self.cause.is_success() { "is ok again" } else { "failed" };
        format!("{} on {} {verb}", self.job, self.platform)
    }

    /// Such as `failed: exited 1, after 3 successes`.
    pub(super) fn summary(&self) -> String {
        let (how, others) = match self.cause.is_success() {
            true => ("ok".to_owned(), ["failure", "failures"]),
            false => (format!("failed: {}", self.cause), ["success", "successes"]),
        };
        let [one, many] = others;
        let before = match (self.before, self.is_open) {
            (count, true) => format!("{count} {many} or more"),
            (1, false) => format!("one {one}"),
            (count, false) => format!("{count} {many}"),
        };
        format!("{how}, after {before}")
    }
}

/// The changes that the last builds of these jobs show, those that were known last first. A build that somebody stopped is none,
/// and ends no row. The first build of a job changes nothing.
pub(super) fn changes(jobs: &[&Job]) -> Vec<Change> {
    let mut changes: Vec<Change> = jobs.iter().flat_map(|job| changes_of(job)).collect();
    changes.sort_by_key(|change| (Reverse(change.finished), change.uuid));
    changes.truncate(MOST);
    changes
}

fn changes_of(job: &Job) -> Vec<Change> {
    let Some(platform) = &job.status.platform else { return Vec::new() };
    // The builds in a row that are known, how they ended, and whether the row may have begun before them.
    let mut row: Option<(Outcome, usize)> = None;
    let mut is_open = job.recent.len() >= RECENT;
    let mut changes = Vec::new();
    for build in &job.recent {
        let outcome = Outcome::of(&build.cause);
        if outcome == Outcome::Cancelled {
            continue;
        }
        match &mut row {
            Some((known, count)) if *known == outcome => *count += 1,
            Some((_, before)) => {
                changes.push(Change {
                    uuid: build.uuid,
                    job: job.status.job.clone(),
                    platform: platform.clone(),
                    finished: build.finished,
                    cause: build.cause.clone(),
                    before: *before,
                    is_open,
                });
                row = Some((outcome, 1));
                is_open = false;
            }
            None => row = Some((outcome, 1)),
        }
    }
    changes
}

/// The feed. `site_url` is what stands before the path of every page, from `https://` on; `self_path` is where the feed is
/// itself, with a `/` at its beginning; `updated` is when it was last as it is, if nothing has changed so far.
pub(super) fn feed(
    title: &str,
    site_url: &str,
    self_path: &str,
    entries: &[Change],
    updated: Time,
) -> String {
    let (title, site) = (escaped(title), escaped(site_url.trim_end_matches('/')));
    let own = format!("{site}{}", escaped(self_path));
    let updated = entries.iter().map(|entry| entry.finished).max().unwrap_or(updated);
    let mut feed = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <title>{title}</title>\n<id>{own}</id>\n<updated>{updated}</updated>\n\
         <link rel=\"self\" type=\"application/atom+xml\" href=\"{own}\"/>\n\
         <link rel=\"alternate\" type=\"text/html\" href=\"{site}/\"/>\n\
         <author><name>{title}</name></author>\n<generator version=\"{}\">builder</generator>\n",
        env!("CARGO_PKG_VERSION")
    );
    for entry in entries {
        let Change { uuid, finished, .. } = entry;
        feed.push_str(&format!(
            "<entry>\n<title>{}</title>\n<id>urn:uuid:{uuid}</id>\n<updated>{finished}</updated>\n\
             <link rel=\"alternate\" type=\"text/html\" href=\"{site}/build/{uuid}\"/>\n\
             <summary>{}</summary>\n</entry>\n",
            escaped(&entry.title()),
            escaped(&entry.summary()),
        ));
    }
    feed.push_str("</feed>\n");
    feed
}

/// The text as the content or the value of an attribute of an XML document. Control characters, which XML has no way to
/// spell, are escaped as on a terminal, and so is what would change the direction of the text; the two characters that are
/// none become U+FFFD.
pub(super) fn escaped(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{fffe}' | '\u{ffff}' => output.push(char::REPLACEMENT_CHARACTER),
            _ if Visible(character).is_escaped() => output.push_str(&Visible(character).to_string()),
            _ => push_escaped(&mut output, character),
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::overview::samples::{at, job};
    use builder_engine::dashboard::snapshot::Recent;

    const ATOM: &str = "http://www.w3.org/2005/Atom";

    /// A job whose builds ended so: `o` for ok, `x` for failed, `c` for cancelled. Each ends an hour after the one before it.
    fn of(name: &str, number: u8, ends: &str) -> Job {
        let recent = ends.chars().zip(1_u8..).map(|(end, place)| Recent {
            uuid: Uuid::from_bytes([number, place, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            started: at(i64::from(place) * 3600 - 60),
            finished: at(i64::from(place) * 3600),
            cause: match end {
                'o' => Cause::Exited(0),
                'x' => Cause::Exited(1),
                _ => Cause::Cancelled("eve".into()),
            },
        });
        Job { status: job(name, "p", None), recent: recent.collect() }
    }

    fn told(ends: &str) -> Vec<String> {
        changes(&[&of("j", 1, ends)]).iter().map(Change::summary).collect()
    }

    #[test]
    fn what_changes_is_told_and_nothing_else() {
        assert_eq!(told("ooo"), [""; 0]);
        assert_eq!(told("xxx"), [""; 0], "it was never good");
        assert_eq!(told("ooox"), ["failed: exited 1, after 3 successes"]);
        assert_eq!(told("oxxxo"), ["ok, after 3 failures", "failed: exited 1, after one success"]);
        assert_eq!(told("xcco"), ["ok, after one failure"], "who stops a build changes nothing");
        assert_eq!(told("occo"), [""; 0]);
    }

    #[test]
    fn a_row_that_is_longer_than_what_is_known_is_told_as_such() {
        assert_eq!(told(&format!("{}x", "o".repeat(19))), ["failed: exited 1, after 19 successes or more"]);
        assert_eq!(
            told(&format!("{}xoxx", "o".repeat(16))).last().unwrap(),
            "failed: exited 1, after 16 successes or more"
        );
        assert_eq!(told(&format!("{}xoxx", "o".repeat(16)))[0], "failed: exited 1, after one success");
        assert_eq!(told(&format!("{}x", "o".repeat(18))), ["failed: exited 1, after 18 successes"]);
    }

    #[test]
    fn the_last_changes_of_all_jobs_come_first() {
        let (one, other) = (of("a", 1, "oox"), of("b", 2, "ox"));
        let names: Vec<String> = changes(&[&one, &other]).iter().map(Change::title).collect();
        assert_eq!(names, ["a on p failed", "b on p failed"]);
        let many: Vec<Job> = (0..100).map(|number| of("j", number, "ox")).collect();
        assert_eq!(changes(&many.iter().collect::<Vec<_>>()).len(), MOST);
        let nowhere = Job {
            status: builder_proto::overview::JobStatus { platform: None, ..one.status.clone() },
            ..one
        };
        assert_eq!(changes(&[&nowhere]), []);
    }

    #[test]
    fn a_feed_is_what_the_standard_asks_for() {
        let job = of("hello", 7, "oxo");
        let text = feed("Builds", "https://ci.example/b/", "/feed.atom", &changes(&[&job]), Time::UNIX_EPOCH);
        let document = roxmltree::Document::parse(&text).unwrap();
        let child = |node: roxmltree::Node<'_, '_>, name| {
            let found: Vec<_> = node.children().filter(|child| child.has_tag_name((ATOM, name))).collect();
            assert_eq!(found.len(), 1, "{name}: {text}");
            found[0].text().unwrap_or_default().to_owned()
        };
        let root = document.root_element();
        assert!(root.has_tag_name((ATOM, "feed")), "{text}");
        assert_eq!(child(root, "id"), "https://ci.example/b/feed.atom");
        assert_eq!(child(root, "title"), "Builds");
        assert_eq!(child(root, "updated"), "1970-01-01T03:00:00Z");
        child(root, "author");
        let links: Vec<_> = root.children().filter(|node| node.has_tag_name((ATOM, "link"))).collect();
        let links: Vec<_> =
            links.iter().map(|link| (link.attribute("rel"), link.attribute("href"))).collect();
        let own = (Some("self"), Some("https://ci.example/b/feed.atom"));
        assert_eq!(links, [own, (Some("alternate"), Some("https://ci.example/b/"))]);
        let entries: Vec<_> = root.children().filter(|node| node.has_tag_name((ATOM, "entry"))).collect();
        assert_eq!(entries.len(), 2);
        assert_eq!(child(entries[0], "title"), "hello on p is ok again");
        assert_eq!(child(entries[1], "title"), "hello on p failed");
        assert_eq!(child(entries[1], "id"), "urn:uuid:07020000-0000-0000-0000-000000000000");
        assert_eq!(child(entries[1], "updated"), "1970-01-01T02:00:00Z");
        assert_eq!(child(entries[1], "summary"), "failed: exited 1, after one success");
        let link = entries[1].children().find(|node| node.has_tag_name((ATOM, "link"))).unwrap();
        let page = "https://ci.example/b/build/07020000-0000-0000-0000-000000000000";
        assert_eq!(link.attribute("href"), Some(page));
        let empty = feed("Builds", "https://ci.example", "/feed.atom", &[], at(60));
        let document = roxmltree::Document::parse(&empty).unwrap();
        assert_eq!(child(document.root_element(), "updated"), "1970-01-01T00:01:00Z");
    }

    #[test]
    fn no_name_breaks_the_document() {
        let name = "]]><script>\"&'\0\x1b\x0b\u{202e}\u{ffff}";
        let mut job = of(name, 1, "ox");
        job.recent[1].cause = Cause::Lost(name.into());
        let text = feed(name, "https://x/?a=1&b=\"", "/<>", &changes(&[&job]), Time::UNIX_EPOCH);
        let document = roxmltree::Document::parse(&text).unwrap();
        let texts: Vec<_> = document.descendants().filter_map(|node| node.text()).collect();
        let shown = "]]><script>\"&'\\x00\\x1b\\x0b\\u{202e}\u{fffd}";
        assert!(texts.contains(&format!("{shown} on p failed").as_str()), "{text}");
        assert!(texts.contains(&format!("failed: lost: {shown}, after one success").as_str()), "{text}");
        assert!(document.descendants().all(|node| !node.has_tag_name("script")));
    }

    #[test]
    fn any_text_is_the_content_of_an_element() {
        let every: String = ('\0'..='\u{ffff}').chain(['\u{1f600}', '\u{10ffff}']).collect();
        let document = format!("<a b=\"{0}\" c='{0}'>{0}</a>", escaped(&every));
        let document = roxmltree::Document::parse(&document).unwrap();
        let read = document.root_element().text().unwrap();
        assert!(read.contains("\\x00\\x01") && read.contains("<=>") && read.contains("\\u{202e}"), "{read}");
        assert!(read.ends_with("\u{fffd}\u{fffd}\u{1f600}\u{10ffff}"));
        assert_eq!(document.root_element().attribute("b"), Some(read));
        assert_eq!(document.root_element().attribute("c"), Some(read));
    }
}
