//! A world that is all imagined: a machine with clocks that dies when it is told to, a disk that loses what it may lose,
//! and chance that is the same for the same seed.

mod data_directory;
mod disk;
mod host;
mod lie;
mod random;

pub use data_directory::{DataDirectory, File, METRICS, PRIVATE, ROOT, SPOOLS, STAGINGS, result_path};
pub use disk::{Disk, Faults, Geometry, Inode, LogStorage};
pub use host::{Crash, Gone, Host};
pub use lie::Lie;
pub use random::Random;
