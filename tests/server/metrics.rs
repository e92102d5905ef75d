//! `--metrics-file`: what the file says, who can read it, and what becomes of a server that cannot write it.

use crate::site;
use builder_proto::build_result::BuildResult;
use builder_tests::metrics::{Page, promtool};
use builder_tests::{Peer, Server, Site, wait_for};
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

/// Variables of rc.conf that the manual names.
const RC_CONF: [&str; 2] = ["builder_args", "builder_worker"];

/// A directory for the exporter, and the file in it.
fn file(site: &Site) -> PathBuf {
    let place = site.data().with_file_name("textfile");
    fs::create_dir_all(&place).unwrap();
    place.join("builder.prom")
}

fn start(site: &Site, file: &Path) -> Server {
    let mut command = site.usual_server_command();
    command.arg("--metrics-file").arg(file);
    site.start_with(command)
}

/// The first page of a server that has just started.
fn first_page(file: &Path) -> Page {
    wait_for("the first page", || file.exists());
    Page::read(file)
}

/// The name of a platform that nobody would choose, and how the format spells it.
const PLATFORM: &str = r#"odd "platform"\"#;
const LABEL: &str = r#"platform="odd \"platform\"\\""#;

#[test]
fn builds_are_counted_and_queues_are_measured() {
    let site = site();
    let file = file(&site);
    let server = start(&site, &file);
    let page = first_page(&file);
    assert_eq!(page.value("builder_jobs_scheduled"), 0.0);
    assert_eq!(page.value(concat!("builder_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}")), 1.0);

    for (job, code) in [("good", 0), ("bad", 1), ("worse", 1)] {
        server.schedule(job, PLATFORM);
        let mut worker = Peer::worker(&server, PLATFORM);
        let (uuid, _) = worker.receive_job();
        worker.print(uuid, "a line");
        worker.finish(uuid, BuildResult::Exited(code), vec![]);
    }
    server.schedule("running", PLATFORM);
    let mut worker = Peer::worker(&server, PLATFORM);
    worker.receive_job();
    server.schedule("queued", PLATFORM);
    let _waiting = Peer::worker(&server, "idle");
    let has_all = |page: &Page| page.find("builder_workers_waiting{platform=\"idle\"}") == Some(1.0);
    wait_for("a page with all of this", || has_all(&Page::read(&file)));

    let page = Page::read(&file);
    let value = |metric: &str, labels: &str| page.value(&format!("{metric}{{{LABEL}{labels}}}"));
    assert_eq!(value("builder_builds_total", r#",result="success",cause="exited""#), 1.0);
    assert_eq!(value("builder_builds_total", r#",result="failure",cause="exited""#), 2.0);
    assert_eq!(value("builder_builds_total", r#",result="failure",cause="lost""#), 0.0);
    assert_eq!(value("builder_build_duration_seconds_count", ""), 3.0);
    assert_eq!(value("builder_queue_wait_seconds_count", ""), 4.0);
    assert_eq!(value("builder_builds_running", ""), 1.0);
    assert_eq!(value("builder_queue_jobs", ""), 1.0);
    assert_eq!(value("builder_workers_waiting", ""), 0.0);
    assert_eq!(page.value("builder_jobs_scheduled"), 5.0);
    assert_eq!(page.value("builder_console_lines_total"), 3.0);
    assert_eq!(page.value("builder_console_bytes_total"), 21.0);
    assert_eq!(page.value("builder_history_builds"), 3.0);
    assert!(page.value("builder_disk_free_bytes") > 0.0);
    assert!(page.value("builder_disk_reserve_bytes") > 0.0);
    let log = fs::metadata(site.log_file()).unwrap().len();
    let bytes = page.value("builder_log_bytes");
    assert!(bytes > 0.0 && bytes <= log as f64, "{bytes} of {log}");

    // What is counted begins at 0 again; what is so stays so.
    server.kill();
    fs::remove_file(&file).unwrap();
    let _server = start(&site, &file);
    let page = first_page(&file);
    let lost = format!(r#"builder_builds_total{{{LABEL},result="failure",cause="lost"}}"#);
    assert!(page.value(&lost) <= 1.0, "the build that ran when the server was killed");
    assert_eq!(page.value(&lost.replace("lost", "exited")), 0.0);
    assert_eq!(page.value(&format!("builder_queue_jobs{{{LABEL}}}")), 2.0);
    assert_eq!(page.value("builder_jobs_scheduled"), 5.0);
}

#[test]
fn everybody_may_read_the_file_and_nothing_lies_beside_it() {
    let site = site();
    let file = file(&site);
    // Half of a page of a server that was killed, which nobody else may read.
    let draft = file.with_extension("prom.new");
    fs::write(&draft, "half").unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o600)).unwrap();
    let server = site.usual_server_command();
    let mut command = Process::new("sh");
    command.args(["-c", r#"umask 077; exec "$@""#, "sh"]).arg(server.get_program()).args(server.get_args());
    command.arg("--metrics-file").arg(&file).env_remove("JOURNAL_STREAM").env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let _server = site.start_with(command);
    first_page(&file);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
    let names = fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(names.collect::<Vec<_>>(), [file]);
}

#[test]
fn it_is_logged_when_the_file_can_be_written_again() {
    let site = site();
    let file = site.data().with_file_name("late").join("builder.prom");
    let server = start(&site, &file);
    server.wait_for_log("cannot write the metrics to ");
    fs::create_dir(file.parent().unwrap()).unwrap();
    server.wait_for_log(&format!("the metrics can be written to {} again", file.display()));
    Page::read(&file);
    assert_eq!(server.log().matches("metrics").count(), 2, "{}", server.log());
}

#[test]
fn a_file_that_cannot_be_written_is_logged_once_and_holds_nothing_up() {
    let site = site();
    let file = site.data().with_file_name("absent").join("builder.prom");
    let mut server = start(&site, &file);
    let complaint = format!("cannot write the metrics to {}: ", file.display());
    server.wait_for_log(&complaint);
    server.schedule("job", "linux");
    assert_eq!(server.info().schedule.len(), 1);
    // The last attempt fails as well.
    server.terminate();
    assert_eq!(server.log().matches(&complaint).count(), 1, "{}", server.log());
    assert!(server.log().contains("create files in that directory"), "{}", server.log());
}

#[test]
fn a_name_that_the_exporter_would_not_read_is_refused() {
    let site = site();
    let mut command = site.usual_server_command();
    let output = command.args(["--metrics-file", "/dev/null"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("--metrics-file /dev/null: ") && words.contains("builder.prom"), "{words}");
}

/// What `promtool` finds wrong with the input; without it, a word is said. In `.ci/run` it has to be there.
fn check(words: &[&str], input: &str) {
    match promtool(words, input) {
        Some(said) => assert_eq!(said, Ok(())),
        None if env::var_os("BUILDER_PROMTOOL").is_some() => panic!("promtool is not on the PATH"),
        None => eprintln!("promtool is not on the PATH: only the rules in this tree were checked"),
    }
}

#[test]
fn promtool_finds_nothing_wrong_with_a_page() {
    let site = site();
    let file = file(&site);
    let server = start(&site, &file);
    first_page(&file);
    server.schedule("job", PLATFORM);
    let mut worker = Peer::worker(&server, PLATFORM);
    worker.receive_job();
    server.kill();
    fs::remove_file(&file).unwrap();
    // The next server has a platform to tell of from the start.
    let _server = start(&site, &file);
    let page = first_page(&file);
    assert_eq!(page.value(&format!("builder_queue_jobs{{{LABEL}}}")), 1.0);
    check(&["check", "metrics"], &fs::read_to_string(&file).unwrap());
}

/// What the manual calls by name is in the page, and the rules that it suggests are right.
#[test]
fn the_alerts_of_the_manual_are_about_metrics_that_there_are() {
    let site = site();
    let file = file(&site);
    let _server = start(&site, &file);
    first_page(&file);
    let text = fs::read_to_string(&file).unwrap();
    let there: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();

    let manual = include_str!("../../bin/OPERATING.md");
    // What a dashboard says is another page.
    let (before, dashboard) = manual.split_once("## Show builds in a browser\n").unwrap();
    let manual = [before, dashboard.split_once("\n## ").unwrap().1].concat();
    let is_part = |byte: char| byte.is_ascii_lowercase() || byte == '_';
    let mut named = BTreeSet::new();
    for (place, _) in manual.match_indices("builder_") {
        let rest = &manual[place..];
        let name = &rest[..rest.find(|byte| !is_part(byte)).unwrap_or(rest.len())];
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        named.insert(histogram.filter(|name| there.contains(name)).unwrap_or(name));
    }
    // Variables of rc.conf begin in the same way.
    let others = named.difference(&there).filter(|name| !RC_CONF.contains(name));
    assert_eq!(others.collect::<Vec<_>>(), [&""; 0]);
    assert_eq!(there.difference(&named).collect::<Vec<_>>(), [&""; 0], "the manual says nothing of these");

    let (_, rules) = manual.split_once("```text\ngroups:").unwrap();
    let rules = format!("groups:{}", rules.split_once("```").unwrap().0);
    assert_eq!(rules.matches("- alert: ").count(), 3);
    let rules = site.file("rules.yml", rules);
    check(&["check", "rules", rules.to_str().unwrap()], "");
}
