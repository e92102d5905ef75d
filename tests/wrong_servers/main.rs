//! Wrong servers, planted in a copy of what ships; see `tests/README.md`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code"
)]

mod copy;
mod programs;

use builder_tests::wrong_servers::{Finder, Hunk, WrongServer, apply, promises, tree, wrong_servers};
use copy::Copy;
use programs::Programs;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

#[test]
fn every_mistake_fits_the_sources_and_says_what_it_breaks() {
    let servers = wrong_servers();
    let keys: BTreeSet<String> = promises().into_iter().map(|promise| promise.key).collect();
    let mut names = BTreeSet::new();
    for server in &servers {
        let name = &server.name;
        assert!(names.insert(name), "two are called {name}");
        assert!(server.mistake.ends_with('.'), "{name} does not say in a sentence what is wrong");
        assert!(keys.contains(&server.breaks), "{name} breaks {:?}, which is no promise", server.breaks);
        let switch = format!("crate::planted(\"{name}\")");
        assert!(server.hunks.iter().any(|hunk| hunk.after.contains(&switch)), "{name} has no {switch}");
        let switches = server.hunks.iter().map(|hunk| hunk.after.matches("planted(").count()).sum::<usize>();
        let own = server.hunks.iter().map(|hunk| hunk.after.matches(&switch).count()).sum::<usize>();
        assert_eq!(switches, own, "{name} switches on another one");
        assert!(
            server.plan.is_empty() || server.found_by == Finder::Simulation,
            "{name} has a plan, but is not found by the simulation"
        );
    }
    let mut problems = Vec::new();
    for (file, hunks) in by_file(&servers) {
        let text = fs::read_to_string(tree().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let lost: Vec<String> = hunks.iter().filter_map(|hunk| hunk.find(&text).err()).collect();
        match lost.is_empty() {
            true => problems.extend(apply(&text, &hunks).err()),
            false => problems.extend(lost),
        }
    }
    assert!(problems.is_empty(), "what a wrong server replaces\n* {}", problems.join("\n* "));
}

#[test]
fn every_promise_is_broken_by_a_wrong_server() {
    let readme = fs::read_to_string(tree().join("README.md")).unwrap();
    let section = readme.split("\n## ").find(|section| section.starts_with("What is promised\n"));
    let made: Vec<&str> = section.unwrap().lines().filter_map(|line| line.strip_prefix("* ")).collect();
    let known = promises();
    assert_eq!(made.len(), known.len(), "promises.txt and the README do not hold the same promises");
    for promise in &known {
        let matching = made.iter().filter(|words| words.starts_with(&promise.words)).count();
        assert_eq!(matching, 1, "the README does not promise: {}", promise.words);
    }
    let broken: BTreeSet<String> = wrong_servers().into_iter().map(|server| server.breaks).collect();
    for promise in known {
        assert!(broken.contains(&promise.key), "no wrong server breaks {}", promise.key);
    }
}

#[test]
fn the_tests_that_are_to_find_mistakes_exist() {
    let sources = sources(&tree());
    for server in wrong_servers() {
        let Finder::Tests { filter, .. } = &server.found_by else { continue };
        let last = filter.rsplit("::").find(|part| !part.is_empty()).unwrap();
        let is_there = |text: &String| {
            [format!("fn {last}"), format!("mod {last};"), format!("mod {last} {{")]
                .iter()
                .any(|words| text.contains(words))
        };
        assert!(sources.iter().any(is_there), "{}: there is no test {filter}", server.name);
    }
}

/// Builds a copy with all mistakes in it, and switches on one after the other. `WRONG_SERVERS` is 1, or names some of them.
#[test]
fn every_wrong_server_is_found() {
    let Ok(wanted) = std::env::var("WRONG_SERVERS") else { return };
    let servers = wrong_servers();
    let mut chosen: Vec<&WrongServer> = match wanted.as_str() {
        "1" => servers.iter().collect(),
        names => {
            let named = |name| servers.iter().find(|server| server.name == name);
            names.split(' ').map(|name| named(name).unwrap_or_else(|| panic!("there is no {name}"))).collect()
        }
    };
    let start = Instant::now();
    let copy = Copy::make(&by_file(&servers));
    let programs = Programs::build(&copy, &chosen.iter().map(|server| &server.found_by).collect());
    println!("built with {} mistakes in {:.0} s", servers.len(), start.elapsed().as_secs_f64());

    // What fails without a mistake finds none.
    let finders: BTreeSet<(&Finder, &str)> =
        chosen.iter().map(|server| (&server.found_by, server.plan.as_str())).collect();
    let rights = run_all(finders.into_iter().collect(), |(finder, plan)| {
        programs.run_right(finder, plan).err().map(|problem| format!("{finder:?} {plan}: {problem}"))
    });
    let problems: Vec<String> = rights.into_iter().flatten().collect();
    assert!(problems.is_empty(), "these fail with the right server:\n{}", problems.join("\n"));

    // What starts programs mostly waits, some of it in vain: it goes first, and not one after the other.
    chosen.sort_by_key(|server| !server.found_by.starts_programs());
    let missed = run_all(chosen, |server| {
        let start = Instant::now();
        let found = programs.run_wrong(server);
        let seconds = start.elapsed().as_secs_f64();
        let (verdict, words) = match &found {
            Ok(words) => ("found", words),
            Err(words) => ("NOT FOUND", words),
        };
        let words: String = words.chars().take(160).collect();
        println!("{}: {verdict} in {seconds:.1} s: {words}", server.name);
        found.is_err().then(|| server.name.clone())
    });
    let missed: Vec<String> = missed.into_iter().flatten().collect();
    println!("all of it took {:.0} s", start.elapsed().as_secs_f64());
    assert!(missed.is_empty(), "nothing finds {}", missed.join(", "));
}

fn by_file(servers: &[WrongServer]) -> BTreeMap<&str, Vec<&Hunk>> {
    let mut hunks: BTreeMap<&str, Vec<&Hunk>> = BTreeMap::new();
    for hunk in servers.iter().flat_map(|server| &server.hunks) {
        hunks.entry(&hunk.file).or_default().push(hunk);
    }
    hunks
}

/// The texts of all Rust files.
fn sources(tree: &Path) -> Vec<String> {
    let mut directories = ["proto", "engine", "bin", "tests"].map(|name| tree.join(name)).to_vec();
    let mut texts = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push(fs::read_to_string(&path).unwrap());
            }
        }
    }
    texts
}

/// Does something with each of the items, with thrice as many at once as there are processors.
fn run_all<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    // Some of them wait in vain.
    let count = 3 * thread::available_parallelism().map_or(1, usize::from);
    let (items, results) = (Mutex::new(items.into_iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                loop {
                    let Some(item) = items.lock().unwrap().next() else { break };
                    let result = work(item);
                    results.lock().unwrap().push(result);
                }
            });
        }
    });
    results.into_inner().unwrap()
}
