//! Templates of orb-build jobs, which come, change and go while the server runs.

use crate::{reason, site};
use builder_tests::{Peer, Server, Site, signal, wait_for};
use std::fs;
use std::path::PathBuf;

fn template(site: &Site) -> PathBuf {
    site.config().join("orb-build.template.linux")
}

/// A server with a script job and an orb-build job in the queue of linux.
fn start(site: &Site) -> Server {
    site.template("linux", "first %%OPAM_PACKAGE%%");
    let server = site.start();
    server.schedule("script", "linux");
    site.succeed(&server, ["orb-build", "web", "mirage-web"]);
    site.succeed(&server, ["execute", "web"]);
    assert_eq!(server.queue("linux").unwrap(), ["web", "script"]);
    server
}

#[test]
fn a_job_starts_with_the_template_of_that_moment() {
    let site = site();
    let server = start(&site);
    site.template("linux", "second %%OPAM_PACKAGE%%");
    let (_, job) = Peer::worker(&server, "linux").receive_job();
    assert_eq!((job.name, job.script), ("web".into(), "second mirage-web".into()));
}

#[test]
fn without_its_template_a_job_waits_and_holds_up_no_other() {
    let site = site();
    let server = start(&site);
    fs::remove_file(template(&site)).unwrap();
    let mut passing = Peer::worker(&server, "linux");
    assert_eq!(passing.receive_job().1.name, "script".into());
    let mut waiting = Peer::worker(&server, "linux");
    assert_eq!(server.queue("linux").unwrap(), ["web"]);

    // The template is back, and any signal of life makes the server look.
    site.template("linux", "third %%OPAM_PACKAGE%%");
    signal(server.pid(), "HUP");
    assert_eq!(waiting.receive_job().1.script, "third mirage-web".into());
}

#[test]
fn a_template_that_cannot_be_read_is_named_and_its_jobs_wait() {
    let site = site();
    let server = start(&site);
    let path = template(&site);
    site.succeed(&server, ["unschedule", "script"]);
    let mut waiting = None;
    for round in 0..3 {
        fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).unwrap();
        match round {
            0 => fs::create_dir(&path).unwrap(),
            1 => std::os::unix::fs::symlink(&path, &path).unwrap(),
            _ => site.template("linux", &"#".repeat(2 << 20)),
        }
        let complaints =
            || server.log().matches(&format!("cannot read the template {}", path.display())).count();
        let before = complaints();
        signal(server.pid(), "HUP");
        wait_for("the complaint", || complaints() > before);
        waiting.get_or_insert_with(|| Peer::worker(&server, "linux"));
        assert_eq!(server.queue("linux").unwrap(), ["web"]);
    }
    site.template("linux", "good %%OPAM_PACKAGE%%");
    signal(server.pid(), "HUP");
    assert_eq!(waiting.unwrap().receive_job().1.script, "good mirage-web".into());
}

#[test]
fn a_platform_gets_its_template_later() {
    let site = site();
    let server = start(&site);
    server.schedule("other", "bsd");
    site.template("bsd", "build %%OPAM_PACKAGE%% on %%PLATFORM%%");
    site.succeed(&server, ["execute", "web", "--platform", "bsd"]);
    assert_eq!(server.queue("bsd").unwrap(), ["web", "other"]);
    let (_, job) = Peer::worker(&server, "bsd").receive_job();
    assert_eq!(job.script, "build mirage-web on bsd".into());
}

#[test]
fn a_template_that_makes_too_long_a_script_gives_a_failed_result_and_the_worker_waits_on() {
    let site = site();
    site.template("linux", &"%%OPAM_PACKAGE%%".repeat(5000));
    let server = site.start();
    site.succeed(&server, ["orb-build", "web", &"x".repeat(4000)]);
    let mut worker = Peer::worker(&server, "linux");
    let [result] = site.wait_for_results("web", 1).try_into().unwrap();
    let text = reason(&result);
    assert!(text.starts_with("the script of job web is 20000000 bytes long; at most 16777216"), "{text}");
    site.template("linux", "short");
    site.succeed(&server, ["execute", "web"]);
    assert_eq!(worker.receive_job().1.script, "short".into());
}

#[test]
fn a_template_that_was_read_amid_being_written_is_read_again_before_the_next_command() {
    let site = site();
    fs::write(template(&site), "").unwrap();
    let server = site.start();
    server.schedule("script", "linux");
    server.wait_for_log("it is empty");
    for round in 0..20 {
        // In place: neither the name nor the directory changes.
        fs::write(template(&site), "").unwrap();
        signal(server.pid(), "HUP");
        wait_for("the server to look", || server.log().matches("it is empty").count() > round + 1);
        fs::write(template(&site), "done %%OPAM_PACKAGE%%").unwrap();
        let name = format!("web-{round}");
        site.succeed(&server, ["orb-build", &name, "mirage-web"]);
        assert!(server.queue("linux").unwrap().contains(&name), "round {round}");
        site.succeed(&server, ["unschedule", &name]);
    }
}
