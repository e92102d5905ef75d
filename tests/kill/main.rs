//! The server is killed again and again while clients and workers are busy; a witness outside knows what was promised.
//!
//! `BUILDER_KILL_ROUNDS` says how often, `BUILDER_KILL_SEED` with which random numbers. Threads and processes take turns as
//! they like, so a seed makes a failure likely to come again, but not certain.

#![allow(clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod client;
mod ledger;
mod link;
mod random;
mod witness;
mod worker;

use crate::client::Client;
use crate::ledger::Ledger;
use crate::random::Random;
use crate::witness::Witness;
use crate::worker::{Manner, run_programs, work};
use builder_tests::{Server, Site, now, programs, signal, wait_for};
use std::thread::{self, sleep};
use std::time::Duration;

/// Rounds, unless the environment says otherwise.
const ROUNDS: u64 = 20;
/// Clients, each with a platform of its own for jobs that come and go, and one that is dropped now and then.
const CLIENTS: usize = 3;
/// Workers on each platform that has any.
const WORKERS: usize = 2;

fn from_environment(variable: &str) -> Option<u64> {
    let word = std::env::var(variable).ok()?;
    Some(word.parse().unwrap_or_else(|_| panic!("{variable} {word}: not a number")))
}

#[test]
fn whatever_was_promised_holds_after_every_kill() {
    let rounds = from_environment("BUILDER_KILL_ROUNDS").unwrap_or(ROUNDS);
    let seed = from_environment("BUILDER_KILL_SEED").unwrap_or(now().unix_milliseconds() as u64);
    println!("to try this again: BUILDER_KILL_ROUNDS={rounds} BUILDER_KILL_SEED={seed}");
    let site = Site::new(programs!());
    let mut random = Random::new(seed);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|number| Client::new(number, random.fork())).collect();
    let ledger = Ledger::default();
    let mut witness = Witness::default();
    for _ in 0..rounds {
        let server = start(&site, &mut random);
        witness.check(&site, &server.info(), &mut clients, &ledger, WORKERS);
        live(&site, server, &mut clients, &ledger, &mut random);
    }
    let server = site.start();
    witness.check(&site, &server.info(), &mut clients, &ledger, WORKERS);
    drain(&site, server, &ledger, &mut random);
    witness.check_end(&site, &clients, &ledger);
    let successes: u64 = clients.iter().map(|client| client.successes).sum();
    println!("{rounds} kills, {successes} commands done, {} results", witness.results());
}

/// Starts the server; now and then it is killed while it starts, and once more.
fn start(site: &Site, random: &mut Random) -> Server {
    while random.percent(20) {
        let mut child = site.server_command().spawn().unwrap();
        sleep(Duration::from_millis(random.below(30)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    site.start()
}

/// Lets everybody work for a moment, then ends the server: mostly by force, now and then by asking it.
fn live(site: &Site, mut server: Server, clients: &mut [Client], ledger: &Ledger, random: &mut Random) {
    ledger.begin();
    let address = server.address();
    let pid = server.pid();
    let moment = Duration::from_millis(random.below(300));
    let by_force = random.percent(80);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            for _ in 0..WORKERS {
                let random = random.fork();
                scope.spawn(move || work(address, &format!("p{number}"), ledger, random, Manner::Erratic));
            }
        }
        for client in clients {
            scope.spawn(move || client.work(address, ledger));
        }
        for _ in 0..WORKERS {
            let (random, server) = (random.fork(), &server);
            scope.spawn(move || run_programs(site, server, ledger, random, Manner::Erratic));
        }
        sleep(moment);
        ledger.end();
        signal(pid, if by_force { "KILL" } else { "TERM" });
    });
    let status = server.status();
    assert!(by_force || status.success(), "{status}\n{}", server.log());
}

/// Has all jobs run that are queued.
fn drain(site: &Site, mut server: Server, ledger: &Ledger, random: &mut Random) {
    ledger.begin();
    let address = server.address();
    thread::scope(|scope| {
        for platform in (0..CLIENTS).flat_map(|number| [format!("p{number}"), format!("d{number}")]) {
            let random = random.fork();
            scope.spawn(move || work(address, &platform, ledger, random, Manner::Diligent));
        }
        for _ in 0..WORKERS {
            let (random, server) = (random.fork(), &server);
            scope.spawn(move || run_programs(site, server, ledger, random, Manner::Diligent));
        }
        wait_for("all queues to be empty", || {
            let info = server.info();
            info.running.is_empty() && info.queues.iter().all(|queue| queue.jobs.is_empty())
        });
        ledger.end();
        signal(server.pid(), "TERM");
    });
    assert!(server.status().success());
}
