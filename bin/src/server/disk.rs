//! Threads for what waits for the disk, so that the reactor need not.

use crate::server::paths::Paths;
use crate::server::result::{self, LargeResult, SyncMethod};
use builder_engine::driver::{BatchNumber, WorkError};
use builder_engine::server::{BuildOfJob, ConnectionId, UnsettledResult};
use builder_proto::Uuid;
use builder_proto::text::Text;
use mio::Waker;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Threads that wait for the disk: enough that a large result does not hold up a small task.
const STORERS: usize = 3;
/// Threads that write the files of small results. File systems take as long for a new directory as for a commit.
pub(crate) const WRITERS: usize = 2;

/// What a thread is to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Complete a result, make it durable and put it in place.
    Store(LargeResult),
    /// Make small results durable.
    Sync(Vec<BuildOfJob>),
    /// Remove a result that is uploaded.
    Remove { uuid: Uuid, name: Text },
    /// Close a file that has no name any more: only that frees its space, and it takes a quarter of a second for a gigabyte.
    Close(Arc<File>),
}

/// Small results to be written to their files, which others wait for.
#[derive(Debug)]
pub(crate) struct WriteTask {
    pub(crate) results: Vec<UnsettledResult>,
    /// The batch that waits for it; none when it is another attempt.
    pub(crate) batch: Option<BatchNumber>,
}

/// The stored result of a build whose job is not known, to be looked for.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) connection: ConnectionId,
    pub(crate) uuid: Uuid,
}

/// What a thread has done. `Synced` is about all results that are in their places: they are durable, or what of them is
/// durable is unknown.
#[derive(Debug)]
pub(crate) enum Outcome {
    Written { batch: Option<BatchNumber>, outcomes: Vec<(Uuid, io::Result<()>)> },
    Stored { uuid: Uuid, outcome: io::Result<()> },
    Synced(io::Result<()>),
    Removed { uuid: Uuid, name: Text, outcome: io::Result<()> },
    Found { connection: ConnectionId, uuid: Uuid, result: Option<PathBuf> },
}

/// The threads. They end with the program: all they do can be cut off at any point.
#[derive(Debug)]
pub(crate) struct Disk {
    tasks: Sender<Task>,
    writes: Sender<WriteTask>,
    searches: Sender<Search>,
    outcomes: Receiver<Outcome>,
}

impl Disk {
    /// Starts the threads; `waker` is called for each outcome.
    pub(crate) fn start(paths: &Paths, sync_method: SyncMethod, waker: Waker) -> io::Result<Disk> {
        let (sender, outcomes) = mpsc::channel();
        let reports = Reports { sender, waker: Arc::new(waker) };
        let (store_paths, sync_method) = (paths.clone(), Arc::new(sync_method));
        let tasks =
            serve("storer", STORERS, &reports, move |task| perform(&store_paths, &sync_method, task))?;
        // For nothing else: answers to everybody wait for them.
        let write_paths = paths.clone();
        let writes = serve("writer", WRITERS, &reports, move |WriteTask { results, batch }: WriteTask| {
            let write = |result: UnsettledResult| (result.uuid, result::write(&write_paths, &result));
            Some(Outcome::Written { batch, outcomes: results.into_iter().map(write).collect() })
        })?;
        // Any number of clients may ask for any uuid.
        let paths = paths.clone();
        let searches = serve("searcher", 1, &reports, move |Search { connection, uuid }: Search| {
            Some(Outcome::Found { connection, uuid, result: find(&paths, uuid) })
        })?;
        Ok(Disk { tasks, writes, searches, outcomes })
    }

    pub(crate) fn submit(&self, task: Task) {
        if self.tasks.send(task).is_err() {
            log::error!("the threads that store results are gone");
        }
    }

    pub(crate) fn write(&self, task: WriteTask) {
        if self.writes.send(task).is_err() {
            log::error!("the threads that write results are gone");
        }
    }

    pub(crate) fn search(&self, search: Search) {
        if self.searches.send(search).is_err() {
            log::error!("the thread that looks for results is gone");
        }
    }

    pub(crate) fn next_outcome(&self) -> Option<Outcome> {
        self.outcomes.try_recv().ok()
    }

    pub(crate) fn wait_for_outcome(&self, patience: Duration) -> Option<Outcome> {
        self.outcomes.recv_timeout(patience).ok()
    }
}

/// Starts threads that do one kind of task.
fn serve<T: Send + 'static>(
    name: &str,
    threads: usize,
    reports: &Reports,
    perform: impl Fn(T) -> Option<Outcome> + Clone + Send + 'static,
) -> io::Result<Sender<T>> {
    let (sender, receiver) = mpsc::channel();
    let receiver = Arc::new(Mutex::new(receiver));
    for number in 0..threads {
        let (receiver, reports, perform) = (Arc::clone(&receiver), reports.clone(), perform.clone());
        thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
            let next = || receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
            while let Some(task) = next() {
                if let Some(outcome) = perform(task) {
                    reports.send(outcome);
                }
            }
        })?;
    }
    Ok(sender)
}

/// Where threads report what they have done.
#[derive(Clone, Debug)]
struct Reports {
    sender: Sender<Outcome>,
    waker: Arc<Waker>,
}

impl Reports {
    fn send(&self, outcome: Outcome) {
        // Without a receiver the program is about to end.
        if self.sender.send(outcome).is_ok()
            && let Err(error) = self.waker.wake()
        {
            log::error!("cannot wake the event loop: {error}");
        }
    }
}

fn perform(paths: &Paths, sync_method: &SyncMethod, task: Task) -> Option<Outcome> {
    Some(match task {
        Task::Store(result) => {
            let uuid = result.uuid();
            match result::store(paths, &result) {
                Ok(()) => Outcome::Stored { uuid, outcome: Ok(()) },
                Err(WorkError::Unknown(error)) => Outcome::Synced(Err(error)),
                Err(WorkError::Failed(error)) => {
                    // The machine has it removed in any case, but the event loop would wait until its space is free.
                    result::abandon(paths, uuid);
                    Outcome::Stored { uuid, outcome: Err(error) }
                }
            }
        }
        Task::Sync(builds) => Outcome::Synced(sync_method.sync(paths, &builds)),
        Task::Remove { uuid, name } => {
            let outcome = result::remove(paths, &name, uuid);
            Outcome::Removed { uuid, name, outcome }
        }
        Task::Close(file) => {
            drop(file);
            return None;
        }
    })
}

/// Looks into the directory of every job.
fn find(paths: &Paths, uuid: Uuid) -> Option<PathBuf> {
    let build = format!("{uuid}/{}", crate::server::paths::RESULT);
    let entries = match paths.root().read_dir() {
        Ok(entries) => entries,
        Err(error) => {
            log::error!("cannot look for build {uuid} in {}: {error}", paths.root().display());
            return None;
        }
    };
    entries.filter_map(Result::ok).map(|entry| entry.path().join(&build)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::reactor::WAKER;
    use builder_tests::wait_for;

    #[test]
    fn a_file_is_closed_by_a_thread() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path(), directory.path().join("private"));
        let poll = mio::Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        let disk = Disk::start(&paths, SyncMethod::choose(&paths).unwrap(), waker).unwrap();
        let file = Arc::new(tempfile::tempfile().unwrap());
        let observed = Arc::downgrade(&file);
        disk.submit(Task::Close(file));
        wait_for("the file to be closed", || observed.strong_count() == 0);
        assert!(disk.next_outcome().is_none(), "nobody waits for that");
    }
}
