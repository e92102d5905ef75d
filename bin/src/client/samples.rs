//! Answers of a server, for tests.

use builder_proto::Uuid;
use builder_proto::command::{InfoReply, QueueInfo, RunningInfo};
use builder_proto::job::{Job, OrbBuildJob, ScheduleItem, ScriptJob};
use builder_proto::time::{Period, Time};

/// One of everything, with a name that would clear a terminal.
pub(super) fn info_reply() -> InfoReply {
    let package = Job::OrbBuild(OrbBuildJob { name: "web".into(), opam_package: "mirage-web".into() });
    let hello = Job::Script(script("hello", "freebsd-13"));
    InfoReply {
        schedule: vec![
            ScheduleItem { next: Time::NEVER, period: Period::Never, job: package.clone() },
            ScheduleItem { next: Time::UNIX_EPOCH, period: Period::Daily, job: hello.clone() },
        ],
        queues: vec![
            QueueInfo { platform: "freebsd-13".into(), jobs: vec![hello, package] },
            QueueInfo { platform: "debian-12".into(), jobs: Vec::new() },
        ],
        running: vec![running(2, 2000, "hello", "p"), running(1, 1000, "x\x1b[2J", "q")],
        dropped_platforms: vec!["gone".into()],
    }
}

/// The queue that stands for a result that waits to be uploaded.
pub(super) fn uploads() -> QueueInfo {
    let waiting = Job::Script(script("hello", &Uuid::from_bytes([3; 16]).to_string()));
    QueueInfo { platform: "uploads to http://web/upload; refused".into(), jobs: vec![waiting] }
}

pub(super) fn script(name: &str, platform: &str) -> ScriptJob {
    ScriptJob { name: name.into(), script: "#!/bin/sh\n".into(), platform: platform.into() }
}

fn running(number: u8, started: i64, name: &str, platform: &str) -> RunningInfo {
    RunningInfo {
        started: Time::from_unix_milliseconds(started),
        uuid: Uuid::from_bytes([number; 16]),
        job: script(name, platform),
    }
}
