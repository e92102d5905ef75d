//! What the driver of the server decides: the order in which what the machine wants takes effect, and when.
//!
//! The reactor of the programs and the simulation of the tests carry actions out, each in its own world; what they must not
//! decide on their own is here.
//!
//! | type | decides |
//! |---|---|
//! | [`ReleaseQueue`] | what waits for which commit, and for which files |
//! | [`ResultWork`] | what is done to the files of a result, in which order, and what a failure means |
//! | [`Rotation`] | when the log is written anew, and when the reserve is filled again |

mod release;
mod result_files;
mod rotation;

pub use release::{BatchNumber, ReleaseQueue, WriteOrder};
pub use result_files::{Directory, FileOperation, Progress, ResultWork, WorkError};
pub use rotation::{Rotation, RotationLimits};
