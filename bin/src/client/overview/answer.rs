//! What a server says of itself, its platforms and its jobs.

use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::client::info;
use crate::client::info_filter::{InfoFilter, UnknownName};
use crate::command_line::Address;
use builder_proto::command::{Command, InfoReply, Kind, QueueInfo, RunningInfo, UPLOADS};
use builder_proto::history::Build;
use builder_proto::job::{Job, OrbBuildJob, ScheduleItem, ScriptJob};
use builder_proto::overview::{JobStatus, PlatformStatus, QueueStatus, Results, ServerStatus, UploadsStatus};
use builder_proto::text::Text;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a server of this version answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overview {
    pub(crate) server: ServerStatus,
    /// By name.
    pub(crate) platforms: Vec<PlatformStatus>,
    /// In the order of each queue.
    pub(crate) queued: Vec<QueueStatus>,
    /// Who started last comes last.
    pub(crate) running: Vec<Build>,
    /// By name; one that was built on several platforms several times.
    pub(crate) jobs: Vec<JobStatus>,
}

/// What a server answers about all that goes on.
pub(super) enum Answer {
    /// One of this version.
    Overview(Box<Overview>),
    /// One that knows no more.
    Reply(InfoReply),
}

/// Asks a server how all is, or, if it is of an earlier version, what is going on.
pub(super) fn ask(remote: &Address) -> Result<Answer, ClientError> {
    match Connection::open_or_older(remote, Kind::Overview)? {
        (connection, true) => receive(connection).map(|overview| Answer::Overview(Box::new(overview))),
        (connection, false) => info::ask_on(connection).map(Answer::Reply),
    }
}

fn receive(mut connection: Connection) -> Result<Overview, ClientError> {
    let question = Command::Overview;
    connection.tell(&question)?;
    let mut server = None;
    let (mut platforms, mut queued, mut running, mut jobs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    while let Some(answer) = connection.receive_answer(&question)? {
        match answer {
            Command::ServerStatus(status) => server = Some(status),
            Command::PlatformStatus(platform) => platforms.push(platform),
            Command::QueueStatus(entry) => queued.push(entry),
            Command::Build(build) => running.push(build),
            Command::JobStatus(job) => jobs.push(job),
            other => return Err(connection.refusal(&question, other)),
        }
    }
    // A server sends them so, and everything below may rest on it.
    jobs.sort_by(|one, other| (&one.job, &one.platform).cmp(&(&other.job, &other.platform)));
    running.sort_by_key(|build| (build.started, build.uuid()));
    let server = server.ok_or_else(|| connection.closed("its status"))?;
    Ok(Overview { server, platforms, queued, running, jobs })
}

impl Overview {
    /// The same as a server of an earlier version would say it.
    pub(crate) fn to_reply(&self) -> InfoReply {
        let jobs: BTreeMap<&Text, &JobStatus> = self.jobs.iter().map(|job| (&job.job, job)).collect();
        let item = |job: &JobStatus| ScheduleItem { next: job.next, period: job.period, job: to_job(job) };
        let mut schedule: Vec<ScheduleItem> = jobs.values().map(|job| item(job)).collect();
        schedule.sort_by(|one, other| (one.next, one.job.name()).cmp(&(other.next, other.job.name())));
        let job_of = |entry: &QueueStatus| match jobs.get(&entry.job) {
            Some(job) => to_job(job),
            None => script(&entry.job, &entry.platform),
        };
        let waiting_for = |platform: &Text| {
            let here = self.queued.iter().filter(|entry| entry.platform == *platform);
            here.map(job_of).collect()
        };
        let open = self.platforms.iter().filter(|platform| !platform.is_dropped);
        let queues = open.map(|PlatformStatus { platform, .. }| QueueInfo {
            platform: platform.clone(),
            jobs: waiting_for(platform),
        });
        let running = self.running.iter().map(|build| RunningInfo {
            started: build.started,
            uuid: build.uuid(),
            job: script_job(&build.job, &build.platform),
        });
        let dropped = self.platforms.iter().filter(|platform| platform.is_dropped);
        InfoReply {
            schedule,
            queues: queues.chain(self.server.uploads.as_ref().map(upload_queue)).collect(),
            running: running.collect(),
            dropped_platforms: dropped.map(|platform| platform.platform.clone()).collect(),
        }
    }

    /// Leaves out what is not meant.
    ///
    /// # Errors
    ///
    /// When there is no such job or platform at all.
    pub(super) fn filter(&self, filter: &InfoFilter) -> Result<Overview, UnknownName> {
        let reply = filter.apply(&self.to_reply())?;
        let is_job = |name: &Text| filter.jobs.is_empty() || filter.jobs.contains(name);
        let is_platform = |name: &Text| filter.platform.as_ref().is_none_or(|platform| platform == name);
        let scheduled: BTreeSet<&Text> = reply.schedule.iter().map(|item| item.job.name()).collect();
        let is_here = |job: &JobStatus| job.platform.as_ref().is_none_or(is_platform);
        let mut shown = self.clone();
        shown.jobs.retain(|job| scheduled.contains(&job.job) && is_here(job));
        shown.queued.retain(|entry| is_job(&entry.job) && is_platform(&entry.platform));
        shown.running.retain(|build| is_job(&build.job) && is_platform(&build.platform));
        let has_all_jobs = filter.jobs.is_empty();
        shown.platforms.retain(|platform| is_platform(&platform.platform) && has_all_jobs);
        if let Some(uploads) = &mut shown.server.uploads {
            uploads.first.retain(|waiting| is_job(&waiting.job));
        }
        if filter.platform.is_some() {
            shown.server.uploads = None;
        }
        Ok(shown)
    }

    /// How the builds of a job ended on a platform.
    pub(super) fn results(&self, job: &Text, platform: &Text) -> Option<&Results> {
        let is_there = |status: &&JobStatus| status.platform.as_ref() == Some(platform);
        self.of_job(job).iter().find(is_there)?.results.as_ref()
    }

    /// What is known of a job, on each platform.
    pub(super) fn of_job(&self, job: &Text) -> &[JobStatus] {
        let start = self.jobs.partition_point(|status| status.job < *job);
        let end = self.jobs.partition_point(|status| status.job <= *job);
        self.jobs.get(start..end).unwrap_or_default()
    }

    /// How long a build usually takes.
    pub(super) fn usual(&self, build: &Build) -> Option<Duration> {
        self.results(&build.job, &build.platform).and_then(usual)
    }
}

/// How long a build usually takes.
pub(crate) fn usual(results: &Results) -> Option<Duration> {
    results.usual.map(Duration::from_millis)
}

/// How often a job runs, in words.
pub(crate) fn period(status: &JobStatus) -> String {
    match status.settings.and_then(|settings| settings.every()) {
        Some(every) => format!("every {}", humantime::format_duration(every)),
        None => status.period.to_string(),
    }
}

fn to_job(status: &JobStatus) -> Job {
    match &status.package {
        Some(package) => {
            Job::OrbBuild(OrbBuildJob { name: status.job.clone(), opam_package: package.clone() })
        }
        None => script(&status.job, status.platform.as_ref().unwrap_or(&Text::default())),
    }
}

fn script(name: &Text, platform: &Text) -> Job {
    Job::Script(script_job(name, platform))
}

fn script_job(name: &Text, platform: &Text) -> ScriptJob {
    ScriptJob { name: name.clone(), script: Text::default(), platform: platform.clone() }
}

/// What waits to be uploaded as the queue that stands for it; see [`UPLOADS`].
fn upload_queue(uploads: &UploadsStatus) -> QueueInfo {
    let mut title = format!("{UPLOADS}{}", uploads.destination).into_bytes();
    let shown = uploads.first.len();
    if shown as u64 != uploads.waiting {
        title.extend_from_slice(format!(", the first {shown} of {}", uploads.waiting).as_bytes());
    }
    if let Some(trouble) = &uploads.trouble {
        title.extend_from_slice(b"; ");
        title.extend_from_slice(trouble.as_bytes());
    }
    let job = |waiting: &builder_proto::overview::WaitingUpload| {
        script(&waiting.job, &waiting.uuid.0.to_string().into())
    };
    QueueInfo { platform: title.into(), jobs: uploads.first.iter().map(job).collect() }
}

/// Overviews for tests.
#[cfg(test)]
pub(crate) mod samples {
    use crate::client::overview::answer::Overview;
    use builder_proto::Uuid;
    use builder_proto::history::{Build, Cause};
    use builder_proto::overview::{
        JobStatus, LastBuild, Null, Pace, PlatformStatus, QueueStatus, Reason, Results, ServerStatus,
        UploadsStatus, WaitingUpload,
    };
    use builder_proto::time::{Period, Time};
    use builder_proto::wire::RawUuid;

    pub(crate) fn at(seconds: i64) -> Time {
        Time::from_unix_milliseconds(seconds * 1000)
    }

    pub(crate) fn uuid(number: u8) -> RawUuid {
        RawUuid(Uuid::from_bytes([number; 16]))
    }

    pub(crate) fn job(name: &str, platform: &str, results: Option<Results>) -> JobStatus {
        JobStatus {
            job: name.into(),
            period: Period::Daily,
            next: at(86_400),
            platform: Some(platform.into()),
            package: None,
            results,
            settings: None,
        }
    }

    /// A build that took a minute ended at this time, like so many before it.
    pub(crate) fn results(started: i64, cause: Cause, count: u64, since: i64) -> Results {
        let (started, finished) = (at(started), at(started + 60));
        let last = LastBuild { uuid: uuid(1), started, finished, cause };
        Results { last, count, since: at(since), usual: Some(61_500) }
    }

    pub(crate) fn platform(name: &str, idle: u64, busy: u64, queued: u64) -> PlatformStatus {
        PlatformStatus {
            platform: name.into(),
            idle,
            busy,
            queued,
            has_template: false,
            is_dropped: false,
            is_paused: false,
            pace: None,
        }
    }

    pub(crate) fn running(number: u8, job: &str, platform: &str, started: i64) -> Build {
        Build {
            uuid: uuid(number),
            job: job.into(),
            platform: platform.into(),
            started: at(started),
            queued: None,
            host: Some("::1".into()),
            end: None,
        }
    }

    pub(crate) fn waiting(job: &str, platform: &str, reason: Reason) -> QueueStatus {
        QueueStatus { platform: platform.into(), job: job.into(), reason, losses: 0, since: None }
    }

    pub(crate) fn server() -> ServerStatus {
        ServerStatus {
            version: "0.5.0".into(),
            started: at(0),
            under_way: 1,
            limit: 64,
            log_bytes: 5000,
            is_full: false,
            is_draining: false,
            has_history: true,
            free_bytes: Some(1_000_000_000),
            uploads: None,
            notices: None,
        }
    }

    /// One of everything, with a name that would clear a terminal.
    pub(crate) fn overview() -> Overview {
        let pace = Pace { losses: 4, next: at(10_001) };
        let hello = waiting("hello", "p", Reason::Losses(pace));
        let web = JobStatus {
            period: Period::Weekly,
            next: Time::NEVER,
            platform: None,
            package: Some("mirage-web".into()),
            ..job("web\x1b[2J", "", None)
        };
        let uploads = UploadsStatus {
            destination: "http://web/upload".into(),
            waiting: 7,
            first: vec![WaitingUpload { uuid: uuid(3), job: "hello".into() }],
            trouble: Some("refused".into()),
        };
        Overview {
            server: ServerStatus { uploads: Some(uploads), notices: Some(3), ..server() },
            platforms: vec![
                PlatformStatus { is_dropped: true, ..platform("gone", 0, 0, 0) },
                PlatformStatus { pace: Some(pace), ..platform("p", 0, 1, 1) },
                PlatformStatus { has_template: true, is_paused: true, ..platform("q", 0, 0, 1) },
            ],
            queued: vec![
                QueueStatus { losses: 1, since: Some(at(7200)), ..hello },
                waiting("web\x1b[2J", "q", Reason::Paused(Null)),
            ],
            running: vec![running(2, "hello", "p", 9000)],
            jobs: vec![job("hello", "p", Some(results(3600, Cause::Exited(1), 3, 1800))), web],
        }
    }
}
