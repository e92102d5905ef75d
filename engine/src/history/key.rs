//! The order of builds.

use builder_proto::Uuid;
use builder_proto::history::Build;

/// The place of a build in the order of all: by start, then by uuid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub(super) i64, pub(super) Uuid);

impl Key {
    /// That of this build.
    #[must_use]
    pub fn of(build: &Build) -> Key {
        Key(build.started.unix_milliseconds(), build.uuid())
    }
}
