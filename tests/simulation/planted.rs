//! Mistakes that are planted in the sources of the server, of which the world knows nothing.

use crate::world::{Summary, Watching};
use crate::{number_from, run};
use builder_tests::world::Lie;
use builder_tests::wrong_servers::wrong_servers;

/// Tries seed after seed until one fails, for as many crashes as `SIMULATION_CRASHES` says: for a server that is known to be
/// wrong. As in a world that nobody watches from within, only what follows from a mistake can show it.
#[test]
fn something_is_found() {
    let Some(patience) = number_from("SIMULATION_CRASHES") else { return };
    let watching = Watching { from_without: true, ..Watching::default() };
    let mut total = Summary::default();
    for seed in 1.. {
        assert!(
            total.crashes < patience,
            "nothing is found with {} seeds, {} crashes",
            seed - 1,
            total.crashes
        );
        match run(seed, Lie::Nothing, watching) {
            Ok(summary) => total += summary,
            Err(failure) => {
                let crashes = total.crashes + failure.crashes;
                println!("found: {seed} seeds, {crashes} crashes: {}", failure.violation);
                return;
            }
        }
    }
}

#[test]
fn plans_of_wrong_servers_can_be_made() {
    for server in wrong_servers() {
        let mut plan = crate::plan::Plan::new(&mut builder_tests::world::Random::new(1), 1);
        plan.adjust(&server.plan).unwrap_or_else(|problem| panic!("{}: {problem}", server.name));
    }
}
