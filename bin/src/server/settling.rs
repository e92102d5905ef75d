//! Small results between the log, which made them durable, and their files: the order of
//! [`builder_engine::server::Settling`], with real files and syncs.

use crate::server::paths::Paths;
use crate::server::result;
use builder_engine::server::record::Record;
use builder_engine::server::{self, BuildOfJob, UnsettledResult};
use builder_proto::Uuid;
use std::io;
use std::time::Duration;

/// What is still to be done for the small results of a data directory.
#[derive(Debug)]
pub(crate) struct Settling {
    paths: Paths,
    order: server::Settling,
}

/// Results to be synced, for a thread that may wait for the disk.
#[derive(Debug)]
pub(crate) struct SyncTask {
    paths: Paths,
    builds: Vec<BuildOfJob>,
}

impl Settling {
    pub(crate) fn new(paths: Paths) -> Settling {
        Settling { paths, order: server::Settling::default() }
    }

    /// Writes the file of a result.
    pub(crate) fn publish(&mut self, result: UnsettledResult, now: Duration) {
        let paths = &self.paths;
        self.order.publish(result, now, |result| write(paths, result));
    }

    /// Whether the file of a result is not known to be on disk.
    pub(crate) fn holds(&self, uuid: Uuid) -> bool {
        self.order.holds(uuid)
    }

    /// When [`Settling::go_on`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.order.next_deadline()
    }

    /// Writes what could not be written before, and says what is to be synced now.
    pub(crate) fn go_on(&mut self, now: Duration) -> Option<SyncTask> {
        let paths = &self.paths;
        let builds = self.order.go_on(now, |result| write(paths, result))?;
        Some(SyncTask { paths: self.paths.clone(), builds })
    }

    /// Takes note that a sync has succeeded; says how many results the log may forget.
    pub(crate) fn synced(&mut self, now: Duration) -> u64 {
        self.order.synced(now)
    }

    /// What a new log has to hold.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Record> + '_ {
        self.order.snapshot()
    }

    /// Syncs everything at once, before anything else runs; says how many results the log may forget, or none when
    /// that cannot be done now.
    ///
    /// # Errors
    ///
    /// When the sync fails; the program has to end then.
    pub(crate) fn settle_all(&mut self, now: Duration) -> io::Result<Option<u64>> {
        let paths = &self.paths;
        let Some(builds) = self.order.settle_all(now, |result| write(paths, result)) else {
            return Ok(None);
        };
        SyncTask { paths: self.paths.clone(), builds }.run()?;
        Ok(Some(self.order.synced(now)))
    }
}

impl SyncTask {
    /// Waits until the results are on disk.
    pub(crate) fn run(&self) -> io::Result<()> {
        if self.builds.is_empty() {
            return Ok(());
        }
        // One call for the file system is far cheaper than three for each result.
        #[cfg(target_os = "linux")]
        let synced = Ok(rustix::fs::syncfs(std::fs::File::open(self.paths.root())?)?);
        #[cfg(not(target_os = "linux"))]
        let synced = self.sync_each();
        synced
    }

    #[cfg(not(target_os = "linux"))]
    fn sync_each(&self) -> io::Result<()> {
        self.builds.iter().try_for_each(|(uuid, name)| match result::sync(&self.paths, name, *uuid) {
            // Somebody has removed the result; nothing is left to be made durable.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        })
    }
}

fn write(paths: &Paths, result: &UnsettledResult) -> io::Result<()> {
    result::publish(paths, &result.name, result.uuid, &result.contents.0)
}
