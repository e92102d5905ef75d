//! What every page has, whatever is on it.

use super::host::{Host, all, read, targets, words};
use super::samples::trouble;
use builder_engine::dashboard::site::Refusal;
use scraper::Html;
use std::collections::BTreeSet;

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
