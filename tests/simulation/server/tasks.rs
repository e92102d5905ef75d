//! What the real server leaves to threads, one step at a time, as in `bin/src/server/disk.rs`.

use super::results::{self, LargeResult};
use crate::disk::Disk;
use crate::random::Random;
use crate::variant::Variant;
use builder_engine::driver::BatchNumber;
use builder_engine::server::{BuildOfJob, ConnectionId, UnsettledResult};
use builder_proto::Uuid;
use builder_proto::text::Text;
use std::collections::{BTreeMap, VecDeque};
use std::io;

const STORERS: usize = 3;
pub(super) const WRITERS: usize = 2;

#[derive(Debug)]
pub(super) enum Task {
    Write(WriteTask),
    Store(LargeResult),
    /// Sync results: with one call, or one step at a time.
    SyncAll,
    Sync {
        builds: Vec<BuildOfJob>,
        build: usize,
        step: usize,
    },
    Remove {
        uuid: Uuid,
        name: Text,
        steps: usize,
    },
    Find {
        connection: ConnectionId,
        uuid: Uuid,
    },
}

/// Small results that are written to their files, one step at a time.
#[derive(Debug)]
pub(super) struct WriteTask {
    results: Vec<UnsettledResult>,
    batch: Option<BatchNumber>,
    outcomes: Vec<(Uuid, io::Result<()>)>,
    step: usize,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Written {
        batch: Option<BatchNumber>,
        outcomes: Vec<(Uuid, io::Result<()>)>,
    },
    Stored {
        uuid: Uuid,
        outcome: io::Result<()>,
    },
    Synced(io::Result<()>),
    Removed {
        uuid: Uuid,
        outcome: io::Result<()>,
    },
    /// The path of the result, if there is one.
    Found {
        connection: ConnectionId,
        uuid: Uuid,
        path: Option<String>,
    },
}

/// Tasks that threads work on, tasks that wait for a thread, and what came of the others.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: BTreeMap<u64, Task>,
    waiting: VecDeque<Task>,
    next: u64,
    outcomes: VecDeque<Outcome>,
}

impl Tasks {
    /// Takes a task in; gives the number of one that can go on now.
    pub(super) fn submit(&mut self, task: Task) -> Option<u64> {
        self.waiting.push_back(task);
        self.begin()
    }

    pub(super) fn next_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    pub(super) fn has_outcome(&self) -> bool {
        !self.outcomes.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty() && self.outcomes.is_empty()
    }

    /// One of the tasks that threads work on.
    pub(super) fn any(&self, random: &mut Random) -> Option<u64> {
        self.running.keys().nth(random.index(self.running.len())).copied()
    }

    /// Takes the next step of a task. Gives the tasks that can go on.
    pub(super) fn step(&mut self, disk: &mut Disk, number: u64, variant: Variant) -> Vec<u64> {
        let Some(mut task) = self.running.remove(&number) else { return Vec::new() };
        match task.step(disk, variant) {
            Some(outcome) => {
                self.outcomes.push_back(outcome);
                self.begin().into_iter().collect()
            }
            None => {
                self.running.insert(number, task);
                vec![number]
            }
        }
    }

    /// Small results have threads of their own.
    fn begin(&mut self) -> Option<u64> {
        let writing = self.running.values().filter(|task| matches!(task, Task::Write(_))).count();
        let may_begin = |task: &Task| match task {
            Task::Write(_) => writing < WRITERS,
            _ => self.running.len() - writing < STORERS,
        };
        let task = self.waiting.remove(self.waiting.iter().position(may_begin)?)?;
        self.next += 1;
        self.running.insert(self.next, task);
        Some(self.next)
    }
}

impl WriteTask {
    pub(super) fn new(results: Vec<UnsettledResult>, batch: Option<BatchNumber>) -> WriteTask {
        WriteTask { results, batch, outcomes: Vec::new(), step: 0 }
    }

    fn step(&mut self, disk: &mut Disk) -> Option<Outcome> {
        if let Some(result) = self.results.get(self.outcomes.len()) {
            let outcome = results::write_further(disk, result, self.step);
            self.step += 1;
            if !matches!(outcome, Ok(false)) {
                self.outcomes.push((result.uuid, outcome.map(|_| ())));
                self.step = 0;
            }
        }
        let is_done = self.outcomes.len() == self.results.len();
        is_done.then(|| Outcome::Written { batch: self.batch, outcomes: std::mem::take(&mut self.outcomes) })
    }
}

impl Task {
    fn step(&mut self, disk: &mut Disk, variant: Variant) -> Option<Outcome> {
        match self {
            Task::Write(task) => task.step(disk),
            Task::Store(result) => {
                let outcome = match result.store_further(disk, variant) {
                    Ok(false) => return None,
                    outcome => outcome.map(|_| ()),
                };
                match outcome {
                    Err(error) if result.is_in_place() && variant != Variant::PlacedTakenForFailed => {
                        return Some(Outcome::Synced(Err(error)));
                    }
                    Err(_) => results::abandon(disk, result.uuid()),
                    Ok(()) => {}
                }
                Some(Outcome::Stored { uuid: result.uuid(), outcome })
            }
            Task::SyncAll => Some(Outcome::Synced(disk.sync_everything())),
            Task::Sync { builds, build, step } => {
                let Some((uuid, name)) = builds.get(*build) else { return Some(Outcome::Synced(Ok(()))) };
                match results::sync_further(disk, name, *uuid, *step, variant) {
                    Ok(true) => (*build, *step) = (*build + 1, 0),
                    Ok(false) => *step += 1,
                    // Somebody has removed the result; nothing is left to be made durable.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        (*build, *step) = (*build + 1, 0)
                    }
                    Err(error) => return Some(Outcome::Synced(Err(error))),
                }
                None
            }
            Task::Remove { uuid, name, steps } => {
                *steps += 1;
                let outcome = match results::remove_further(disk, name, *uuid, *steps) {
                    Ok(false) => return None,
                    outcome => outcome.map(|_| ()),
                };
                Some(Outcome::Removed { uuid: *uuid, outcome })
            }
            Task::Find { connection, uuid } => {
                let (connection, uuid) = (*connection, *uuid);
                let paths = disk.list(results::ROOT).into_iter().map(|job| format!("{job}/{uuid}/full"));
                let path = paths.into_iter().find(|path| disk.exists(path));
                Some(Outcome::Found { connection, uuid, path })
            }
        }
    }
}
