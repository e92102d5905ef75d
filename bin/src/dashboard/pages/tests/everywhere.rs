//! What every page has, whatever is on it; and what none has, whatever others chose: that is shown and never obeyed.

use super::samples::trouble;
use super::{Host, all, read, targets, text, words};
use builder_engine::dashboard::http::percent_encode;
use builder_engine::dashboard::site::{Line, Refusal, Site};
use builder_proto::history::Cause;
use builder_proto::overview::{UploadsStatus, WaitingUpload};
use builder_proto::text::Text;
use scraper::Html;
use std::collections::BTreeSet;

/// What would be an element or an attribute, if anything of it were.
const HOSTILE: &str = "\"'><evil onload=alert(1) x=`y`></title></textarea></script><script>alert(1)</script>&lt;{{7*7}}\u{202e}";

/// Every page, of a server that is well and of one that is not.
fn every() -> Vec<(String, Html)> {
    let mut host = Host::new("");
    let mut pages: Vec<_> = targets(&host).into_iter().map(|target| (host.show(&target), target)).collect();
    host.snapshot = trouble();
    pages.push((host.show("/"), "/ in trouble".to_owned()));
    host.snapshot.jobs.clear();
    pages.push((host.show("/"), "/ without jobs".to_owned()));
    host.refusal = Some(Refusal::Unreachable("connection refused".to_owned()));
    pages.push((host.show("/"), "/ without a server".to_owned()));
    pages.into_iter().map(|(page, target)| (target, page)).collect()
}

#[test]
fn every_page_has_a_title_landmarks_and_one_heading_above_all() {
    for (target, page) in every() {
        assert!(page.errors.is_empty(), "{target}: {:?}", page.errors);
        assert!(read(&page, "title").ends_with(" · Builds of example.org"), "{target}");
        for selector in [
            "h1",
            "main",
            "header",
            "nav[aria-label='Site']",
            "footer",
            "html[lang=en]",
            "a.skip[href='#main']",
        ] {
            assert_eq!(all(&page, selector).len(), 1, "{target}: {selector}");
        }
        assert!(!read(&page, "h1").is_empty(), "{target}");
        let levels: Vec<u32> =
            all(&page, "h1, h2, h3").iter().map(|h| h.value().name()[1..].parse().unwrap()).collect();
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{target}: {levels:?}");
    }
}

#[test]
fn what_is_named_is_there_and_only_once() {
    for (target, page) in every() {
        let ids: Vec<&str> =
            all(&page, "[id]").iter().map(|element| element.value().attr("id").unwrap()).collect();
        let unique: BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{target}");
        for attribute in ["aria-labelledby", "for"] {
            for element in all(&page, &format!("[{attribute}]")) {
                let id = element.value().attr(attribute).unwrap();
                assert!(ids.contains(&id), "{target}: {id}");
            }
        }
        for link in all(&page, "a[href^='#']") {
            let id = &link.value().attr("href").unwrap()[1..];
            assert!(ids.contains(&id), "{target}: #{id}");
        }
    }
}

#[test]
fn everything_can_be_named_by_who_does_not_see_it() {
    for (target, page) in every() {
        for element in all(&page, "a, button, summary, th") {
            let label = element.value().attr("aria-label").unwrap_or_default();
            assert!(!words(element).is_empty() || !label.is_empty(), "{target}: {}", element.html());
        }
        for element in all(&page, "img") {
            assert!(element.value().attr("alt").is_some_and(|alt| !alt.is_empty()), "{target}");
        }
        for element in all(&page, "main svg:not([aria-hidden]), progress, section, nav") {
            let named =
                ["aria-label", "aria-labelledby"].iter().any(|name| element.value().attr(name).is_some());
            assert!(named, "{target}: {}", element.html());
        }
        for element in all(&page, "input:not([type=hidden]), select") {
            let is_in_label = element
                .ancestors()
                .any(|node| node.value().as_element().is_some_and(|e| e.name() == "label"));
            let has_label =
                element.value().attr("aria-label").is_some() || element.value().attr("id").is_some();
            assert!(is_in_label || has_label, "{target}: {}", element.html());
        }
    }
}

#[test]
fn nothing_is_against_the_policy_that_stands_above_every_page() {
    for (target, page) in every() {
        assert!(all(&page, "style, iframe, object, embed, base, [style]").is_empty(), "{target}");
        for script in all(&page, "script") {
            assert!(script.value().attr("src").is_some() && script.inner_html().is_empty(), "{target}");
        }
        for element in all(&page, "*") {
            for (name, value) in element.value().attrs() {
                assert!(!name.starts_with("on"), "{target}: {name}");
                let is_address = matches!(name, "href" | "src" | "action");
                assert!(!is_address || !value.contains(':'), "{target}: {value} leads elsewhere");
            }
        }
    }
}

#[test]
fn a_page_is_whole_without_a_script() {
    let host = Host::new("");
    let running = host.snapshot.running[1].uuid();
    let page = host.show(&format!("/build/{running}"));
    assert_eq!(all(&page, ".l").len(), 1000);
    assert!(!all(&page, "#follow[hidden]").is_empty(), "what only a script can do is not offered");
    assert!(read(&page, "#status").contains("Load the page again"));
    assert!(all(&host.show("/"), ".filter").iter().all(|filter| filter.value().attr("hidden").is_some()));
}

/// All elements with the names of their attributes.
fn vocabulary(page: &Html) -> BTreeSet<String> {
    let elements = all(page, "*").into_iter().flat_map(|element| {
        let name = element.value().name();
        let attributes = element.value().attrs().map(move |(attribute, _)| format!("{name} {attribute}"));
        attributes.chain([name.to_owned()]).collect::<Vec<_>>()
    });
    elements.collect()
}

/// A host on which everybody is hostile who can choose anything.
fn hostile(base: &str) -> Host {
    let mut host = Host::new(base);
    let bad = || Text::from(HOSTILE);
    for job in &mut host.snapshot.jobs {
        job.status.package = Some(bad());
        job.status.results.as_mut().unwrap().last.cause = Cause::Lost(bad());
    }
    let chosen =
        host.snapshot.jobs.iter_mut().find(|job| job.status.job == "unikernel-dns-secondary".into()).unwrap();
    (chosen.status.job, chosen.status.platform) = (bad(), Some(bad()));
    let builds = host.builds.iter_mut().chain(&mut host.snapshot.running);
    for build in builds.chain(host.details.iter_mut().map(|details| &mut details.build)) {
        (build.job, build.platform, build.host) = (bad(), bad(), Some(bad()));
        if let Some(end) = build.end.as_mut().filter(|end| !end.cause.is_success()) {
            end.cause = Cause::Cancelled(bad());
        }
    }
    for details in &mut host.details {
        details.artifacts.iter_mut().for_each(|artifact| artifact.path = bad());
        details.job.as_mut().unwrap().script = format!("{HOSTILE}\n\x1b[31m{HOSTILE}").into();
    }
    for platform in &mut host.snapshot.platforms {
        platform.platform = bad();
    }
    for entry in &mut host.snapshot.queued {
        (entry.platform, entry.job) = (bad(), bad());
    }
    host.snapshot.trouble = Some(HOSTILE.to_owned());
    host.snapshot.server.version = bad();
    host.snapshot.server.uploads = Some(UploadsStatus {
        destination: bad(),
        waiting: 1,
        first: vec![WaitingUpload { uuid: host.builds[0].uuid, job: bad() }],
        trouble: Some(bad()),
    });
    host.lines
        .iter_mut()
        .for_each(|line| line.text = lines()[line.number as usize % lines().len()].as_slice().into());
    host
}

/// What a job could print.
fn lines() -> Vec<Vec<u8>> {
    [
        HOSTILE.as_bytes(),
        b"\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07",
        b"\x1b]0;title\x07\x1b[2J\x1b[31;1m<img src=x onerror=alert(1)>\x1b[m",
        b"\xff\xfe<\x00script>\x1b[38;5;1m\"'",
        b"\x9d8;;http://example.org/\x9cx\xe2\x80\xae",
        b"]]>--><!--",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

/// Whether a character changes how what stands around it is read.
fn is_harmful(character: char) -> bool {
    character == '\u{202e}' || character.is_control() && character != '\n' && character != '\t'
}

#[test]
fn hostile_names_lines_and_scripts_add_no_element_and_no_attribute() {
    let tame = Host::new("");
    let mut ours: BTreeSet<String> =
        targets(&tame).iter().flat_map(|target| vocabulary(&tame.show(target))).collect();
    let mut troubled = Host::new("");
    troubled.snapshot = trouble();
    ours.extend(vocabulary(&troubled.show("/")));
    let host = hostile("");
    let name = percent_encode(HOSTILE.as_bytes());
    let mut targets: Vec<String> =
        targets(&host).iter().map(|target| target.replace("unikernel-dns-secondary", &name)).collect();
    targets.push(format!("/job/{name}?platform={name}&failed=1"));
    targets.push(format!("/build/{}?find={name}", host.build(2)));
    targets.push(format!("/build/{}?find=script", host.build(2)));
    targets.push(format!("/job/{name}/nothing"));
    targets.push(format!("/build/{}?line={name}", host.build(2)));
    for target in targets {
        let response = host.get(&target);
        let html = text(&response);
        let page = Html::parse_document(&html);
        for word in vocabulary(&page) {
            assert!(ours.contains(&word), "{target}: <{word}>");
        }
        for element in all(&page, "*") {
            // What was typed stays as it is in the field for it.
            let attributes =
                element.value().attrs().filter(|(name, _)| *name != "value").map(|(_, value)| value);
            for read in element.text().chain(attributes) {
                assert!(!read.contains(is_harmful), "{target}: {read:?}");
            }
        }
    }
}

#[test]
fn hostile_words_of_a_server_are_words() {
    let mut host = Host::new("");
    let ours = vocabulary(&host.show("/nothing"));
    for refusal in [Refusal::Refused(HOSTILE.into()), Refusal::Unreachable(HOSTILE.to_owned())] {
        host.refusal = Some(refusal);
        let found = vocabulary(&host.show("/"));
        assert!(found.is_subset(&ours), "{:?}", found.difference(&ours));
    }
}

#[test]
fn a_hostile_line_of_a_stream_is_text_in_spans() {
    let host = Host::new("");
    for line in lines() {
        let mut output = Vec::new();
        host.pages
            .append_line(&mut output, &Line { number: 1, nanoseconds: None, text: line.as_slice().into() });
        assert!(!output.contains(&b'\n'), "it would end the event");
        let value: serde_json::Value = serde_json::from_slice(&output).unwrap();
        let fragment = Html::parse_fragment(value[2].as_str().unwrap());
        let found = vocabulary(&fragment);
        let ours = BTreeSet::from(["html", "span", "span class"].map(str::to_owned));
        assert!(found.is_subset(&ours), "{found:?}");
    }
}

#[test]
fn names_are_whole_where_they_are_copied() {
    let host = hostile("");
    let name = percent_encode(HOSTILE.as_bytes());
    let page = host.show(&format!("/job/{name}"));
    let markup = all(&page, "#html")[0].value().attr("value").unwrap();
    let copied = Html::parse_fragment(markup);
    let found = vocabulary(&copied);
    let ours = BTreeSet::from(["html", "a", "a href", "img", "img src", "img alt"].map(str::to_owned));
    assert!(found.is_subset(&ours), "what is pasted elsewhere is tame, too: {found:?}");
}
