//! The real `builder-worker` against a server that says what the test wants.

// What the tests share may unwrap as they may.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod artifacts;
mod console;
mod conversation;
mod hangup;
mod harness;
mod hostile;
mod keeping;
mod processes;
mod script;
mod sick;
