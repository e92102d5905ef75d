//! How all is, found out part by part.
//!
//! A look at the server is one question about everything, and one for each job and platform whose last builds are not known.
//! Only jobs that have a newer result than at the look before are asked for, so a look usually takes a single question.

use super::collect::unexpected;
use super::limits::{FRESH_TIME, LOOK_TIME, RETRY_TIME};
use super::site::Refusal;
use super::snapshot::{Job, RECENT, Recent, Snapshot};
use crate::Now;
use builder_proto::command::Command;
use builder_proto::history::{Build, HistoryQuery};
use builder_proto::overview::{JobStatus, PlatformStatus, QueueStatus, ServerStatus};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// The last snapshot, and the look that makes the next one.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    current: Option<Rc<Snapshot>>,
    /// Grows when something has changed that people want to see.
    revision: u64,
    /// When the last look ended.
    looked: Option<Duration>,
    /// Why it failed, if it did.
    trouble: Option<String>,
    look: Option<Look>,
}

/// A look at the server.
#[derive(Debug, Default)]
struct Look {
    server: Option<ServerStatus>,
    platforms: Vec<PlatformStatus>,
    queued: Vec<QueueStatus>,
    running: Vec<Build>,
    jobs: Vec<JobStatus>,
    has_overview: bool,
    /// Jobs whose last builds are to be asked for.
    missing: VecDeque<usize>,
    /// Questions about them that are not answered.
    asked: usize,
    recent: BTreeMap<usize, Vec<Recent>>,
}

impl Snapshots {
    /// What is known.
    pub(super) fn current(&self) -> Option<&Rc<Snapshot>> {
        self.current.as_ref()
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// What counts now, without another look.
    pub(super) fn fresh(&self, now: Duration) -> Option<&Rc<Snapshot>> {
        let is_fresh = self.looked.is_some_and(|looked| now < looked + FRESH_TIME);
        self.current.as_ref().filter(|_| is_fresh)
    }

    /// Why the last look failed, if it did. In words.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    pub(super) fn is_looking(&self) -> bool {
        self.look.is_some()
    }

    /// When the next look is due for those who have a live page open.
    pub(super) fn next_look(&self) -> Duration {
        let pause = if self.trouble.is_some() { RETRY_TIME } else { LOOK_TIME };
        self.looked.map_or(Duration::ZERO, |looked| looked + pause)
    }

    /// Begins a look, with this question.
    pub(super) fn begin(&mut self) -> Command {
        self.look = Some(Look::default());
        Command::Overview
    }

    /// Takes a part of the answer to that.
    pub(super) fn take(&mut self, message: Command) -> Result<(), Refusal> {
        let Some(look) = &mut self.look else { return Ok(()) };
        match message {
            Command::ServerStatus(status) => look.server = Some(status),
            Command::PlatformStatus(platform) => look.platforms.push(platform),
            Command::QueueStatus(entry) => look.queued.push(entry),
            Command::Build(build) => look.running.push(build),
            Command::JobStatus(job) => look.jobs.push(job),
            message => return Err(unexpected(&message)),
        }
        Ok(())
    }

    /// The answer is complete, except for the last builds of some jobs.
    pub(super) fn take_overview(&mut self) {
        let Some(look) = &mut self.look else { return };
        look.jobs.sort_by(|one, other| (&one.job, &one.platform).cmp(&(&other.job, &other.platform)));
        look.running.sort_by_key(|build| (build.started, build.uuid()));
        look.has_overview = true;
        let jobs = self.current.as_ref().map(|snapshot| snapshot.jobs.as_slice()).unwrap_or_default();
        let known: BTreeMap<_, _> =
            jobs.iter().map(|job| ((&job.status.job, &job.status.platform), &job.recent)).collect();
        for (place, status) in look.jobs.iter().enumerate() {
            let Some(results) = &status.results else { continue };
            match known.get(&(&status.job, &status.platform)) {
                Some(recent) if recent.last().is_some_and(|last| last.uuid == results.last.uuid.0) => {
                    look.recent.insert(place, recent.to_vec());
                }
                _ => look.missing.push_back(place),
            }
        }
    }

    /// The next job whose last builds are to be asked for: a number for it, and the question.
    pub(super) fn next_question(&mut self) -> Option<(usize, HistoryQuery)> {
        let look = self.look.as_mut().filter(|look| look.has_overview)?;
        let place = look.missing.pop_front()?;
        look.asked += 1;
        let status = look.jobs.get(place)?;
        // Some of them may run.
        let running = look.running.iter().filter(|build| build.job == status.job).count();
        let query = HistoryQuery {
            job: Some(status.job.clone()),
            platform: status.platform.clone(),
            limit: Some((RECENT + running) as u64),
            ..HistoryQuery::default()
        };
        Some((place, query))
    }

    /// The last builds of a job, as far as the server says.
    pub(super) fn take_builds(&mut self, place: usize, builds: &[Build]) {
        let Some(look) = &mut self.look else { return };
        look.asked = look.asked.saturating_sub(1);
        let mut recent: Vec<Recent> = builds.iter().filter_map(Recent::of).take(RECENT).collect();
        recent.reverse();
        look.recent.insert(place, recent);
    }

    /// Whether everything has been answered.
    pub(super) fn is_complete(&self) -> bool {
        self.look.as_ref().is_some_and(|look| look.has_overview && look.missing.is_empty() && look.asked == 0)
    }

    /// Ends a look that is complete.
    pub(super) fn finish(&mut self, now: Now) {
        let Some(mut look) = self.look.take() else { return };
        self.looked = Some(now.monotonic);
        let Some(server) = look.server.take() else {
            return self.note_trouble("it said nothing of itself".to_owned());
        };
        let recent = &mut look.recent;
        let jobs = look.jobs.into_iter().enumerate();
        let jobs =
            jobs.map(|(place, status)| Job { status, recent: recent.remove(&place).unwrap_or_default() });
        let mut snapshot = Snapshot {
            taken: now.wall,
            revision: self.revision,
            trouble: None,
            server,
            platforms: look.platforms,
            queued: look.queued,
            running: look.running,
            jobs: jobs.collect(),
        };
        self.trouble = None;
        if self.current.as_ref().is_none_or(|before| !is_alike(before, &snapshot)) {
            self.revision += 1;
            snapshot.revision = self.revision;
        }
        self.current = Some(Rc::new(snapshot));
    }

    /// Ends a look that led to nothing. What was known before is shown with the reason, in words.
    pub(super) fn fail(&mut self, now: Duration, reason: String) {
        self.look = None;
        self.looked = Some(now);
        self.note_trouble(reason);
    }

    fn note_trouble(&mut self, reason: String) {
        if let Some(snapshot) = &mut self.current
            && snapshot.trouble.as_ref() != Some(&reason)
        {
            self.revision += 1;
            let snapshot = Rc::make_mut(snapshot);
            snapshot.trouble = Some(reason.clone());
            snapshot.revision = self.revision;
        }
        self.trouble = Some(reason);
    }
}

/// Whether people need not be told: nothing is different but what changes all the time.
fn is_alike(before: &Snapshot, after: &Snapshot) -> bool {
    let Snapshot { taken: _, revision: _, trouble, server, platforms, queued, running, jobs } = before;
    let steady = |server: &ServerStatus| ServerStatus { log_bytes: 0, free_bytes: None, ..server.clone() };
    *trouble == after.trouble
        && steady(server) == steady(&after.server)
        && *platforms == after.platforms
        && *queued == after.queued
        && *running == after.running
        && *jobs == after.jobs
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::Uuid;
    use builder_proto::history::{BuildEnd, Cause};
    use builder_proto::overview::{LastBuild, Results};
    use builder_proto::time::{Period, Time};
    use builder_proto::wire::RawUuid;

    fn at(seconds: u64) -> Now {
        let wall = Time::from_unix_milliseconds(i64::try_from(seconds).unwrap() * 1000);
        Now { wall, monotonic: Duration::from_secs(seconds) }
    }

    fn server() -> ServerStatus {
        ServerStatus {
            version: "0.5.0".into(),
            started: Time::UNIX_EPOCH,
            under_way: 0,
            limit: 64,
            log_bytes: 1,
            is_full: false,
            is_draining: false,
            has_history: true,
            free_bytes: Some(2),
            uploads: None,
            notices: None,
        }
    }

    fn build(number: u8, end: Option<Cause>) -> Build {
        Build {
            uuid: RawUuid(Uuid::from_bytes([number; 16])),
            job: "j".into(),
            platform: "p".into(),
            started: at(number.into()).wall,
            queued: None,
            host: None,
            end: end.map(|cause| BuildEnd::new(at(u64::from(number) + 1).wall, cause)),
        }
    }

    fn job(last: u8) -> JobStatus {
        let build = build(last, Some(Cause::Exited(0)));
        let last = LastBuild {
            uuid: build.uuid,
            started: build.started,
            finished: build.started,
            cause: Cause::Exited(0),
        };
        let results = Results { last, count: 1, since: Time::UNIX_EPOCH, usual: None };
        JobStatus {
            job: "j".into(),
            period: Period::Daily,
            next: Time::UNIX_EPOCH,
            platform: Some("p".into()),
            package: None,
            results: Some(results),
            settings: None,
        }
    }

    /// A look at which the last build of the job is this one; says what else was asked.
    fn look(snapshots: &mut Snapshots, now: u64, server: ServerStatus, last: u8) -> Vec<HistoryQuery> {
        assert_eq!(snapshots.begin(), Command::Overview);
        snapshots.take(Command::ServerStatus(server)).unwrap();
        snapshots.take(Command::Build(build(9, None))).unwrap();
        snapshots.take(Command::JobStatus(job(last))).unwrap();
        assert!(!snapshots.is_complete());
        snapshots.take_overview();
        let mut asked = Vec::new();
        while let Some((place, query)) = snapshots.next_question() {
            assert!(!snapshots.is_complete());
            let builds =
                [build(9, None), build(last, Some(Cause::Exited(0))), build(1, Some(Cause::Exited(1)))];
            snapshots.take_builds(place, &builds);
            asked.push(query);
        }
        assert!(snapshots.is_complete());
        snapshots.finish(at(now));
        asked
    }

    #[test]
    fn only_jobs_with_a_new_result_are_asked_for() {
        let mut snapshots = Snapshots::default();
        let asked = look(&mut snapshots, 10, server(), 2);
        let query = HistoryQuery {
            job: Some("j".into()),
            platform: Some("p".into()),
            limit: Some(21),
            ..HistoryQuery::default()
        };
        assert_eq!(asked, std::slice::from_ref(&query), "one of them runs");
        let snapshot = snapshots.current().unwrap();
        let uuids =
            |job: &Job| job.recent.iter().map(|recent| recent.uuid.as_bytes()[0]).collect::<Vec<u8>>();
        assert_eq!(uuids(&snapshot.jobs[0]), [1, 2], "the first comes first");
        assert_eq!(look(&mut snapshots, 20, server(), 2), []);
        assert_eq!(uuids(&snapshots.current().unwrap().jobs[0]), [1, 2]);
        assert_eq!(look(&mut snapshots, 30, server(), 3), [query]);
    }

    #[test]
    fn people_are_told_of_what_they_see() {
        let mut snapshots = Snapshots::default();
        look(&mut snapshots, 10, server(), 2);
        let first = snapshots.revision();
        look(&mut snapshots, 20, ServerStatus { log_bytes: 7, free_bytes: None, ..server() }, 2);
        assert_eq!(snapshots.revision(), first, "this changes all the time");
        assert_eq!(snapshots.current().unwrap().server.log_bytes, 7);
        look(&mut snapshots, 30, ServerStatus { is_draining: true, ..server() }, 2);
        assert_eq!(snapshots.revision(), first + 1);
    }

    #[test]
    fn what_was_known_is_shown_with_the_reason_why_nothing_newer_is() {
        let mut snapshots = Snapshots::default();
        snapshots.begin();
        snapshots.fail(at(1).monotonic, "refused".to_owned());
        assert_eq!((snapshots.current(), snapshots.is_looking()), (None, false));
        look(&mut snapshots, 10, server(), 2);
        let told = snapshots.revision();
        for _ in 0..2 {
            snapshots.begin();
            snapshots.fail(at(20).monotonic, "gone".to_owned());
            let snapshot = snapshots.fresh(at(20).monotonic).unwrap();
            assert_eq!((snapshot.trouble.as_deref(), snapshot.taken), (Some("gone"), at(10).wall));
            assert_eq!(snapshots.revision(), told + 1, "once is enough");
        }
        assert_eq!(snapshots.next_look(), at(20).monotonic + RETRY_TIME);
        look(&mut snapshots, 30, server(), 2);
        assert_eq!(snapshots.current().unwrap().trouble, None);
        assert_eq!(snapshots.next_look(), at(30).monotonic + LOOK_TIME);
        assert_eq!(snapshots.fresh(at(31).monotonic), None);
    }
}
