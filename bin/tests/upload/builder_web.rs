//! Two servers that answer as builder-web does, and see in a result what builder-web sees.
//!
//! As its sources have it (robur-coop/builder-web): `lib/authorization.ml`, `upload` in `lib/builder_web.ml`, and `add_build` in
//! `lib/model.ml`.

use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::Execution;
use builder_tests::http::{Answer, Early, HttpServer, Request};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// `user:correct-horse`, as the header has it.
pub(crate) const BASIC: &str = "Basic dXNlcjpjb3JyZWN0LWhvcnNl";

/// Which of them it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// 200, 400 for what is no result, 401 with a challenge for credentials, 403 for jobs that are not the user's.
    V0_2_0,
    /// 201, 500 for what is no result, 401 without a challenge for credentials and for such jobs.
    Main,
}

/// Both.
pub(crate) const VERSIONS: [Version; 2] = [Version::V0_2_0, Version::Main];

type Builds = Arc<Mutex<BTreeMap<Uuid, Execution>>>;

/// A server with one user; stopped when dropped.
pub(crate) struct BuilderWeb {
    pub(crate) http: HttpServer,
    builds: Builds,
}

impl BuilderWeb {
    /// The user may upload all jobs but these.
    pub(crate) fn start(version: Version, forbidden: &[&str]) -> BuilderWeb {
        let builds = Builds::default();
        let (stored, forbidden) = (Arc::clone(&builds), owned(forbidden));
        let http = HttpServer::with_early(
            move |head| match is_known(head) {
                true => Early::Nothing,
                // Nobody reads what an unknown user sends.
                false => Early::Close(0, unauthorized(version).into_bytes()),
            },
            move |_, request| Answer::Bytes(answer(version, &forbidden, &stored, request).into_bytes()),
        );
        BuilderWeb { http, builds }
    }

    /// The builds that it has.
    pub(crate) fn uuids(&self) -> Vec<Uuid> {
        self.builds.lock().unwrap().keys().copied().collect()
    }

    /// The only file below `bin/`: it makes a build a success.
    pub(crate) fn main_binary(&self, uuid: Uuid) -> Option<String> {
        let builds = self.builds.lock().unwrap();
        let paths = builds[&uuid].output.iter().map(|file| file.path.to_string());
        let binaries: Vec<String> = paths.filter(|path| path.starts_with("bin/")).collect();
        <[String; 1]>::try_from(binaries).ok().map(|[only]| only)
    }

    /// Its page of a build: the console, and the result in words.
    pub(crate) fn page(&self, uuid: Uuid) -> (Vec<String>, String) {
        let builds = self.builds.lock().unwrap();
        let build = &builds[&uuid];
        let result = match &build.result {
            BuildResult::Exited(status) => format!("exited {status}"),
            BuildResult::Signalled(signal) => format!("signalled {signal}"),
            BuildResult::Stopped(signal) => format!("stopped {signal}"),
            BuildResult::Message(_) => "stopped 1".to_owned(),
        };
        (build.console.iter().map(|line| line.line.to_string()).collect(), result)
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn is_known(request: &Request) -> bool {
    request.header("authorization") == Some(BASIC)
}

fn unauthorized(version: Version) -> String {
    match version {
        Version::V0_2_0 => {
            response("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"builder-web\""], "Forbidden!")
        }
        Version::Main => response("401 Unauthorized", &[], "Unauthorized!\n"),
    }
}

fn answer(version: Version, forbidden: &[String], builds: &Builds, request: &Request) -> String {
    let Ok(build) = Execution::decode(&request.body) else {
        return match version {
            Version::V0_2_0 => response("400 Bad Request", &[], "Bad request"),
            Version::Main => response("500 Internal Server Error", &[], "Internal server error\n"),
        };
    };
    if forbidden.contains(&build.job.name.to_string()) {
        return match version {
            Version::V0_2_0 => response("403 Forbidden", &[], "Forbidden"),
            Version::Main => unauthorized(version),
        };
    }
    let mut builds = builds.lock().unwrap();
    if builds.contains_key(&build.uuid) {
        return response("409 Conflict", &[], &format!("Build with same uuid exists: {}\n", build.uuid));
    }
    builds.insert(build.uuid, build);
    match version {
        Version::V0_2_0 => response("200 OK", &[], ""),
        Version::Main => response("201 Created", &[], "Success!\n"),
    }
}

fn response(status: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
