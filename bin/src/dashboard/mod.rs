//! `builder-dashboard`: the build host in a browser.
//!
//! What happens is decided in [`builder_engine::dashboard`]; here are the sockets, and what pages look like.
//!
//! | module | holds |
//! |---|---|
//! | `options`, `start` | from the command line to a running loop |
//! | `reactor` | the loop: bytes between sockets and the machine that decides |
//! | `questions`, `remote` | connections to the server, and where it is |
//! | `pages` | the pages themselves |
//! | `atom` | changes from good to bad and back, as a feed |
//! | `badge` | how a job is, as a picture for other pages |
//! | `chart` | results and durations, as pictures in a page |
//! | `describe` | what pages say, for programs |
//! | `outcome` | what a result means |
//! | `xml` | text of others amid markup |
//!
//! In the engine are [`colours`], which makes lines of consoles fit for a page, as everything is there that has a fuzz target; and
//! [`metrics`], which says in the words of the server what that says, too.

pub mod atom;
pub mod badge;
pub mod chart;
pub mod describe;
mod options;
mod outcome;
pub mod pages;
mod questions;
mod reactor;
mod remote;
mod start;
mod xml;

use crate::command_line::{Logging, Program};
pub use builder_engine::dashboard::{colours, metrics};
use std::process::ExitCode;

/// What may be typed after its name.
pub const PROGRAM: Program = Program {
    name: "builder-dashboard",
    about: "Shows jobs, builds and consoles of a server in a browser; changes nothing.",
    notes: "",
    logging: Logging::Dashboard,
    words: &[],
    flags: options::FLAGS,
    commands: &[],
};

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    PROGRAM.main(options::resolve, start::run)
}
