//! The file of metrics: what it says, when it is written, and that nobody ever finds half of it.

use crate::site::{Site, notifying, schedule, settings, uploading};
use builder_engine::driver::{Event, Next, NoticeEnd, Settings, Step, TaskKind, UploadEnd};
use builder_engine::limits::METRICS_INTERVAL;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::time::Period;
use builder_tests::metrics::Page;
use builder_tests::world::METRICS;
use std::io::ErrorKind;
use std::time::Duration;

fn measured() -> Settings {
    Settings { metrics: true, ..settings() }
}

fn text(site: &mut Site) -> String {
    String::from_utf8(site.machine().files.read(METRICS)).unwrap()
}

/// What the file says after its next turn to be written.
fn page(site: &mut Site) -> Page {
    site.pass(METRICS_INTERVAL);
    site.rest();
    Page::new(&text(site))
}

fn draft() -> String {
    format!("{METRICS}.new")
}

/// How many pages threads are to write.
fn reports(site: &mut Site) -> usize {
    site.machine().tasks.iter().filter(|task| task.kind() == TaskKind::Report).count()
}

#[test]
fn a_page_says_what_waits_what_runs_and_what_has_ended() {
    let mut site = Site::new(measured());
    site.rest();
    let empty = Page::new(&text(&mut site));
    assert_eq!(empty.value("builder_jobs_scheduled"), 0.0);
    assert!(empty.find("builder_disk_free_bytes").is_some(), "it has looked");
    assert_eq!(empty.value("builder_start_time_seconds"), 1_767_225_601.0);

    let first = site.build("first");
    site.client(schedule("second", "true"));
    let page = |site: &mut Site| {
        let page = page(site);
        move |series: &str| page.value(&format!("{series}{{platform=\"platform\"}}"))
    };
    let value = page(&mut site);
    assert_eq!(value("builder_builds_running"), 1.0);
    assert_eq!(value("builder_queue_jobs"), 1.0);
    assert_eq!(value("builder_queue_oldest_seconds"), 0.0, "it has just come");
    assert_eq!(value("builder_workers_waiting"), 0.0);
    let value = page(&mut site);
    assert_eq!(value("builder_queue_oldest_seconds"), 15.0);

    site.finish(first);
    site.worker();
    site.rest();
    for _ in 0..2 {
        site.worker();
    }
    let value = page(&mut site);
    assert_eq!(value("builder_builds_running"), 1.0, "the second");
    assert_eq!(value("builder_queue_jobs"), 0.0);
    assert_eq!(value("builder_queue_oldest_seconds"), 0.0);
    assert_eq!(value("builder_workers_waiting"), 2.0);
    assert_eq!(value("builder_queue_wait_seconds_count"), 2.0);
    assert_eq!(value("builder_queue_wait_seconds_sum"), 15.0);
    assert_eq!(value("builder_build_duration_seconds_count"), 1.0);
    assert_eq!(value("builder_build_duration_seconds_sum"), 30.0);
    let all = Page::new(&text(&mut site));
    let builds = r#"builder_builds_total{platform="platform",result="success",cause="exited"}"#;
    assert_eq!(all.value(builds), 1.0);
    assert_eq!(all.value("builder_artifacts_total"), 1.0);
    assert_eq!(all.value("builder_artifact_bytes_total"), 8.0);
    assert_eq!(all.value("builder_jobs_scheduled"), 2.0);
    assert_eq!(all.value("builder_history_builds"), 1.0);
    assert_eq!(all.value("builder_connections_accepted_total"), 6.0);
    assert!(all.value("builder_connections") >= 3.0);
    assert_eq!(all.value("builder_connections_max"), 100.0);
    assert!(all.value("builder_log_bytes") > 0.0);
    assert!(all.value("builder_history_bytes") > 0.0);
    assert!(all.value("builder_disk_reserve_bytes") > 0.0);
}

#[test]
fn a_page_says_what_is_paused_by_somebody() {
    let mut site = Site::new(measured());
    let paused = |page: Page| {
        (page.value("builder_queue_paused{platform=\"platform\"}"), page.value("builder_draining"))
    };
    site.client(schedule("job", "true"));
    assert_eq!(paused(page(&mut site)), (0.0, 0.0));
    site.client(Command::Pause("platform".into()));
    assert_eq!(paused(page(&mut site)), (1.0, 0.0));
    site.client(Command::Drain { wait: false });
    site.client(Command::Resume { platform: Some("platform".into()) });
    assert_eq!(paused(page(&mut site)), (0.0, 1.0));
}

#[test]
fn a_build_counts_once_however_it_ends() {
    let mut site = Site::new(measured());
    let (worker, uuid) = site.build("job");
    let finished = Command::JobFinished { uuid, result: BuildResult::Exited(7), data: vec![] };
    site.say(worker, &finished.to_frame().unwrap());
    site.rest();
    // One whose result the server cannot keep: it has ended twice, as far as the log knows.
    let mut large = site.restart_with(Settings { metrics: true, ..crate::site::large_results() });
    let build = large.build("large");
    large.machine().files.fail("rename", ".builder/staging", ErrorKind::StorageFull);
    large.finish(build);
    large.rest();
    large.machine().files.mend();
    let page = page(&mut large);
    let count = |result: &str, cause: &str| {
        let labels = format!(r#"platform="platform",result="{result}",cause="{cause}""#);
        page.value(&format!("builder_builds_total{{{labels}}}"))
    };
    assert_eq!(count("failure", "exited"), 0.0, "that was in an earlier life");
    assert_eq!(
        count("success", "exited") + count("failure", "cannot-run"),
        0.0,
        "its result is not stored yet"
    );
    assert_eq!(page.value("builder_results_unstored"), 1.0);
    for _ in 0..3 {
        large.pass(METRICS_INTERVAL);
        large.rest();
    }
    let page = self::page(&mut large);
    let labels = r#"platform="platform",result="failure",cause="cannot-run""#;
    assert_eq!(page.value(&format!("builder_builds_total{{{labels}}}")), 1.0);
    assert_eq!(page.value("builder_build_duration_seconds_count{platform=\"platform\"}"), 1.0);
    assert_eq!(page.value("builder_results_unstored"), 0.0);
}

#[test]
fn uploads_and_the_disk_have_their_figures() {
    let mut site = Site::new(Settings { metrics: true, ..uploading() });
    site.machine().free_space.free = 123_456_789;
    let build = site.build("job");
    site.complete(build);
    let waiting = page(&mut site);
    assert_eq!(waiting.value("builder_uploads_waiting"), 1.0);
    assert_eq!(waiting.value("builder_disk_free_bytes"), 123_456_789.0);
    assert_eq!(waiting.value("builder_upload_attempts_total{outcome=\"done\"}"), 0.0);
    site.tell(Event::UploadEnded(UploadEnd::Done));
    let uploaded = page(&mut site);
    assert_eq!(uploaded.value("builder_uploads_waiting"), 0.0);
    site.machine().hides_space = true;
    assert_eq!(page(&mut site).find("builder_disk_free_bytes"), None, "what was known earlier says nothing");
    assert_eq!(uploaded.value("builder_upload_attempts_total{outcome=\"done\"}"), 1.0);
}

#[test]
fn notices_that_wait_are_counted_until_they_are_given() {
    let mut site = Site::new(Settings { metrics: true, ..notifying() });
    let build = site.build("job");
    assert_eq!(page(&mut site).value("builder_notices_waiting"), 0.0);
    site.finish(build);
    assert_eq!(page(&mut site).value("builder_notices_waiting"), 1.0);
    site.tell(Event::NoticeEnded { uuid: build.1, end: NoticeEnd::Done });
    assert_eq!(page(&mut site).value("builder_notices_waiting"), 0.0);
}

#[test]
fn whoever_reads_the_file_finds_a_whole_page_at_any_time() {
    let mut site = Site::new(measured());
    site.rest();
    let before = text(&mut site);
    site.build("job");
    site.pass(METRICS_INTERVAL);
    site.turns();
    let place = site.machine().tasks.iter().position(|task| task.kind() == TaskKind::Report).unwrap();
    let mut task = site.machine().tasks.remove(place).unwrap();
    let files = site.machine().files.clone();
    let mut steps = 0;
    loop {
        let step = task.step(&files);
        steps += 1;
        let text = text(&mut site);
        assert!(matches!(step, Step::Done(_)) || text == before, "after {steps} steps:\n{text}");
        if let Step::Done(outcome) = step {
            site.tell(Event::TaskDone(outcome.unwrap()));
            break;
        }
    }
    assert!(steps > 2, "a crash may come between any two");
    let after = Page::new(&text(&mut site));
    assert_eq!(after.value("builder_jobs_scheduled"), 1.0);
    assert!(!site.machine().files.paths().contains(&draft()));
}

#[test]
fn a_page_is_written_every_quarter_of_a_minute_and_no_more_often() {
    let mut site = Site::new(measured());
    site.rest();
    for _ in 0..3 {
        assert_eq!(site.pause(), Some(METRICS_INTERVAL), "nothing else is to be done");
        site.pass(METRICS_INTERVAL - Duration::from_millis(1));
        site.turns();
        assert_eq!(reports(&mut site), 0);
        site.pass(Duration::from_millis(1));
        site.turns();
        assert_eq!(reports(&mut site), 1);
        site.rest();
    }
}

#[test]
fn a_disk_that_hangs_holds_nothing_up_and_gets_no_further_pages() {
    let mut site = Site::new(measured());
    site.rest();
    site.pass(METRICS_INTERVAL);
    site.turns();
    let stuck = site.machine().tasks.pop_back().unwrap();
    assert_eq!(stuck.kind(), TaskKind::Report);
    site.pass(10 * METRICS_INTERVAL);
    site.turns();
    assert_eq!(reports(&mut site), 0, "one is enough");
    assert_eq!(site.next, Next::Turn(None), "nothing is to be done until it is over");
    let client = site.client(Command::Schedule {
        period: Period::Hourly,
        job: builder_proto::job::ScriptJob {
            name: "job".into(),
            script: "true".into(),
            platform: "p".into(),
        },
    });
    site.rest();
    assert_eq!(site.heard(client), [Command::ServerHello, Command::Success]);
    // A stop waits no longer than it does for anything.
    site.tell(Event::Stop);
    let pause = site.pause().expect("the page is being written");
    assert!(pause < Duration::from_secs(1), "{pause:?}");
    site.pass(pause);
    site.turn();
    assert_eq!(site.next, Next::Over);
}

#[test]
fn a_stop_writes_a_last_page() {
    for is_amid_one in [false, true] {
        let mut site = Site::new(measured());
        site.rest();
        if is_amid_one {
            site.pass(METRICS_INTERVAL);
            site.turns();
            assert_eq!(reports(&mut site), 1);
        }
        site.client(schedule("job", "true"));
        site.turn();
        site.tell(Event::Stop);
        for _ in 0..2 {
            // What threads do then ends with the program.
            if site.next != Next::Over {
                site.finish_tasks();
                site.turn();
            }
        }
        assert_eq!(site.next, Next::Over);
        assert_eq!(Page::new(&text(&mut site)).value("builder_jobs_scheduled"), 1.0);
    }
}

#[test]
fn what_cannot_be_written_is_tried_again_and_leaves_nothing_behind() {
    for operation in ["create", "write", "rename"] {
        let mut site = Site::new(measured());
        site.rest();
        let before = text(&mut site);
        site.machine().files.fail(operation, METRICS, ErrorKind::StorageFull);
        site.client(schedule("job", "true"));
        for _ in 0..2 {
            site.pass(METRICS_INTERVAL);
            site.rest();
            assert_eq!(text(&mut site), before, "{operation} failed");
            assert!(!site.machine().files.paths().contains(&draft()), "after {operation}");
            assert_eq!(site.pause(), Some(METRICS_INTERVAL));
        }
        site.machine().files.mend();
        assert_eq!(page(&mut site).value("builder_jobs_scheduled"), 1.0);
    }
}

#[test]
fn what_a_killed_server_was_writing_is_in_nobodys_way() {
    let mut site = Site::new(measured());
    site.machine().files.put(&draft(), b"half of a pa");
    let mut site = site.restart();
    site.rest();
    Page::new(&text(&mut site));
    assert!(!site.machine().files.paths().contains(&draft()));
}

#[test]
fn a_platform_that_is_dropped_is_told_of_once_more_and_then_forgotten() {
    let mut site = Site::new(measured());
    let build = site.build("job");
    site.finish(build);
    site.rest();
    site.client(Command::DropPlatform("platform".into()));
    site.rest();
    let builds = r#"builder_builds_total{platform="platform",result="success",cause="exited"}"#;
    assert_eq!(page(&mut site).find(builds), Some(1.0));
    assert_eq!(page(&mut site).find(builds), None, "or there would be more and more");
    assert_eq!(page(&mut site).value("builder_artifacts_total"), 1.0);
    site.worker();
    assert_eq!(page(&mut site).value("builder_workers_without_queue"), 1.0);
}

#[test]
fn without_the_flag_nothing_is_written() {
    let mut site = Site::new(settings());
    site.rest();
    site.pass(METRICS_INTERVAL);
    site.rest();
    assert_eq!(site.next, Next::Turn(None));
    assert!(!site.machine().files.paths().contains(&METRICS.to_owned()));
}
