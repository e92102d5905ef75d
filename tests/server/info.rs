//! The answer to `info`, short and long.

use crate::site;
use builder_proto::command::Command;
use builder_proto::job::{Job, ScriptJob};
use builder_proto::time::Period;
use builder_tests::{Peer, script};

#[test]
fn a_long_answer_arrives_whole_while_others_are_served() {
    let site = site();
    let server = site.start();
    let large = ScriptJob { script: vec![b'#'; 1_000_000].into(), ..script("large-0", "linux") };
    for number in 0..8 {
        let job = ScriptJob { name: format!("large-{number}").into(), ..large.clone() };
        assert_eq!(server.ask(&Command::Schedule { period: Period::Never, job }), Command::Success);
    }
    // Asks, but does not read: more than the sockets can hold waits in the server.
    let mut patient = Peer::client(&server);
    patient.send(&Command::Info);
    server.schedule("after", "linux");

    let Command::InfoReply(info) = patient.receive() else { panic!("no infoReply") };
    assert_eq!(info.schedule.len(), 8, "the answer is from when it was asked for");
    assert!(
        info.schedule.iter().all(|item| matches!(&item.job, Job::Script(job) if job.script == large.script))
    );
    assert_eq!(info.queues.len(), 1);
    assert_eq!(info.queues[0].jobs.len(), 8);
    assert_eq!(patient.receive(), Command::Success);
    assert_eq!(patient.try_receive(), None);
}

#[test]
fn the_answer_tells_schedule_queues_running_builds_and_dropped_platforms() {
    let site = site();
    let server = site.start();
    server.schedule("running", "linux");
    server.schedule("queued", "linux");
    server.schedule("gone", "plan9");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, job) = worker.receive_job();
    assert_eq!(server.ask(&Command::DropPlatform("plan9".into())), Command::Success);

    let Command::InfoReply(info) = server.ask(&Command::Info) else { panic!("no infoReply") };
    let names: Vec<String> = info.schedule.iter().map(|item| item.job.name().to_string()).collect();
    assert_eq!(names, ["queued", "running"]);
    assert_eq!(info.queues.len(), 1);
    assert_eq!(info.queues[0].jobs, [Job::Script(script("queued", "linux"))]);
    assert_eq!(info.running.len(), 1);
    assert_eq!((info.running[0].uuid, &info.running[0].job), (uuid, &job));
    assert_eq!(info.dropped_platforms, ["plan9".into()]);
}
