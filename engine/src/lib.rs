//! What happens next in builder's server and worker.

pub mod log;
pub mod server;
pub mod worker;
