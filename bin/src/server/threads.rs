//! Threads for what waits for the disk, so that the event loop need not.

use crate::server::data_directory::DataDirectory;
use builder_engine::driver::{Outcome, Task, TaskKind};
use mio::Waker;
use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The threads. They end with the program: all they do can be cut off at any point.
#[derive(Debug)]
pub(crate) struct Threads {
    tasks: BTreeMap<TaskKind, Sender<Task<DataDirectory>>>,
    outcomes: Receiver<Outcome>,
}

/// Where threads report what they have done.
#[derive(Clone, Debug)]
struct Reports {
    sender: Sender<Outcome>,
    waker: Arc<Waker>,
}

impl Threads {
    /// Starts them; `waker` is called for each outcome.
    pub(crate) fn start(directory: &DataDirectory, waker: Waker) -> io::Result<Threads> {
        let (sender, outcomes) = mpsc::channel();
        let reports = Reports { sender, waker: Arc::new(waker) };
        let serve = |kind| Ok((kind, serve(kind, directory, &reports)?));
        let tasks = TaskKind::ALL.into_iter().map(serve).collect::<io::Result<_>>()?;
        Ok(Threads { tasks, outcomes })
    }

    pub(crate) fn submit(&self, task: Task<DataDirectory>) {
        let sender = self.tasks.get(&task.kind());
        if sender.is_none_or(|sender| sender.send(task).is_err()) {
            log::error!("the threads that work on results are gone");
        }
    }

    pub(crate) fn next_outcome(&self) -> Option<Outcome> {
        self.outcomes.try_recv().ok()
    }
}

/// Starts the threads for one kind of task.
fn serve(
    kind: TaskKind,
    directory: &DataDirectory,
    reports: &Reports,
) -> io::Result<Sender<Task<DataDirectory>>> {
    let (sender, receiver) = mpsc::channel::<Task<DataDirectory>>();
    let receiver = Arc::new(Mutex::new(receiver));
    let name = match kind {
        TaskKind::Store => "storer",
        TaskKind::Write => "writer",
        TaskKind::Find => "searcher",
    };
    for number in 0..kind.threads() {
        let (receiver, reports, directory) = (Arc::clone(&receiver), reports.clone(), directory.clone());
        thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
            let next = || receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
            while let Some(task) = next() {
                if let Some(outcome) = task.run(&directory) {
                    reports.send(outcome);
                }
            }
        })?;
    }
    Ok(sender)
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
