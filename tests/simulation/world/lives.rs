//! The lives of the server: how each begins, goes on and ends.

use super::{IDLE_TURNS, PATIENCE, Phase, World, outside};
use crate::environment::say;
use crate::model::Observation;
use crate::queue::Event;
use crate::server::{Server, Stop};
use builder_engine::driver::Next;
use builder_tests::world::{Crash, Faults};
use std::time::Duration;

impl World {
    pub(super) fn start(&mut self) {
        let environment = self.environment.clone();
        environment.trace.note(b'S', &[self.life], &[]);
        say!(environment, "start {}", self.life);
        if self.phase == Phase::Stormy && self.random.per_mille(150) {
            let operations = self.random.skewed(6);
            environment.host.crash_after(operations, self.choose_crash());
        }
        let salvage = self.phase == Phase::Stormy && self.random.per_mille(environment.plan.salvages);
        match Server::start(&environment, self.life, salvage, self.random.fork()) {
            _ if environment.host.crashed().is_some() => {}
            Err(stop) => self.stopped(&stop),
            Ok(server) => {
                let observed = Observation::new(server.state());
                let remembered = server.remembered();
                environment.model.borrow_mut().started(&environment, &observed, remembered.as_deref());
                if self.phase == Phase::Epilogue {
                    self.phase = Phase::Over;
                }
                self.server = Some(server);
                self.request_turn(environment.host.time());
                self.busy_until =
                    environment.host.time() + Duration::from_micros(4 * environment.plan.crash_gap);
                if self.phase == Phase::Stormy {
                    let gap = match self.random.below(40) {
                        // Long enough for every deadline to come.
                        0 => self.random.between(1, 200_000_000),
                        // Trouble rarely comes alone.
                        1..8 => self.random.below(3_000),
                        _ => self.random.below(2 * environment.plan.crash_gap),
                    };
                    let at = environment.host.time() + Duration::from_micros(gap);
                    environment.enter(at, Event::Crash(self.choose_crash()));
                    if self.random.per_mille(environment.plan.stops) {
                        let at = environment.host.time() + Duration::from_micros(self.random.below(gap + 1));
                        environment.enter(at, Event::Stop { life: self.life });
                    }
                }
            }
        }
    }

    pub(super) fn request_turn(&mut self, at: Duration) {
        let at = at.max(self.environment.host.time());
        if self.server.is_some() && self.turn_at.is_none_or(|turn_at| turn_at > at) {
            self.turn_at = Some(at);
            self.environment.enter(at, Event::Turn(self.life));
        }
    }

    pub(super) fn turn(&mut self) {
        let environment = self.environment.clone();
        let started = environment.host.time();
        let turn_at = self.turn_at.take();
        if turn_at.is_some_and(|turn_at| turn_at < started) {
            return self.request_turn(started);
        }
        let Some(server) = &mut self.server else { return };
        environment.trace.note(b'T', &[started.as_nanos() as u64], &[]);
        match server.turn() {
            _ if environment.host.crashed().is_some() => {}
            Err(stop) => self.stopped(&Stop::Turn(stop)),
            // It ends as if it were killed, or the power fails at once.
            Ok(Next::Over) => environment.host.crash_now(self.choose_crash()),
            Ok(Next::Turn(next)) => {
                if !server.is_stopping() {
                    environment.model.borrow_mut().turn_over(started);
                }
                if let Some(due) = server.next_deadline()
                    && next.is_none_or(|next| next > due)
                {
                    let words = format!("the driver sleeps until {next:?}, but the server is due at {due:?}");
                    environment.model.borrow_mut().violate(words);
                }
                if let Some(next) = next {
                    let soon = environment.host.time() + Duration::from_micros(1);
                    self.spins(next <= started);
                    self.request_turn(next.max(soon));
                }
                self.look_for_the_end();
            }
        }
    }

    pub(super) fn spins(&mut self, at_once: bool) {
        self.turns_at_once = if at_once { self.turns_at_once + 1 } else { 0 };
        if self.turns_at_once > IDLE_TURNS {
            self.environment.model.borrow_mut().violate("the server spins".to_owned());
        }
    }

    /// The server has stopped by itself. Only its disk is a reason.
    pub(super) fn stopped(&mut self, stop: &Stop) {
        let environment = &self.environment;
        say!(environment, "the server stops: {stop}");
        let Faults { failed_syncs, write_errors, other_errors, .. } = environment.plan.disk;
        let faults = failed_syncs + write_errors + other_errors > 0;
        let excused = (stop.is_full() && environment.disk.borrow().is_short_of_room())
            || (stop.is_disk_failure() && faults && self.phase == Phase::Stormy);
        if !excused {
            environment.model.borrow_mut().violate(format!("the server stopped: {stop}"));
        }
        self.stops += 1;
        environment.host.crash_now(Crash::Kill);
    }

    /// Somebody wants the server to stop. It gets its time, and no more.
    pub(super) fn stop(&mut self, life: u64) {
        if let Some(server) = self.server.as_mut().filter(|_| life == self.life) {
            say!(self.environment, "the server is stopped");
            server.stop();
            let at = self.environment.host.time();
            self.request_turn(at);
        }
    }

    pub(super) fn reload(&mut self) {
        let at = self.environment.time.get();
        if let Some(server) = &mut self.server {
            server.reload();
            self.request_turn(at);
        }
        if self.phase == Phase::Stormy {
            let gap = self.random.micros(0, 2_000_000);
            self.environment.enter(at + gap, Event::Reload);
        }
    }

    pub(super) fn choose_crash(&mut self) -> Crash {
        match self.random.per_mille(self.environment.plan.power_failures) {
            true => Crash::Power,
            false => Crash::Kill,
        }
    }

    pub(super) fn crash(&mut self, crash: Crash) {
        if self.server.is_none() || self.phase != Phase::Stormy {
            return;
        }
        let environment = &self.environment;
        if !environment.host.is_doomed() && self.random.per_mille(environment.plan.amid) {
            environment.host.crash_after(self.random.skewed(6), crash);
            // In case that the server has nothing to do.
            environment.enter(environment.host.time() + Duration::from_millis(100), Event::Crash(crash));
        } else {
            environment.host.crash_now(crash);
        }
    }

    /// Clears up after a crash, if there was one.
    pub(super) fn bury(&mut self) {
        let environment = self.environment.clone();
        let Some(crash) = environment.host.crashed() else { return };
        environment.trace.note(b'C', &[crash as u64, environment.host.operations()], &[]);
        say!(environment, "crash: {crash:?}");
        self.server = None;
        self.turn_at = None;
        self.life += 1;
        self.crashes += 1;
        environment.disk.borrow_mut().crash(crash);
        let connections = environment.network.borrow_mut().lose_server(&environment, crash);
        environment.model.borrow_mut().server_crashed(&connections);
        environment.host.revive();
        if self.phase == Phase::Stormy && self.random.per_mille(environment.plan.damaged_histories) {
            outside::damage_history(&environment, &mut self.random);
        }
        if self.phase == Phase::Stormy && self.crashes >= environment.plan.crashes {
            self.calm_down();
        }
        let delay = self.random.micros(10, 5_000);
        environment.enter(environment.host.time() + delay, Event::Start);
    }

    /// From here on nothing goes wrong any more.
    pub(super) fn calm_down(&mut self) {
        let environment = &self.environment;
        say!(environment, "the faults stop");
        environment.is_calm.set(true);
        environment.write_templates();
        let mut disk = environment.disk.borrow_mut();
        disk.set_faults(Faults::default());
        disk.leave(None);
        self.last_wishes = self.random.below(12);
        self.phase = Phase::Calm { until: environment.host.time() + PATIENCE };
    }

    pub(super) fn look_for_the_end(&mut self) {
        let (Phase::Calm { .. }, Some(server)) = (self.phase, &self.server) else { return };
        if !server.is_at_rest() || self.environment.model.borrow().waits().next().is_some() {
            return;
        }
        let observed = Observation::new(server.state());
        if observed.is_idle() {
            let remembered = server.remembered().unwrap_or_default();
            self.environment.model.borrow_mut().drained(&self.environment, &observed, &remembered);
            self.phase = Phase::Epilogue;
            self.environment.host.crash_now(Crash::Power);
        }
    }
}
