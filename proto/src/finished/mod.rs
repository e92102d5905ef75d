//! A `jobFinished` message that is checked while it passes by.
//!
//! A worker sends all artifacts of a build in one message, so that message is the only one that may be larger
//! than memory. It is never held: the walker looks at the structure and leaves the bytes to whoever stores
//! them. Whoever wants to know what the artifacts are [visits](crate::artifacts) them on
//! the way.

mod event;
mod walker;

#[cfg(test)]
mod tests;

pub use event::{ArtifactLimits, FINISHED_TAG, FinishedError, FinishedEvent, FinishedHead};
pub use walker::FinishedWalker;
