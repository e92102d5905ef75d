//! What the real server leaves to threads, one step at a time, as in `bin/src/server/disk.rs`.

use super::results::{self, LargeResult};
use crate::disk::Disk;
use crate::random::Random;
use crate::variant::Variant;
use builder_engine::server::{BuildOfJob, ConnectionId, UnsettledResult};
use builder_proto::Uuid;
use builder_proto::text::Text;
use std::collections::{BTreeMap, VecDeque};
use std::io;

const WRITERS: usize = 3;

#[derive(Debug)]
pub(super) enum Task {
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

/// Small results to be written to their files.
#[derive(Debug)]
pub(super) struct WriteTask {
    pub(super) results: Vec<UnsettledResult>,
    pub(super) is_batch: bool,
    outcomes: Vec<(Uuid, io::Result<()>)>,
    step: usize,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Written {
        is_batch: bool,
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
    /// What the one thread that writes small results has to do.
    writes: VecDeque<WriteTask>,
    outcomes: VecDeque<Outcome>,
}

/// The number of what the thread that writes small results does.
const WRITING: u64 = 0;

impl Tasks {
    /// Takes a task in; gives the number of one that can go on now.
    pub(super) fn submit(&mut self, task: Task) -> Option<u64> {
        self.waiting.push_back(task);
        self.begin()
    }

    /// Has small results written; gives the number of what can go on now.
    pub(super) fn write(&mut self, results: Vec<UnsettledResult>, is_batch: bool) -> Option<u64> {
        self.writes.push_back(WriteTask { results, is_batch, outcomes: Vec::new(), step: 0 });
        (self.writes.len() == 1).then_some(WRITING)
    }

    pub(super) fn next_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    pub(super) fn has_outcome(&self) -> bool {
        !self.outcomes.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
            && self.waiting.is_empty()
            && self.writes.is_empty()
            && self.outcomes.is_empty()
    }

    /// One of the tasks that threads work on.
    pub(super) fn any(&self, random: &mut Random) -> Option<u64> {
        let writing = (!self.writes.is_empty()).then_some(&WRITING);
        let count = self.running.len() + usize::from(writing.is_some());
        writing.into_iter().chain(self.running.keys()).nth(random.index(count)).copied()
    }

    /// Takes the next step of a task. Gives the tasks that can go on.
    pub(super) fn step(&mut self, disk: &mut Disk, number: u64, variant: Variant) -> Vec<u64> {
        if number == WRITING {
            return self.step_writing(disk);
        }
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

    fn step_writing(&mut self, disk: &mut Disk) -> Vec<u64> {
        let Some(task) = self.writes.front_mut() else { return Vec::new() };
        if let Some(outcomes) = task.step(disk) {
            self.outcomes.push_back(Outcome::Written { is_batch: task.is_batch, outcomes });
            self.writes.pop_front();
        }
        if self.writes.is_empty() { Vec::new() } else { vec![WRITING] }
    }

    fn begin(&mut self) -> Option<u64> {
        if self.running.len() >= WRITERS {
            return None;
        }
        let task = self.waiting.pop_front()?;
        self.next += 1;
        self.running.insert(self.next, task);
        Some(self.next)
    }
}

impl WriteTask {
    fn step(&mut self, disk: &mut Disk) -> Option<Vec<(Uuid, io::Result<()>)>> {
        if let Some(result) = self.results.get(self.outcomes.len()) {
            let outcome = results::write_further(disk, result, self.step);
            self.step += 1;
            if !matches!(outcome, Ok(false)) {
                self.outcomes.push((result.uuid, outcome.map(|_| ())));
                self.step = 0;
            }
        }
        (self.outcomes.len() == self.results.len()).then(|| std::mem::take(&mut self.outcomes))
    }
}

impl Task {
    fn step(&mut self, disk: &mut Disk, variant: Variant) -> Option<Outcome> {
        match self {
            Task::Store(result) => {
                let outcome = match result.store_further(disk, variant) {
                    Ok(false) => return None,
                    outcome => outcome.map(|_| ()),
                };
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
