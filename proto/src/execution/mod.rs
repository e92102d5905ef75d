//! Stored results: what a build was, printed and left behind, in one DER value.
//!
//! A stored result may be larger than memory, and it need never be held whole, neither to write nor to read it.
//!
//! To write one, lay out the [`ExecutionHead`]: the file is [`before_console`](ExecutionLayout::before_console),
//! then the console entries, newest first, as [`append_console_entry`] writes them, then
//! [`after_console`](ExecutionLayout::after_console), then the artifacts exactly as they stand in the
//! `jobFinished` message.
//!
//! To read one, [open](StoredExecution::open) it: that reads what is small and finds the rest, which
//! [`ConsoleReader`] and [`FilesReader`] walk over, and [`ArtifactsReader`] with the contents of the artifacts. All of them read
//! from whatever implements [`ReadAt`]. To list many, read the [`StoredSummary`] of each.
//!
//! An [`Excerpt`] is a stored result without some of its artifacts.
//!
//! [`Execution`] is the same as one value in memory: the reference for tests.

mod artifacts_reader;
mod console;
mod console_reader;
mod excerpt;
mod files_reader;
mod layout;
mod source;
mod stored;
mod summary;
mod timestamps;
mod whole;

#[cfg(test)]
mod tests;

pub use artifacts_reader::ArtifactsReader;
pub use console::{append_console_entry, console_entry_length};
pub use console_reader::{ConsoleEntry, ConsoleReader, ConsoleStep, PIECE_BYTES};
pub use excerpt::Excerpt;
pub use files_reader::{FilesReader, StoredFile};
pub use layout::{ExecutionHead, ExecutionLayout, LayoutError, NO_ARTIFACTS};
pub use source::{ReadAt, ReadError};
pub use stored::StoredExecution;
pub use summary::StoredSummary;
pub use whole::{ConsoleLine, Execution};
