//! The answer to `info`.

use super::rig::{Rig, fresh};
use super::words::{
    HOUR, SECOND, daily, drop_platform, execute, orb_build, schedule, schedule_orb_build, script, unschedule,
};
use crate::Now;
use crate::limits::{ANSWER_PROGRESS_TIME, COMMAND_TIME, DEPARTED_BYTES, INFO_PIECE_BYTES, UNREAD_ANSWERS};
use crate::server::record::{Finished, Record};
use crate::server::{ConnectionId, Input, Origin, Role, Server, State};
use builder_proto::CLIENT_VERSION;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, InfoReply, PeerType, QueueInfo, RunningInfo};
use builder_proto::job::{Job, ScheduleItem, ScriptJob};
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use builder_proto::wire::RawUuid;
use std::sync::Arc;

#[test]
fn an_idle_server_has_nothing_to_tell() {
    assert_eq!(Rig::new().info(), InfoReply::default());
}

#[test]
fn the_answer_holds_schedule_queues_running_builds_and_dropped_platforms() {
    let mut rig = Rig::new();
    rig.set_templates(&["p"]);
    rig.done(daily("gone", "z"));
    rig.done(drop_platform("z"));
    rig.done(schedule(Period::Weekly, "a", "p"));
    rig.done(schedule(Period::Hourly, "b", "q"));
    rig.done(schedule_orb_build(Period::Never, "orb"));
    let begin = rig.now.wall;
    let (_, uuid) = rig.build("q");
    rig.done(execute("orb"));
    let script = |name: &str, platform: &str| Job::Script(script(name, platform));
    let orb = Job::OrbBuild(orb_build("orb"));
    let item = |next, period, job: &Job| ScheduleItem { next, period, job: job.clone() };
    let Job::Script(running) = script("b", "q") else { unreachable!() };
    assert_eq!(
        rig.info(),
        InfoReply {
            schedule: vec![
                item(begin.saturating_add(HOUR), Period::Hourly, &script("b", "q")),
                item(begin.saturating_add(7 * 24 * HOUR), Period::Weekly, &script("a", "p")),
                item(Time::NEVER, Period::Never, &orb),
            ],
            queues: vec![
                QueueInfo { platform: "p".into(), jobs: vec![orb.clone(), script("a", "p")] },
                QueueInfo { platform: "q".into(), jobs: Vec::new() },
            ],
            running: vec![RunningInfo { started: begin, uuid, job: running }],
            dropped_platforms: vec![Text::from("z")],
        }
    );
}

#[test]
fn running_builds_are_told_in_the_order_in_which_they_started() {
    let mut rig = Rig::new();
    let mut started = Vec::new();
    for name in ["c", "a", "b"] {
        rig.done(daily(name, "p"));
        started.push(rig.build("p").1);
        rig.pass(SECOND);
    }
    let running: Vec<_> = rig.info().running.iter().map(|build| build.uuid).collect();
    assert_eq!(running, started);
}

/// A server whose answer takes several pieces.
fn busy() -> (Rig, Vec<ScheduleItem>) {
    let mut rig = Rig::new();
    for name in ["a", "b", "c", "d"] {
        let job = ScriptJob { script: "x".repeat(INFO_PIECE_BYTES).into(), ..script(name, "p") };
        rig.done(Command::Schedule { period: Period::Daily, job });
    }
    let schedule = rig.info().schedule;
    assert_eq!(schedule.len(), 4);
    (rig, schedule)
}

fn slow_client(rig: &mut Rig) -> ConnectionId {
    let client = rig.client();
    rig.peers.get_mut(&client).unwrap().slow = true;
    rig.say(client, &Command::Info);
    rig.end_turn();
    assert_eq!(rig.heard(client), [Command::ServerHello]);
    // A piece, written as a list of numbers, takes half a megabyte.
    rig.trace.clear();
    client
}

#[test]
fn a_long_answer_is_one_picture_however_long_it_takes() {
    let (mut rig, schedule) = busy();
    let client = slow_client(&mut rig);
    rig.done(unschedule("d"));
    while !rig.peers[&client].finished {
        rig.pass(COMMAND_TIME - SECOND);
        rig.read_part(client);
        rig.end_turn();
    }
    rig.read_part(client);
    match &rig.heard(client)[..] {
        [Command::InfoReply(reply), Command::Success] => assert_eq!(reply.schedule, schedule),
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.info().schedule.len(), 3);
}

#[test]
fn an_answer_on_its_way_holds_no_copies_of_what_runs() {
    let (mut rig, _) = busy();
    rig.build("p");
    // Its script belongs to the schedule, the running build, and each answer that has yet to get to its end, twice.
    let holders = |rig: &Rig| Arc::strong_count(&rig.server.state().schedule.get(&"a".into()).unwrap().job);
    let before = holders(&rig);
    slow_client(&mut rig);
    slow_client(&mut rig);
    // In the schedule, of which a part of the first script is sent, and as what runs.
    assert_eq!(holders(&rig), before + 2 * 2);
}

#[test]
fn more_long_answers_than_there_may_be_wait_for_others_to_be_read() {
    let (mut rig, schedule) = busy();
    let mut clients: Vec<_> = (0..UNREAD_ANSWERS).map(|_| slow_client(&mut rig)).collect();
    let begun = |rig: &Rig, client| !rig.peers[&client].unread.is_empty();
    assert!(clients.iter().all(|client| begun(&rig, *client)));
    let [gone, next, last] = [(); 3].map(|()| slow_client(&mut rig));
    assert!(!begun(&rig, next) && !begun(&rig, last));
    rig.close(gone);
    rig.close(clients[0]);
    rig.end_turn();
    assert!(begun(&rig, next) && !begun(&rig, last), "one for one, first come, first served");
    clients.push(next);
    while !rig.peers[&clients[1]].finished {
        rig.read_part(clients[1]);
        rig.end_turn();
    }
    assert!(begun(&rig, clients[1]) && !begun(&rig, last), "the last piece is not read yet");
    rig.read_part(clients[1]);
    rig.end_turn();
    assert!(begun(&rig, last));
    while begun(&rig, last) {
        rig.read_part(last);
        rig.end_turn();
    }
    match &rig.heard(last)[..] {
        [Command::InfoReply(reply), Command::Success] => assert_eq!(reply.schedule, schedule),
        other => panic!("{other:?}"),
    }
    for client in clients {
        rig.close(client);
    }
    assert_eq!(rig.info().schedule, schedule, "all have made room");
}

#[test]
fn short_answers_count_until_they_are_read() {
    let mut rig = Rig::new();
    rig.done(daily("job", "p"));
    let clients: Vec<_> = (0..UNREAD_ANSWERS).map(|_| slow_client(&mut rig)).collect();
    let begun = |rig: &Rig, client| !rig.peers[&client].unread.is_empty();
    assert!(clients.iter().all(|client| begun(&rig, *client) && rig.peers[client].finished));
    let waiting = [(); 3].map(|()| slow_client(&mut rig));
    let count = |rig: &Rig| waiting.iter().filter(|client| begun(rig, **client)).count();
    assert_eq!(count(&rig), 0);
    rig.read_part(clients[0]);
    rig.end_turn();
    assert_eq!(count(&rig), 1);
    rig.close(clients[1]);
    rig.end_turn();
    assert_eq!(count(&rig), 2);
    rig.pass(ANSWER_PROGRESS_TIME);
    assert_eq!(count(&rig), 3);
    assert!(rig.peers[&clients[2]].dropped, "it has not read for too long");
    assert_eq!(rig.info().schedule.len(), 1);
}

/// A server alone: a rig would write down every script as text.
struct Bare {
    server: Server,
    now: Now,
    clients: ConnectionId,
}

impl Bare {
    fn new() -> Bare {
        let now = Rig::new().now;
        let server = Server::start(now, fresh(State::default(), Box::new(core::iter::empty())));
        Bare { server, now, clients: 0 }
    }

    /// A client, later than the former ones, that reads nothing of what it is answered.
    fn ask(&mut self, command: Command) -> ConnectionId {
        self.clients += 1;
        self.now.monotonic += SECOND;
        let connection = self.clients;
        let hello = Command::ClientHello { peer: PeerType::Client, version: CLIENT_VERSION };
        self.server
            .handle(self.now, Input::Connected { connection, role: Role::Any, origin: Origin::default() });
        for bytes in [hello.to_frame().unwrap(), command.to_frame().unwrap()] {
            self.server.handle(self.now, Input::Received { connection, bytes: &bytes });
        }
        self.end_turn();
        connection
    }

    fn end_turn(&mut self) {
        self.server.handle(self.now, Input::Tick);
        while self.server.poll_action().is_some() {}
    }

    fn have(&self, clients: &[ConnectionId]) -> Vec<bool> {
        clients.iter().map(|client| self.server.sessions.has(*client)).collect()
    }
}

#[test]
fn answers_hold_only_so_much_of_what_is_no_longer_scheduled() {
    let mut bare = Bare::new();
    let fourth = usize::try_from(DEPARTED_BYTES / 4).unwrap();
    let schedule = |name: &str| Command::Schedule {
        period: Period::Daily,
        job: ScriptJob { script: "x".repeat(fourth).into(), ..script(name, "p") },
    };
    bare.ask(schedule("stays"));
    let mut lazy = Vec::new();
    for _ in 0..4 {
        bare.ask(schedule("goes"));
        lazy.push(bare.ask(Command::Info));
        assert_eq!(bare.have(&lazy), vec![true; lazy.len()]);
        bare.ask(unschedule("goes"));
    }
    assert_eq!(bare.have(&lazy), [false, true, true, true], "four are a little more than there may be");
    bare.server.handle(bare.now, Input::PartSent { connection: lazy[1] });
    bare.end_turn();
    bare.ask(schedule("goes"));
    lazy.push(bare.ask(Command::Info));
    bare.ask(drop_platform("p"));
    assert_eq!(bare.have(&lazy), [false, true, false, false, true], "whoever reads comes last");
}

#[test]
fn a_job_has_left_when_it_neither_is_scheduled_nor_runs() {
    let mut rig = Rig::new();
    rig.done(daily("job", "p"));
    let (worker, uuid) = rig.build("p");
    let job = Arc::clone(&rig.server.state().schedule.get(&"job".into()).unwrap().job);
    let finished = Record::Finished(Finished { uuid: RawUuid(uuid), contents: None });
    for record in [Record::Unscheduled("job".into()), Record::Dropped("p".into()), finished] {
        let leaving = rig.server.state().leaving(&record);
        assert!(leaving.len() == 1 && Arc::ptr_eq(&leaving[0], &job), "{record:?}");
    }
    rig.done(unschedule("job"));
    assert!(rig.server.state().holds(&job), "it runs");
    rig.done(daily("job", "p"));
    rig.finish(worker, BuildResult::Exited(0), vec![]);
    assert!(!rig.server.state().holds(&job), "there is another of that name");
}

#[test]
fn clients_that_do_not_read_keep_nobody_waiting_for_long() {
    let (mut rig, _) = busy();
    let clients: Vec<_> = (0..UNREAD_ANSWERS).map(|_| slow_client(&mut rig)).collect();
    rig.pass(COMMAND_TIME / 2);
    assert!(clients.iter().all(|client| !rig.peers[client].dropped), "nobody else wants to know");
    let diligent = clients[7];
    rig.read_part(diligent);
    let waiting: Vec<_> = (0..UNREAD_ANSWERS).map(|_| slow_client(&mut rig)).collect();
    let begun = |rig: &Rig| waiting.iter().filter(|client| !rig.peers[client].unread.is_empty()).count();
    assert_eq!(begun(&rig), UNREAD_ANSWERS - 1);
    assert!(clients.iter().all(|client| rig.peers[client].dropped != (*client == diligent)));
    rig.pass(ANSWER_PROGRESS_TIME - SECOND);
    rig.read_part(waiting[0]);
    rig.end_turn();
    assert_eq!(begun(&rig), UNREAD_ANSWERS - 1);
    rig.pass(SECOND);
    assert_eq!(begun(&rig), UNREAD_ANSWERS);
    assert!(rig.peers[&diligent].dropped, "it has not gone on");
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let (mut rig, _) = busy();
    let client = slow_client(&mut rig);
    rig.pass(COMMAND_TIME - SECOND);
    assert!(!rig.peers[&client].dropped);
    rig.pass(SECOND);
    assert!(rig.peers[&client].dropped);
    rig.hand_in(Input::PartSent { connection: client });
    assert!(rig.server.sessions.is_empty());
}

#[test]
fn a_client_that_speaks_amid_a_long_answer_gets_no_failure_into_it() {
    let (mut rig, _) = busy();
    let client = slow_client(&mut rig);
    rig.say(client, &Command::Info);
    rig.end_turn();
    rig.read_part(client);
    rig.end_turn();
    assert!(rig.peers[&client].finished);
    assert_eq!(rig.heard(client), []);
}
