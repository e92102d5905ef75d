//! A world that is all imagined: a machine with clocks that dies when it is told to, a disk that loses what it may lose,
//! and chance that is the same for the same seed.

mod disk;
mod host;
mod random;

pub use disk::{Disk, Faults, Geometry, Inode, Lie, LogStorage};
pub use host::{Crash, Gone, Host};
pub use random::Random;
