//! Moving in from builder 0.4.0, and out again: its `state` file against our records.
//!
//! ```
//! use builder_engine::server::migration::{export, import};
//! use builder_proto::job::{Job, ScheduleItem, ScriptJob};
//! use builder_proto::state_file::{StateFile, StateItem};
//! use builder_proto::time::{Period, Time};
//!
//! let job = ScriptJob { name: "hello".into(), script: "echo hello".into(), platform: "debian-12".into() };
//! let item = ScheduleItem { next: Time::UNIX_EPOCH, period: Period::Daily, job: Job::Script(job) };
//! let file = StateFile { items: vec![StateItem::Schedule(item.clone())] };
//! let (state, warnings) = import(file);
//! assert_eq!(state.summary(), "1 scheduled, 0 queued, 0 running");
//! assert!(warnings.is_empty(), "all of it could be taken over");
//! assert!(export(&state).items.contains(&StateItem::Schedule(item)));
//! ```

use crate::environment::Environment;
use crate::names::{NameKind, check_name};
use crate::server::admission::check_job;
use crate::server::queue::Queue;
use crate::server::record::{Enqueued, Record};
use crate::server::state::State;
use builder_proto::job::{Job, ScheduleItem};
use builder_proto::state_file::{StateFile, StateItem};
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};

/// The state that a file of 0.4.0 describes, and what of it could not be taken over, for people.
///
/// A job that is queued but no longer scheduled, which 0.4.0 leaves behind when a worker is lost after `unschedule`, becomes a
/// job with period `never`: it still runs once, and can be seen and removed.
pub fn import(file: StateFile) -> (State, Vec<String>) {
    let mut import = Import { state: State::default(), warnings: Vec::new() };
    let (mut schedule, mut queues) = (Vec::new(), Vec::new());
    for item in file.items {
        match item {
            StateItem::Schedule(item) => schedule.push(item),
            StateItem::Queue { platform, jobs } => queues.push((platform, jobs)),
            StateItem::Dropped { platform } => import.drop_platform(platform),
        }
    }
    // Each kind needs those before: what platforms are dropped, then which jobs there are.
    for item in schedule {
        import.schedule(item);
    }
    for (platform, jobs) in queues {
        import.queue(&platform, jobs);
    }
    (import.state, import.warnings)
}

/// The file from which 0.4.0 goes on. It has no notion of running builds in its state: they go to the front of their queues. Nor
/// has it any notion of environments: see [`runs_with_environment`].
pub fn export(state: &State) -> StateFile {
    let mut queues = state.queues.clone();
    let mut running: Vec<_> = state.running.iter().collect();
    running.sort_by_key(|(uuid, build)| core::cmp::Reverse((build.started, **uuid)));
    for (_, build) in running {
        if build.environment.is_empty()
            && let Some(job) = state.runnable(build.script.name(), &build.platform)
            && let Some(queue) = queues.get_mut(&build.platform)
        {
            queue.push_front(job.clone(), Environment::default(), None);
        }
    }
    let schedule = state.schedule.items().map(|item| StateItem::Schedule(item.to_schedule_item()));
    let queues = queues.iter().map(|(platform, queue)| StateItem::Queue {
        platform: platform.clone(),
        jobs: queue
            .places()
            .filter(|place| place.environment.is_empty())
            .map(|place| (*place.job).clone())
            .collect(),
    });
    let dropped = state.dropped.iter().map(|platform| StateItem::Dropped { platform: platform.clone() });
    StateFile { items: schedule.chain(queues).chain(dropped).collect() }
}

/// How many builds are queued or run in an environment of their own, which [`export`] leaves out.
pub fn runs_with_environment(state: &State) -> usize {
    let queued = state.queues.values().flat_map(Queue::places).map(|place| &place.environment);
    let environments = queued.chain(state.running.values().map(|build| &build.environment));
    environments.filter(|environment| !environment.is_empty()).count()
}

struct Import {
    state: State,
    warnings: Vec<String>,
}

impl Import {
    fn drop_platform(&mut self, platform: Text) {
        match check_name(NameKind::Platform, &platform) {
            Ok(()) => self.apply(&Record::Dropped(platform)),
            Err(error) => self.warnings.push(format!("left out a dropped platform: {error}")),
        }
    }

    fn schedule(&mut self, item: ScheduleItem) {
        if let Err(error) = check_job(&item.job) {
            self.warnings.push(format!("left out a scheduled job: {error}"));
            return;
        }
        let platform = platform_of(&item.job).cloned();
        if let Some(platform) = platform.as_ref().filter(|platform| self.state.dropped.contains(*platform)) {
            let name = item.job.name();
            self.warnings.push(format!("left out job {name}: its platform {platform} is dropped"));
            return;
        }
        // Nothing says whether a person chose the next run, so it stands until then.
        self.apply(&Record::Scheduled(item));
        if let Some(platform) = platform {
            self.apply(&Record::PlatformAdded(platform));
        }
    }

    fn queue(&mut self, platform: &Text, jobs: Vec<Job>) {
        if let Err(error) = check_name(NameKind::Platform, platform) {
            self.warnings.push(format!("left out a queue: {error}"));
            return;
        }
        if self.state.dropped.contains(platform) {
            self.warnings.push(format!("left out the queue of platform {platform}, which is dropped"));
            return;
        }
        self.apply(&Record::PlatformAdded(platform.clone()));
        for job in jobs {
            let name = job.name().clone();
            if self.state.schedule.get(&name).is_none() {
                self.schedule_orphan(job);
            }
            if self.state.schedule.get(&name).is_some() {
                self.apply(&Record::Enqueued(Enqueued {
                    platform: platform.clone(),
                    name,
                    front: false,
                    at: None,
                    environment: None,
                }));
            }
        }
    }

    /// Gives a queued job a place in the schedule, so that it can be seen and removed.
    fn schedule_orphan(&mut self, job: Job) {
        let name = job.name().clone();
        self.schedule(ScheduleItem { next: Time::NEVER, period: Period::Never, job });
        if self.state.schedule.get(&name).is_some() {
            self.warnings.push(format!(
                "job {name} was queued but not scheduled; it is now scheduled with period never"
            ));
        }
    }

    fn apply(&mut self, record: &Record) {
        if let Err(problem) = self.state.apply(record) {
            self.warnings.push(format!("left out an item: {problem}"));
        }
    }
}

fn platform_of(job: &Job) -> Option<&Text> {
    match job {
        Job::Script(script) => Some(&script.platform),
        Job::OrbBuild(_) => None,
    }
}
