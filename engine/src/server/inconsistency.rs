//! Records that contradict each other.

use core::fmt;

/// A record that contradicts the state it is applied to. Records come from decisions that were checked against the same
/// state, so the log is damaged or the program is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inconsistency(pub(crate) String);

impl fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Inconsistency {}
