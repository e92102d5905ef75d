//! The commands of the pages, run for real, and the links between pages.
//!
//! A block of commands begins with ```` ```sh ````. All blocks of a page are run one after the other, in an empty
//! directory, but those below a comment that begins with `not run` and says why. A block below the comment
//! `in a terminal of its own` starts a server that goes on; the next one runs as soon as it listens.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What no page can know: here a port may be taken.
const WRAPPERS: [(&str, &str); 3] = [
    (
        "builder-server",
        "case $* in *--export-state*) ;; *) echo $$ >>\"$SITE/servers\" ;; esac\n\
         exec \"$PROGRAMS/builder-server\" \"$@\" --worker-listen \"unix:$SITE/worker\" --client-listen \"unix:$SITE/client\"",
    ),
    ("builder-client", "exec \"$PROGRAMS/builder-client\" \"$@\""),
    ("builder-worker", "exec \"$PROGRAMS/builder-worker\" --remote \"unix:$SITE/worker\" \"$@\""),
];

/// What the person does who types the commands: wait until a server says that it listens, and stop it.
const PROLOGUE: &str = r#"
set -eu
listens() {
    until "$PROGRAMS/builder-client" info >/dev/null 2>&1; do sleep 0.05; done
}
stop() {
    for server in $(cat "$SITE/servers"); do
        kill "$server"
        while kill -0 "$server" 2>/dev/null; do sleep 0.05; done
    done
    : >"$SITE/servers"
}
trap 'kill $(cat "$SITE/servers") 2>/dev/null || :; wait' EXIT
set -x
"#;

/// What stands above a block that starts a server, which goes on while the next blocks run.
const OWN_TERMINAL: &str = "<!-- in a terminal of its own -->";

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All pages of the tree, by their paths in it.
fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(tree().join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            let is_elsewhere = path.starts_with("target") || path.starts_with(".git");
            if entry.file_type().unwrap().is_dir() && !is_elsewhere {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    for known in
        ["README.md", "bin/LOG.md", "bin/OPERATING.md", "fuzz/README.md", "sandbox-scripts/systemd/README.md"]
    {
        assert!(pages.iter().any(|page| page == known), "{known} is not among {pages:?}");
    }
    pages
}

fn read(page: &str) -> String {
    fs::read_to_string(tree().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// The blocks of commands that are to be run.
fn commands(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            match line {
                "```sh" if before.starts_with("<!-- not run") => {}
                "```sh" if before == OWN_TERMINAL => {
                    blocks.push(format!("stop\n(\n{}\n) &\nlistens", block.join("\n")));
                }
                "```sh" if block.iter().any(|line| line.starts_with("builder-server ")) => {
                    blocks.push(format!("stop\n{}", block.join("\n")));
                }
                "```sh" => blocks.push(block.join("\n")),
                "```text" => {}
                other => panic!("{other} begins a block; commands are sh, all else is text"),
            }
        }
        before = line;
    }
    blocks
}

/// A directory to run commands in, and beside it what they are run with.
struct Site {
    directory: TempDir,
}

impl Site {
    fn new() -> Site {
        let site = Site { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(site.path("programs")).unwrap();
        fs::create_dir(site.path("here")).unwrap();
        fs::write(site.path("servers"), "").unwrap();
        for (name, body) in WRAPPERS {
            site.add_program(name, body);
        }
        site
    }

    /// Puts a script in the place of a program.
    fn add_program(&self, name: &str, body: &str) {
        let path = self.path("programs").join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs all commands of a page, after these.
    fn run(&self, before: &str, page: &str) -> String {
        let blocks = commands(&read(page));
        assert!(!blocks.is_empty(), "{page} has no commands");
        self.run_script(&format!("{before}\n{}\n", blocks.join("\n\n")))
    }

    /// Runs a script after the prologue, and returns what it prints.
    fn run_script(&self, script: &str) -> String {
        let script = format!("{PROLOGUE}{script}");
        let programs = Path::new(env!("CARGO_BIN_EXE_builder-server")).parent().unwrap();
        let path = format!(
            "{}:{}:{}",
            self.path("programs").display(),
            programs.display(),
            env::var("PATH").unwrap()
        );
        let output = Command::new("timeout")
            .args(["60", "sh", "-c", &script])
            .current_dir(self.path("here"))
            .env("PATH", path)
            .env("PROGRAMS", programs)
            .env("SITE", self.directory.path())
            .env("BUILDER_REMOTE", format!("unix:{}", self.path("client").display()))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (told, complaints) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}\n{told}\n{complaints}", output.status);
        told.into_owned()
    }
}

#[test]
fn every_page_says_what_its_blocks_are() {
    for page in pages() {
        commands(&read(&page));
    }
}

#[test]
fn the_commands_of_the_readme_build_a_job_and_another_one_the_next_day() {
    let site = Site::new();
    site.add_program("date", "case $* in +%F) echo \"$DAY\" ;; *) exec /bin/date \"$@\" ;; esac");
    for day in ["2026-01-05", "2026-01-06"] {
        // The server of the day before has ended.
        let told = site.run(&format!("export DAY={day}; : >\"$SITE/servers\""), "README.md");
        assert!(told.contains("hello\n") && told.contains("result    exited 0\n"), "{told}");
        let artifact = site.path("here").join(format!("artifacts-{day}/bin/program"));
        assert_eq!(fs::read_to_string(artifact).unwrap(), "made\n");
    }
    assert_eq!(fs::read_dir(site.path("here/data/hello")).unwrap().count(), 2);
}

/// The words of a page that people read: neither commands nor addresses.
fn words(page: &str) -> usize {
    let mut words = 0;
    let mut is_block = false;
    for line in page.lines().filter(|line| !line.starts_with("<!--")) {
        is_block ^= line.starts_with("```");
        let line = line.split("](").enumerate().map(|(place, piece)| match place {
            0 => piece,
            _ => piece.split_once(')').unwrap().1,
        });
        if !is_block {
            let has_letter = |word: &&str| word.chars().any(char::is_alphanumeric);
            words += line.flat_map(str::split_whitespace).filter(has_letter).count();
        }
    }
    words
}

#[test]
fn the_readme_is_short_and_begins_with_what_builder_is() {
    let page = read("README.md");
    assert!(words(&page) <= 700, "{} words", words(&page));
    assert!(words(&page) > 300, "{} words", words(&page));
    let beginning = page.split("\n## ").next().unwrap();
    assert!(!beginning.contains("0.4.0") && beginning.contains("![") && words(beginning) < 100);
}

/// What is typed in the picture of a terminal.
fn typed(picture: &str) -> Vec<&str> {
    picture
        .lines()
        .filter(|line| line.contains("\"typed\">$ "))
        .map(|line| line.split("$ ").nth(1).unwrap())
        .collect()
}

#[test]
fn the_picture_of_the_readme_is_what_the_programs_do() {
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("not tested, as script of util-linux is not installed");
        return;
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_builder-server")).parent().unwrap();
    let script = tree().join("bin/pictures/terminal.sh");
    let output = Command::new("sh").arg(script).env("BUILDER_PROGRAMS", programs).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let picture = String::from_utf8(output.stdout).unwrap();
    for said in
        ["listening on", "compiling on", "recovered: 1 scheduled, 1 queued", "exited 0", "bin/program"]
    {
        assert!(picture.contains(said), "{said} is missing in {picture}");
    }
    assert_eq!(typed(&picture), typed(&read("bin/pictures/terminal.svg")));
    assert_eq!(typed(&picture).len(), 8);
}

#[test]
fn the_commands_about_jobs_work_where_roles_are_split_and_data_is_elsewhere() {
    let site = Site::new();
    fs::remove_file(site.path("programs/builder-worker")).unwrap();
    let before = r#"
        DATA=$SITE/elsewhere/data CONFIG=$SITE/elsewhere/config WORKERS=unix:$SITE/worker
        mkdir -p "$DATA"
        builder-server --dir "$DATA" --config-dir "$CONFIG" & listens"#;
    let told = site.run(before, "bin/JOBS.md");
    assert!(told.contains("artifact  bin/site.txt ("), "{told}");
    // Tomorrow, at three: such as "in 1d 2h", or "in 9h 3m".
    let left = told.split("T03:00:00Z  in ").nth(1).expect("the job waits for three in the morning");
    let days = left.split_whitespace().next().unwrap().strip_suffix('d').unwrap_or("0");
    assert!(matches!(days, "0" | "1"), "{told}");
    assert!(told.contains(" this would build mirage-www on linux\n"), "{told}");
}

#[test]
fn the_recipes_of_the_page_about_operating_work() {
    let before = r#"
        DIR=$PWD/data
        mkdir data
        builder-server --dir data & listens
        printf '#!/bin/sh\necho error: oops; exit 3\n' >site.sh
        builder-client schedule site linux site.sh
        builder-worker linux"#;
    let told = Site::new().run(before, "bin/OPERATING.md");
    // Both lists of failures, and then the console; the script, and what was found.
    assert_eq!(told.matches("exited 3\n").count(), 2, "{told}");
    assert!(told.contains("  exited 3  site  linux  "), "{told}");
    assert!(told.contains("s error: oops\n") && told.contains("echo error: oops; exit 3\n"), "{told}");
    assert!(told.contains(":1: error: oops\n"), "{told}");
    // What failed, and how the host is.
    assert!(told.contains("  exited 3  1      ") && told.contains("  running since "), "{told}");
}

#[test]
fn the_commands_about_moving_move_there_and_back_and_there() {
    let site = Site::new();
    let directory = site.path("here/data");
    fs::create_dir(&directory).unwrap();
    fs::copy(tree().join("tests/vectors/state-0.4.0.der"), directory.join("state")).unwrap();
    let told = site.run("DIR=$PWD/data", "bin/MOVING.md");
    assert_eq!(told.matches("Schedule (2)\n").count(), 2, "{told}");
    assert!(directory.join(".builder.before/log").exists() && directory.join("state.before").exists());
}

/// The loop that the manual of the worker shows.
fn loop_of_the_manual() -> String {
    let manual = read("bin/man/builder-worker.1");
    let mut blocks = manual.split(".Bd -literal -offset indent\n").skip(1);
    let block = blocks.find(|block| block.starts_with("while ")).expect("the manual has a loop");
    block.split(".Ed").next().unwrap().to_owned()
}

#[test]
fn the_loop_in_the_manual_of_the_worker_survives_a_restart_of_the_server() {
    let site = Site::new();
    // Nobody waits for the seconds between two attempts.
    site.add_program("sleep", "exec /bin/sleep 0.1");
    fs::create_dir(site.path("here/data")).unwrap();
    let script = r#"
        server() { builder-server --dir data & listens; }
        has_run() { until builder-inspect --job "data/$1" >/dev/null 2>&1; do sleep 1; done; }
        printf 'echo hello\n' >job
        server
        (LOOP) &
        loop=$!
        trap 'kill "$loop" $(cat "$SITE/servers") 2>/dev/null || :; wait' EXIT
        builder-client schedule before linux job --period never
        has_run before
        stop
        sleep 1
        server
        builder-client schedule after linux job --period never
        has_run after
        has_run before && echo "both have run"
    "#;
    let told = site.run_script(&script.replace("LOOP", loop_of_the_manual().trim_end()));
    assert!(told.contains("both have run\n"), "{told}");
}

/// The part of a link that leads to this heading.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
    heading.chars().filter(kept).collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        let text = read(&page);
        let directory = tree().join(&page).parent().unwrap().to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, part) = target.split_once('#').unwrap_or((target, ""));
            if path.contains("://") {
                continue;
            }
            let file = if path.is_empty() { tree().join(&page) } else { directory.join(path) };
            assert!(file.exists(), "{page} links to {path}");
            if !part.is_empty() {
                let text = fs::read_to_string(file).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                let leads = headings.any(|line| anchor(line.trim_start_matches('#').trim()) == part);
                assert!(leads, "{page} links to {target}");
            }
        }
    }
}

/// What a page says that there is in a file, as in "[state.rs](src/state.rs) (`apply`, `snapshot`)".
fn named_items(text: &str) -> Vec<(&str, Vec<&str>)> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(") ("));
    let named = links.filter(|(path, _)| !path.contains(')'));
    named
        .map(|(path, rest)| (path, rest.split(')').next().unwrap().split('`').skip(1).step_by(2).collect()))
        .collect()
}

#[test]
fn what_the_guide_to_the_source_names_is_where_it_says() {
    let guide = read("bin/README.md");
    let mut count = 0;
    for (path, items) in named_items(&guide) {
        let file = fs::read_to_string(tree().join("bin").join(path)).unwrap();
        for item in items {
            assert!(file.contains(item), "bin/README.md says that {path} has {item}");
            count += 1;
        }
    }
    assert!(count > 20, "only {count} names were found in the page");
}
