//! A log that was damaged: it is not started upon, unless somebody wants to go on with what can be read of it.

use crate::environment::{Environment, say};
use crate::model::Observation;
use crate::server::{Server, Stop};
use builder_engine::driver::StartError;
use builder_tests::world::{Crash, PRIVATE, Random};
use std::rc::Rc;

/// Damages the log of a server that has ended, and starts it again.
pub(crate) fn check(environment: &Rc<Environment>, random: &mut Random) -> Result<(), String> {
    damage(environment, random);
    let mut lives = 1_000_000;
    let mut start = |salvage| {
        environment.network.borrow_mut().lose_server(environment, Crash::Kill);
        lives += 1;
        Server::start(environment, lives, salvage, random.fork())
    };
    match start(false) {
        // What is damaged holds nothing, or looks like a commit that was cut off.
        Ok(_) => {}
        Err(Stop::Start(StartError::Log(error))) => say!(environment, "as it should be: {error}"),
        Err(stop) => return Err(format!("upon a damaged log the server does this: {stop}")),
    }
    let salvaged = start(true).map_err(|stop| format!("nothing can be salvaged: {stop}"))?;
    let before = Observation::new(salvaged.state());
    drop(salvaged);
    let again = start(false).map_err(|stop| format!("what was salvaged cannot be started upon: {stop}"))?;
    let after = Observation::new(again.state());
    match before.names() == after.names() {
        true => Ok(()),
        false => Err(format!("salvaged were {:?}, then there were {:?}", before.names(), after.names())),
    }
}

/// Overwrites some bytes of the log, durably.
fn damage(environment: &Environment, random: &mut Random) {
    let mut disk = environment.disk.borrow_mut();
    let Some(file) = disk.open(&format!("{PRIVATE}/log")) else { return };
    let length = disk.length(file);
    let offset = random.below(length);
    let bytes = random.bytes(random.clone().between(1, 60) as usize);
    let bytes = &bytes[..bytes.len().min((length - offset) as usize)];
    disk.write_all_at(file, offset, bytes).unwrap();
    disk.sync(file).unwrap();
    say!(environment, "{} bytes of the log are damaged, from byte {offset} on", bytes.len());
}
