//! Moving in from builder 0.4.0, and out again.

use crate::site;
use builder_proto::job::Job;
use builder_proto::state_file::{StateFile, StateItem};
use builder_proto::time::Period;
use builder_tests::{Site, vectors};
use std::fs;
use std::path::PathBuf;

/// A site in which builder 0.4.0 has left its state.
fn old_site() -> (Site, Vec<u8>) {
    let site = site();
    let state = fs::read(vectors::path("state-0.4.0.der")).unwrap();
    fs::write(site.data().join("state"), &state).unwrap();
    (site, state)
}

/// What a state file says, in an order of ours.
fn items(bytes: &[u8]) -> Vec<String> {
    let (file, warnings) = StateFile::decode(bytes).unwrap();
    assert_eq!(warnings, [""; 0]);
    let mut items: Vec<String> = file.items.iter().map(|item| format!("{item:?}")).collect();
    items.sort();
    items
}

/// Writes the state for builder 0.4.0; gives the file's bytes.
fn export(site: &Site) -> Vec<u8> {
    export_and_listen(site).0
}

/// Writes the state for builder 0.4.0; gives the file's bytes and what was said.
fn export_and_listen(site: &Site) -> (Vec<u8>, String) {
    let file = site.config().join("exported");
    let output = site.server_command().arg("--export-state").arg(&file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    (fs::read(file).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// The files of a data directory and of the server's own, with what they hold.
fn files(site: &Site) -> Vec<(PathBuf, Vec<u8>)> {
    let directories = [site.data(), site.data().join(".builder")];
    let entries = directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap_or_default())).collect();
    files.sort();
    files
}

#[test]
fn the_first_start_takes_over_the_state_and_keeps_the_file() {
    let (site, state) = old_site();
    let server = site.start();
    let info = server.info();
    let mut jobs: Vec<(String, Period)> =
        info.schedule.iter().map(|item| (item.job.name().to_string(), item.period)).collect();
    jobs.sort();
    assert_eq!(jobs, [("job1".to_owned(), Period::Daily), ("orb1".to_owned(), Period::Weekly)]);
    let job = info.schedule.iter().find(|item| *item.job.name() == "job1".into()).unwrap();
    let Job::Script(script) = &job.job else { panic!("{job:?}") };
    assert_eq!(script.platform, "deb12".into());
    assert!(script.script.to_string().contains("echo hello; echo err >&2"));
    assert_eq!(server.queue("deb12").unwrap(), ["job1"]);
    assert_eq!(fs::read(site.data().join("state")).unwrap(), state);
    server.wait_for_log("took over the state of builder 0.4.0");
}

#[test]
fn later_starts_have_nothing_more_to_take_over() {
    let (site, state) = old_site();
    let server = site.start();
    site.succeed(&server, ["unschedule", "job1"]);
    site.succeed(&server, ["unschedule", "orb1"]);
    server.kill();
    let server = site.start();
    assert_eq!(server.info().schedule, []);
    assert_eq!(fs::read(site.data().join("state")).unwrap(), state);
}

#[test]
fn a_job_taken_over_runs_with_its_script() {
    let (site, _) = old_site();
    let server = site.start();
    site.work(&server, "deb12");
    let result = builder_tests::stored(&site.wait_for_results("job1", 1)[0]);
    assert_eq!(result.result, builder_proto::build_result::BuildResult::Exited(3));
    assert_eq!(result.console.last().unwrap().line, "no newline".into());
    assert_eq!(result.output[0].path, "out/rnd".into());
}

#[test]
fn the_state_goes_back_as_it_came() {
    let (site, state) = old_site();
    let (exported, said) = export_and_listen(&site);
    assert_eq!(items(&exported), items(&state));
    assert!(said.contains("no server of this version has run in"), "{said}");
}

#[test]
fn an_export_leaves_no_trace() {
    let (site, state) = old_site();
    let before = files(&site);
    export(&site);
    assert_eq!(files(&site), before, "where no server has run");
    // builder 0.4.0 went on meanwhile, and what it left then is taken over.
    fs::write(site.data().join("state"), StateFile { items: Vec::new() }.encode().unwrap()).unwrap();
    let mut server = site.start();
    assert_eq!(server.info().schedule, []);
    site.schedule(&server, "new", "deb12", "true");
    server.terminate();

    fs::write(site.data().join("state"), state).unwrap();
    let reserve = site.data().join(".builder/reserve");
    fs::remove_file(reserve).unwrap();
    let before = files(&site);
    assert_eq!(items(&export(&site)).len(), 2, "a job and a queue");
    assert_eq!(files(&site), before, "where one has");
}

#[test]
fn an_export_names_results_that_only_the_log_holds() {
    let site = site();
    let in_the_way = site.data().join("blocked");
    fs::write(&in_the_way, "").unwrap();
    let server = site.start();
    server.schedule("blocked", "linux");
    site.work(&server, "linux");
    server.kill();
    let (_, said) = export_and_listen(&site);
    let named = format!("{}/", in_the_way.display());
    assert!(said.contains(&named) && said.contains("only in the log; start this server once"), "{said}");

    // In its place may be what a power failure has left there.
    fs::remove_file(&in_the_way).unwrap();
    let (_, rest) = said.split_once(&named).unwrap();
    let place = in_the_way.join(rest.split_once(" is not").unwrap().0);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&place, "half of it").unwrap();
    let (_, said) = export_and_listen(&site);
    assert!(said.contains(&format!("{} is not on the disk, only in the log", place.display())), "{said}");

    let mut server = site.start();
    site.wait_for_results("blocked", 1);
    server.terminate();
    let (_, said) = export_and_listen(&site);
    assert!(!said.contains("only in the log"), "{said}");
}

#[test]
fn the_state_that_goes_back_holds_what_happened_since() {
    let (site, _) = old_site();
    let mut server = site.start();
    site.schedule(&server, "new", "deb12", "true");
    site.schedule(&server, "gone", "plan9", "true");
    site.succeed(&server, ["drop-platform", "plan9"]);
    site.succeed(&server, ["execute", "new"]);
    site.succeed(&server, ["unschedule", "orb1"]);
    let mut worker = builder_tests::Peer::worker(&server, "deb12");
    assert_eq!(worker.receive_job().1.name, "new".into());
    server.terminate();

    let exported = export(&site);
    let (file, _) = StateFile::decode(&exported).unwrap();
    let mut scheduled = Vec::new();
    for item in &file.items {
        match item {
            StateItem::Schedule(item) => scheduled.push(item.job.name().to_string()),
            StateItem::Queue { platform, jobs } => {
                assert_eq!(*platform, "deb12".into());
                let names: Vec<String> = jobs.iter().map(|job| job.name().to_string()).collect();
                assert_eq!(names, ["new", "job1"], "what was running is to run again");
            }
            StateItem::Dropped { platform } => assert_eq!(*platform, "plan9".into()),
        }
    }
    assert_eq!(scheduled, ["job1", "new"]);

    // What was written can be taken over in turn.
    let other = crate::site();
    fs::write(other.data().join("state"), &exported).unwrap();
    assert_eq!(items(&export(&other)), items(&exported));
}

#[test]
fn a_running_server_is_not_exported() {
    let site = site();
    let _server = site.start();
    let file = site.data().join("exported");
    let output = site.server_command().arg("--export-state").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("is in use by process"));
    assert!(!file.exists());
}

#[test]
fn a_file_that_is_no_state_is_refused_by_name_and_left_alone() {
    let site = site();
    let path = site.data().join("state");
    fs::write(&path, "no state").unwrap();
    let complaint = site.complaint();
    assert!(
        complaint.contains(&format!("{} is not a state file of builder 0.4.0", path.display())),
        "{complaint}"
    );
    assert!(complaint.contains("move it away to start with an empty schedule"), "{complaint}");
    assert_eq!(fs::read(&path).unwrap(), b"no state");
    fs::rename(&path, site.data().join("elsewhere")).unwrap();
    assert_eq!(site.start().info().schedule, []);
}
