//! Writing a `jobFinished` frame whose artifacts are streamed.
//!
//! The lengths come first in DER, so the sender lists its files, adds up [`FileHead::total_length`], and then
//! writes [`frame_head`] followed by [`FileHead::append_to`] and the data of each file, in the same order:
//!
//! ```
//! use builder_proto::Uuid;
//! use builder_proto::build_result::BuildResult;
//! use builder_proto::command::Command;
//! use builder_proto::finished_frame::{FileHead, frame_head};
//! use builder_proto::frame::{FrameDecoder, FrameEvent};
//!
//! let files: [(&[u8], &[u8]); 2] = [(b"bin/hello", b"#!/bin/sh"), (b"log", b"fine")];
//! let heads = files.map(|(path, data)| FileHead { path, data_length: data.len() as u64 });
//! let length = heads.iter().filter_map(FileHead::total_length).sum();
//! let mut sent = frame_head(Uuid::nil(), &BuildResult::Exited(0), length).expect("it fits into 64 bits");
//! for (head, (_, data)) in heads.iter().zip(files) {
//!     head.append_to(&mut sent);
//!     sent.extend_from_slice(data);
//! }
//!
//! let mut decoder = FrameDecoder::new(1024);
//! let mut received = sent.as_slice();
//! let Some(FrameEvent::Frame(payload)) = decoder.next(&mut received)? else { panic!("it is whole") };
//! let Command::JobFinished { result, data, .. } = Command::decode(payload)? else { panic!("it is one") };
//! assert_eq!((result, data.len()), (BuildResult::Exited(0), 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::build_result::BuildResult;
use crate::finished::FINISHED_TAG;
use crate::frame;
use crate::header::{Header, SEQUENCE, UTF8_STRING};
use crate::{Uuid, wire::RawUuid};
use der::Encode;

/// What precedes the data of one artifact.
#[derive(Clone, Copy, Debug)]
pub struct FileHead<'a> {
    /// The path by which the server knows the file.
    pub path: &'a [u8],
    /// Bytes of data that follow.
    pub data_length: u64,
}

impl FileHead<'_> {
    /// Bytes of the head and the data, or `None` beyond 64 bits.
    #[must_use]
    pub fn total_length(&self) -> Option<u64> {
        Header { tag: SEQUENCE, length: self.content_length()? }.total_length()
    }

    /// Writes what precedes the data. Without effect when [`FileHead::total_length`] is `None`.
    pub fn append_to(&self, output: &mut Vec<u8>) {
        let Some(length) = self.content_length() else { return };
        Header { tag: SEQUENCE, length }.append_to(output);
        Header { tag: UTF8_STRING, length: self.path.len() as u64 }.append_to(output);
        output.extend_from_slice(self.path);
        Header { tag: UTF8_STRING, length: self.data_length }.append_to(output);
    }

    fn content_length(&self) -> Option<u64> {
        let path = Header { tag: UTF8_STRING, length: self.path.len() as u64 }.total_length()?;
        Header { tag: UTF8_STRING, length: self.data_length }.total_length()?.checked_add(path)
    }
}

/// Everything of the frame that precedes the first file: frame header, message head, result.
///
/// `files_length` is the sum of [`FileHead::total_length`] over all files. `None` when the lengths do not fit
/// into 64 bits, or the result holds a number that the wire cannot carry.
#[must_use]
pub fn frame_head(uuid: Uuid, result: &BuildResult, files_length: u64) -> Option<Vec<u8>> {
    let mut content = RawUuid(uuid).to_der().ok()?;
    content.extend(result.to_der().ok()?);
    let files = Header { tag: SEQUENCE, length: files_length };
    files.append_to(&mut content);
    let sequence = Header { tag: SEQUENCE, length: files_length.checked_add(content.len() as u64)? };
    let message = Header { tag: FINISHED_TAG, length: sequence.total_length()? };

    let mut head = frame::header(message.total_length()?).to_vec();
    message.append_to(&mut head);
    sequence.append_to(&mut head);
    head.extend(content);
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::job::File;

    fn streamed(uuid: Uuid, result: &BuildResult, files: &[File]) -> Vec<u8> {
        let head = |file: &File| {
            FileHead { path: file.path.as_bytes(), data_length: file.data.as_bytes().len() as u64 }
                .total_length()
        };
        let length = files.iter().map(|file| head(file).unwrap()).sum();
        let mut frame = frame_head(uuid, result, length).unwrap();
        for file in files {
            let data = file.data.as_bytes();
            FileHead { path: file.path.as_bytes(), data_length: data.len() as u64 }.append_to(&mut frame);
            frame.extend_from_slice(data);
        }
        frame
    }

    #[test]
    fn a_streamed_message_equals_one_made_whole() {
        let file = |path: &str, size: usize| File { path: path.into(), data: vec![b'x'; size].into() };
        let long_path = "p".repeat(300);
        for data in
            [vec![], vec![file("a", 0)], vec![file("bin/a", 127), file("b", 128), file(&long_path, 70_000)]]
        {
            for result in
                [BuildResult::Exited(0), BuildResult::Signalled(9), BuildResult::Message("no".into())]
            {
                let uuid = Uuid::from_u128(7);
                let streamed = streamed(uuid, &result, &data);
                let whole = Command::JobFinished { uuid, result, data: data.clone() };
                assert_eq!(streamed, whole.to_frame().unwrap());
            }
        }
    }

    #[test]
    fn lengths_beyond_32_bits_are_written() {
        let file = FileHead { path: b"a", data_length: 5 << 30 };
        let length = file.total_length().unwrap();
        let head = frame_head(Uuid::nil(), &BuildResult::Exited(0), length).unwrap();
        let claimed = u64::from_be_bytes(head[..8].try_into().unwrap());
        assert_eq!(claimed, head.len() as u64 - 8 + length);
    }

    #[test]
    fn lengths_beyond_64_bits_are_refused() {
        assert_eq!(FileHead { path: b"a", data_length: u64::MAX - 3 }.total_length(), None);
        assert_eq!(frame_head(Uuid::nil(), &BuildResult::Exited(0), u64::MAX - 10), None);
    }
}
