//! The server is killed, or its power is cut, again and again while clients and workers are busy; a checker outside knows what
//! was promised.
//!
//! `BUILDER_KILL_ROUNDS` says how often, `BUILDER_KILL_SEED` with which random numbers; `BUILDER_POWER_CUTS` how often the power
//! is cut on each file system, which takes root and a kernel that mounts files: where that is not to be had the test says so
//! and passes, unless the variable is set. Threads and processes take turns as
//! they like, so a seed makes a failure likely to come again, but not certain.

#![allow(clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod checker;
mod client;
mod ledger;
mod link;
#[cfg(target_os = "linux")]
mod volume;
mod worker;

use crate::checker::Checker;
use crate::client::Client;
use crate::ledger::Ledger;
use crate::worker::{Manner, run_programs, work};
use builder_tests::world::Random;
use builder_tests::{Server, Site, now, programs, signal, wait_for};
use std::thread::{self, sleep};
use std::time::Duration;

/// Rounds, unless the environment says otherwise.
const ROUNDS: u64 = 20;
/// Power cuts on each file system, unless the environment says otherwise.
#[cfg(target_os = "linux")]
const POWER_CUTS: u64 = 5;
/// Clients, each with a platform of its own for jobs that come and go, and one that is dropped now and then.
const CLIENTS: usize = 3;
/// Workers on each platform that has any.
const WORKERS: usize = 2;

fn from_environment(variable: &str) -> Option<u64> {
    let word = std::env::var(variable).ok()?;
    Some(word.parse().unwrap_or_else(|_| panic!("{variable} {word}: not a number")))
}

/// How the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Killed,
    Asked,
    #[cfg(target_os = "linux")]
    PowerCut,
}

#[test]
fn whatever_was_promised_holds_after_every_kill() {
    let rounds = from_environment("BUILDER_KILL_ROUNDS").unwrap_or(ROUNDS);
    let mut random = Random::new(seed());
    let mut town = Town::new(&mut random);
    for _ in 0..rounds {
        let end = if random.per_mille(800) { End::Killed } else { End::Asked };
        town.round(
            &mut random,
            |server| signal(server.pid(), if end == End::Killed { "KILL" } else { "TERM" }),
            end,
        );
    }
    println!("{rounds} kills, {}", town.end(&mut random));
}

/// A file system that is shut down forgets what was not synced, as a power cut would have it; only what the disk itself
/// holds back is beyond this test.
#[cfg(target_os = "linux")]
#[test]
fn whatever_was_promised_holds_after_every_power_cut() {
    let wanted = from_environment("BUILDER_POWER_CUTS");
    let mut random = Random::new(seed());
    for kind in ["ext4", "xfs"] {
        let mut town = Town::new(&mut random);
        let image = town.site.file("volume", "");
        let volume = match volume::Volume::mount(kind, image, &town.site.data()) {
            Ok(volume) => volume,
            Err(reason) => {
                assert!(wanted.is_none(), "no power can be cut on {kind}: {reason}");
                eprintln!("no power was cut on {kind}: {reason}");
                continue;
            }
        };
        let cuts = wanted.unwrap_or(POWER_CUTS);
        for _ in 0..cuts {
            let cut = |server: &Server| {
                // A machine without power says nothing more. A file system that is being shut down may still let a sync succeed.
                signal(server.pid(), "STOP");
                wait_for("the server to stand still", || volume::stands_still(server.pid()));
                volume.cut_power();
                signal(server.pid(), "KILL");
            };
            town.round(&mut random, cut, End::PowerCut);
            volume.restore_power();
        }
        println!("{cuts} power cuts on {kind}, {}", town.end(&mut random));
    }
}

fn seed() -> u64 {
    let seed = from_environment("BUILDER_KILL_SEED").unwrap_or(now().unix_milliseconds() as u64);
    println!("to try this again: BUILDER_KILL_SEED={seed}");
    seed
}

/// A site, who lives there, and who remembers what they were promised.
struct Town {
    site: Site,
    clients: Vec<Client>,
    ledger: Ledger,
    checker: Checker,
}

impl Town {
    fn new(random: &mut Random) -> Town {
        Town {
            site: Site::new(programs!()),
            clients: (0..CLIENTS).map(|number| Client::new(number, random.fork())).collect(),
            ledger: Ledger::default(),
            checker: Checker::default(),
        }
    }

    /// Starts the server, checks what it has, and lets everybody work until it ends.
    fn round(&mut self, random: &mut Random, end: impl FnOnce(&Server), how: End) {
        let server = start(&self.site, random);
        self.checker.check(&self.site, &server.info(), &mut self.clients, &self.ledger, WORKERS);
        live(self, server, random, end, how);
    }

    /// Checks that everything that is queued runs. Gives what was done, in words.
    fn end(&mut self, random: &mut Random) -> String {
        let server = self.site.start();
        self.checker.check(&self.site, &server.info(), &mut self.clients, &self.ledger, WORKERS);
        drain(&self.site, server, &self.ledger, random);
        self.checker.check_end(&self.site, &self.clients, &self.ledger);
        let successes: u64 = self.clients.iter().map(|client| client.successes).sum();
        format!("{successes} commands done, {} results", self.checker.results())
    }
}

/// Starts the server; now and then it is killed while it starts, and once more.
fn start(site: &Site, random: &mut Random) -> Server {
    while random.per_mille(200) {
        let mut child = site.server_command().spawn().unwrap();
        sleep(Duration::from_millis(random.below(30)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    site.start()
}

/// Lets everybody work for a moment, then ends the server.
fn live(town: &mut Town, mut server: Server, random: &mut Random, end: impl FnOnce(&Server), how: End) {
    let Town { site, clients, ledger, .. } = town;
    let (site, ledger) = (&*site, &*ledger);
    ledger.begin();
    let address = server.address();
    let moment = Duration::from_millis(random.below(300));
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
        end(&server);
    });
    let status = server.status();
    assert!(how != End::Asked || status.success(), "{status}\n{}", server.log());
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
