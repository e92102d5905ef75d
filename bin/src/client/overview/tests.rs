//! How an overview looks, character by character, and what programs read.

use super::answer::Overview;
use super::answer::samples::{at, job, overview, platform, results, running, server, waiting};
use super::describe;
use super::glance::Glance;
use super::plain::Plain;
use crate::client::info_filter::{InfoFilter, UnknownName};
use crate::terminal::Palette;
use builder_proto::history::Cause;
use builder_proto::job_settings::JobSettings;
use builder_proto::overview::{JobStatus, Reason};
use builder_proto::text::Text;
use builder_proto::time::Time;
use serde_json::json;

fn glance(shown: &Overview, now: i64, columns: usize) -> String {
    Glance { shown, is_whole: true, now: at(now), palette: Palette::PLAIN, columns }.to_string()
}

#[test]
fn a_terminal_shows_first_what_is_wrong() {
    let expected = "\
1 of 2 jobs failed
p: the workers lost 4 builds in a row
q is paused until 'builder-client resume q'
results are not uploaded: refused
server 0.5.0, up 2h 46m, log 4.8 KiB, 953.6 MiB free

Jobs (2)
  RESULT       SINCE    NOW              USUAL   JOB         PLATFORM  PERIOD
  exited 1 x3  2h 16m   running 16m 40s  1m 1s   hello       p         daily
  -            -        queued           -       web\\x1b[2J  any       weekly
";
    let text = glance(&overview(), 10_000, 80);
    let squeezed = |text: &str| {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).collect::<Vec<_>>().join("\n")
    };
    let (head, rest) = text.split_once("\nRunning").unwrap();
    assert_eq!(squeezed(head), squeezed(expected).trim_end());
    let expected = "(1)
AGE USUAL UUID JOB PLATFORM HOST
16m 40s slow 1m 1s 02020202 hello p ::1

Waiting (2)
SINCE JOB PLATFORM WHY
46m 40s hello p workers lost 4 in a row; next
try in 1s; lost 1 time
- web\\x1b[2J q paused

Platforms (3)
IDLE BUSY QUEUED PLATFORM STATE
0 0 0 gone dropped
0 1 1 p lost 4 in a row; next try in 1s
0 0 1 q paused

Waiting for upload to http://web/upload (7)
UUID JOB
03030303-0303-0303-0303-030303030303 hello

Notices waiting (3)";
    assert_eq!(squeezed(rest), expected);
}

/// Forty jobs with names as they are in service: two fail, two run, one waits.
fn forty_jobs() -> Overview {
    let place = |number: usize| ["debian-12", "freebsd-14"][number % 2];
    let name = |number: usize| format!("mirage-unikernel-of-customer-{number:02}");
    let jobs = (0..40).map(|number| {
        let results = match number {
            7 => results(80_000, Cause::Exited(1), 3, 70_000),
            30 => results(90_000, Cause::Lost("worker lost".into()), 1, 90_000),
            _ => results(50_000, Cause::Exited(0), 12, 1000),
        };
        JobStatus {
            next: at(200_000 - number as i64 * 100),
            ..job(&name(number), place(number), Some(results))
        }
    });
    Overview {
        server: server(),
        platforms: vec![platform("debian-12", 0, 1, 1), platform("freebsd-14", 2, 1, 0)],
        queued: vec![waiting(&name(6), "debian-12", Reason::Busy(1))],
        running: vec![running(2, &name(2), place(2), 99_000), running(3, &name(3), place(3), 99_900)],
        jobs: jobs.collect(),
    }
}

#[test]
fn forty_jobs_fit_a_terminal_a_line_each_and_those_that_failed_come_first() {
    for columns in [80, 100, 200] {
        let text = glance(&forty_jobs(), 100_000, columns);
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(columns), "{text}");
        let (_, jobs) = text.split_once("\n\n").unwrap();
        let (jobs, _) = jobs.split_once("\n\n").unwrap();
        let lines: Vec<&str> = jobs.lines().skip(2).collect();
        assert_eq!(lines.len(), 40, "{jobs}");
        let names: Vec<&str> =
            lines.iter().map(|line| line.split_once("customer-").unwrap().1.get(..2).unwrap()).collect();
        assert_eq!(names[..6], ["30", "07", "02", "03", "06", "39"], "{jobs}");
    }
    let text = glance(&forty_jobs(), 100_000, 80);
    let expected = "\
2 of 40 jobs failed
server 0.5.0, up 1d 3h, log 4.8 KiB, 953.6 MiB free

Jobs (40)
  RESULT       SINCE   NOW              USUAL  JOB
  lost         2h 46m  in 1d 2h         1m 1s  mirage-unikernel-of-customer-30
  exited 1 x3  8h 20m  in 1d 3h         1m 1s  mirage-unikernel-of-customer-07
  ok           1d 3h   running 16m 40s  1m 1s  mirage-unikernel-of-customer-02
  ok           1d 3h   running 1m 40s   1m 1s  mirage-unikernel-of-customer-03
  ok           1d 3h   queued           1m 1s  mirage-unikernel-of-customer-06
  ok           1d 3h   in 1d 2h         1m 1s  mirage-unikernel-of-customer-39
";
    assert_eq!(text.lines().take(11).collect::<Vec<_>>(), expected.lines().collect::<Vec<_>>());
}

#[test]
fn a_long_name_is_whole_and_costs_the_others_nothing() {
    let mut overview = forty_jobs();
    overview.jobs[0].job = "a".repeat(100).as_str().into();
    let text = glance(&overview, 100_000, 80);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let is_part = |line: &&str| line.contains("aaa") || line.trim().chars().all(|letter| letter == 'a');
    let letters = text.lines().filter(is_part).flat_map(str::chars);
    assert_eq!(letters.filter(|letter| *letter == 'a').count(), 100, "{text}");
    assert!(text.contains("USUAL"), "{text}");
}

#[test]
fn all_is_well_when_it_is() {
    let mut overview = forty_jobs();
    overview.jobs.retain(|status| !matches!(status.job.as_bytes(), [.., b'0', b'7'] | [.., b'3', b'0']));
    assert!(glance(&overview, 100_000, 80).starts_with("all is well: 38 jobs, 2 running\nserver 0.5.0, up "));
    overview.server.is_full = true;
    overview.server.is_draining = true;
    overview.server.has_history = false;
    overview.platforms.push(platform("vax", 0, 0, 2));
    assert!(glance(&overview, 100_000, 80).starts_with(
        "the disk is full: nothing new is queued or started\n\
         the server is draining: nothing is started until 'builder-client resume'\n\
         vax has no worker, and 2 queued\n\
         the history cannot be opened; the log of the server says why\n"
    ));
}

#[test]
fn failures_are_red_and_have_a_sign() {
    let shown = overview();
    let text = Glance { shown: &shown, is_whole: true, now: at(10_000), palette: Palette::FULL, columns: 80 }
        .to_string();
    for cell in
        ["\x1b[31m✗ 1 of 2 jobs failed\x1b[0m\n", "\x1b[31m✗ exited 1 ×3\x1b[0m", "\x1b[31mpaused\x1b[0m"]
    {
        assert!(text.contains(cell), "{cell}: {text}");
    }
    assert!(!text.contains("\x1b[2J"), "{text}");
}

#[test]
fn a_pipe_gets_everything() {
    let all = overview();
    let filter = InfoFilter::default();
    let text = Plain { all: &all, shown: &all, filter: &filter, now: at(10_000) }.to_string();
    let expected = "\
Running (1)
  JOB    PLATFORM  STARTED (UTC)         AGE      USUAL  UUID
  hello  p         1970-01-01T02:30:00Z  16m 40s  1m 1s  02020202-0202-0202-0202-020202020202

Schedule (2)
  JOB         PLATFORM               NOW              NEXT RUN (UTC)        NEXT RUN    RESULT    TIMES  SINCE (UTC)           USUAL  PERIOD
  hello       p                      running, queued  1970-01-02T00:00:00Z  in 21h 13m  exited 1  3      1970-01-01T00:30:00Z  1m 1s  daily
  web\\x1b[2J  any (opam mirage-web)  queued #1        -                     -           -         -      -                     -      weekly

Waiting (2)
  JOB         PLATFORM  SINCE (UTC)           LOST  WHY
  hello       p         1970-01-01T02:00:00Z  1     its workers lost 4 builds in a row; the next try is at 1970-01-01T02:46:41Z
  web\\x1b[2J  q         -                     0     the platform is paused

Platforms (2)
  PLATFORM  RUNNING  QUEUED  IDLE WORKERS  STATE
  p         1        1       0             -
  q         0        1       0             paused

Waiting for upload to http://web/upload, the first 1 of 7; refused (1)
  JOB    UUID
  hello  03030303-0303-0303-0303-030303030303

Dropped platforms (1)
  gone

Server 0.5.0
  running since 1970-01-01T00:00:00Z
  builds under way: 1, at most 64
  log: 4.8 KiB
  free for it: 953.6 MiB
  notices waiting: 3
";
    assert_eq!(text, expected);
}

#[test]
fn a_filter_leaves_out_what_is_not_meant() {
    let all = overview();
    let filter = |jobs: &[&str], platform: Option<&str>| InfoFilter {
        jobs: jobs.iter().map(|job| Text::from(*job)).collect(),
        platform: platform.map(Text::from),
    };
    let shown = all.filter(&filter(&["hello"], None)).unwrap();
    assert_eq!((shown.jobs.len(), shown.queued.len(), shown.running.len()), (1, 1, 1));
    assert!(shown.platforms.is_empty());
    let shown = all.filter(&filter(&[], Some("q"))).unwrap();
    let names: Vec<String> = shown.jobs.iter().map(|job| job.job.to_string()).collect();
    assert_eq!(names, ["web\\x1b[2J"]);
    assert_eq!((shown.platforms.len(), shown.running.len()), (1, 0));
    assert!(shown.server.uploads.is_none());
    let glance = Glance { shown: &shown, is_whole: false, now: at(0), palette: Palette::PLAIN, columns: 80 };
    assert!(!glance.to_string().contains("Notices"), "{}", glance.to_string());
    let unknown = all.filter(&filter(&["helo"], None)).unwrap_err();
    assert_eq!(unknown, UnknownName::Job("helo".into(), Some("hello".to_owned())));
    let plain = Plain { all: &all, shown: &shown, filter: &filter(&[], Some("q")), now: Time::UNIX_EPOCH };
    assert!(!plain.to_string().contains("Server"), "{}", plain.to_string());
}

#[test]
fn the_shape_is_the_one_that_the_manual_promises() {
    let mut shown = overview();
    shown.jobs[0].settings = Some(JobSettings { every: Some(21_600), ..JobSettings::NONE });
    let hello = json!({
        "job": "hello", "type": "script", "platform": "p", "period": "daily", "next": "1970-01-02T00:00:00Z",
        "settings": {
            "timeout_seconds": null, "silence_seconds": null, "every_seconds": 21600, "skip_missed": null,
            "keep_builds": null, "keep_seconds": null,
        },
        "results": [{
            "uuid": "01010101-0101-0101-0101-010101010101", "job": "hello", "platform": "p",
            "started": "1970-01-01T01:00:00Z", "finished": "1970-01-01T01:01:00Z", "seconds": 60.0,
            "failed": true, "cause": "exited", "exit_code": 1, "signal": null, "reason": null,
            "in_a_row": 3, "since": "1970-01-01T00:30:00Z", "usual_seconds": 61.5,
        }],
    });
    let web = json!({
        "job": "web\x1b[2J", "type": "orb-build", "opam_package": "mirage-web", "period": "weekly",
        "next": null, "results": [], "settings": null,
    });
    let expected = json!({
        "schedule": [hello, web],
        "queues": [
            { "platform": "p", "jobs": [{
                "job": "hello", "type": "script", "platform": "p", "since": "1970-01-01T02:00:00Z",
                "reason": "losses",
                "why": "its workers lost 4 builds in a row; the next try is at 1970-01-01T02:46:41Z",
                "next_try": "1970-01-01T02:46:41Z", "losses": 1,
            }] },
            { "platform": "q", "jobs": [{
                "job": "web\x1b[2J", "type": "orb-build", "opam_package": "mirage-web", "since": null,
                "reason": "paused", "why": "the platform is paused", "next_try": null, "losses": 0,
            }] },
        ],
        "running": [{
            "uuid": "02020202-0202-0202-0202-020202020202", "job": "hello", "platform": "p",
            "started": "1970-01-01T02:30:00Z", "queued": null, "host": "::1", "usual_seconds": 61.5,
        }],
        "uploads": {
            "destination": "http://web/upload, the first 1 of 7; refused",
            "waiting": [{ "job": "hello", "uuid": "03030303-0303-0303-0303-030303030303" }],
            "count": 7, "trouble": "refused",
        },
        "platforms": [
            { "platform": "gone", "idle_workers": 0, "busy_workers": 0, "queued": 0, "has_template": false,
              "dropped": true, "paused": false, "losses": 0, "next_try": null },
            { "platform": "p", "idle_workers": 0, "busy_workers": 1, "queued": 1, "has_template": false,
              "dropped": false, "paused": false, "losses": 4, "next_try": "1970-01-01T02:46:41Z" },
            { "platform": "q", "idle_workers": 0, "busy_workers": 0, "queued": 1, "has_template": true,
              "dropped": false, "paused": true, "losses": 0, "next_try": null },
        ],
        "server": {
            "version": "0.5.0", "started": "1970-01-01T00:00:00Z", "builds": 1, "builds_limit": 64,
            "log_bytes": 5000, "free_bytes": 1_000_000_000, "disk_full": false,
            "draining": false, "has_history": true, "notices_waiting": 3,
        },
        "dropped_platforms": ["gone"],
    });
    assert_eq!(describe(&shown.to_reply(), &shown), expected);
}

#[test]
fn a_job_that_waits_twice_has_two_reasons() {
    let mut shown = overview();
    shown.queued.insert(1, waiting("hello", "p", Reason::Busy(1)));
    let described = describe(&shown.to_reply(), &shown);
    let jobs = &described["queues"][0]["jobs"];
    assert_eq!((&jobs[0]["reason"], &jobs[1]["reason"]), (&json!("losses"), &json!("busy")));
}
