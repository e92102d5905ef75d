//! Threads for what waits for the disk and concerns one build only, so that the reactor need not.

use crate::server::paths::Paths;
use crate::server::result::{self, LargeResult};
use crate::server::settling::SyncTask;
use builder_engine::server::ConnectionId;
use builder_proto::Uuid;
use builder_proto::text::Text;
use mio::Waker;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Threads that wait for the disk: enough that a large result does not hold up a small task.
const WRITERS: usize = 3;

/// What a thread is to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Complete a result, make it durable and put it in place.
    Store(LargeResult),
    /// Make small results durable.
    Sync(SyncTask),
    /// Remove a result that is uploaded.
    Remove { uuid: Uuid, name: Text },
}

/// The stored result of a build whose job is not known, to be looked for.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) connection: ConnectionId,
    pub(crate) uuid: Uuid,
}

/// What a thread has done.
#[derive(Debug)]
pub(crate) enum Outcome {
    Stored { uuid: Uuid, outcome: io::Result<()> },
    Synced(io::Result<()>),
    Removed { uuid: Uuid, name: Text, outcome: io::Result<()> },
    Found { connection: ConnectionId, uuid: Uuid, result: Option<PathBuf> },
}

/// The threads. They end with the program: all they do can be cut off at any point.
#[derive(Debug)]
pub(crate) struct Disk {
    tasks: Sender<Task>,
    searches: Sender<Search>,
    outcomes: Receiver<Outcome>,
}

impl Disk {
    /// Starts the threads; `waker` is called for each outcome.
    pub(crate) fn start(paths: &Paths, waker: Waker) -> io::Result<Disk> {
        let (tasks, task_receiver) = mpsc::channel();
        let (searches, search_receiver) = mpsc::channel();
        let (sender, outcomes) = mpsc::channel();
        let task_receiver = Arc::new(Mutex::new(task_receiver));
        let reports = Reports { sender, waker: Arc::new(waker) };
        for number in 0..WRITERS {
            let (tasks, reports, paths) = (Arc::clone(&task_receiver), reports.clone(), paths.clone());
            thread::Builder::new().name(format!("writer-{number}")).spawn(move || {
                let next = || tasks.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
                while let Some(task) = next() {
                    reports.send(perform(&paths, task));
                }
            })?;
        }
        let paths = paths.clone();
        // Searches have a thread of their own: any number of clients may ask for any uuid.
        thread::Builder::new().name("searcher".to_owned()).spawn(move || {
            while let Ok(Search { connection, uuid }) = search_receiver.recv() {
                reports.send(Outcome::Found { connection, uuid, result: find(&paths, uuid) });
            }
        })?;
        Ok(Disk { tasks, searches, outcomes })
    }

    pub(crate) fn submit(&self, task: Task) {
        if self.tasks.send(task).is_err() {
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

fn perform(paths: &Paths, task: Task) -> Outcome {
    match task {
        Task::Store(result) => Outcome::Stored { uuid: result.uuid(), outcome: result.store(paths) },
        Task::Sync(task) => Outcome::Synced(task.run()),
        Task::Remove { uuid, name } => {
            let outcome = result::remove(paths, &name, uuid);
            Outcome::Removed { uuid, name, outcome }
        }
    }
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
