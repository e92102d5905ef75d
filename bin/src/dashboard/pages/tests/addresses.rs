//! Every link leads somewhere, and every address says what it should.

use super::{Host, all, header, request, targets, text};
use crate::dashboard::pages::frame::{ICON, SCRIPT, STYLE};
use builder_engine::dashboard::http::Caching;
use builder_engine::dashboard::site::{Plan, Refusal, Site};
use builder_proto::text::Text;

/// Where an address on a page leads.
fn resolve(base: &str, address: &str) -> String {
    let address = address.split('#').next().unwrap_or_default();
    match address.strip_prefix("./") {
        Some(rest) => format!("{base}/{rest}"),
        None if address.starts_with('/') => address.to_owned(),
        None => format!("{base}/{address}"),
    }
}

#[test]
fn every_link_leads_to_a_page_that_there_is() {
    for base in ["", "/ci"] {
        let host = Host::new(base);
        let mut count = 0;
        for target in targets(&host) {
            let page = host.show(&format!("{base}{target}"));
            for element in all(&page, "[href], [src], [action], [data-live], [data-page]") {
                for name in ["href", "src", "action", "data-live", "data-page"] {
                    let Some(address) =
                        element.value().attr(name).filter(|address| !address.starts_with('#'))
                    else {
                        continue;
                    };
                    let is_relative = !address.starts_with('/');
                    assert!(!is_relative || target == "/", "{target}: {address} is relative");
                    let plan = host.plan(&resolve(base, address));
                    let is_known = !matches!(&plan, Plan::Ready(response) if response.status >= 400);
                    assert!(is_known, "{base}{target}: {address} leads nowhere");
                    count += 1;
                }
            }
        }
        assert!(count > 500, "{count} links");
    }
}

#[test]
fn links_lead_to_what_they_name() {
    let mut host = Host::new("");
    let name = Text::from("a?b#c%/\"ü' &");
    host.builds[0].job = name.clone();
    host.details[0].build.job = name.clone();
    host.details[0].artifacts[0].path = b"../\xff/<x>?#"[..].into();
    let page = host.show(&format!("/build/{}", host.build(0)));
    let artifact = all(&page, ".artifacts a")[0].value().attr("href").unwrap().to_owned();
    match host.plan(&artifact) {
        Plan::Artifact { uuid, path } => {
            assert_eq!((uuid, path.as_bytes()), (host.build(0), &b"../\xff/<x>?#"[..]));
        }
        other => panic!("{other:?}"),
    }
    let job = all(&page, ".kind a")[0].value().attr("href").unwrap().to_owned();
    assert_eq!(host.get(&job).status, 200, "{job}");
}

#[test]
fn streams_and_downloads_are_not_pages() {
    let host = Host::new("/ci");
    let uuid = host.build(0);
    assert!(matches!(host.plan("/ci/live"), Plan::LiveOverview { since: None }));
    assert!(matches!(host.plan("/ci/live?since=7"), Plan::LiveOverview { since: Some(7) }));
    let plan = host.plan(&format!("/ci/build/{uuid}/console.txt"));
    assert!(matches!(plan, Plan::ConsoleText { uuid: one } if one == uuid));
    let from = |target: &str, last_event_id| {
        let request = builder_engine::dashboard::http::Request { last_event_id, ..request(target) };
        match host.pages.plan(&request) {
            Plan::LiveConsole { uuid: one, from } if one == uuid => from,
            other => panic!("{other:?}"),
        }
    };
    let live = format!("/ci/build/{uuid}/live");
    assert_eq!(from(&live, None), 1);
    assert_eq!(from(&format!("{live}?from=0"), None), 1);
    assert_eq!(from(&format!("{live}?from=500"), None), 500);
    assert_eq!(from(&format!("{live}?from=500"), Some(700)), 701, "a browser that comes back has got some");
}

#[test]
fn other_addresses_are_refused_in_words() {
    let host = Host::new("/ci");
    for target in [
        "/",
        "/cix",
        "/ci/jobs",
        "/ci/job/",
        "/ci/job/%zz",
        "/ci/job/a/b",
        "/ci/build/xyz",
        "/ci/build/",
        "/ci/live/",
        "/ci/assets/style.css",
        "/ci/api",
        "/ci/api/queue",
        "/ci//",
        "/ci/../etc/passwd",
    ] {
        let response = host.get(target);
        assert_eq!((response.status, response.caching), (404, Caching::NoStore), "{target}");
        assert!(text(&response).contains("href=\"/ci/\""), "{target}: the way back");
    }
    for target in [
        "/ci/job/hello?limit=many",
        "/ci/build/{}?line=x",
        "/ci/build/{}/diff?with=1",
        "/ci/build/{}?find=%ff",
    ] {
        let target = target.replace("{}", &host.build(0).to_string());
        assert_eq!(host.get(&target).status, 400, "{target}");
    }
}

#[test]
fn shortened_and_newest_builds_are_found() {
    let host = Host::new("/ci");
    let uuid = host.build(2).to_string();
    let response = host.get(&format!("/ci/build/{}/diff?with=1", &uuid[..9]));
    let location = format!("/ci/build/{uuid}/diff?with=1");
    assert_eq!((response.status, header(&response, "Location")), (302, Some(location.as_str())));
    assert_eq!(host.get("/ci/build/ffffffff").status, 404);
    let several = host.get("/ci/build/4");
    assert!(several.status == 404 && text(&several).contains("several"), "{}", text(&several));
    let newest = host.get("/ci/job/unikernel-dns-secondary/latest?platform=freebsd-14");
    let location = format!("/ci/build/{}", host.build(0));
    assert_eq!((newest.status, header(&newest, "Location")), (302, Some(location.as_str())));
    assert_eq!(host.get("/ci/job/nobody/latest").status, 404);
    let response = host.get("/ci");
    assert_eq!((response.status, header(&response, "Location")), (302, Some("/ci/")));
}

#[test]
fn files_that_go_with_pages_are_kept_for_ever() {
    let host = Host::new("");
    for asset in [STYLE, SCRIPT, ICON] {
        let response = host.get(&format!("/assets/{}", asset.name()));
        assert_eq!((response.status, response.caching), (200, Caching::Forever), "{}", asset.name());
    }
    assert_eq!(host.get("/favicon.ico").content_type, "image/svg+xml");
    assert_eq!(text(&host.get("/robots.txt")), "User-agent: *\nDisallow: /\n");
}

#[test]
fn what_the_server_refuses_has_its_words_and_a_status() {
    let mut host = Host::new("");
    let build = format!("/build/{}", host.build(0));
    for (refusal, target, status, retry) in [
        (Refusal::Refused("no such build <b>".into()), build.as_str(), 404, None),
        (Refusal::Refused("no such message <b>".into()), "/", 502, None),
        (Refusal::Refused("busy; try later <b>".into()), "/", 503, Some("5")),
        (Refusal::Unreachable("connection refused <b>".to_owned()), "/", 503, Some("5")),
        (Refusal::Unreachable("connection refused <b>".to_owned()), build.as_str(), 503, Some("5")),
        (Refusal::TooLong, build.as_str(), 502, None),
    ] {
        host.refusal = Some(refusal.clone());
        let response = host.get(target);
        assert_eq!((response.status, header(&response, "Retry-After")), (status, retry), "{refusal:?}");
        if refusal != Refusal::TooLong {
            assert!(text(&response).contains("&lt;b&gt;"), "{refusal:?}");
        }
        let stream = host.pages.refuse(&refusal);
        assert_eq!(stream.status, if target == "/" && status == 502 { 404 } else { status });
    }
}

#[test]
fn programs_get_json_feeds_and_badges() {
    let host = Host::new("/ci");
    let uuid = host.build(0);
    let json = |target: &str| -> serde_json::Value {
        let response = host.get(target);
        assert_eq!((response.status, response.content_type), (200, "application/json"), "{target}");
        serde_json::from_slice(&response.body).unwrap()
    };
    assert_eq!(json("/ci/api/overview")["server"]["version"], "0.5.0");
    assert_eq!(json("/ci/api/queue/freebsd-14")["queued"], 2);
    assert_eq!(
        json("/ci/api/job/unikernel-dns-secondary?platform=freebsd-14")["builds"][0]["uuid"],
        uuid.to_string()
    );
    assert_eq!(json(&format!("/ci/api/build/{uuid}"))["files"].as_array().unwrap().len(), 3);
    let numbers = host.get("/ci/metrics");
    assert_eq!(numbers.content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert!(text(&numbers).contains("\n# TYPE "), "{}", text(&numbers));
    let away = Host { refusal: Some(Refusal::TooLong), ..Host::new("/ci") };
    assert_eq!(away.get("/ci/metrics").status, 200, "it has numbers of its own");
    for target in ["/ci/api/queue/plan9", "/ci/api/job/nobody"] {
        assert_eq!(host.get(target).status, 404, "{target}");
    }
    let feed = host.get("/ci/job/unikernel-dns-secondary/feed.atom");
    assert_eq!(feed.content_type, "application/atom+xml; charset=utf-8");
    let address = "https://builds.example.org/ci/job/unikernel-dns-secondary/feed.atom";
    assert!(text(&feed).contains(address), "{}", text(&feed));
    assert!(!text(&feed).contains("builder on"), "other jobs have feeds of their own");
    assert!(text(&host.get("/ci/feed.atom")).contains("builder on"));
    let message = |target: &str| {
        let response = host.get(target);
        assert_eq!((response.status, response.content_type), (200, "image/svg+xml"));
        assert_eq!(header(&response, "Cross-Origin-Resource-Policy"), Some("cross-origin"));
        let picture = text(&response);
        let title = picture.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
        title.to_owned()
    };
    assert_eq!(message("/ci/job/unikernel-dns-secondary/badge.svg"), "unikernel-dns-secondary: exited 2");
    assert_eq!(message("/ci/job/hello/badge.svg?platform=freebsd-14"), "hello (freebsd-14): ok");
    assert_eq!(message("/ci/job/nobody/badge.svg"), "nobody: unknown");
}
