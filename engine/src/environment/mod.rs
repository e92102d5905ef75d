//! What one run of a job finds in its environment in addition.
//!
//! Workers are told nothing but a script, so the variables become [part of it](EnvironmentScript).

mod script;
mod variables;

pub use script::{EnvironmentScript, ScriptError};
pub use variables::{Environment, EnvironmentError};
