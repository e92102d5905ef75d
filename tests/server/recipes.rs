//! The recipes of `bin/JOBS.md`, run as they stand there.
//!
//! Without git, those that need it say so and pass, unless `BUILDER_GIT` is set, as in `.ci/run`.

use crate::site;
use builder_tests::{Server, Site};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

const VARIABLE: &str = "BUILDER_GIT";

/// The block of commands below the comment that ends with this name.
fn recipe(name: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("JOBS.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once(&format!(": {name} -->\n```sh\n")).unwrap();
    rest.split_once("```\n").unwrap().0.to_owned()
}

fn has_git() -> bool {
    if Command::new("git").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(std::env::var_os(VARIABLE).is_none(), "there is no git");
    println!("not tested: there is no git");
    false
}

/// A command that finds the client by its name, and the server by its environment.
fn command(program: &str, site: &Site, server: &Server) -> Command {
    let client = site.client_command(server);
    let programs = Path::new(client.get_program()).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&path))).unwrap();
    let mut command = Command::new(program);
    command.env("PATH", path).env("BUILDER_REMOTE", server.remote_for_clients());
    command
}

/// Runs a recipe as a script.
fn run(name: &str, site: &Site, server: &Server) -> Output {
    let script = site.file(name, recipe(name));
    let directory = script.parent().unwrap();
    command("sh", site, server).arg(&script).current_dir(directory).output().unwrap()
}

fn workers(site: &Site, server: &Server, platforms: &[&str]) -> Vec<Child> {
    platforms.iter().map(|platform| site.worker(server, platform)).collect()
}

fn wait(workers: Vec<Child>) {
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

/// A job that has run once.
fn ready(site: &Site, server: &Server, name: &str, platform: &str, script: &str) {
    site.schedule(server, name, platform, script);
    wait(workers(site, server, &[platform]));
    site.wait_for_results(name, 1);
}

/// A clone of a bare repository whose hook is the recipe.
struct Repository {
    bare: PathBuf,
    clone: PathBuf,
}

impl Repository {
    fn new(site: &Site) -> Repository {
        let directory = site.data().join("../repositories");
        fs::create_dir(&directory).unwrap();
        let directory = directory.canonicalize().unwrap();
        let repository = Repository { bare: directory.join("bare"), clone: directory.join("clone") };
        let [bare, clone] = [&repository.bare, &repository.clone].map(|path| path.to_str().unwrap());
        for arguments in [&["init", "-q", "--bare", bare][..], &["init", "-q", clone]] {
            let output = Command::new("git").args(arguments).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        let hook = repository.bare.join("hooks/post-receive");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::write(&hook, recipe("post-receive")).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        repository
    }

    fn git(&self, mut git: Command, arguments: &[&str]) -> Output {
        git.args(["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]);
        git.args(arguments).current_dir(&self.clone).output().unwrap()
    }

    /// Commits a script that builds, and pushes it.
    fn push(&self, site: &Site, server: &Server, build: &str) -> String {
        fs::write(self.clone.join("build.sh"), build).unwrap();
        let git = || command("git", site, server);
        for arguments in [&["add", "build.sh"][..], &["commit", "-q", "-m", "build"]] {
            let output = self.git(git(), arguments);
            assert!(output.status.success(), "{output:?}");
        }
        let output = self.git(git(), &["push", self.bare.to_str().unwrap(), "HEAD:refs/heads/main"]);
        String::from_utf8(output.stderr).unwrap()
    }

    /// What the branch of the bare repository has as its script; none if there is no such branch.
    fn pushed(&self) -> Option<String> {
        let bare = self.bare.to_str().unwrap();
        let output = Command::new("git").args(["-C", bare, "show", "main:build.sh"]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}

#[test]
fn a_push_is_built_and_taken_back_if_that_fails() {
    if !has_git() {
        return;
    }
    let site = site();
    let server = site.start();
    let repository = Repository::new(&site);
    ready(&site, &server, "site", "linux", &recipe("site"));

    let (bad, good) = ("echo no luck; exit 3\n", "echo made of $COMMIT | tee site.txt\n");
    let workers_of_pushes = workers(&site, &server, &["linux"; 3]);
    let said = repository.push(&site, &server, bad);
    assert!(said.contains("no luck") && said.contains("ended with 3; the push is taken back"), "{said}");
    assert_eq!(repository.pushed(), None, "the branch was new: {said}");
    let said = repository.push(&site, &server, good);
    assert!(said.contains("made of ") && said.contains("exited 0"), "{said}");
    assert_eq!(repository.pushed().as_deref(), Some(good), "{said}");
    let build = said.split_once("build ").unwrap().1.split_whitespace().next().unwrap().to_owned();
    let said = repository.push(&site, &server, bad);
    assert!(said.contains("the push is taken back"), "{said}");
    assert_eq!(repository.pushed().as_deref(), Some(good), "{said}");
    wait(workers_of_pushes);

    let output = site.data().join("../fetched");
    let words = ["fetch", build.as_str(), "bin/site.txt", "--output", output.to_str().unwrap()];
    site.succeed(&server, words);
    assert!(fs::read_to_string(output.join("site.txt")).unwrap().starts_with("made of "));
}

#[test]
fn a_chain_goes_on_with_what_was_built() {
    let site = site();
    let server = site.start();
    let gate = site.data().join("gate");
    ready(&site, &server, "compile", "linux", &format!("test -e {}\n", gate.display()));
    ready(&site, &server, "check", "linux", "echo checks \"${BUILD-nothing}\"\n");
    let failing = workers(&site, &server, &["linux"]);
    let output = run("chain", &site, &server);
    wait(failing);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{output:?}");

    fs::write(gate, "").unwrap();
    let both = workers(&site, &server, &["linux", "linux"]);
    let output = run("chain", &site, &server);
    wait(both);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let newest = site.succeed(&server, ["history", "compile", "--limit", "1", "--json"]);
    let newest: serde_json::Value = serde_json::from_str(&newest).unwrap();
    let checked = format!("checks {}", newest["uuid"].as_str().unwrap());
    assert!(String::from_utf8(output.stdout).unwrap().contains(&checked), "{checked}");
}

#[test]
fn a_matrix_runs_everywhere_and_fails_where_one_does() {
    let site = site();
    let server = site.start();
    let platforms = ["linux", "freebsd-14"];
    let gate = site.data().join("gate");
    ready(&site, &server, "site-linux", "linux", "echo linux\n");
    let failing = format!("echo bsd\ntest -e {} || exit 5\n", gate.display());
    ready(&site, &server, "site-freebsd-14", "freebsd-14", &failing);
    for (status, said) in [(5, "freebsd-14: 5, see freebsd-14.log\n"), (0, "")] {
        let both = workers(&site, &server, &platforms);
        let output = run("matrix", &site, &server);
        wait(both);
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
        let log = fs::read_to_string(site.data().join("../linux.log")).unwrap();
        assert!(log.contains("build ") && log.ends_with("s exited 0\n"), "{log}");
        fs::write(&gate, "").unwrap();
    }
}
