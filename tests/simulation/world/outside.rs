//! What happens around the server: visitors, clocks that jump, disks that fill up, templates that change.

use super::{PEERS, Phase, World};
use crate::environment::{Environment, say};
use crate::network::End;
use crate::peers::{Client, Line, Peer, Rogue, Worker, platform};
use crate::queue::Event;
use builder_engine::server::Role;
use builder_tests::world::{Faults, PRIVATE, Random};
use std::time::Duration;

impl World {
    pub(super) fn visit(&mut self) {
        let environment = self.environment.clone();
        let plan = &environment.plan;
        let usual = Duration::from_micros(self.random.below(2 * plan.visit_gap));
        // Where the next crash is far away, the deadlines of those who are there shall pass.
        let busy = environment.time.get() < self.busy_until;
        let gap = if busy { usual } else { usual * 1000 };
        environment.enter(environment.time.get() + gap, Event::Visit);
        let calm = self.phase != Phase::Stormy;
        // Some places are kept free from workers that may have to wait for long. In the end there are enough for all.
        let choice = if calm || self.peers.len() < PEERS / 2 { self.random.below(100) } else { 0 };
        if self.peers.len() >= if calm { 4 * PEERS } else { PEERS } {
            return;
        }
        let rogue = !calm && self.random.per_mille(plan.rogues);
        // In the end people see to it that nothing stays paused, and have a last wish.
        let resumes = environment.model.borrow().resume().is_some();
        let has_wish = !calm || resumes || self.last_wishes > 0;
        let client = !rogue && has_wish && choice < 50;
        if calm && client && !resumes {
            self.last_wishes -= 1;
        }
        let speaks = |role: &Role| match role {
            Role::Any => true,
            Role::Workers => rogue || !client,
            Role::Clients | Role::Viewers => rogue || client,
        };
        let listeners: Vec<usize> =
            (0..plan.listeners.len()).filter(|number| speaks(&plan.listeners[*number])).collect();
        let listener = *self.random.pick(&listeners);
        let connection = environment.network.borrow_mut().connect(&environment, listener);
        let mut line = Line::new(environment.clone(), connection, self.random.fork());
        let platform = platform(&mut self.random, plan.platforms);
        let peer: Box<dyn Peer> = match client {
            _ if rogue => Box::new(Rogue::new(&mut line, platform)),
            true => match Client::new(&mut line, connection, plan.listeners[listener]) {
                Some(client) => Box::new(client),
                None => return line.leave(End::Reset),
            },
            false => Box::new(Worker::new(platform)),
        };
        self.peers.insert(connection, (peer, line));
    }

    pub(super) fn jump(&mut self) {
        let environment = &self.environment;
        if !environment.plan.jumps || self.phase != Phase::Stormy {
            return;
        }
        const HOUR: i64 = 3_600_000;
        const DECADE: i64 = 10 * 365 * 24 * HOUR;
        // By a decade only there and back, so that the clock stays in this century.
        let milliseconds = match self.random.below(4) {
            0 => HOUR,
            1 => -HOUR,
            _ => {
                let decade = if self.decade == 0 { *self.random.pick(&[-1, 1]) } else { -self.decade };
                self.decade += decade;
                decade * DECADE
            }
        };
        say!(environment, "the wall clock jumps by {milliseconds} ms");
        environment.host.jump_wall_clock(milliseconds);
        let gap = self.random.micros(0, 2_000_000);
        environment.enter(environment.time.get() + gap, Event::Jump);
    }

    pub(super) fn change_room(&mut self) {
        let environment = &self.environment;
        if !environment.plan.full_disk || self.phase != Phase::Stormy {
            return;
        }
        let mut disk = environment.disk.borrow_mut();
        let room = match disk.is_short_of_room() {
            true => None,
            false => Some(*self.random.pick(&[0, 500, 5_000, 1_050_000])),
        };
        say!(environment, "room on the disk: {room:?}");
        disk.leave(room);
        let gap = self.random.micros(0, 1_000_000);
        environment.enter(environment.time.get() + gap, Event::Room);
    }

    /// The server is not told; it has to look.
    pub(super) fn change_templates(&mut self) {
        let environment = &self.environment;
        if self.phase == Phase::Stormy {
            environment.change_templates();
            let gap = Duration::from_micros(self.random.below(2 * environment.plan.template_gap));
            environment.enter(environment.time.get() + gap, Event::Templates);
        }
    }
}

/// Somebody or something damages the history, or makes away with it, while no server runs.
pub(super) fn damage_history(environment: &Environment, random: &mut Random) {
    let path = format!("{PRIVATE}/history");
    let mut disk = environment.disk.borrow_mut();
    let Some(file) = disk.open(&path) else { return };
    disk.set_faults(Faults::default());
    let length = disk.length(file);
    match random.below(3) {
        0 => {
            say!(environment, "the history is removed");
            disk.remove_file(&path).and_then(|()| disk.sync_directory(PRIVATE)).unwrap();
        }
        1 => {
            let kept = random.below(length + 1);
            say!(environment, "the history ends after {kept} of {length} bytes");
            disk.set_length(file, kept).and_then(|()| disk.sync(file)).unwrap();
        }
        _ => {
            let offset = random.below(length.max(1));
            let bytes = random.bytes(20);
            let bytes = &bytes[..bytes.len().min((length - offset) as usize)];
            say!(environment, "{} bytes of the history are damaged, from byte {offset} on", bytes.len());
            disk.write_all_at(file, offset, bytes).and_then(|()| disk.sync(file)).unwrap();
        }
    }
    disk.set_faults(environment.plan.disk);
    environment.model.borrow_mut().history_damaged();
}
