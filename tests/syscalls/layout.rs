//! What the paths in a data directory stand for.

use builder_proto::Uuid;
use std::fs;
use std::path::Path;

/// A data directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// As the server was given it, and as the system calls it.
    roots: [String; 2],
}

/// What is at a path below a data directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Root,
    /// The results of a job.
    Job(String),
    /// The directory of one result.
    Build(String, Uuid),
    Result(String, Uuid),
    /// What the server keeps for itself.
    Private,
    /// A file right below: the log, what it is made of, the reserve, the lock.
    Own(String),
    Spools,
    Spool(Uuid),
    Stagings,
    Staging(Uuid),
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Layout {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        Layout { roots: [text(root), text(&fs::canonicalize(root).unwrap())] }
    }

    /// None for what is elsewhere, or nothing of the server's.
    pub(crate) fn place(&self, path: &str) -> Option<Place> {
        let rest = self.roots.iter().find_map(|root| path.strip_prefix(root.as_str()))?;
        let names: Vec<&str> = rest.split('/').filter(|name| !name.is_empty()).collect();
        let uuid = |name: &str| Uuid::parse_str(name).ok();
        Some(match names.as_slice() {
            [] => Place::Root,
            [".builder"] => Place::Private,
            [".builder", "spool"] => Place::Spools,
            [".builder", "staging"] => Place::Stagings,
            [".builder", name] => Place::Own((*name).to_owned()),
            [".builder", "spool", name] => Place::Spool(uuid(name)?),
            [".builder", "staging", name] => Place::Staging(uuid(name)?),
            [job] => Place::Job((*job).to_owned()),
            [job, build] => Place::Build((*job).to_owned(), uuid(build)?),
            [job, build, "full"] => Place::Result((*job).to_owned(), uuid(build)?),
            _ => return None,
        })
    }
}

impl Place {
    pub(crate) fn log() -> Place {
        Place::Own("log".to_owned())
    }

    pub(crate) fn is_directory(&self) -> bool {
        match self {
            Place::Root
            | Place::Job(_)
            | Place::Build(..)
            | Place::Private
            | Place::Spools
            | Place::Stagings => true,
            Place::Result(..) | Place::Own(_) | Place::Spool(_) | Place::Staging(_) => false,
        }
    }

    /// The directory that its name is in.
    pub(crate) fn parent(&self) -> Place {
        match self {
            Place::Root | Place::Job(_) | Place::Private => Place::Root,
            Place::Build(job, _) => Place::Job(job.clone()),
            Place::Result(job, uuid) => Place::Build(job.clone(), *uuid),
            Place::Own(_) | Place::Spools | Place::Stagings => Place::Private,
            Place::Spool(_) => Place::Spools,
            Place::Staging(_) => Place::Stagings,
        }
    }
}
