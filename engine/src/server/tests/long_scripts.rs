//! Scripts at the limit and beyond it.

use super::rig::{Rig, fresh};
use super::words::{SECOND, execute, script};
use crate::Now;
use crate::limits::{COMMAND_FRAME_BYTES, JOB_FRAME_BYTES, OPAM_PACKAGE_BYTES, SCRIPT_BYTES};
use crate::server::record::{Enqueued, Record};
use crate::server::{Action, Deferred, Immediate, Input, Origin, ResultHead, Role, Server, State};
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::frame::HEADER_LENGTH;
use builder_proto::job::{Job, OrbBuildJob, ScheduleItem, ScriptJob};
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use builder_proto::{CLIENT_VERSION, Uuid, WORKER_VERSION};

const CLIENT: u64 = 1;
const WORKER: u64 = 2;

/// A server alone: a rig keeps every action as text, which takes its time with scripts of this length.
struct Bare {
    server: Server,
    now: Now,
    sent: Vec<(u64, Command)>,
    results: Vec<ResultHead>,
}

impl Bare {
    fn new(state: State) -> Bare {
        let now = Now { wall: Time::from_unix_milliseconds(0), monotonic: SECOND };
        let uuids = Box::new((1..).map(Uuid::from_u128));
        let server = Server::start(now, fresh(state, uuids));
        Bare { server, now, sent: Vec::new(), results: Vec::new() }
    }

    fn say(&mut self, connection: u64, commands: &[Command]) {
        self.server
            .handle(self.now, Input::Connected { connection, role: Role::Any, origin: Origin::default() });
        for command in commands {
            let bytes = command.to_frame().unwrap();
            self.server.handle(self.now, Input::Received { connection, bytes: &bytes });
        }
        self.server.handle(self.now, Input::Tick);
        while let Some(action) = self.server.poll_action() {
            match action {
                Action::AfterCommit(Deferred::Send { connection, bytes }) => {
                    self.sent.push((connection, Command::decode(&bytes[HEADER_LENGTH..]).unwrap()));
                }
                Action::Now(Immediate::BeginResult { head, .. }) => self.results.push(*head),
                Action::Now(Immediate::Halt { reason }) => panic!("{reason}"),
                _ => {}
            }
        }
    }

    fn schedule(&mut self, job: ScriptJob) {
        let hello = Command::ClientHello { peer: PeerType::Client, version: CLIENT_VERSION };
        self.say(CLIENT, &[hello, Command::Schedule { period: Period::Never, job }]);
    }

    /// The job that a new worker gets.
    fn request_job(&mut self, platform: &Text) -> Option<Command> {
        let hello = Command::ClientHello { peer: PeerType::Worker, version: WORKER_VERSION };
        self.say(WORKER, &[hello, Command::JobRequested(platform.clone())]);
        let is_job = |(_, command): &(u64, Command)| matches!(command, Command::JobSchedule { .. });
        self.sent.iter().position(is_job).map(|place| self.sent.remove(place).1)
    }
}

fn long_script(bytes: u64) -> Text {
    vec![b'#'; bytes as usize].into()
}

fn payload_bytes(command: &Command) -> u64 {
    (command.to_frame().unwrap().len() - HEADER_LENGTH) as u64
}

#[test]
fn the_longest_job_that_is_accepted_is_handed_to_a_worker() {
    let with = |bytes| ScriptJob { script: long_script(bytes), ..script("j", "p") };
    let schedule = |job| Command::Schedule { period: Period::Never, job };
    let framing = payload_bytes(&schedule(with(SCRIPT_BYTES - 100))) - (SCRIPT_BYTES - 100);
    let longest = with(COMMAND_FRAME_BYTES - framing);
    assert_eq!(payload_bytes(&schedule(longest.clone())), COMMAND_FRAME_BYTES);
    let mut server = Bare::new(State::default());
    server.schedule(longest.clone());
    assert!(server.sent.contains(&(CLIENT, Command::Success)));
    let job = server.request_job(&longest.platform).expect("the job");
    assert!(matches!(&job, Command::JobSchedule { job, .. } if *job == longest));
    let bytes = payload_bytes(&job);
    assert!((COMMAND_FRAME_BYTES + 1..=JOB_FRAME_BYTES).contains(&bytes), "{bytes}");
}

#[test]
fn the_longest_script_and_names_fit_into_the_frame_of_a_worker() {
    let job = script(&"n".repeat(100), &"p".repeat(100));
    let job = ScriptJob { script: long_script(SCRIPT_BYTES), ..job };
    assert!(payload_bytes(&Command::JobSchedule { uuid: Uuid::nil(), job }) <= JOB_FRAME_BYTES);
}

/// Earlier versions took such jobs over from builder 0.4.0.
#[test]
fn a_script_too_long_for_a_worker_becomes_a_failed_build_and_costs_none() {
    let mut state = State::default();
    let long = ScriptJob { script: long_script(SCRIPT_BYTES + 1), ..script("long", "p") };
    for job in [long.clone(), script("next", "p")] {
        let name = job.name.clone();
        let item = ScheduleItem { next: Time::NEVER, period: Period::Never, job: Job::Script(job) };
        state.apply(&Record::Scheduled(item)).unwrap();
        state.apply(&Record::PlatformAdded("p".into())).unwrap();
        state
            .apply(&Record::Enqueued(Enqueued {
                platform: "p".into(),
                name,
                front: false,
                at: None,
                environment: None,
            }))
            .unwrap();
    }
    let mut server = Bare::new(state);
    let job = server.request_job(&"p".into()).expect("the job behind it");
    assert!(matches!(&job, Command::JobSchedule { job, .. } if *job == script("next", "p")));
    let [head] = server.results.as_slice() else { panic!("{} results", server.results.len()) };
    assert!(head.job == long, "the result holds what would have run");
    let text = "the script of job long is 16777217 bytes long; at most 16777216: let it fetch what is large";
    assert_eq!(head.result, BuildResult::Message(text.into()));
    assert_eq!(server.server.state().queues[&Text::from("p")].len(), 0, "it waits for its schedule");
}

#[test]
fn a_template_that_makes_a_script_too_long_becomes_a_failed_build() {
    let mut rig = Rig::new();
    let template = b"%%OPAM_PACKAGE%%".repeat(SCRIPT_BYTES as usize / OPAM_PACKAGE_BYTES + 1);
    rig.hand_in(Input::Templates([("p".into(), template.clone())].into()));
    let worker = rig.worker("p");
    let opam_package = "x".repeat(OPAM_PACKAGE_BYTES).into();
    rig.done(Command::ScheduleOrbBuild {
        period: Period::Daily,
        job: OrbBuildJob { name: "orb".into(), opam_package },
    });
    assert_eq!(rig.job(worker), None);
    let stored = rig.stored(Uuid::from_u128(1));
    let text = "the script of job orb is 16781312 bytes long; at most 16777216: let it fetch what is large \
                (orb-build.template.p makes it so long)";
    assert_eq!(stored.result, BuildResult::Message(text.into()));
    assert_eq!(stored.job.script, template.into(), "the result shows the template");
    rig.hand_in(Input::Templates([("p".into(), b"short".to_vec())].into()));
    rig.done(execute("orb"));
    assert_eq!(rig.job_name(worker), "orb", "the worker still waits");
}
