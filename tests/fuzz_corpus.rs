//! Every fuzz target over its seeds and its corpus, so that what a fuzzer once found is tried with every test run. The
//! server and its model also get inputs that are left to chance, the same in each run.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

use builder_tests::fuzz::{TARGETS, corpus, history, server};
use builder_tests::world::Random;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The most that all inputs in the tree may take together.
const CORPUS_BYTES: u64 = 500_000;

/// So many inputs of the server are left to chance, each of so many bytes, which are more than its steps use up.
const SERVER_INPUTS: u64 = 2000;
const SERVER_INPUT_BYTES: usize = 2000;
/// The same for the history.
const HISTORY_INPUTS: u64 = 20_000;
const HISTORY_INPUT_BYTES: usize = 200;

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs a target, and says over which input it failed.
fn run(name: &str, run: fn(&[u8]), input: &[u8], origin: &str) {
    if catch_unwind(AssertUnwindSafe(|| run(input))).is_err() {
        panic!("fuzz target {name} fails over {origin}");
    }
}

#[test]
fn every_target_takes_its_seeds() {
    for target in TARGETS {
        for (number, seed) in (target.seeds)().iter().enumerate() {
            run(target.name, target.run, seed, &format!("seed {number}"));
        }
    }
}

#[test]
fn every_target_takes_its_corpus() {
    for target in TARGETS {
        let inputs = files(&corpus().join(target.name));
        assert!(!inputs.is_empty(), "the corpus of {} is empty", target.name);
        for path in inputs {
            run(target.name, target.run, &fs::read(&path).unwrap(), &path.display().to_string());
        }
    }
}

#[test]
fn every_target_takes_seeds_that_are_cut_or_damaged() {
    for target in TARGETS {
        for (number, seed) in (target.seeds)().into_iter().enumerate() {
            // Some places of each, so that this takes no longer than the others.
            let step = seed.len() / 8 + 1;
            for place in (number % step..seed.len()).step_by(step) {
                run(target.name, target.run, &seed[..place], &format!("seed {number} up to {place}"));
                let mut damaged = seed.clone();
                damaged[place] ^= 1 << (place % 8);
                run(target.name, target.run, &damaged, &format!("seed {number} damaged at {place}"));
            }
        }
    }
}

#[test]
fn the_server_does_what_its_model_says_whatever_happens() {
    for seed in 0..SERVER_INPUTS {
        let input = Random::new(seed).bytes(SERVER_INPUT_BYTES);
        run("server", server::run, &input, &format!("the bytes of seed {seed}"));
    }
}

#[test]
fn a_search_in_the_history_gives_what_a_look_at_every_build_gives() {
    for seed in 0..HISTORY_INPUTS {
        let input = Random::new(seed).bytes(HISTORY_INPUT_BYTES);
        run("history", history::run, &input, &format!("the bytes of seed {seed}"));
    }
}

#[test]
fn programs_and_corpora_are_those_of_the_targets() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let stems = |directory: &Path| -> BTreeSet<String> {
        files(directory).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(stems(&corpus()), names);
    assert_eq!(stems(&corpus().join("../fuzz_targets")), names);
}

#[test]
fn the_corpora_stay_small() {
    let inputs = TARGETS.iter().flat_map(|target| files(&corpus().join(target.name)));
    let bytes: u64 = inputs.map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes < CORPUS_BYTES, "{bytes} bytes; `.ci/fuzz --merge` keeps what is worth it");
}
