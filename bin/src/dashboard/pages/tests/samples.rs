//! A build host to look at.

use builder_engine::dashboard::site::{Details, Line};
use builder_engine::dashboard::snapshot::{Job, RECENT, Recent, Snapshot};
use builder_proto::Uuid;
use builder_proto::history::{Artifact, Build, BuildEnd, Cause, Sha256};
use builder_proto::job::ScriptJob;
use builder_proto::job_settings::JobSettings;
use builder_proto::overview::{
    JobStatus, LastBuild, Null, Pace, PlatformStatus, QueueStatus, Reason, Results, ServerStatus,
    UploadsStatus, WaitingUpload,
};
use builder_proto::time::{Period, Time};
use builder_proto::wire::RawUuid;
use std::time::Duration;

/// 2026-11-27T15:00:00Z.
pub(super) const NOW: Time = Time::from_unix_milliseconds(1_795_791_600_000);

pub(super) fn before(minutes: u64) -> Time {
    NOW.saturating_sub(Duration::from_secs(60 * minutes))
}

pub(super) fn after(minutes: u64) -> Time {
    NOW.saturating_add(Duration::from_secs(60 * minutes))
}

/// A uuid that looks like one.
pub(super) fn uuid(number: u64) -> Uuid {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let other = mixed.rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    Uuid::from_u64_pair(mixed & !0xf000 | 0x4000, other & !(3 << 62) | 1 << 63)
}

const NAMES: [&str; 20] = [
    "hello",
    "unikernel-web",
    "unikernel-dns-primary",
    "unikernel-dns-secondary",
    "monitoring",
    "opam-repository-check",
    "website",
    "mirage-www",
    "tlstunnel",
    "caldav",
    "albatross",
    "builder",
    "docs",
    "nightly-fuzz",
    "backup-verify",
    "firewall",
    "dhcp-server",
    "git-mirror",
    "certificates",
    "retreat",
];
const PLATFORMS: [&str; 3] = ["freebsd-14", "debian-13", "alpine-3.22"];

/// Which of its last builds of a job failed, by the number of the job; the last result is the last one.
fn failed(number: u64, index: u64) -> bool {
    match number {
        3 => index >= 17,
        11 => index == 19,
        22 => true,
        _ => (number * 31 + index * 17).is_multiple_of(43) && index != 19,
    }
}

fn cause(number: u64, failed: bool) -> Cause {
    match (failed, number % 3) {
        (false, _) => Cause::Exited(0),
        (true, 0) => Cause::Exited(2),
        (true, 1) => Cause::Timeout(Null),
        (true, _) => Cause::Lost("the worker went away".into()),
    }
}

pub(super) fn job(number: u64) -> Job {
    let name = NAMES[number as usize % NAMES.len()];
    let round = number / NAMES.len() as u64;
    let name = if round == 0 { name.to_owned() } else { format!("{name}-{round}") };
    let usual = 40 + number * 37 % 1500;
    let period = 60 * (1 + number % 4);
    let recent: Vec<Recent> = (0..RECENT as u64)
        .map(|index| {
            let started = before((RECENT as u64 - index) * period - number % 50);
            let cause = cause(number, failed(number, index));
            let finished = started.saturating_add(Duration::from_secs(usual + index * 7 % 40));
            Recent { uuid: uuid(number * 100 + index), started, finished, cause }
        })
        .collect();
    let last = recent.last().unwrap();
    let same = |recent: &&Recent| recent.cause.is_success() == last.cause.is_success();
    let row: Vec<&Recent> = recent.iter().rev().take_while(same).collect();
    let results = Results {
        last: LastBuild {
            uuid: RawUuid(last.uuid),
            started: last.started,
            finished: last.finished,
            cause: last.cause.clone(),
        },
        count: row.len() as u64,
        since: row.last().unwrap().started,
        usual: Some(usual * 1000),
    };
    let status = JobStatus {
        job: name.into(),
        period: Period::Hourly,
        next: after(period - number % 50),
        platform: Some(PLATFORMS[number as usize % 3].into()),
        package: None,
        results: Some(results),
        settings: (!number.is_multiple_of(4)).then(|| JobSettings {
            every: Some(period * 60),
            timeout: Some(3600),
            ..JobSettings::NONE
        }),
    };
    Job { status, recent }
}

pub(super) fn running(number: u64, job: &Job, minutes: u64) -> Build {
    Build {
        uuid: RawUuid(uuid(10_000 + number)),
        job: job.status.job.clone(),
        platform: job.status.platform.clone().unwrap(),
        started: before(minutes),
        queued: Some(before(minutes + 1)),
        host: Some("10.0.0.17".into()),
        end: None,
    }
}

pub(super) fn server() -> ServerStatus {
    ServerStatus {
        version: "0.5.0".into(),
        started: before(60 * 24 * 12),
        under_way: 3,
        limit: 64,
        log_bytes: 48 << 20,
        is_full: false,
        is_draining: false,
        has_history: true,
        free_bytes: Some(61 << 30),
        uploads: None,
        notices: None,
    }
}

/// All is well, but for a few jobs.
pub(super) fn snapshot(jobs: u64) -> Snapshot {
    let mut jobs: Vec<Job> = (0..jobs).map(job).collect();
    jobs.sort_by(|one, other| one.status.job.cmp(&other.status.job));
    let platform = |platform: &str, idle, busy, queued| PlatformStatus {
        platform: platform.into(),
        idle,
        busy,
        queued,
        has_template: false,
        is_dropped: false,
        is_paused: false,
        pace: None,
    };
    let queue = |platform: &str, job: &str, reason, minutes| QueueStatus {
        platform: platform.into(),
        job: job.into(),
        reason,
        losses: 0,
        since: Some(before(minutes)),
    };
    Snapshot {
        taken: NOW,
        revision: 7,
        trouble: None,
        server: server(),
        platforms: vec![
            platform("alpine-3.22", 0, 0, 1),
            platform("debian-13", 2, 1, 0),
            platform("freebsd-14", 0, 2, 2),
        ],
        queued: vec![
            queue("alpine-3.22", "website", Reason::NoWorker(Null), 95),
            queue("freebsd-14", "docs", Reason::Busy(2), 4),
            queue("freebsd-14", "firewall", Reason::Busy(2), 2),
        ],
        running: vec![running(0, &jobs[0], 1), running(1, &jobs[5], 14), running(2, &jobs[8], 90)],
        jobs,
    }
}

/// Everything is wrong that can be.
pub(super) fn trouble() -> Snapshot {
    let mut snapshot = snapshot(40);
    let pace = Pace { losses: 4, next: after(2) };
    snapshot.trouble = Some("connection refused".to_owned());
    snapshot.taken = before(7);
    snapshot.server.is_full = true;
    snapshot.server.is_draining = true;
    snapshot.server.has_history = false;
    snapshot.server.notices = Some(3);
    snapshot.server.uploads = Some(UploadsStatus {
        destination: "https://builds.example.org/upload".into(),
        waiting: 12,
        first: vec![WaitingUpload { uuid: RawUuid(uuid(5)), job: "hello".into() }],
        trouble: Some("HTTP 401; the next attempt is in 5m".into()),
    });
    snapshot.platforms[1].is_paused = true;
    snapshot.platforms[2].pace = Some(pace);
    snapshot.queued[1].reason = Reason::Losses(pace);
    snapshot.queued[1].losses = 2;
    snapshot
}

/// Builds of a job, of which those that started last come first.
pub(super) fn builds(job: &Job, count: u64) -> Vec<Build> {
    (0..count).map(|number| build(job, number)).collect()
}

pub(super) fn build(job: &Job, number: u64) -> Build {
    let started = before(30 + number * 180);
    let (failed, seconds) =
        (matches!(number, 0 | 1 | 7 | 20), 300 + number * 37 % 90 + if number == 12 { 900 } else { 0 });
    let mut end = BuildEnd::new(
        started.saturating_add(Duration::from_secs(seconds)),
        if failed {
            Cause::Exited(2)
        } else if number == 15 {
            Cause::Cancelled("eve".into())
        } else {
            Cause::Exited(0)
        },
    );
    end.console_lines = 1460;
    end.console_bytes = 81_000;
    if !failed {
        (end.artifacts, end.artifact_bytes) = (3, 9_400_000);
    }
    if number > 30 {
        end.removed = Some(before(60));
    }
    Build {
        uuid: RawUuid(uuid(20_000 + number)),
        job: job.status.job.clone(),
        platform: job.status.platform.clone().unwrap(),
        started,
        queued: Some(started.saturating_sub(Duration::from_secs(12))),
        host: Some(if number.is_multiple_of(3) { "10.0.0.17" } else { "2001:db8::7" }.into()),
        end: Some(end),
    }
}

pub(super) fn details(build: Build, script: &str) -> Details {
    let job = ScriptJob { name: build.job.clone(), script: script.into(), platform: build.platform.clone() };
    let artifact =
        |path: &str, size, byte| Artifact { path: path.into(), size, sha256: Some(Sha256([byte; 32])) };
    let artifacts = vec![
        artifact("bin/web.hvt", 9_312_004, 0xa7),
        artifact("build-environment", 18_221, 0x3c),
        artifact("opam switch/über.txt", 91_775, 0x5f),
    ];
    Details { build, job: Some(job), artifacts }
}

pub(super) const SCRIPT: &str = "#!/bin/sh\nset -eu\n\n# Builds the web server.\nopam install --yes mirage\n\
    mirage configure -t hvt\nmake depends\nmake build\nmkdir -p \"$BUILDER_ARTIFACTS/bin\"\n\
    cp dist/web.hvt \"$BUILDER_ARTIFACTS/bin/\"\n";

/// Lines as compilers print them.
pub(super) fn line(number: u64) -> Line {
    let text: String = match number % 23 {
        0 => format!("\x1b[1m-> installed\x1b[0m \x1b[32mpackage.{number}\x1b[0m"),
        3 => format!(
            "\x1b[33mWarning\x1b[0m: deprecated: Lwt_unix.run, file \"lib/http_{number}.ml\", line 12"
        ),
        7 => format!(
            "\x1b[36m[{number}/1460]\x1b[0m ocamlfind ocamlopt -c -g -bin-annot -safe-string -I _build/default/src \
                      -o src/.web.objs/native/web__Handler_{number}.cmx src/handler_{number}.ml"
        ),
        11 => {
            format!("<script>alert({number})</script> &amp; \x1b]8;;http://example.org\x07link\x1b]8;;\x07")
        }
        13 => "    Processing  3/14: [mirage-crypto: \u{1b}[94mocaml configure\u{1b}[0m]".to_owned(),
        17 => "\ttab\tseparated\tvalues \u{202e}reversed".to_owned(),
        19 => String::new(),
        _ => format!("ocamlc src/.web.objs/byte/web__{number}.cmo"),
    };
    Line { number, nanoseconds: Some(number as i64 * 213_000_000), text: text.into() }
}
