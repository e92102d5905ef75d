//! Figures for Prometheus, by the rules for such pages.

use builder_engine::dashboard::metrics::metrics;
use builder_engine::dashboard::site::Figures;
use builder_engine::dashboard::snapshot::{Job, Snapshot};
use builder_proto::Uuid;
use builder_proto::history::Cause;
use builder_proto::overview::{
    JobStatus, LastBuild, Null, PlatformStatus, QueueStatus, Reason, Results, ServerStatus, UploadsStatus,
};
use builder_proto::time::{Period, Time};
use builder_proto::wire::RawUuid;
use builder_tests::metrics::{Page, promtool};

fn at(seconds: i64) -> Time {
    Time::from_unix_milliseconds(seconds * 1000)
}

fn job(name: &str, platform: &str, results: Option<Results>) -> Job {
    let status = JobStatus {
        job: name.into(),
        period: Period::Daily,
        next: Time::NEVER,
        platform: Some(platform.into()),
        package: None,
        results,
        settings: None,
    };
    Job { status, recent: Vec::new() }
}

fn results(cause: Cause, usual: Option<u64>) -> Option<Results> {
    let last = LastBuild { uuid: RawUuid(Uuid::nil()), started: at(100), finished: at(160), cause };
    Some(Results { last, count: 1, since: at(100), usual })
}

fn platform(name: &str, busy: u64, is_dropped: bool) -> PlatformStatus {
    PlatformStatus {
        platform: name.into(),
        idle: 4,
        busy,
        queued: 2,
        has_template: false,
        is_dropped,
        is_paused: true,
        pace: None,
    }
}

fn waiting(job: &str, since: Option<Time>) -> QueueStatus {
    QueueStatus { platform: "p".into(), job: job.into(), reason: Reason::NoWorker(Null), losses: 0, since }
}

fn snapshot() -> Snapshot {
    let uploads = UploadsStatus { destination: "x".into(), waiting: 7, first: Vec::new(), trouble: None };
    let server = ServerStatus {
        version: "0.5.0".into(),
        started: at(50),
        under_way: 3,
        limit: 64,
        log_bytes: 4096,
        is_full: false,
        is_draining: true,
        has_history: true,
        free_bytes: Some(1000),
        uploads: Some(uploads),
        notices: Some(5),
    };
    Snapshot {
        taken: at(990),
        revision: 1,
        trouble: None,
        server,
        platforms: vec![platform("gone", 0, true), platform("leaving", 1, true), platform("p", 2, false)],
        queued: vec![waiting("a", Some(at(910))), waiting("b", None), waiting("c", Some(at(900)))],
        running: Vec::new(),
        jobs: vec![
            job("a\"\\\n", "p", results(Cause::Exited(1), Some(61_500))),
            job("b", "p", results(Cause::Exited(0), None)),
            job("b", "q", results(Cause::Exited(0), None)),
            job("c", "p", None),
        ],
    }
}

fn figures() -> Figures {
    Figures {
        connections: 1,
        viewers: 2,
        feeds: 3,
        downloads: 4,
        answers: [0, 10, 11, 12, 13],
        questions: 20,
        unanswered: 21,
    }
}

#[test]
fn a_page_says_how_server_and_jobs_are() {
    let text = metrics(Some(&snapshot()), &figures(), at(1000));
    let page = Page::new(&text);
    let expected = [
        ("builder_build_info{version=\"0.5.0\"}", 1.0),
        ("builder_start_time_seconds", 50.0),
        ("builder_log_bytes", 4096.0),
        ("builder_jobs_scheduled", 3.0),
        ("builder_draining", 1.0),
        ("builder_uploads_waiting", 7.0),
        ("builder_notices_waiting", 5.0),
        ("builder_builds_under_way", 3.0),
        ("builder_builds_max", 64.0),
        ("builder_disk_full", 0.0),
        ("builder_disk_room_bytes", 1000.0),
        ("builder_queue_jobs{platform=\"p\"}", 2.0),
        ("builder_queue_oldest_seconds{platform=\"p\"}", 100.0),
        ("builder_queue_oldest_seconds{platform=\"leaving\"}", 0.0),
        ("builder_queue_paused{platform=\"p\"}", 1.0),
        ("builder_builds_running{platform=\"p\"}", 2.0),
        ("builder_workers_waiting{platform=\"p\"}", 4.0),
        ("builder_job_failing{job=\"a\\\"\\\\\\n\",platform=\"p\"}", 1.0),
        ("builder_job_failing{job=\"b\",platform=\"q\"}", 0.0),
        ("builder_job_last_end_time_seconds{job=\"b\",platform=\"p\"}", 160.0),
        ("builder_job_usual_seconds{job=\"a\\\"\\\\\\n\",platform=\"p\"}", 61.5),
        ("builder_dashboard_server_up", 1.0),
        ("builder_dashboard_snapshot_age_seconds", 10.0),
        ("builder_dashboard_connections", 1.0),
        ("builder_dashboard_viewers", 2.0),
        ("builder_dashboard_feeds", 3.0),
        ("builder_dashboard_downloads", 4.0),
        ("builder_dashboard_answers_total{status=\"2xx\"}", 10.0),
        ("builder_dashboard_answers_total{status=\"5xx\"}", 13.0),
        ("builder_dashboard_questions_total", 20.0),
        ("builder_dashboard_unanswered_total", 21.0),
    ];
    for (series, value) in expected {
        assert_eq!(page.value(series), value, "{series}");
    }
    for series in [
        "builder_queue_jobs{platform=\"gone\"}",
        "builder_job_failing{job=\"c\",platform=\"p\"}",
        "builder_job_usual_seconds{job=\"b\",platform=\"p\"}",
    ] {
        assert_eq!(page.find(series), None, "{series}");
    }
}

#[test]
fn a_server_that_does_not_answer_is_told_of() {
    let troubled = Snapshot { trouble: Some("gone".into()), ..snapshot() };
    let page = Page::new(&metrics(Some(&troubled), &figures(), at(1000)));
    assert_eq!(page.value("builder_dashboard_server_up"), 0.0);
    assert_eq!(page.value("builder_log_bytes"), 4096.0);
    let page = Page::new(&metrics(None, &figures(), at(1000)));
    assert_eq!(page.value("builder_dashboard_server_up"), 0.0);
    assert_eq!(page.value("builder_dashboard_connections"), 1.0);
    assert_eq!(page.find("builder_log_bytes"), None);
}

/// Where there is no `promtool`, only the rules are checked, by the tests above.
#[test]
fn promtool_accepts_a_page() {
    let page = metrics(Some(&snapshot()), &figures(), at(1000));
    if let Some(said) = promtool(&["check", "metrics"], &page) {
        assert_eq!(said, Ok(()), "{page}");
    }
}
