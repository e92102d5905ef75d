//! What the real server leaves to threads, one step at a time, as in `bin/src/server/disk.rs`.

use super::results::{self, LargeResult, Source};
use crate::variant::Variant;
use builder_engine::driver::{BatchNumber, FileOperation, Progress, ResultWork, WorkError};
use builder_engine::server::{BuildOfJob, ConnectionId, UnsettledResult};
use builder_proto::Uuid;
use builder_proto::text::Text;
use builder_tests::world::{Disk, Random};
use std::collections::{BTreeMap, VecDeque};
use std::io;

const STORERS: usize = 3;
pub(super) const WRITERS: usize = 2;

#[derive(Debug)]
pub(super) enum Task {
    Write(WriteTask),
    Store(LargeResult, Work),
    /// Sync results: with one call, or one step at a time.
    SyncAll,
    Sync(Vec<BuildOfJob>, Work),
    Remove(BuildOfJob, Work),
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
    work: Work,
}

/// Work on the files of one result, and what came of its last operation.
#[derive(Debug)]
pub(super) struct Work {
    operations: ResultWork,
    outcome: io::Result<()>,
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

impl Work {
    fn new(operations: ResultWork) -> Work {
        Work { operations, outcome: Ok(()) }
    }

    /// Carries out one operation. Gives what came of all, after the last.
    fn step(
        &mut self,
        perform: impl FnOnce(FileOperation) -> io::Result<()>,
    ) -> Option<Result<(), WorkError>> {
        match self.operations.next(std::mem::replace(&mut self.outcome, Ok(()))) {
            Progress::Next(operation) => {
                self.outcome = perform(operation);
                None
            }
            Progress::Done(outcome) => Some(outcome),
        }
    }
}

impl WriteTask {
    pub(super) fn new(results: Vec<UnsettledResult>, batch: Option<BatchNumber>) -> WriteTask {
        WriteTask { results, batch, outcomes: Vec::new(), work: Work::new(ResultWork::write()) }
    }

    fn step(&mut self, disk: &mut Disk, variant: Variant) -> Option<Outcome> {
        if let Some(UnsettledResult { uuid, name, contents }) = self.results.get(self.outcomes.len()) {
            let source = Source::Small(&contents.0);
            let outcome = self
                .work
                .step(|operation| results::perform(disk, (name, *uuid), &source, operation, variant))?;
            self.outcomes.push((*uuid, outcome.map_err(WorkError::into_inner)));
            self.work = Work::new(ResultWork::write());
        }
        let is_done = self.outcomes.len() == self.results.len();
        is_done.then(|| Outcome::Written { batch: self.batch, outcomes: std::mem::take(&mut self.outcomes) })
    }
}

impl Task {
    pub(super) fn store(result: LargeResult) -> Task {
        Task::Store(result, Work::new(ResultWork::store()))
    }

    pub(super) fn sync(builds: Vec<BuildOfJob>) -> Task {
        Task::Sync(builds, Work::new(ResultWork::sync_if_there()))
    }

    pub(super) fn remove(uuid: Uuid, name: Text) -> Task {
        Task::Remove((uuid, name), Work::new(ResultWork::remove()))
    }

    fn step(&mut self, disk: &mut Disk, variant: Variant) -> Option<Outcome> {
        match self {
            Task::Write(task) => task.step(disk, variant),
            Task::Store(result, work) => {
                let (build, source) = (result.build(), Source::Large(result));
                let outcome =
                    work.step(|operation| results::perform(disk, build, &source, operation, variant))?;
                let uuid = build.1;
                let error = match outcome {
                    Ok(()) => return Some(Outcome::Stored { uuid, outcome: Ok(()) }),
                    Err(WorkError::Unknown(error)) if variant != Variant::PlacedTakenForFailed => {
                        return Some(Outcome::Synced(Err(error)));
                    }
                    Err(error) => error.into_inner(),
                };
                results::abandon(disk, uuid);
                Some(Outcome::Stored { uuid, outcome: Err(error) })
            }
            Task::SyncAll => Some(Outcome::Synced(disk.sync_everything())),
            Task::Sync(builds, work) => {
                let Some((uuid, name)) = builds.last() else { return Some(Outcome::Synced(Ok(()))) };
                let perform =
                    |operation| results::perform(disk, (name, *uuid), &Source::InPlace, operation, variant);
                if let Err(error) = work.step(perform)? {
                    return Some(Outcome::Synced(Err(error.into_inner())));
                }
                builds.pop();
                *work = Work::new(ResultWork::sync_if_there());
                None
            }
            Task::Remove((uuid, name), work) => {
                let perform =
                    |operation| results::perform(disk, (name, *uuid), &Source::InPlace, operation, variant);
                let outcome = work.step(perform)?.map_err(WorkError::into_inner);
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
