//! Pages of a dashboard over a long history.

use super::Bench;
use crate::browser::Browser;
use crate::failure::{Failure, Outcome};
use crate::seed::name;
use crate::seed_history::{newest_build, seed_history};
use crate::site::{Dashboard, Server};
use crate::statistics::{quantile, time};
use crate::table::{Line, mebibytes, milliseconds};
use std::thread;
use std::time::{Duration, Instant};

const JOBS: usize = 300;
/// The most time in which 99 of 100 pages are there.
const LATENCY: Duration = Duration::from_millis(20);
/// The most bytes of a page.
const PAGE_BYTES: usize = 100 * 1024;
/// After so long, what is known of the server does not count any more.
const PAUSE: Duration = Duration::from_millis(1000);

/// What one kind of pages took, and how long they were.
#[derive(Default)]
struct Pages {
    times: Vec<Duration>,
    longest: usize,
}

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let builds = bench.pick(100_000, 10_000);
    let site = bench.site()?;
    seed_history(&site, JOBS, builds)?;
    let server = site.start_for_viewers()?;
    let start = Instant::now();
    let dashboard = site.start_dashboard()?;
    let mut browser = Browser::connect(dashboard.address())?;
    check(&browser.get("/", "localhost")?, "/", &name(JOBS - 1))?;
    let first = start.elapsed();
    let (mut anew, mut made, mut kept) = (Pages::default(), Pages::default(), Pages::default());
    for _ in 0..bench.pick(50, 2) {
        thread::sleep(PAUSE);
        anew.add(&mut browser, "/", "localhost", &name(0))?;
        kept.add(&mut browser, "/", "localhost", &name(0))?;
    }
    for number in 0..bench.pick(2000, 100) {
        // Nobody has asked for the page of a host of this name, so that it has to be made.
        made.add(&mut browser, "/", &format!("host-{number}.localhost"), &name(0))?;
    }
    let (mut jobs, mut newest) = (Pages::default(), Pages::default());
    for job in (0..JOBS).cycle().take(bench.pick(3 * JOBS, 30)) {
        jobs.add(&mut browser, &format!("/job/{}", name(job)), "localhost", &name(job))?;
        let uuid = newest_build(job, JOBS, builds);
        newest.add(&mut browser, &format!("/build/{uuid}"), "localhost", &name(job))?;
    }
    let overview = Line {
        measured: format!(
            "{} with a question to the server; {} from what it said within a second; {} as it was made within half a second; {} bytes",
            anew.describe(),
            made.describe(),
            kept.describe(),
            anew.longest
        ),
        beside: format!("the first page, from the start of the dashboard on, {}", milliseconds(first)),
        is_reached: [&anew, &made, &kept].iter().all(|pages| pages.is_good()),
        ..line(
            &format!("the overview of a dashboard, over {builds} builds of {JOBS} jobs"),
            &server,
            &dashboard,
        )
    };
    Ok(vec![
        overview,
        one_kind("the page of a job, with its last 50 builds", &jobs, &server, &dashboard),
        one_kind("the page of a build, with its console", &newest, &server, &dashboard),
    ])
}

impl Pages {
    /// Asks for a page, which has to hold some words.
    fn add(&mut self, browser: &mut Browser, path: &str, host: &str, words: &str) -> Outcome<()> {
        let (page, taken) = time(|| browser.get(path, host))?;
        check(&page, path, words)?;
        self.times.push(taken);
        self.longest = self.longest.max(page.len());
        Ok(())
    }

    fn describe(&self) -> String {
        let [middle, late] = [0.5, 0.99].map(|share| milliseconds(quantile(&self.times, share)));
        format!("p50 {middle}, p99 {late}")
    }

    fn is_good(&self) -> bool {
        quantile(&self.times, 0.99) <= LATENCY && self.longest <= PAGE_BYTES
    }
}

fn one_kind(work: &str, pages: &Pages, server: &Server, dashboard: &Dashboard) -> Line {
    Line {
        measured: format!("{}; {} bytes", pages.describe(), pages.longest),
        is_reached: pages.is_good(),
        ..line(work, server, dashboard)
    }
}

fn line(work: &str, server: &Server, dashboard: &Dashboard) -> Line {
    Line {
        work: work.to_owned(),
        reach: format!("p99 ≤ {} ms; ≤ {} KiB", LATENCY.as_millis(), PAGE_BYTES / 1024),
        beside: format!("peak of the dashboard {}", mebibytes(dashboard.process().peak_memory())),
        peak: server.process().peak_memory(),
        ..Line::default()
    }
}

fn check(page: &[u8], path: &str, words: &str) -> Outcome<()> {
    match String::from_utf8_lossy(page).contains(words) {
        true => Ok(()),
        false => Err(Failure::new(format_args!("the page {path} does not say {words}"))),
    }
}
