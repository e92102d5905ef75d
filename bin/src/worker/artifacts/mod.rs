//! What a job leaves behind for the server: listed first, because lengths come first on the wire, then sent.

mod chain;
mod list;
mod lister;
mod stream;
#[cfg(test)]
mod tests;

pub(super) use list::ArtifactList;
pub(super) use lister::Lister;
pub(super) use stream::ArtifactStream;
