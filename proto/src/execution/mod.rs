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
//! ```
//! use builder_proto::Uuid;
//! use builder_proto::build_result::BuildResult;
//! use builder_proto::execution::{
//!     ConsoleReader, ExecutionHead, FilesReader, NO_ARTIFACTS, StoredExecution, append_console_entry,
//! };
//! use builder_proto::job::ScriptJob;
//! use builder_proto::time::Time;
//!
//! // Nanoseconds since the start, and the newest line first.
//! let mut console = Vec::new();
//! append_console_entry(&mut console, 2_000_000, b"world");
//! append_console_entry(&mut console, 1_000_000, b"hello");
//! let head = ExecutionHead {
//!     job: ScriptJob { name: "hello".into(), script: "hello".into(), platform: "freebsd-14".into() },
//!     uuid: Uuid::nil(),
//!     console_length: console.len() as u64,
//!     started: Time::UNIX_EPOCH,
//!     finished: Time::from_unix_milliseconds(3),
//!     result: BuildResult::Exited(0),
//!     last_line: None,
//!     output_length: NO_ARTIFACTS.len() as u64,
//! };
//! let layout = head.layout()?;
//! let file = [layout.before_console, console, layout.after_console, NO_ARTIFACTS.to_vec()].concat();
//! assert_eq!(file.len() as u64, layout.total_length);
//!
//! let source = file.as_slice();
//! let stored = StoredExecution::open(source, layout.total_length)?;
//! let mut lines = ConsoleReader::new(source, stored.console.clone());
//! let oldest = lines.next_entry()?.expect("there are two lines");
//! assert_eq!((oldest.delta_nanoseconds, oldest.line), (1_000_000, &b"hello"[..]));
//! assert_eq!(FilesReader::new(source, stored.output).next_file()?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
