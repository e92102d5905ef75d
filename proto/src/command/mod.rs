//! The messages that programs send each other, one in each frame. `table.rs` says which there are.

mod data;
mod decode;
mod encode;
mod field;
mod info;
mod info_reader;
mod info_stream;
mod output;
mod peer;
mod table;

pub use data::{DATA_TAG, DataRef, append_data_frame, append_data_header, read_data_header};
pub use field::FieldType;
pub use info::{InfoReply, QueueInfo, RunningInfo, UPLOADS};
pub use info_reader::{INFO_REPLY_TAG, InfoSource, read_info_reply};
pub use info_stream::{InfoPart, InfoStream};
pub use output::{OutputRef, append_output_frame};
pub use peer::PeerType;
pub use table::{Command, Kind, Sender};

#[cfg(test)]
mod tests;
