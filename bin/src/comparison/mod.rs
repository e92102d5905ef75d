//! What is different between two builds, for whoever shows it.
//!
//! | module | holds |
//! |---|---|
//! | `lines` | which lines of two texts differ |
//! | `texts` | texts that are compared while they arrive |
//! | `builds` | what was built where, why it ended, and its script |
//! | `artifacts` | artifacts by path, size and digest |

pub(crate) mod artifacts;
pub(crate) mod builds;
pub(crate) mod lines;
pub(crate) mod texts;
