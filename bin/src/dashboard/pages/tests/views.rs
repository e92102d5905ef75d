//! What the pages of jobs and builds show.

use super::{Host, all, read, samples, text, words};
use builder_engine::dashboard::site::{Need, Site, Window};
use builder_proto::history::{BuildEnd, Cause, HistoryQuery};
use builder_proto::overview::Null;
use builder_proto::text::Text;
use std::time::Duration;

fn numbers(page: &scraper::Html) -> Vec<u64> {
    all(page, ".l > a").iter().map(|link| words(*link).parse().unwrap()).collect()
}

#[test]
fn a_job_shows_its_builds_and_how_it_does() {
    let host = Host::new("");
    let page = host.show("/job/unikernel-dns-secondary?platform=freebsd-14");
    assert_eq!(read(&page, "h1"), "unikernel-dns-secondary freebsd-14");
    let status = read(&page, ".statuses");
    assert!(
        status.contains("✗ exited 2 3h ago Failed 3 times in a row, for 11h 57m. Last success: 15h ago."),
        "{status}"
    );
    let rows: Vec<String> = all(&page, ".history tbody tr").into_iter().map(words).collect();
    assert_eq!(rows.len(), 50);
    assert!(rows[0].starts_with("✗ exited 2 30m ago 5m 0s"), "{}", rows[0]);
    assert!(rows[15].starts_with("⊘ cancelled"), "{}", rows[15]);
    assert!(rows[40].contains("removed"), "{}", rows[40]);
    let diff = all(&page, ".history tbody tr a[href$='/diff']");
    assert_eq!(diff.len(), 50);
    assert!(!all(&page, "figure.plot svg a").is_empty());
    assert!(read(&page, "[aria-labelledby=schedule-title] dl").starts_with("Runs every 4h Next run in 3h"));
    assert_eq!(
        all(&page, "#markdown")[0].value().attr("value").unwrap(),
        "[![unikernel-dns-secondary]\
        (https://builds.example.org/job/unikernel-dns-secondary/badge.svg?platform=freebsd-14)]\
        (https://builds.example.org/job/unikernel-dns-secondary?platform=freebsd-14)"
    );
}

#[test]
fn builds_of_a_job_can_be_chosen() {
    let host = Host::new("");
    let page = host.show("/job/unikernel-dns-secondary?failed=1&limit=3");
    let rows: Vec<String> = all(&page, ".history tbody tr").into_iter().map(words).collect();
    assert!(rows.len() == 3 && rows.iter().all(|row| row.starts_with(['✗', '⊘'])), "{rows:?}");
    assert!(!all(&page, "input[name=failed][checked]").is_empty());
    assert_eq!(read(&page, "#history p a.button"), "Show 50");
    let more = all(&page, "#history p a.button")[0].value().attr("href").unwrap();
    assert_eq!(more, "/job/unikernel-dns-secondary?limit=50&failed=1#history");
    let page = host.pages.needs(
        &match host.plan("/job/a%ff?platform=p&limit=99999999") {
            builder_engine::dashboard::site::Plan::Page(page) => page,
            other => panic!("{other:?}"),
        },
        &Default::default(),
    );
    let query = HistoryQuery {
        job: Some(Text::from(&b"a\xff"[..])),
        platform: Some("p".into()),
        limit: Some(1000),
        ..HistoryQuery::default()
    };
    assert!(page.contains(&Need::History(query)), "{page:?}");
}

#[test]
fn a_job_that_is_not_scheduled_any_more_is_still_known() {
    let mut host = Host::new("");
    host.snapshot.jobs.clear();
    let page = host.show("/job/unikernel-dns-secondary");
    assert!(read(&page, "[aria-labelledby=status-title]").contains("not in the schedule any more"));
    assert_eq!(host.get("/job/nobody").status, 404);
}

#[test]
fn a_build_begins_with_its_result() {
    let host = Host::new("");
    let heading = |number| read(&host.show(&format!("/build/{}", host.build(number))), "h1");
    assert_eq!(heading(0), "✗ It failed with exit code 2");
    assert_eq!(heading(2), "✓ It succeeded");
    assert_eq!(heading(15), "⊘ It was cancelled by eve");
    let page = host.show(&format!("/build/{}", host.build(2)));
    let facts = read(&page, ".facts");
    assert!(facts.contains("Took 6m 14s, usually 2m 31s ! slow Waited 12s Worker 2001:db8::7"), "{facts}");
    let around: Vec<&str> = all(&page, "[aria-label='Builds of the job'] a")
        .iter()
        .map(|a| a.value().attr("href").unwrap())
        .collect();
    assert_eq!(around[..2], [format!("/build/{}", host.build(3)), format!("/build/{}", host.build(1))]);
    let artifacts: Vec<String> = all(&page, ".artifacts tbody tr").into_iter().map(words).collect();
    assert_eq!(artifacts[0], format!("bin/web.hvt 8.8 MiB {}", "a7".repeat(32)));
    assert!(read(&page, ".script pre").starts_with("#!/bin/sh set -eu # Builds"));
    assert_eq!(read(&page, ".script .count"), "10 lines");
}

#[test]
fn why_a_build_ended_is_a_sentence() {
    let mut host = Host::new("");
    for (cause, sentence) in [
        (Cause::Signalled(9), "✗ It was killed by SIGKILL"),
        (
            Cause::Lost("worker lost: it is gone; the job was queued again".into()),
            "✗ Its worker was lost: it is gone; the job was queued again",
        ),
        (Cause::Lost("the disk broke".into()), "✗ It was lost: the disk broke"),
        (Cause::Timeout(Null), "✗ It took too long and was ended"),
    ] {
        host.details[0].build.end.as_mut().unwrap().cause = cause;
        assert_eq!(read(&host.show(&format!("/build/{}", host.build(0))), "h1"), sentence);
    }
}

#[test]
fn a_removed_build_says_so() {
    let host = Host::new("");
    let page = host.show(&format!("/build/{}", host.build(35)));
    assert!(read(&page, ".message").starts_with("! The result was removed 1h ago"));
    assert!(all(&page, "#console").is_empty());
}

#[test]
fn a_console_is_shown_in_windows() {
    let host = Host::new("");
    let uuid = host.build(2);
    let end = host.show(&format!("/build/{uuid}"));
    let lines = numbers(&end);
    assert_eq!((lines[0], lines[999], lines.len()), (461, 1460, 1000));
    assert_eq!(
        all(&end, "#earlier")[0].value().attr("href").unwrap(),
        format!("/build/{uuid}?from=1#console")
    );
    let around = host.show(&format!("/build/{uuid}?line=700"));
    let lines = numbers(&around);
    assert_eq!((lines[0], lines[999]), (200, 1199));
    assert_eq!(all(&around, "#L700").len(), 1);
    let later = all(&around, "#console > .window a").last().unwrap().value().attr("href").unwrap();
    assert_eq!(later, format!("/build/{uuid}#end"));
    assert!(text(&host.get(&format!("/build/{uuid}?line=700"))).contains("?from=1200#console"));
    let beyond = host.show(&format!("/build/{uuid}?from=5000"));
    assert_eq!(read(&beyond, "#console .empty"), "There are only 1,460 lines.");
    assert!(read(&around, "#L713").starts_with("713 2:31.8"), "{}", read(&around, "#L713"));
}

#[test]
fn lines_are_found_and_lead_to_where_they_are() {
    let host = Host::new("");
    let uuid = host.build(2);
    let page = host.show(&format!("/build/{uuid}?find=package%5C.4%5B67%5D"));
    assert_eq!(read(&page, ".window"), "2 of 1,460 lines match. All lines");
    let found: Vec<&str> = all(&page, ".l > a").iter().map(|a| a.value().attr("href").unwrap()).collect();
    assert_eq!(found, [format!("/build/{uuid}?line=46#L46"), format!("/build/{uuid}?line=460#L460")]);
    assert_eq!(read(&page, "mark"), "package.46");
    assert_eq!(all(&page, "input[name=find]")[0].value().attr("value"), Some("package\\.4[67]"));
    let none = host.show(&format!("/build/{uuid}?find=zebra"));
    assert_eq!(read(&none, "#console .window"), "0 of 1,460 lines match. All lines");
    let bad = host.get(&format!("/build/{uuid}?find=%28"));
    assert_eq!(bad.status, 400);
    let page = scraper::Html::parse_document(&text(&bad));
    assert!(read(&page, "#console .message").starts_with("✗ not a regular expression: unclosed group;"));
    assert_eq!(all(&page, "input[name=find]")[0].value().attr("value"), Some("("), "it can be corrected");
}

#[test]
fn only_the_end_of_a_console_that_goes_on_is_live() {
    let host = Host::new("");
    let running = host.snapshot.running[1].uuid();
    let live = |target: String| {
        let page = host.show(&target);
        all(&page, ".lines").first().and_then(|lines| lines.value().attr("data-live").map(str::to_owned))
    };
    assert_eq!(live(format!("/build/{running}")), Some(format!("/build/{running}/live?from=1461")));
    assert_eq!(live(format!("/build/{running}?line=3")), None);
    assert_eq!(live(format!("/build/{}", host.build(0))), None);
    assert_eq!(read(&host.show(&format!("/build/{running}")), "h1.run"), "▶ It runs");
}

#[test]
fn differences_are_shown_with_the_usual_choice_of_builds() {
    let mut host = Host::new("");
    host.details[0].artifacts.remove(0);
    host.details[0].job.as_mut().unwrap().script = "#!/bin/sh\nfalse\n".into();
    let chosen = |target: String| -> Vec<String> {
        let page = host.show(&target);
        all(&page, ".versus a")
            .iter()
            .map(|a| a.value().attr("href").unwrap()["/build/".len()..].to_owned())
            .collect()
    };
    let [failed, before, success] = [0, 1, 2].map(|number| host.build(number).to_string());
    assert_eq!(chosen(format!("/build/{failed}/diff")), [success.clone(), failed.clone()]);
    assert_eq!(chosen(format!("/build/{failed}/diff?with={before}")), [before, failed.clone()]);
    assert_eq!(chosen(format!("/build/{success}/diff")), [host.build(3).to_string(), success]);
    let page = host.show(&format!("/build/{failed}/diff"));
    assert_eq!(read(&page, "[aria-labelledby=result-title] tbody tr"), "host 2001:db8::7 10.0.0.17");
    assert_eq!(all(&page, "[aria-labelledby=script-title] .l.new").len(), 1);
    assert_eq!(read(&page, "[aria-labelledby=artifacts-title] li.old"), "− removed bin/web.hvt 8.8 MiB");
    assert_eq!(read(&page, "[aria-labelledby=console-title] .aside"), "✓ The same, 1,460 lines.");
    let artifacts = |host: &Host| {
        let page = host.show(&format!("/build/{failed}/diff"));
        let section = all(&page, "[aria-labelledby=artifacts-title] .aside").into_iter().map(words);
        section.collect::<Vec<String>>().join(" ")
    };
    assert!(artifacts(&host).ends_with("2 artifacts are the same."), "{}", artifacts(&host));
    for details in &mut host.details {
        details.artifacts.clear();
    }
    assert_eq!(artifacts(&host), "✓ Neither build left any.");
    host.lines.clear();
    let page = host.show(&format!("/build/{failed}/diff"));
    assert_eq!(read(&page, "[aria-labelledby=console-title] .aside"), "✓ The same: both are empty.");
    let oldest = host.get(&format!("/build/{}/diff", host.build(59)));
    assert_eq!(oldest.status, 404);
    let removed = host.show(&format!("/build/{}/diff", host.build(35)));
    assert!(read(&removed, "[aria-labelledby=artifacts-title] .message").contains("was removed at"));
}

#[test]
fn the_builds_around_an_old_one_are_looked_for_among_many() {
    let mut host = Host::new("");
    let job = host
        .snapshot
        .jobs
        .iter()
        .find(|job| job.status.job == "unikernel-dns-secondary".into())
        .unwrap()
        .clone();
    host.builds = samples::builds(&job, 300);
    host.details = host.builds.iter().map(|build| samples::details(build.clone(), "")).collect();
    let page = host.show(&format!("/build/{}", host.build(250)));
    let previous = all(&page, "[aria-label='Builds of the job'] a")[0].value().attr("href").unwrap();
    assert_eq!(previous, format!("/build/{}", host.build(251)));
}

#[test]
fn a_console_is_not_asked_for_by_a_pattern_that_is_none() {
    let host = Host::new("");
    let needs = |target: &str| match host.plan(target) {
        builder_engine::dashboard::site::Plan::Page(page) => host.pages.needs(&page, &Default::default()),
        other => panic!("{other:?}"),
    };
    let uuid = host.build(0);
    let window = Need::Console(uuid, Window::Matching("x+".to_owned(), 1000));
    assert!(needs(&format!("/build/{uuid}?find=x%2B")).contains(&window));
    let asks = |need: &Need| matches!(need, Need::Console(..));
    assert!(!needs(&format!("/build/{uuid}?find=%28")).iter().any(asks));
}

#[test]
fn a_host_with_little_is_described_in_plain_words() {
    let mut host = Host::new("");
    host.snapshot.queued.clear();
    host.snapshot.running.clear();
    host.snapshot.platforms.clear();
    host.snapshot.jobs.retain(|job| job.status.job == "unikernel-dns-secondary".into());
    let [job] = host.snapshot.jobs.as_mut_slice() else { panic!("there is one job of this name") };
    let results = job.status.results.as_mut().unwrap();
    (results.last.cause, results.count, results.usual) = (Cause::Exited(0), 1, Some(12));
    host.builds.truncate(1);
    let finished = host.builds[0].started.saturating_add(Duration::from_millis(12));
    host.builds[0].end = Some(BuildEnd::new(finished, Cause::Exited(0)));
    host.details[0].build = host.builds[0].clone();
    let overview = host.show("/");
    assert_eq!(read(&overview, "#jobs td:nth-child(4)"), "12 ms");
    assert!(read(&overview, ".side dl").ends_with("Uploads none waiting Notices none waiting"));
    let page = host.show("/job/unikernel-dns-secondary");
    assert_eq!(read(&page, ".statuses"), "freebsd-14 ✓ ok 3h ago It usually takes 12 ms.");
    assert_eq!(read(&page, "figcaption"), "The only build: ok; 12 ms; usually 12 ms");
    let page = host.show(&format!("/build/{}", host.build(0)));
    assert!(read(&page, ".facts").contains("Took 12 ms, usually 12 ms"), "{}", read(&page, ".facts"));
    assert!(read(&page, ".facts").contains("Console nothing"), "{}", read(&page, ".facts"));
    host.builds.clear();
    host.snapshot.jobs[0].status.results = None;
    let page = host.show("/job/unikernel-dns-secondary");
    assert_eq!(read(&page, ".statuses p"), "It has not been built there yet.");
    assert_eq!(read(&page, "#history .empty"), "It has not been built yet.");
    assert!(all(&page, "figure").is_empty());
}
