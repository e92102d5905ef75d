//! Messages: what is read can be written, and is read again as the same; borrowed and owned readings agree.

use crate::vectors;
use builder_proto::command::{Command, InfoPart, InfoReply, InfoStream, OutputRef, append_output_frame};
use builder_proto::error::EncodeError;
use builder_proto::frame::header;
use der::Encode;

/// Bytes of an answer that are encoded at once.
const PIECE_BYTES: usize = 16;

/// Takes the input for the payload of a frame.
pub fn run(input: &[u8]) {
    let command = match Command::decode(input) {
        Ok(command) => command,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(!matches!(OutputRef::decode(input), Ok(Some(_))), "borrowed, but not owned");
            return;
        }
    };
    assert_eq!(Command::peek_kind(input), Some(command.kind()));
    let payload = command.encode().unwrap();
    assert_eq!(Command::decode(&payload).as_ref(), Ok(&command));
    let frame = command.to_frame().unwrap();
    assert_eq!(frame, [&header(payload.len() as u64)[..], &payload].concat());
    check_borrowed(input, &command, &frame);
    if let Command::InfoReply(reply) = command {
        check_stream(&reply, &frame);
    }
}

/// The messages of the vectors.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    vectors::load("command.json").into_iter().map(|vector| vector.bytes).collect()
}

/// Console lines mean the same when they are borrowed.
fn check_borrowed(input: &[u8], command: &Command, frame: &[u8]) {
    let borrowed = OutputRef::decode(input);
    let Command::Output { uuid, line, timestamp } = command else {
        assert_eq!(borrowed, Ok(None));
        return;
    };
    let (uuid, line, timestamp) = (*uuid, line.as_bytes(), *timestamp);
    assert_eq!(borrowed, Ok(Some(OutputRef { uuid, line, timestamp })));
    let mut appended = Vec::new();
    append_output_frame(&mut appended, uuid, line, timestamp);
    assert_eq!(appended, frame);
}

/// An answer in pieces is the whole answer.
fn check_stream(reply: &InfoReply, frame: &[u8]) {
    let queues = reply.queues.iter().map(|queue| (&queue.platform, queue.jobs.iter().map(encoded).collect()));
    let mut stream = InfoStream::new(
        reply.schedule.iter().map(encoded).collect(),
        queues,
        reply.running.iter().map(encoded).collect(),
        &reply.dropped_platforms,
    )
    .unwrap();
    let mut bytes = Vec::new();
    while !stream.is_finished() {
        let mut piece = Vec::new();
        stream.encode_next(&mut piece, PIECE_BYTES).unwrap();
        assert!(!piece.is_empty());
        bytes.append(&mut piece);
    }
    assert_eq!(bytes, frame);
}

/// A part of an answer that is encoded already, all of it as if it were a script.
struct Encoded(Vec<u8>);

fn encoded(value: &impl Encode) -> Encoded {
    Encoded(value.to_der().unwrap())
}

impl InfoPart for Encoded {
    fn length(&self) -> Result<u64, EncodeError> {
        Ok(self.0.len() as u64)
    }

    fn append_until_script(&self, _output: &mut Vec<u8>) -> Result<(), EncodeError> {
        Ok(())
    }

    fn script(&self) -> &[u8] {
        &self.0
    }

    fn append_after_script(&self, _output: &mut Vec<u8>) {}
}
