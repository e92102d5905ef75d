//! The write-ahead log: what the server has accepted, in the order in which it happened.
//!
//! A log file is a header and frames ([`Frame`]). One frame holds the records of one commit; to this module a
//! record is a row of bytes. [`LogReader`] gives the payloads of the good frames.
//!
//! # What a crash can do, and what it cannot
//!
//! A frame is written only after the frame before it has been synced, and a log file gets its name only after
//! all it held by then has been synced, which is one frame at least. So a crash can spoil the last frame, unless it is
//! the first, in any way: cut it, fill it with zeros, leave any mix of its old and new sectors. Whatever stands before
//! it is as it was written. Hence the rule: **a good frame behind something bad proves damage**, as does a file
//! without a good frame, and damage is for a person to decide about, while a bad end behind a good frame is what an
//! interrupted commit leaves behind. Nobody was told that it had succeeded, so it is cut off.
//!
//! Zeros behind the last frame are preallocated for the next ones; some file systems also pad a file with them after a
//! crash. A file that grows with every commit has its length and its blocks synced with every commit, too; so it is made
//! longer for many commits at once. An interrupted commit of which nothing arrived looks the same, and means the same.
//!
//! A good frame has a plausible length, the salt of this file, the right CRC and a sequence number later than
//! that of the last good frame. In its place it also has the next number and the CRC of the frame before.
//!
//! A commit syncs contents and length of the file, unless it ends within the preallocated space, whose length is durable already:
//! then the contents are enough. That is what preallocation is for, and the one case where [`Storage::sync_contents`] is right.
//!
//! # Recovery
//!
//! | the file | verdict | what is replayed |
//! |---|---|---|
//! | header and good frames, behind them nothing or zeros | [`Verdict::Clean`] | everything |
//! | ends within a frame, a good one before it | [`Verdict::Torn`] | all frames before it |
//! | last frame bad in any bit, any length claimed, a good one before it | [`Verdict::Torn`] | all frames before it |
//! | garbage after the last good frame | [`Verdict::Torn`] | all frames |
//! | after the last good frame, older frames of this file or any frame of another file | [`Verdict::Torn`] | all frames |
//! | after the last good frame, a payload that imitates a frame without knowing the salt | [`Verdict::Torn`] | all frames |
//! | any other frame bad, or missing, or something inserted before a good frame | [`Event::Damage`] | all frames before; with salvage those behind, too |
//! | bad header, good first frame | [`Event::Damage`] at 0 | nothing; with salvage everything |
//! | bad header, bad first frame, a good one later | [`Event::Damage`] at 0 | nothing; with salvage from the good one on, if the salt in the header is right |
//! | empty, ends within the header or the first frame, or has no good frame for any other reason | [`Verdict::Unreadable`] | nothing |
//! | the same, where nobody was ever answered from this directory ([`Settings::unused`]) | [`Verdict::Unreadable`] | nothing; the first commit makes a new one |
//! | good header of another format version | [`Verdict::UnknownVersion`] | nothing |
//! | there is none, or only one under another name, in the making | | nothing; the first commit makes one |
//!
//! [`LogFile`] opens a log in this way, over any [`Storage`]: it saves a torn end beside the log before cutting it off,
//! refuses damage unless told to salvage, and then saves the damaged log first. Files are made under another
//! name, synced and renamed, so that a name never stands for a part. What it reads it syncs before it writes
//! on: after an end of the program without a crash of the machine, the last frame may be in memory only.

mod active;
mod builder;
mod file;
mod format;
mod reader;
mod recovery;
mod report;
mod reserve;
mod storage;

pub use file::{LogFile, Settings, WriteError};
pub use format::{FRAME_HEADER_LENGTH, Frame, HEADER_LENGTH, Position, Salt, payload};
pub use reader::{Damage, Event, LogReader, Verdict};
pub use recovery::read;
pub use report::{OpenError, Reading, RecoveryReport, Salvaged, Saved};
pub use storage::{Storage, StorageError};
