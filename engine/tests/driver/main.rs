//! The driver on a platform that tests have in their hands: what it does when, which deadlines it has, what it leaves behind.
//!
//! The simulation shows that nothing is lost, whatever happens. Here is what costs nothing but time, space or a second attempt.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code"
)]

mod connections;
mod deadlines;
mod digests;
mod history;
mod leftovers;
mod metrics;
mod notices;
mod overview;
mod platform;
mod results;
mod retention;
mod site;
mod starts;
mod stops;
mod streams;
