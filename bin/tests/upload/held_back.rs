//! What builder-web gets of builds that did not succeed, and what it makes of that.

use crate::builder_web::{BuilderWeb, VERSIONS, Version};
use crate::harness::{SECRET, build_with, result, site, start, uploads, wait_for_log, wait_until_empty};
use crate::program::{Place, stderr};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::Execution;
use builder_proto::job::{File, ScriptJob};
use builder_proto::time::Time;
use builder_tests::{signal, stored, wait_for};
use std::fs;

fn execution(uuid: Uuid, result: BuildResult) -> Execution {
    let file = |path: &str| File { path: path.into(), data: path.into() };
    Execution {
        job: ScriptJob { name: "job".into(), script: "#!/bin/sh\n".into(), platform: "linux".into() },
        uuid,
        console: Vec::new(),
        started: Time::from_unix_milliseconds(0),
        finished: Time::from_unix_milliseconds(1),
        result,
        output: vec![file("a.log"), file("bin/program"), file("binary"), file("z.log")],
    }
}

/// The URL of a server, with the credentials that it knows.
fn url(web: &BuilderWeb) -> String {
    web.http.url().replace("//", &format!("//user:{SECRET}@"))
}

#[test]
fn what_did_not_exit_has_no_main_binary_there() {
    let results = [
        (BuildResult::Exited(0), true, true),
        (BuildResult::Exited(1), true, false),
        (BuildResult::Signalled(9), false, false),
        (BuildResult::Stopped(17), false, false),
        (BuildResult::Message("timeout after 1h".into()), false, false),
    ];
    for version in VERSIONS {
        let web = BuilderWeb::start(version, &[]);
        let place = Place::new();
        for (number, (result, by_default, with_flag)) in results.iter().enumerate() {
            for (flag, is_there) in [(None, *by_default), (Some("--hold-back-failed"), *with_flag)] {
                let uuid = Uuid::from_u64_pair(number as u64, u64::from(flag.is_some()));
                let execution = execution(uuid, result.clone());
                let contents = execution.encode().unwrap();
                let path = place.write("full", &contents);
                let output = place.command().args(flag).args([&url(&web), "full"]).output().unwrap();
                assert!(output.status.success(), "{result} {flag:?}: {output:?}");
                let binary = web.main_binary(uuid);
                assert_eq!(binary.as_deref(), is_there.then_some("bin/program"), "{result} {flag:?}");
                let words = format!(
                    "held back its files below bin/ (artifacts: 1), because of how the build ended: {result}"
                );
                assert_eq!(stderr(&output).contains(&words), !is_there, "{result}: {output:?}");
                assert!(fs::read(path).unwrap() == contents, "the file stays as it is");
            }
        }
        for request in web.http.requests() {
            let Execution { uuid, result, output, .. } = Execution::decode(&request.body).unwrap();
            let whole = execution(uuid, result);
            let others: Vec<File> =
                whole.output.into_iter().filter(|file| file.path != "bin/program".into()).collect();
            let kept: Vec<File> =
                output.into_iter().filter(|file| file.path != "bin/program".into()).collect();
            assert_eq!(kept, others, "what is no binary is there");
        }
    }
}

#[test]
fn a_result_that_cannot_be_looked_into_is_not_sent() {
    let web = BuilderWeb::start(Version::Main, &[]);
    let place = Place::new();
    let contents = execution(Uuid::nil(), BuildResult::Signalled(9)).encode().unwrap();
    place.write("full", &contents[..contents.len() - 1]);
    let output = place.upload(&url(&web));
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(stderr(&output).contains("it is damaged or no stored result"), "{output:?}");
    assert_eq!(web.http.heads(), 0);
}

#[test]
fn the_server_holds_back_the_same_and_keeps_what_it_stored() {
    for (options, status, is_there) in
        [(vec!["--keep-local"], 1, true), (vec!["--keep-local", "--hold-back-failed"], 1, false)]
    {
        let web = BuilderWeb::start(Version::V0_2_0, &[]);
        let site = site(&url(&web), &options);
        let server = start(&site);
        let failed = build_with(&server, "failed", BuildResult::Exited(status), 10);
        let killed = build_with(&server, "killed", BuildResult::Signalled(9), 100_000);
        let late = build_with(&server, "late", BuildResult::Message("timeout after 1h".into()), 10);
        let good = build_with(&server, "good", BuildResult::Exited(0), 10);
        wait_until_empty(&server);
        assert_eq!(web.main_binary(failed).is_some(), is_there, "{options:?}");
        assert_eq!((web.main_binary(killed), web.main_binary(late)), (None, None));
        assert!(web.main_binary(good).is_some());
        let told = format!("killed/{killed}/full: held back its files below bin/ (artifacts: 1)");
        wait_for_log(&server, &told);
        for (name, uuid) in [("failed", failed), ("killed", killed), ("late", late), ("good", good)] {
            assert_eq!(stored(&result(&site, name, uuid)).output[0].path, "bin/program".into(), "{name}");
        }
    }
}

#[test]
fn its_page_of_a_build_says_why_the_build_was_aborted() {
    for version in VERSIONS {
        let web = BuilderWeb::start(version, &[]);
        let site = site(&url(&web), &[]);
        let server = start(&site);
        let late = build_with(&server, "late", BuildResult::Message("timeout after 1h".into()), 10);
        let killed = build_with(&server, "killed", BuildResult::Signalled(9), 10);
        wait_until_empty(&server);
        let (console, result) = web.page(late);
        assert_eq!(console, ["a line", "execution aborted: timeout after 1h"]);
        assert_eq!(result, "stopped 1");
        assert_eq!(web.page(killed), (vec!["a line".to_owned()], "signalled 9".to_owned()));
    }
}

#[test]
fn one_job_that_is_not_its_users_holds_up_nobody() {
    for (version, said) in [(Version::V0_2_0, "403 Forbidden"), (Version::Main, "401 Unauthorized")] {
        let web = BuilderWeb::start(version, &["secret"]);
        let site = site(&url(&web), &[]);
        let server = start(&site);
        build_with(&server, "secret", BuildResult::Exited(0), 10);
        wait_for("the refusal", || uploads(&server).is_some_and(|(title, _)| title.contains(said)));
        let mut others: Vec<Uuid> = (0..4)
            .map(|number| build_with(&server, &format!("job-{number}"), BuildResult::Exited(0), 10))
            .collect();
        others.sort();
        wait_for("the others", || web.uuids() == others);
        wait_for("the other results to leave", || {
            uploads(&server).is_some_and(|(_, jobs)| jobs == ["secret"])
        });
        let (title, _) = uploads(&server).unwrap();
        assert!(
            title.contains("it does not let this user upload this job") && !title.contains("paused"),
            "{title}"
        );
    }
}

#[test]
fn wrong_credentials_pause_everything_until_they_are_corrected() {
    for (version, jobs_before) in [(Version::V0_2_0, 1), (Version::Main, 3)] {
        let web = BuilderWeb::start(version, &[]);
        let mut site = site(&web.http.url(), &[]);
        let credentials = site.file("credentials", "user:wrong\n");
        site.options.extend(["--upload-credentials".to_owned(), credentials.to_str().unwrap().to_owned()]);
        let server = start(&site);
        // Longer than all buffers: what is said early must be heard.
        let mut builds = vec![build_with(&server, "job-0", BuildResult::Exited(0), 32 << 20)];
        for number in 1..jobs_before {
            builds.push(build_with(&server, &format!("job-{number}"), BuildResult::Exited(0), 10));
        }
        wait_for("the pause", || {
            uploads(&server).is_some_and(|(title, _)| title.contains("uploads are paused"))
        });
        let tried = web.http.heads();
        builds.push(build_with(&server, "another", BuildResult::Exited(0), 10));
        fs::write(&credentials, format!("user:{SECRET}\n")).unwrap();
        assert_eq!(web.http.heads(), tried, "nothing is tried meanwhile");
        signal(server.pid(), "HUP");
        wait_until_empty(&server);
        builds.sort();
        assert_eq!(web.uuids(), builds);
    }
}

#[test]
fn a_result_that_it_has_already_is_done() {
    for version in VERSIONS {
        let web = BuilderWeb::start(version, &[]);
        let place = Place::new();
        place.write("full", &execution(Uuid::nil(), BuildResult::Exited(0)).encode().unwrap());
        let output = place.command().args([&url(&web), "full", "full"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(web.http.requests().len(), 2);
    }
}

#[test]
fn what_is_no_result_is_refused_by_it() {
    for (version, expected) in [(Version::V0_2_0, "400 Bad Request"), (Version::Main, "500 Internal")] {
        let web = BuilderWeb::start(version, &[]);
        let output = Place::new().upload(&url(&web));
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert!(stderr(&output).contains(expected), "{output:?}");
    }
}
