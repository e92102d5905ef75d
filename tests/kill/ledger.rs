//! What workers were given, and what they gave back.

use builder_proto::Uuid;
use builder_proto::job::{File, ScriptJob};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard};

/// A book that all threads write into.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    moments: AtomicU64,
    ending: AtomicBool,
    builds: Mutex<BTreeMap<Uuid, Build>>,
}

/// One build that a worker was given.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub(crate) job: ScriptJob,
    /// When the worker knew.
    pub(crate) received: u64,
    /// What it prints, as far as it comes to that.
    pub(crate) lines: Vec<String>,
    pub(crate) artifacts: Vec<File>,
    pub(crate) fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The worker has sent no result.
    Running,
    /// The worker hung up.
    Lost,
    /// The worker has sent its result; nobody said that it is stored.
    Sent,
    /// The server has said that the result is stored.
    Stored,
    /// What became of it was found out after a restart.
    Settled,
}

impl Ledger {
    /// A number greater than all before.
    pub(crate) fn moment(&self) -> u64 {
        self.moments.fetch_add(1, SeqCst)
    }

    /// The server is about to end, so an end of a connection proves nothing any longer.
    pub(crate) fn end(&self) {
        self.ending.store(true, SeqCst);
    }

    pub(crate) fn begin(&self) {
        self.ending.store(false, SeqCst);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(SeqCst)
    }

    pub(crate) fn builds(&self) -> MutexGuard<'_, BTreeMap<Uuid, Build>> {
        self.builds.lock().unwrap()
    }

    pub(crate) fn started(&self, uuid: Uuid, build: Build) {
        let known = self.builds().insert(uuid, build);
        assert!(known.is_none(), "build {uuid} was handed out twice: {known:?}");
    }

    pub(crate) fn set_fate(&self, uuid: Uuid, fate: Fate) {
        self.builds().get_mut(&uuid).unwrap().fate = fate;
    }
}
