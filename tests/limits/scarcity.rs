//! Machines that have run out of descriptors or of space.

use crate::{assert_well, site};
use builder_engine::limits::LOG_RESERVE_BYTES;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::job::{File, ScriptJob};
use builder_proto::time::Period;
use builder_tests::{Peer, Server, Site, is_root, limited, script, stored, wait_for};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What the server says when no more are let in.
const CROWDED: &str = "; others wait until one ends";

/// A file system of its own, unmounted at the end.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk over the data directory; none where that is not possible.
    fn mount(site: &Site, megabytes: u32) -> Option<SmallDisk> {
        let path = site.data();
        let options = format!("size={megabytes}m");
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&path)
            .output();
        match mount {
            Ok(output) if is_root() && output.status.success() => Some(SmallDisk { path }),
            other => {
                eprintln!("skipped: cannot mount a small disk: {other:?}");
                None
            }
        }
    }

    /// Uses up all space, until the file is removed.
    fn fill(&self) -> PathBuf {
        let path = self.path.join("_ballast");
        let mut file = fs::File::create(&path).unwrap();
        let mut block = vec![0; 1 << 20];
        while !block.is_empty() {
            if file.write_all(&block).is_err() {
                block.truncate(block.len() / 2);
            }
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The server may still be ending. Linux takes the disk away once it is gone, and FreeBSD at once.
        let option = if cfg!(target_os = "freebsd") { "-f" } else { "-l" };
        let _ = std::process::Command::new("umount").arg(option).arg(&self.path).status();
    }
}

fn schedule_large(server: &Server, name: &str, bytes: usize) -> Command {
    let job = ScriptJob { script: vec![b'#'; bytes].into(), ..script(name, "linux") };
    server.ask(&Command::Schedule { period: Period::Daily, job })
}

fn is_refused_for_want_of_space(answer: &Command) -> bool {
    match answer {
        Command::Failure(text) => text.to_string().starts_with("disk full: "),
        _ => false,
    }
}

fn building(server: &Server, name: &str) -> (Peer, Uuid) {
    server.schedule(name, name);
    let mut worker = Peer::worker(server, name);
    let (uuid, _) = worker.receive_job();
    (worker, uuid)
}

#[test]
fn on_a_full_disk_nothing_new_is_taken_but_all_else_goes_on() {
    let site = site();
    let Some(disk) = SmallDisk::mount(&site, 24) else { return };
    let server = site.start();
    server.schedule("queued", "linux");
    server.schedule("superfluous", "linux");
    let (mut small, small_uuid) = building(&server, "small");
    small.print(small_uuid, "before");
    let (large, large_uuid) = building(&server, "large");
    let (mut chatty, chatty_uuid) = building(&server, "chatty");
    let mut observer = Peer::client(&server);
    observer.send(&Command::Observe(small_uuid));
    observer.receive();
    let ballast = disk.fill();

    assert!(is_refused_for_want_of_space(
        &server.ask(&Command::Schedule { period: Period::Daily, job: script("new", "linux") })
    ));
    let execute = Command::Execute { name: "queued".into(), platform: None };
    assert!(is_refused_for_want_of_space(&server.ask(&execute)));
    assert_eq!(server.ask(&Command::Unschedule("superfluous".into())), Command::Success);
    assert_eq!(server.queue("linux").unwrap(), ["queued"]);
    let _waiting = Peer::worker(&server, "linux");

    // What is small fits into the log, which has space held back; what is large fails and says why.
    small.finish(small_uuid, BuildResult::Exited(0), vec![File { path: "a".into(), data: "b".into() }]);
    large.finish_somehow(large_uuid, vec![File { path: "a".into(), data: vec![7; 1 << 20].into() }]);
    for _ in 0..1000 {
        let line =
            Command::Output { uuid: chatty_uuid, line: "x".repeat(1000).as_str().into(), timestamp: None };
        if chatty.try_send_bytes(&line.to_frame().unwrap()).is_err() {
            break;
        }
    }
    assert!(chatty.receive_failure().contains("the server could not keep the console"));
    assert_eq!(server.info().running, []);
    assert_well(&server);

    // A restart changes nothing of that.
    server.kill();
    let server = site.start();
    assert_eq!(server.queue("linux").unwrap(), ["queued"]);
    assert!(is_refused_for_want_of_space(&schedule_large(&server, "new", 10)));

    fs::remove_file(ballast).unwrap();
    assert_eq!(schedule_large(&server, "new", 10), Command::Success);
    let result = stored(&site.wait_for_results("small", 1)[0]);
    assert_eq!((result.result, result.output.len()), (BuildResult::Exited(0), 1));
    let reason = crate::reason(&site.wait_for_results("large", 1)[0]);
    assert!(reason.contains("could not store the result (exited 0)"), "{reason}");
    assert!(reason.contains("No space left on device"), "{reason}");
    site.wait_for_results("chatty", 1);
    let mut worker = Peer::worker(&server, "linux");
    assert_eq!(worker.receive_job().1.name, "queued".into());
    assert_well(&server);
}

#[test]
fn space_is_held_back_again_once_there_is_plenty() {
    let site = site();
    // Four times the reserve has to be free, and the reserve is there as well.
    let Some(disk) = SmallDisk::mount(&site, 64) else { return };
    site.start().kill();
    let reserve = site.data().join(".builder/reserve");
    fs::remove_file(&reserve).unwrap();
    let ballast = disk.fill();
    let server = site.start();
    server.info();
    assert!(!reserve.exists());
    fs::remove_file(ballast).unwrap();
    wait_for("the reserve", || {
        server.info();
        reserve.exists()
    });
    assert_eq!(fs::metadata(&reserve).unwrap().len(), LOG_RESERVE_BYTES);
}

#[test]
fn a_limit_on_file_sizes_is_like_a_full_disk_and_kills_nobody() {
    let site = site();
    // In units of 512 bytes: 6 MiB.
    let server = site.start_with(limited(&site.server_command(), "-S -f 12288"));
    server.schedule("small", "small");
    let mut scheduled = 0;
    loop {
        let answer = schedule_large(&server, &format!("job-{scheduled}"), 300_000);
        if is_refused_for_want_of_space(&answer) {
            break;
        }
        assert_eq!(answer, Command::Success);
        scheduled += 1;
        assert!(scheduled < 30, "the log cannot hold more than 6 MiB");
    }
    assert!(scheduled > 3, "{scheduled}");

    // A result larger than the limit, and a console.
    let mut worker = Peer::worker(&server, "small");
    let (uuid, _) = worker.receive_job();
    worker.finish_somehow(uuid, vec![File { path: "a".into(), data: vec![7; 7 << 20].into() }]);
    let reason = crate::reason(&site.wait_for_results("small", 1)[0]);
    assert!(reason.contains("could not store the result (exited 0)"), "{reason}");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    let line = Command::Output { uuid, line: vec![b'x'; 60_000].into(), timestamp: None }.to_frame().unwrap();
    for _ in 0..200 {
        if worker.try_send_bytes(&line).is_err() {
            break;
        }
    }
    assert!(worker.receive_failure().contains("the server could not keep the console"));
    assert_well(&server);

    // What is removed makes room again.
    for number in 0..scheduled {
        assert_eq!(server.ask(&Command::Unschedule(format!("job-{number}").into())), Command::Success);
    }
    wait_for("the space to be used again", || schedule_large(&server, "again", 300_000) == Command::Success);
    assert_well(&server);
}

#[test]
fn a_server_that_could_serve_nobody_does_not_start() {
    let site = site();
    for descriptors in [12, 31] {
        let output = limited(&site.server_command(), &format!("-n {descriptors}")).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(output.stdout, b"", "it does not say that it listens");
        let complaint = String::from_utf8(output.stderr).unwrap();
        let start = format!(
            "builder-server: at most {descriptors} files may be open at once, and a server needs at least 32; "
        );
        assert!(complaint.starts_with(&start) && complaint.contains("ulimit -n 1024"), "{complaint}");
    }
    let server = site.start_with(limited(&site.server_command(), "-n 32"));
    server.schedule("job", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.print(uuid, "line");
    let data = vec![File { path: "a".into(), data: vec![7; 100_000].into() }];
    worker.finish(uuid, BuildResult::Exited(0), data);
    site.wait_for_results("job", 1);
    assert_well(&server);
}

#[test]
fn connections_beyond_the_descriptors_wait_their_turn() {
    let site = site();
    let server = site.start_with(limited(&site.server_command(), "-n 100"));
    let mut workers = Vec::new();
    // More than fit: from some point on they wait for others to go.
    for _ in 0..60 {
        workers.push(Peer::connect(&server));
    }
    server.wait_for_log(CROWDED);
    let mut client = Peer::connect(&server);
    let version = builder_proto::CLIENT_VERSION;
    client.send(&Command::ClientHello { peer: builder_proto::command::PeerType::Client, version });
    client.send(&Command::Schedule { period: Period::Daily, job: script("job", "linux") });
    drop(workers);
    assert_eq!(client.receive_all(), [Command::ServerHello, Command::Success]);
    assert_well(&server);
    assert_eq!(server.log().matches(CROWDED).count(), 1, "once in a while is enough");
}

#[test]
fn silent_connections_make_room_for_others_after_their_time() {
    let site = site();
    let server = site.start_with(limited(&site.server_command(), "-n 100"));
    let silent: Vec<Peer> = (0..24).map(|_| Peer::connect(&server)).collect();
    let start = Instant::now();
    // Those that are silent are sent away after ten seconds. They are not waited for to close.
    server.schedule("job", "linux");
    server.wait_for_log(CROWDED);
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
    assert_well(&server);
    drop(silent);
}

#[test]
fn a_crowd_of_workers_does_not_keep_clients_out() {
    let mut site = site();
    site.options = ["--worker-listen", "127.0.0.1:0"].map(String::from).to_vec();
    let server = site.start_with(limited(&site.server_command(), "-n 100"));
    let workers: Vec<Peer> = (0..60).map(|_| Peer::connect_to(server.address_for_workers())).collect();
    server.wait_for_log(CROWDED);
    // The fastest of several, as this machine may have other things to do.
    let schedule = |number| {
        let start = Instant::now();
        server.schedule(&format!("job-{number}"), "linux");
        start.elapsed()
    };
    let fastest = (0..5).map(schedule).min().unwrap();
    assert!(
        fastest < Duration::from_millis(300),
        "clients wait for the listener of the workers: {fastest:?}"
    );
    let complaint =
        format!("connections through {}; others wait until one ends", server.address_for_workers());
    assert!(server.log().contains(&complaint), "{}", server.log());
    drop(workers);
}

#[test]
fn every_build_that_is_handed_out_has_its_files_and_the_others_wait() {
    const JOBS: usize = 25;
    let site = site();
    let server = site.start_with(limited(&site.server_command(), "-n 200"));
    for number in 0..JOBS {
        server.schedule(&format!("job-{number}"), "linux");
    }
    let mut workers: Vec<Peer> = (0..JOBS).map(|_| Peer::worker(&server, "linux")).collect();
    let busy = " builds at once; other jobs wait until one ends";
    server.wait_for_log(busy);
    let count = server.log().split(busy).next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!((10..JOBS).contains(&count), "{count} builds at once");
    // Everything that can be connected is.
    let crowd: Vec<Peer> = (0..200).map(|_| Peer::connect(&server)).collect();
    server.wait_for_log(CROWDED);
    let waiting = workers.split_off(count);
    let mut builds: Vec<(Peer, Uuid)> = workers
        .into_iter()
        .map(|mut worker| {
            let (uuid, _) = worker.receive_job();
            (worker, uuid)
        })
        .collect();
    let data = vec![File { path: "a".into(), data: vec![7; 100_000].into() }];
    let frames: Vec<Vec<u8>> = builds
        .iter()
        .map(|(_, uuid)| {
            let result = BuildResult::Exited(0);
            Command::JobFinished { uuid: *uuid, result, data: data.clone() }.to_frame().unwrap()
        })
        .collect();
    // All have a console and half of a large result before any goes on.
    for ((worker, uuid), frame) in builds.iter_mut().zip(&frames) {
        worker.print(*uuid, "line");
        worker.send_bytes(&frame[..50_000]);
    }
    for ((worker, _), frame) in builds.iter_mut().zip(&frames) {
        worker.send_bytes(&frame[50_000..]);
        assert_eq!(worker.try_receive(), None);
    }
    drop(crowd);
    for mut worker in waiting {
        let (uuid, _) = worker.receive_job();
        worker.finish(uuid, BuildResult::Exited(0), data.clone());
    }
    for number in 0..JOBS {
        let result = stored(&site.wait_for_results(&format!("job-{number}"), 1)[0]);
        assert_eq!((result.result, &result.output), (BuildResult::Exited(0), &data));
    }
    assert_well(&server);
}

#[test]
fn a_result_that_cannot_be_put_in_place_holds_up_no_other() {
    let site = site();
    let server = site.start();
    fs::write(site.data().join("blocked"), "in the way").unwrap();
    let (blocked, uuid) = building(&server, "blocked");
    blocked.finish(uuid, BuildResult::Exited(0), vec![]);
    let (other, uuid) = building(&server, "other");
    other.finish(uuid, BuildResult::Exited(0), vec![]);
    assert_eq!(stored(&site.wait_for_results("other", 1)[0]).uuid, uuid);
    server.wait_for_log("of job blocked: Not a directory");

    // It is safe in the log, over restarts too, until its place is free.
    server.kill();
    let server = site.start();
    let (third, _) = building(&server, "third");
    drop(third);
    fs::remove_file(site.data().join("blocked")).unwrap();
    site.wait_for_results("blocked", 1);
    assert_eq!(site.results("other").len(), 1);
    assert_well(&server);
}
