//! What an answer to `info` holds, and the part of it that was asked for.

use crate::wording::most_similar;
use builder_proto::Uuid;
use builder_proto::command::{InfoReply, QueueInfo, RunningInfo, UPLOADS};
use builder_proto::job::Job;
use builder_proto::text::Text;
use std::collections::BTreeSet;
use std::fmt;

/// Which jobs are meant. All of them, if nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct InfoFilter {
    /// Only jobs of these names, unless there are none.
    pub(super) jobs: Vec<Text>,
    /// Only what belongs to this platform: its script jobs, and others where they run or wait there.
    pub(super) platform: Option<Text>,
}

/// Which builds are meant.
#[derive(Debug, Default)]
pub(super) struct BuildFilter {
    /// Only on this platform.
    pub(super) platform: Option<Text>,
    /// Only of this job.
    pub(super) job: Option<Text>,
}

/// What a filter names, and the server does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UnknownName {
    /// No job of this name is scheduled, waits or runs. Another one may be meant.
    Job(Text, Option<String>),
    /// The same for a platform.
    Platform(Text, Option<String>),
}

impl InfoFilter {
    /// Leaves out what is not meant.
    ///
    /// # Errors
    ///
    /// When there is no such job or platform at all, as silence would look like an answer.
    pub(super) fn apply(&self, reply: &InfoReply) -> Result<InfoReply, UnknownName> {
        self.check(reply)?;
        let mut reply = reply.clone();
        if let Some(platform) = &self.platform {
            keep_platform(&mut reply, platform);
        }
        if !self.jobs.is_empty() {
            self.keep_jobs(&mut reply);
        }
        Ok(reply)
    }

    fn check(&self, reply: &InfoReply) -> Result<(), UnknownName> {
        if let Some(platform) = &self.platform {
            let running = reply.running.iter().map(|build| &build.job.platform);
            let known: BTreeSet<&Text> =
                platforms(reply).chain(&reply.dropped_platforms).chain(running).collect();
            if !known.contains(platform) {
                return Err(UnknownName::Platform(platform.clone(), meant(platform, &known)));
            }
        }
        let waiting = reply.queues.iter().flat_map(|queue| &queue.jobs).map(Job::name);
        let running = reply.running.iter().map(|build| &build.job.name);
        let known: BTreeSet<&Text> =
            reply.schedule.iter().map(|item| item.job.name()).chain(waiting).chain(running).collect();
        match self.jobs.iter().find(|name| !known.contains(name)) {
            Some(unknown) => Err(UnknownName::Job(unknown.clone(), meant(unknown, &known))),
            None => Ok(()),
        }
    }

    fn keep_jobs(&self, reply: &mut InfoReply) {
        let is_meant = |name: &Text| self.jobs.contains(name);
        reply.schedule.retain(|item| is_meant(item.job.name()));
        reply.running.retain(|build| is_meant(&build.job.name));
        for queue in &mut reply.queues {
            queue.jobs.retain(|job| is_meant(job.name()));
        }
        reply.queues.retain(|queue| !queue.jobs.is_empty());
        reply.dropped_platforms.clear();
    }
}

impl BuildFilter {
    /// The build that started last, of those that are meant.
    pub(super) fn find_latest<'a>(&self, reply: &'a InfoReply) -> Option<&'a RunningInfo> {
        let is_meant = |build: &&RunningInfo| {
            self.job.as_ref().is_none_or(|name| *name == build.job.name)
                && self.platform.as_ref().is_none_or(|platform| *platform == build.job.platform)
        };
        reply.running.iter().filter(is_meant).max_by_key(|build| build.started)
    }
}

/// Follows the words "no build".
impl fmt::Display for BuildFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(job) = &self.job {
            write!(f, " of job {job}")?;
        }
        if let Some(platform) = &self.platform {
            write!(f, " on platform {platform}")?;
        }
        Ok(())
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name, meant) = match self {
            UnknownName::Job(name, meant) => ("job", name, meant),
            UnknownName::Platform(name, meant) => ("platform", name, meant),
        };
        match meant {
            Some(meant) => write!(f, "there is no {kind} {name}; did you mean {meant}?"),
            None => write!(f, "there is no {kind} {name}; 'builder-client info' shows all"),
        }
    }
}

/// What waits to be uploaded says nothing about platforms, and is left out.
fn keep_platform(reply: &mut InfoReply, platform: &Text) {
    let here: BTreeSet<Text> = queues(reply)
        .filter(|queue| queue.platform == *platform)
        .flat_map(|queue| queue.jobs.iter().map(|job| job.name().clone()))
        .chain(
            reply
                .running
                .iter()
                .filter(|build| build.job.platform == *platform)
                .map(|build| build.job.name.clone()),
        )
        .collect();
    reply.schedule.retain(|item| match &item.job {
        Job::Script(script) => script.platform == *platform,
        Job::OrbBuild(build) => here.contains(&build.name),
    });
    reply.queues.retain(|queue| queue.platform == *platform && upload_destination(queue).is_none());
    reply.running.retain(|build| build.job.platform == *platform);
    reply.dropped_platforms.retain(|dropped| dropped == platform);
}

fn meant(name: &Text, known: &BTreeSet<&Text>) -> Option<String> {
    most_similar(&name.to_string(), known.iter().map(|known| known.to_string()))
}

/// The build with this uuid, if it runs.
pub(super) fn find_running(reply: &InfoReply, uuid: Uuid) -> Option<&RunningInfo> {
    reply.running.iter().find(|build| build.uuid == uuid)
}

/// Where the results of this queue go, when it is not a queue of jobs; see [`UPLOADS`].
pub(super) fn upload_destination(queue: &QueueInfo) -> Option<&[u8]> {
    queue.platform.as_bytes().strip_prefix(UPLOADS.as_bytes())
}

/// The build whose result waits to be uploaded; see [`UPLOADS`].
pub(super) fn upload_uuid(job: &Job) -> &Text {
    match job {
        Job::Script(job) => &job.platform,
        Job::OrbBuild(job) => &job.opam_package,
    }
}

/// The queues of jobs.
pub(super) fn queues(reply: &InfoReply) -> impl Iterator<Item = &QueueInfo> {
    reply.queues.iter().filter(|queue| upload_destination(queue).is_none())
}

/// The platforms that have a queue.
pub(super) fn platforms(reply: &InfoReply) -> impl Iterator<Item = &Text> {
    queues(reply).map(|queue| &queue.platform)
}

/// The platforms on which this job waits, and behind how many others.
pub(super) fn queued<'a>(reply: &'a InfoReply, name: &'a Text) -> impl Iterator<Item = (&'a Text, usize)> {
    let position = move |queue: &QueueInfo| queue.jobs.iter().position(|job| job.name() == name);
    queues(reply).filter_map(move |queue| Some((&queue.platform, position(queue)?)))
}

/// Answers of a server, for tests.
#[cfg(test)]
pub(super) mod samples {
    use builder_proto::Uuid;
    use builder_proto::command::{InfoReply, QueueInfo, RunningInfo};
    use builder_proto::job::{Job, OrbBuildJob, ScheduleItem, ScriptJob};
    use builder_proto::time::{Period, Time};

    /// One of everything, with a name that would clear a terminal.
    pub(crate) fn info_reply() -> InfoReply {
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
    pub(crate) fn uploads() -> QueueInfo {
        let waiting = Job::Script(script("hello", &Uuid::from_bytes([3; 16]).to_string()));
        QueueInfo { platform: "uploads to http://web/upload; refused".into(), jobs: vec![waiting] }
    }

    pub(crate) fn script(name: &str, platform: &str) -> ScriptJob {
        ScriptJob { name: name.into(), script: "#!/bin/sh\n".into(), platform: platform.into() }
    }

    fn running(number: u8, started: i64, name: &str, platform: &str) -> RunningInfo {
        RunningInfo {
            started: Time::from_unix_milliseconds(started),
            uuid: Uuid::from_bytes([number; 16]),
            job: script(name, platform),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::info_filter::samples::{info_reply, uploads};

    fn filter(jobs: &[&str], platform: Option<&str>) -> InfoFilter {
        InfoFilter {
            jobs: jobs.iter().map(|name| Text::from(*name)).collect(),
            platform: platform.map(Text::from),
        }
    }

    /// The names of what is kept: scheduled, queued, running, dropped.
    fn kept(jobs: &[&str], platform: Option<&str>) -> [Vec<String>; 4] {
        let mut reply = info_reply();
        reply.queues.push(uploads());
        let reply = filter(jobs, platform).apply(&reply).unwrap();
        let queued = reply
            .queues
            .iter()
            .flat_map(|queue| queue.jobs.iter().map(|job| format!("{} {}", queue.platform, job.name())));
        [
            reply.schedule.iter().map(|item| item.job.name().to_string()).collect(),
            queued.collect(),
            reply.running.iter().map(|build| build.uuid.to_string()[..2].to_owned()).collect(),
            reply.dropped_platforms.iter().map(Text::to_string).collect(),
        ]
    }

    #[test]
    fn only_what_is_meant_is_kept() {
        let upload = "uploads to http://web/upload; refused hello";
        assert_eq!(
            kept(&["hello"], None),
            [vec!["hello"], vec!["freebsd-13 hello", upload], vec!["02"], vec![]]
        );
        assert_eq!(kept(&["web", "hello"], None)[0], ["web", "hello"]);
        assert_eq!(
            kept(&[], Some("freebsd-13")),
            [vec!["web", "hello"], vec!["freebsd-13 hello", "freebsd-13 web"], vec![], vec![]]
        );
        assert_eq!(kept(&[], Some("p")), [vec![], vec![], vec!["02"], vec![] as Vec<&str>]);
        assert_eq!(kept(&[], Some("gone"))[3], ["gone"]);
        assert_eq!(kept(&["web"], Some("freebsd-13"))[1], ["freebsd-13 web"]);
        assert_eq!(filter(&[], None).apply(&info_reply()).unwrap(), info_reply());
    }

    #[test]
    fn what_there_is_not_is_an_error_that_says_what_may_be_meant() {
        let refusal =
            |jobs: &[&str], platform| filter(jobs, platform).apply(&info_reply()).unwrap_err().to_string();
        assert_eq!(refusal(&["hello", "helo"], None), "there is no job helo; did you mean hello?");
        assert_eq!(refusal(&["site"], None), "there is no job site; 'builder-client info' shows all");
        assert_eq!(
            refusal(&[], Some("freebsd-14")),
            "there is no platform freebsd-14; did you mean freebsd-13?"
        );
        assert_eq!(refusal(&[], Some("vax")), "there is no platform vax; 'builder-client info' shows all");
    }

    #[test]
    fn the_latest_build_is_the_one_that_started_last_of_those_meant() {
        let latest = |job: Option<&str>, platform: Option<&str>| {
            let filter = BuildFilter { job: job.map(Text::from), platform: platform.map(Text::from) };
            filter.find_latest(&info_reply()).map(|build| build.uuid.as_bytes()[0])
        };
        assert_eq!(latest(None, None), Some(2));
        assert_eq!(latest(None, Some("q")), Some(1));
        assert_eq!(latest(Some("hello"), None), Some(2));
        assert_eq!(latest(Some("hello"), Some("q")), None);
    }
}
