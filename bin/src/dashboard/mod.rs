//! `builder-dashboard`: the build host in a browser.
//!
//! | module | holds |
//! |---|---|
//! | `atom` | changes from good to bad and back, as a feed |
//! | `badge` | how a job is, as a picture for other pages |
//! | `chart` | results and durations, as pictures in a page |
//! | `describe` | what pages say, for programs |
//! | `outcome` | what a result means |
//! | `pages` | the pages themselves |
//! | `xml` | text of others amid markup |
//!
//! In the engine are [`colours`], which makes lines of consoles fit for a page, as everything is there that has a fuzz target; and
//! [`metrics`], which says in the words of the server what that says, too.

pub mod atom;
pub mod badge;
pub mod chart;
pub mod describe;
mod outcome;
pub mod pages;
mod xml;

pub use builder_engine::dashboard::{colours, metrics};
