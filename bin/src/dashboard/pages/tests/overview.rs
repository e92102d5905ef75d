//! The overview says in two seconds whether all is well.

use super::{Host, all, read, samples, text, words};
use builder_proto::overview::{Null, Reason};

#[test]
fn what_fails_comes_first() {
    let host = Host::new("");
    let page = host.show("/");
    assert_eq!(read(&page, "h1"), "✗ 3 of 40 jobs fail");
    assert_eq!(read(&page, "title"), "3 of 40 jobs fail · Builds of example.org");
    assert_eq!(all(&page, "#failing tbody tr").len(), 3);
    assert_eq!(all(&page, "#jobs tbody tr").len(), 37);
    let row = read(&page, "#failing tbody tr:nth-child(3)");
    assert_eq!(row, "unikernel-dns-secondary freebsd-14 ✗ exited 2 ×3 11h ago 15h ago 2026-11-27 18:57Z");
    let last = all(&page, "#failing tbody tr:nth-child(3) td:nth-child(3) a")[0];
    assert!(last.value().attr("href").unwrap().starts_with("build/"), "one step to the console");
    let always = read(&page, "#failing tbody tr:nth-child(2)");
    assert!(always.contains("×20 2d ago not in 20 builds"), "{always}");
}

#[test]
fn what_is_well_says_so() {
    let mut host = Host::new("");
    host.snapshot.jobs.retain(|job| job.status.results.as_ref().unwrap().last.cause.is_success());
    host.snapshot.queued.clear();
    host.snapshot.platforms.iter_mut().for_each(|platform| platform.queued = 0);
    let page = host.show("/");
    assert_eq!(read(&page, "h1.ok"), "✓ All is well");
    assert!(all(&page, "#failing, .problems, .banner").is_empty());
    host.snapshot.jobs.clear();
    let page = host.show("/");
    assert_eq!(read(&page, "h1.ok"), "✓ Ready for the first job");
    let command = "builder-client schedule NAME PLATFORM SCRIPT --period daily";
    assert_eq!(read(&page, "#jobs .empty code"), command);
}

#[test]
fn everything_that_is_wrong_is_named() {
    let mut host = Host::new("");
    host.snapshot = samples::trouble();
    let page = host.show("/");
    let problems: Vec<String> = all(&page, ".problems li").into_iter().map(words).collect();
    assert_eq!(
        problems,
        [
            "The disk of the server is full: nothing new is queued or started.",
            "The server is draining: nothing is started until somebody resumes it.",
            "alpine-3.22 has no worker, and 1 job waits for one.",
            "debian-13 is paused: nothing is started there until somebody resumes it.",
            "The workers of freebsd-14 lost 4 builds in a row: jobs are handed out slowly.",
            "Results are not uploaded: HTTP 401; the next attempt is in 5m.",
            "The history cannot be opened; the log of the server says why.",
        ]
    );
    let banner = read(&page, ".banner");
    assert!(
        banner.contains("(connection refused). What is here is as of 2026-11-27 14:53:00 UTC, 7m ago."),
        "{banner}"
    );
    let server = read(&page, ".side dl");
    assert!(
        server.contains("3 builds still to be told of") && server.contains("12 results wait for https://"),
        "{server}"
    );
}

#[test]
fn what_runs_is_measured_against_what_is_usual() {
    let host = Host::new("");
    let page = host.show("/");
    let builds: Vec<String> =
        all(&page, "[aria-labelledby=running-title] li").into_iter().map(words).collect();
    assert!(builds[0].ends_with("1h 30m of usually 11m 46s ! slow"), "what is slow comes first: {builds:?}");
    assert_eq!(builds[1], "albatross debian-13 on 10.0.0.17 1m 0s of usually 6m 50s");
    let bar = all(&page, "progress")[1].value();
    assert_eq!((bar.attr("max"), bar.attr("value")), (Some("410"), Some("60")));
}

#[test]
fn what_waits_says_why() {
    let mut host = Host::new("");
    host.snapshot.queued[1].reason = Reason::Paused(Null);
    let page = host.show("/");
    let waiting: Vec<String> =
        all(&page, "[aria-labelledby=waiting-title] li").into_iter().map(words).collect();
    assert_eq!(
        waiting,
        [
            "website alpine-3.22 ! the platform has no worker for 1h 35m",
            "docs freebsd-14 ! the platform is paused for 4m 0s",
            "firewall freebsd-14 all 2 workers are busy for 2m 0s",
        ]
    );
    let platforms: Vec<String> = all(&page, ".platforms tbody tr").into_iter().map(words).collect();
    assert_eq!(platforms, ["alpine-3.22 ! no worker 0 0 1", "debian-13 2 1 0", "freebsd-14 0 2 2"]);
}

#[test]
fn a_job_on_two_platforms_has_a_row_and_an_address_for_each() {
    let mut host = Host::new("");
    let mut other = host.snapshot.jobs[0].clone();
    other.status.platform = Some("netbsd-10".into());
    host.snapshot.jobs.insert(1, other);
    let page = host.show("/");
    let links: Vec<&str> =
        all(&page, "#jobs td:first-child a").iter().map(|a| a.value().attr("href").unwrap()).collect();
    assert_eq!(
        links[..3],
        ["job/albatross?platform=debian-13", "job/albatross?platform=netbsd-10", "job/albatross-1"]
    );
    assert!(read(&page, ".summary").starts_with("40 jobs"), "{}", read(&page, ".summary"));
}

#[test]
fn three_hundred_jobs_are_a_small_page() {
    let mut host = Host::new("");
    host.snapshot = samples::snapshot(300);
    let bytes = host.get("/").body.len();
    assert!(bytes <= 100 * 1024, "{bytes}");
    assert_eq!(all(&host.show("/"), ".jobs tbody tr").len(), 300);
    // However many run and wait.
    let (build, entry) = (host.snapshot.running[0].clone(), host.snapshot.queued[0].clone());
    host.snapshot.running = vec![build; 500];
    host.snapshot.queued = vec![entry; 500];
    let more = host.get("/");
    assert!(more.body.len() < bytes + 20 * 1024, "{}", more.body.len());
    assert!(text(&more).contains("And 480 more."));
}
