//! One life of the server: the driver that ships, on a platform of simulated disk, network and threads. Nothing is decided here.

mod log_directory;
mod system;
mod tasks;

use crate::environment::{Environment, say};
use builder_engine::driver::{
    ConnectionLimits, Driver, Event, Limits, Next, NoticeEnd, RotationLimits, Settings, StartError,
    StopReason, UploadEnd, Uploads,
};
use builder_engine::log::{OpenError, WriteError};
use builder_engine::server::{State, UploadSettings};
use builder_proto::Uuid;
use builder_tests::world::Random;
use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;
use system::System;
use tasks::Tasks;

/// The longest that an upload may take, beside the time that its process has to say so itself.
const UPLOAD_TIME: std::time::Duration = std::time::Duration::from_secs(1);

/// The longest that a program may take which is told of a build.
const NOTICE_TIME: Duration = Duration::from_secs(1);

/// One life of the server.
pub(crate) struct Server {
    driver: Driver<System>,
    environment: Rc<Environment>,
    tasks: Rc<RefCell<Tasks>>,
    /// Whether it was told to stop.
    is_stopping: bool,
}

/// Why a server does not start, or stops by itself.
#[derive(Debug)]
pub(crate) enum Stop {
    Start(StartError),
    Turn(StopReason),
}

impl Server {
    /// Starts, up to where the first turn is over.
    pub(crate) fn start(
        environment: &Rc<Environment>,
        life: u64,
        salvage: bool,
        mut random: Random,
    ) -> Result<Server, Stop> {
        let tasks = Rc::new(RefCell::new(Tasks::new(life, random.fork())));
        let settings = settings(environment, salvage);
        let system = System::new(environment.clone(), life, random, tasks.clone());
        let driver = Driver::start(system, settings).map_err(Stop::Start)?;
        say!(environment, "started, {}", driver.server().state().summary());
        Ok(Server { driver, environment: environment.clone(), tasks, is_stopping: false })
    }

    /// Takes a turn, after all that has happened was told.
    pub(crate) fn turn(&mut self) -> Result<Next, StopReason> {
        for event in self.driver.platform().network_events() {
            self.driver.notice(event);
        }
        while let Some(outcome) = self.next_outcome() {
            self.driver.notice(Event::TaskDone(outcome));
        }
        self.driver.turn()
    }

    fn next_outcome(&self) -> Option<builder_engine::driver::Outcome<builder_tests::world::DataDirectory>> {
        self.tasks.borrow_mut().next_outcome()
    }

    /// Goes on with a task of a thread; true when the server has to look at what came of it.
    pub(crate) fn step(&mut self, task: u64) -> bool {
        self.tasks.borrow_mut().step(&self.environment, task)
    }

    /// A process that uploaded has ended, unless it was known before.
    pub(crate) fn upload_ended(&mut self, process: u64, end: UploadEnd) {
        if self.driver.platform().reap_upload(process) {
            self.driver.notice(Event::UploadEnded(end));
        }
    }

    /// A program that was told of a build has ended, unless it was known before.
    pub(crate) fn notice_ended(&mut self, process: u64, uuid: Uuid, end: NoticeEnd) {
        if self.driver.platform().reap_notice(process, uuid) {
            self.driver.notice(Event::NoticeEnded { uuid, end });
        }
    }

    /// As after SIGHUP.
    pub(crate) fn reload(&mut self) {
        self.driver.notice(Event::Reload);
    }

    /// As after SIGTERM.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
        self.driver.notice(Event::Stop);
    }

    /// Whether it has been told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// The state as a snapshot would hold it.
    pub(crate) fn state(&self) -> &State {
        self.driver.server().state()
    }

    /// The builds that the history has; none while the disk keeps its file from being opened.
    pub(crate) fn remembered(&self) -> Option<Vec<Uuid>> {
        self.driver.remembered().map(Iterator::collect)
    }

    /// When the server has something to do without anything happening, in monotonic time. One that stops does nothing more.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.driver.server().next_deadline().filter(|_| !self.is_stopping)
    }

    /// Whether nothing is under way that would go on without anybody's doing.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.driver.is_at_rest() && self.tasks.borrow().is_empty()
    }
}

fn settings(environment: &Environment, salvage: bool) -> Settings {
    let plan = &environment.plan;
    Settings {
        server: plan.settings,
        salvage,
        // In the end there are enough places for all.
        connections: if environment.is_calm.get() { 10_000 } else { plan.connections },
        uploads: environment.uploads().then(|| Uploads {
            settings: UploadSettings {
                destination: "https://builds.example".to_owned(),
                keep_local: plan.keeps_uploaded,
            },
            time_limit: Some(UPLOAD_TIME),
        }),
        metrics: plan.metrics,
        notices: plan.notices.then_some(NOTICE_TIME),
        limits: Limits {
            read: 4096,
            observer_outbox: 500,
            small_result: plan.small_result_bytes,
            log_rotation: plan.rotation_bytes,
            log_preallocated: plan.preallocated_bytes,
            connections: ConnectionLimits { accepts: 3, outbox_bytes: 2_000 },
            // Far less than the real ones, as here no disk has more than this unless it has plenty.
            rotation: RotationLimits {
                short_bytes: 4 * 1024 * 1024,
                worthwhile_bytes: 2_000,
                reserve_bytes: plan.reserve_bytes,
            },
        },
    }
}

impl Stop {
    /// Whether it stopped for want of room on the disk.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Stop::Turn(reason) | Stop::Start(StartError::Stopped(reason)) => {
                matches!(reason, StopReason::Log(WriteError::Full(_)))
            }
            Stop::Start(StartError::File { error, .. }) => error.kind() == ErrorKind::StorageFull,
            Stop::Start(StartError::Log(OpenError::Storage(error))) => error.is_full(),
            Stop::Start(_) => false,
        }
    }

    /// Whether it stopped because the disk failed, as far as it can tell.
    pub(crate) fn is_disk_failure(&self) -> bool {
        match self {
            Stop::Turn(reason) | Stop::Start(StartError::Stopped(reason)) => {
                matches!(
                    reason,
                    StopReason::Log(WriteError::Failed(_)) | StopReason::Results(_) | StopReason::History(_)
                )
            }
            Stop::Start(StartError::File { .. }) => true,
            Stop::Start(StartError::Log(OpenError::Storage(error))) => !error.is_full(),
            Stop::Start(_) => false,
        }
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Start(error) => write!(f, "cannot start: {error}"),
            Stop::Turn(reason) => write!(f, "{reason}"),
        }
    }
}
