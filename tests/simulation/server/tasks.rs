//! What the programs leave to threads, one step at a time.

use crate::environment::Environment;
use crate::queue::Event;
use builder_engine::driver::{Outcome, Step, Task, TaskKind};
use builder_tests::metrics::broken_rules;
use builder_tests::world::{DataDirectory, METRICS, Random};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// Tasks that threads work on, tasks that wait for a thread, and what came of the others.
pub(super) struct Tasks {
    life: u64,
    random: Random,
    running: BTreeMap<u64, Task<DataDirectory>>,
    waiting: VecDeque<Task<DataDirectory>>,
    next: u64,
    outcomes: VecDeque<Outcome<DataDirectory>>,
}

impl Tasks {
    pub(super) fn new(life: u64, random: Random) -> Tasks {
        Tasks {
            life,
            random,
            running: BTreeMap::new(),
            waiting: VecDeque::new(),
            next: 0,
            outcomes: VecDeque::new(),
        }
    }

    pub(super) fn submit(&mut self, environment: &Environment, task: Task<DataDirectory>) {
        self.waiting.push_back(task);
        self.begin(environment);
    }

    pub(super) fn next_outcome(&mut self) -> Option<Outcome<DataDirectory>> {
        self.outcomes.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty() && self.outcomes.is_empty()
    }

    /// Takes some steps of some tasks, or none.
    pub(super) fn go_on(&mut self, environment: &Rc<Environment>) {
        let steps = if self.random.coin() { 0 } else { self.random.below(12) };
        for _ in 0..steps {
            let number = self.random.index(self.running.len());
            let Some(task) = self.running.keys().nth(number).copied() else { break };
            self.step(environment, task);
        }
    }

    /// Takes the next step of a task; true when something came of one.
    pub(super) fn step(&mut self, environment: &Rc<Environment>, number: u64) -> bool {
        if let Some(mut task) = self.running.remove(&number) {
            let files = environment.files.for_thread();
            let is_report = task.kind() == TaskKind::Report;
            let before = is_report.then(|| metrics(environment));
            let step = task.step(&files);
            if let Some(before) = before {
                check_metrics(environment, &before);
            }
            match step {
                Step::Again => {
                    self.running.insert(number, task);
                    self.schedule(environment, number);
                }
                Step::Done(outcome) => {
                    self.outcomes.extend(outcome);
                    self.begin(environment);
                }
            }
        }
        !self.outcomes.is_empty()
    }

    /// Has a thread take the first task that waits and may begin.
    fn begin(&mut self, environment: &Environment) {
        let busy = |kind: TaskKind| self.running.values().filter(|task| task.kind() == kind).count();
        let may_begin = |task: &Task<DataDirectory>| busy(task.kind()) < task.kind().threads();
        let Some(place) = self.waiting.iter().position(may_begin) else { return };
        if let Some(task) = self.waiting.remove(place) {
            self.next += 1;
            self.running.insert(self.next, task);
            self.schedule(environment, self.next);
        }
    }

    fn schedule(&mut self, environment: &Environment, task: u64) {
        let delay = Duration::from_micros(self.random.skewed(13));
        let at = environment.host.time() + delay;
        environment.enter(at, Event::Step { life: self.life, task });
    }
}

/// What a reader finds in the file of metrics.
fn metrics(environment: &Environment) -> Option<Vec<u8>> {
    environment.disk.borrow().read(METRICS).map(<[u8]>::to_vec)
}

/// Whatever a server that writes metrics has just done, whoever reads them finds a whole page: the one that was there before, or
/// another one.
fn check_metrics(environment: &Environment, before: &Option<Vec<u8>>) {
    let after = metrics(environment);
    if after == *before {
        return;
    }
    let text = String::from_utf8(after.unwrap_or_default()).unwrap_or_default();
    let mut broken = broken_rules(&text);
    if !text.lines().last().is_some_and(|line| line.starts_with("builder_artifact_bytes_total ")) {
        broken.push("it is not whole".to_owned());
    }
    if !broken.is_empty() {
        environment.model.borrow_mut().violate(format!("the metrics: {}", broken.join("; ")));
    }
}
