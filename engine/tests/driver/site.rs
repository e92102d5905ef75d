//! A driver on its platform, and what tests do with both in one call.

use crate::platform::{Line, Machine};
use builder_engine::driver::{
    Driver, Event, Limits, Next, Settings, StartError, StopReason, TaskKind, Uploads,
};
use builder_engine::limits::{NOTICE_TIME, WRITE_BACK_TIME};
use builder_engine::server::{self, ConnectionId, UploadSettings};
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType, append_output_frame};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use builder_proto::job::{File, ScriptJob};
use builder_proto::job_settings::JobSettings;
use builder_proto::time::Period;
use builder_proto::{Uuid, WORKER_VERSION};
use builder_tests::world::DataDirectory;
use std::time::Duration;

/// The longest frame that a test looks at.
const FRAME_BYTES: u64 = 1 << 25;

pub(crate) struct Site {
    pub(crate) driver: Driver<Machine>,
    settings: Settings,
    /// How many connections there have been.
    connections: ConnectionId,
    /// How it goes on after the last turn.
    pub(crate) next: Next,
}

pub(crate) fn settings() -> Settings {
    Settings {
        server: server::Settings {
            job_time: Duration::from_secs(3600),
            defaults: JobSettings::NONE,
            artifact_bytes: 1 << 20,
            console_bytes: 1 << 30,
            builds: 100,
            observers: 100,
        },
        salvage: false,
        connections: 100,
        uploads: None,
        metrics: false,
        notices: None,
        limits: Limits { log_preallocated: 0, ..Limits::default() },
    }
}

pub(crate) fn uploading() -> Settings {
    let settings = settings();
    let uploads = UploadSettings { destination: "https://builds.example".to_owned(), keep_local: false };
    Settings { uploads: Some(Uploads { settings: uploads, time_limit: None }), ..settings }
}

/// A program is told of builds.
pub(crate) fn notifying() -> Settings {
    Settings { notices: Some(NOTICE_TIME), ..settings() }
}

/// Results go straight to their files, and none into the log.
pub(crate) fn large_results() -> Settings {
    let settings = settings();
    Settings { limits: Limits { small_result: 0, ..settings.limits }, ..settings }
}

impl Site {
    pub(crate) fn new(settings: Settings) -> Site {
        // The log is alone on its disk.
        let (files, log) = (DataDirectory::alone(), DataDirectory::alone().log());
        Site::start(Machine::new(Duration::from_secs(1), files, log), settings).unwrap()
    }

    pub(crate) fn start(machine: Machine, settings: Settings) -> Result<Site, StartError> {
        let driver = Driver::start(machine, settings.clone())?;
        let mut site = Site { driver, settings, connections: 0, next: Next::Over };
        site.turn();
        Ok(site)
    }

    /// The server is killed, and another one starts a second later with what the first left.
    pub(crate) fn restart(self) -> Site {
        let settings = self.settings.clone();
        self.restart_with(settings)
    }

    /// The same with other settings.
    pub(crate) fn restart_with(mut self, settings: Settings) -> Site {
        Site::start(self.successor(), settings).unwrap()
    }

    /// The platform of the next server.
    pub(crate) fn successor(&mut self) -> Machine {
        let machine = self.machine();
        Machine::new(machine.time + Duration::from_secs(1), machine.files.clone(), machine.log.clone())
    }

    pub(crate) fn machine(&mut self) -> &mut Machine {
        self.driver.platform()
    }

    pub(crate) fn try_turn(&mut self) -> Result<(), StopReason> {
        self.next = self.driver.turn()?;
        Ok(())
    }

    pub(crate) fn turn(&mut self) {
        self.try_turn().unwrap();
    }

    pub(crate) fn tell(&mut self, event: Event<DataDirectory>) {
        self.driver.notice(event);
        self.turn();
    }

    /// Takes turns until nothing more is to be done at this time.
    pub(crate) fn turns(&mut self) {
        for _ in 0..10_000 {
            self.turn();
            let now = self.machine().time;
            if !matches!(self.next, Next::Turn(Some(at)) if at <= now) {
                return;
            }
        }
        panic!("the server spins");
    }

    /// Has threads do what they were given. Nothing is told of it yet.
    pub(crate) fn finish_tasks(&mut self) {
        self.finish_tasks_but_for(None);
    }

    fn finish_tasks_but_for(&mut self, spared: Option<TaskKind>) {
        let files = self.machine().files.clone();
        let tasks = core::mem::take(&mut self.machine().tasks);
        let (kept, done) = tasks.into_iter().partition(|task| spared == Some(task.kind()));
        self.machine().tasks = kept;
        for task in Vec::from(done) {
            if let Some(outcome) = task.run(&files) {
                self.driver.notice(Event::TaskDone(outcome));
            }
        }
    }

    /// Everything that can be done at this time is done.
    pub(crate) fn rest(&mut self) {
        self.rest_but_for(None);
    }

    /// The same, but no thread comes to the tasks of one kind.
    pub(crate) fn rest_but_for(&mut self, spared: impl Into<Option<TaskKind>>) {
        let spared = spared.into();
        self.turns();
        while self.machine().tasks.iter().any(|task| spared != Some(task.kind())) {
            self.finish_tasks_but_for(spared);
            self.turns();
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.machine().time += time;
    }

    /// Time until the next turn is to be taken without anything happening.
    pub(crate) fn pause(&mut self) -> Option<Duration> {
        let Next::Turn(next) = self.next else { panic!("it has stopped") };
        let now = self.machine().time;
        next.map(|at| at.saturating_sub(now))
    }

    /// A peer that has said all this when it is accepted, in the next turn.
    pub(crate) fn connect(&mut self, said: &[Command]) -> ConnectionId {
        let said = said.iter().flat_map(|command| command.to_frame().unwrap()).collect();
        self.machine().waiting.push_back(Line::new(said));
        self.driver.notice(Event::Pending(0));
        self.connections += 1;
        self.connections
    }

    /// A client with a command.
    pub(crate) fn client(&mut self, command: Command) -> ConnectionId {
        let version = command.kind().client_version();
        self.connect(&[Command::ClientHello { peer: PeerType::Client, version }, command])
    }

    /// A worker that has asked for a job.
    pub(crate) fn worker(&mut self) -> ConnectionId {
        let hello = Command::ClientHello { peer: PeerType::Worker, version: WORKER_VERSION };
        self.connect(&[hello, Command::JobRequested("platform".into())])
    }

    /// A worker with a build of a new job.
    pub(crate) fn build(&mut self, name: &str) -> (ConnectionId, Uuid) {
        self.client(schedule(name, "true"));
        let worker = self.worker();
        self.rest();
        match self.heard(worker).as_slice() {
            [Command::ServerHello, Command::JobSchedule { uuid, .. }] => (worker, *uuid),
            heard => panic!("the worker has no job: {heard:?}"),
        }
    }

    /// Something arrives.
    pub(crate) fn say(&mut self, connection: ConnectionId, bytes: &[u8]) {
        self.machine().lines.get_mut(&connection).unwrap().arrived.extend_from_slice(bytes);
        self.driver.notice(Event::Readable { connection, is_end: false });
    }

    pub(crate) fn print(&mut self, (worker, uuid): (ConnectionId, Uuid), line: &[u8]) {
        let mut frame = Vec::new();
        append_output_frame(&mut frame, uuid, line, None);
        self.say(worker, &frame);
        self.turns();
    }

    /// The job ends; the result arrives in the next turn.
    pub(crate) fn finish(&mut self, (worker, uuid): (ConnectionId, Uuid)) {
        let data = vec![File { path: "bin/artifact".into(), data: "artifact".into() }];
        let finished = Command::JobFinished { uuid, result: BuildResult::Exited(0), data };
        self.say(worker, &finished.to_frame().unwrap());
    }

    /// The job ends, and all is done about its result that can be done before something happens: it is durable in its file,
    /// and its upload has begun.
    pub(crate) fn complete(&mut self, build: (ConnectionId, Uuid)) {
        self.finish(build);
        self.rest();
        self.pass(WRITE_BACK_TIME);
        self.rest();
    }

    /// All that a peer was sent.
    pub(crate) fn heard(&mut self, connection: ConnectionId) -> Vec<Command> {
        let sent = &self.machine().lines[&connection].sent;
        let (mut rest, mut decoder, mut heard) =
            (sent.as_slice(), FrameDecoder::new(FRAME_BYTES), Vec::new());
        while let Some(FrameEvent::Frame(frame)) = decoder.next(&mut rest).unwrap() {
            heard.push(Command::decode(frame).unwrap());
        }
        heard
    }
}

/// A command that enters a job, which runs at once.
pub(crate) fn schedule(name: &str, script: &str) -> Command {
    let job = ScriptJob { name: name.into(), script: script.into(), platform: "platform".into() };
    Command::Schedule { period: Period::Hourly, job }
}

/// A turn ends with the loss of a worker, of which the driver learns when it sends the job.
pub(crate) fn lose_worker(site: &mut Site) {
    let worker = site.worker();
    site.rest();
    site.machine().lines.get_mut(&worker).unwrap().is_broken = true;
    site.client(schedule("job", "true"));
    site.turn();
    assert!(!site.machine().lines.contains_key(&worker), "it is gone");
}
