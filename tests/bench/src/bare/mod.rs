//! What the machine can do at best: the same work, without all that makes a server of it.

pub(crate) mod copy;
pub(crate) mod lines;
pub(crate) mod relay;
pub(crate) mod responder;
pub(crate) mod sync;
