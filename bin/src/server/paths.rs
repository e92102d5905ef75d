//! Where things are in the data directory.
//!
//! ```text
//! DIR/JOB/UUID/full         a stored result, complete or not there at all
//! DIR/state                 the state of builder 0.4.0; read once, never written
//! DIR/.builder/lock         held by the running server
//! DIR/.builder/log          the write-ahead log
//! DIR/.builder/reserve      space for finishing builds when the disk is full
//! DIR/.builder/spool/UUID   the console of a running build
//! DIR/.builder/staging/UUID    a result that is being written
//! ```

use builder_proto::Uuid;
use builder_proto::text::Text;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The name of a stored result in the directory of its build.
pub(crate) const RESULT: &str = "full";

/// Paths below one data directory.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    root: PathBuf,
    private: PathBuf,
}

impl Paths {
    /// `private` is what [`prepare`](crate::directory::prepare) gives for `root`.
    pub(crate) fn new(root: &Path, private: PathBuf) -> Paths {
        Paths { root: root.to_owned(), private }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn private(&self) -> &Path {
        &self.private
    }

    pub(crate) fn old_state(&self) -> PathBuf {
        self.root.join("state")
    }

    pub(crate) fn spools(&self) -> PathBuf {
        self.private.join("spool")
    }

    pub(crate) fn spool(&self, uuid: Uuid) -> PathBuf {
        self.spools().join(uuid.to_string())
    }

    pub(crate) fn stagings(&self) -> PathBuf {
        self.private.join("staging")
    }

    pub(crate) fn staging(&self, uuid: Uuid) -> PathBuf {
        self.stagings().join(uuid.to_string())
    }

    /// The directory of a job's results. The engine lets no name in that would lead elsewhere.
    pub(crate) fn job(&self, name: &Text) -> PathBuf {
        self.root.join(OsStr::from_bytes(name.as_bytes()))
    }

    pub(crate) fn build(&self, name: &Text, uuid: Uuid) -> PathBuf {
        self.job(name).join(uuid.to_string())
    }

    pub(crate) fn result(&self, name: &Text, uuid: Uuid) -> PathBuf {
        self.build(name, uuid).join(RESULT)
    }
}
