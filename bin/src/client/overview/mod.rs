//! How all is: what a server says of itself, its platforms and its jobs.
//!
//! | module | holds |
//! |---|---|
//! | `answer` | what a server says |
//! | `print` | how that is printed, for whom |
//! | `glance` | on a terminal |
//! | `plain` | in a pipe |
//! | `describe` | for programs |

mod answer;
mod describe;
mod glance;
mod plain;
mod print;
#[cfg(test)]
mod tests;

pub(crate) use answer::{Overview, usual};
pub(crate) use describe::describe;
pub(super) use print::print;

#[cfg(test)]
pub(crate) use answer::samples;
