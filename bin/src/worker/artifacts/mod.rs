//! What a job leaves behind for the server: listed first, because lengths come first on the wire, then sent.

mod list;
mod lister;
#[cfg(test)]
mod tests;

pub(super) use list::{ArtifactList, ArtifactStream};
pub(super) use lister::Lister;
