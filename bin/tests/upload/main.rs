//! Uploads: `builder-upload` by hand, and started by `builder-server`, against small HTTP servers made for each test.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod builder_web;
mod harness;
mod held_back;
mod interim;
mod notices;
mod outbox;
mod program;
#[cfg(feature = "tls")]
mod tls;
