//! Whole servers in a world that is simulated from a seed; see `tests/README.md`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code"
)]

mod environment;
mod legacy;
mod model;
mod network;
mod peers;
mod plan;
mod planted;
mod queue;
mod salvage;
mod server;
mod trace;
mod world;

use builder_tests::world::{Lie, Random};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use world::{Failure, Summary, Watching, World};

/// Crashes of one seed. Worlds that are long enough to get into trouble, and short enough to look at afterwards.
const CRASHES: u64 = 50;
/// Seeds that every run of the tests tries.
const FIXED_SEEDS: u64 = 60;
/// Crashes within which each wrong server is to be found: less than a minute's worth.
const PATIENCE: u64 = 50_000;

#[test]
fn nothing_is_lost_with_the_fixed_seeds() {
    let start = Instant::now();
    let seeds = number_from("SIMULATION_SEEDS").unwrap_or(FIXED_SEEDS);
    let total = run_seeds(0..seeds, || false);
    println!("{}", report(total, start.elapsed()));
}

/// For as long as `SIMULATION_SECONDS` says, with seeds that nobody has tried before.
#[test]
fn nothing_is_lost_with_fresh_seeds() {
    let Some(seconds) = number_from("SIMULATION_SECONDS") else { return };
    let start = Instant::now();
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = Random::new(since_epoch.as_nanos() as u64).number() >> 16;
    let total = run_seeds(first.., || start.elapsed() >= Duration::from_secs(seconds));
    println!("from seed {first} on: {}", report(total, start.elapsed()));
}

/// The seed that `SIMULATION_SEED` names, event by event.
#[test]
fn replay() {
    let Some(seed) = number_from("SIMULATION_SEED") else { return };
    let watching = Watching { prints_events: true, ..Watching::default() };
    match run(seed, Lie::Nothing, watching) {
        Ok(summary) => println!("{summary:?}"),
        Err(failure) => panic!("after {} crashes: {}", failure.crashes, failure.violation),
    }
}

#[test]
fn a_seed_replays_event_for_event() {
    for seed in 1000..1010 {
        let once = run(seed, Lie::Nothing, Watching::default()).unwrap();
        let again = run(seed, Lie::Nothing, Watching::default()).unwrap();
        assert_eq!(once, again, "seed {seed}");
    }
}

#[test]
fn answers_that_rest_on_a_log_that_is_not_synced_are_seen_at_once() {
    let failures = (0..10).map(|seed| run(seed, Lie::LogNotSynced, Watching::default()).unwrap_err());
    let failures: Vec<Failure> = failures.collect();
    // Where crashes come faster than messages travel, it takes some until there is an answer at all, and the next start may
    // find what is wrong before that.
    let seen = failures.iter().filter(|failure| failure.violation.contains("the log is not durable")).count();
    assert!(seen >= 7, "{failures:?}");
    assert!(failures.iter().map(|failure| failure.crashes).sum::<u64>() < 100, "{failures:?}");
}

#[test]
fn every_lie_of_the_platform_is_found() {
    let watching = Watching { from_without: true, ..Watching::default() };
    for lie in Lie::ALL {
        let start = Instant::now();
        let (mut seeds, mut crashes) = (0, 0);
        let failure = loop {
            assert!(crashes < PATIENCE, "{lie:?} was not found with {seeds} seeds");
            seeds += 1;
            match run(seeds, lie, watching) {
                Ok(summary) => crashes += summary.crashes,
                Err(failure) => break failure,
            }
        };
        crashes += failure.crashes;
        let elapsed = start.elapsed().as_secs_f64();
        println!("{lie:?}: {elapsed:.2} s, {seeds} seeds, {crashes} crashes: {}", failure.violation);
    }
}

/// Runs seed after seed, until one fails or it is enough.
fn run_seeds(seeds: impl Iterator<Item = u64>, is_enough: impl Fn() -> bool) -> (u64, Summary) {
    let (mut count, mut total) = (0, Summary::default());
    for seed in seeds {
        match run(seed, Lie::Nothing, Watching::default()) {
            Ok(summary) => total += summary,
            Err(failure) => fail(seed, &failure),
        }
        count += 1;
        if is_enough() {
            break;
        }
    }
    (count, total)
}

/// Runs one seed; a panic is a failure, too.
fn run(seed: u64, lie: Lie, watching: Watching) -> Result<Summary, Failure> {
    let world = || World::new(seed, CRASHES, lie, watching).run();
    catch_unwind(AssertUnwindSafe(world)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("something");
        Err(Failure { violation: format!("panicked: {text}"), crashes: 0, events: String::new() })
    })
}

/// Says all that is known about a failure.
fn fail(seed: u64, failure: &Failure) -> ! {
    let watching = Watching { keeps_events: true, ..Watching::default() };
    let events = run(seed, Lie::Nothing, watching).err().map(|failure| failure.events).unwrap_or_default();
    panic!(
        "seed {seed}, after {} crashes: {}\n\nthe last events:\n{events}\nreplay it with:\n    \
         SIMULATION_SEED={seed} cargo test --release -p builder-tests --test simulation replay -- --nocapture\n",
        failure.crashes, failure.violation
    );
}

fn report((seeds, total): (u64, Summary), elapsed: Duration) -> String {
    let per_minute = total.crashes as f64 / elapsed.as_secs_f64() * 60.0;
    format!(
        "{seeds} seeds, {} crashes ({per_minute:.0} a minute), {} stops, {} builds, {} results, {} uploads, {} notices, {} ends told, {} events",
        total.crashes,
        total.stops,
        total.builds,
        total.results,
        total.uploads,
        total.notices,
        total.ends,
        total.events
    )
}

fn number_from(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} has to be a number, not {value}")))
}
