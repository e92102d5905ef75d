//! Finished builds: the walker that checks them in pieces agrees with the decoder that holds them whole, and so does what
//! a worker streams.

use super::choices::{Choices, Cuts};
use super::command;
use builder_proto::Uuid;
use builder_proto::artifacts::ArtifactVisitor;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::finished::{
    ArtifactLimits, FINISHED_TAG, FinishedError, FinishedEvent, FinishedHead, FinishedWalker,
};
use builder_proto::finished_frame::{FileHead, frame_head};
use builder_proto::job::File;

/// What a walk over a message led to.
#[derive(Debug, PartialEq, Eq)]
struct Walk {
    head: Option<FinishedHead>,
    /// The artifacts as they are to be stored.
    stored: Vec<u8>,
    seen: Seen,
    end: End,
}

/// The artifacts that a visitor is shown.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    files: Vec<File>,
    /// Path, size and content of the one that has begun.
    open: Option<(Vec<u8>, u64, Vec<u8>)>,
}

impl ArtifactVisitor for Seen {
    fn begin(&mut self, path: &[u8], size: u64) {
        assert_eq!(self.open.replace((path.to_vec(), size, Vec::new())), None, "two at once");
    }

    fn content(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        self.open.as_mut().expect("content of nothing").2.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        let (path, size, data) = self.open.take().expect("the end of nothing");
        assert_eq!(data.len() as u64, size);
        self.files.push(File { path: path.into(), data: data.into() });
    }
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The message is complete.
    Complete,
    /// The walker wants more than there is.
    Starved,
    Error(FinishedError),
}

/// Takes limits and cuts off the front of the input, and the rest for the payload of a frame.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let limits = ArtifactLimits {
        total_bytes: u64::from(choices.number()),
        files: u64::from(choices.byte()),
        path_bytes: u64::from(choices.byte()),
        message_bytes: u64::from(choices.byte()),
    };
    let missing = u64::from(choices.byte() / 8);
    let cuts = choices.cuts();
    let payload = choices.rest();
    let length = payload.len() as u64 + missing;
    let walk = walk(FinishedWalker::new(length, limits), cuts.pieces(payload));
    assert_eq!(walk, self::walk(FinishedWalker::new(length, limits), [payload].into_iter()), "in one piece");
    if missing > 0 {
        assert_ne!(walk.end, End::Complete, "the message is not all there");
        return;
    }
    assert_ne!(walk.end, End::Starved, "the message is all there");
    match Command::decode(payload) {
        Ok(Command::JobFinished { uuid, result, data }) => {
            check_against(&walk, limits, payload, uuid, &result, &data);
            check_streaming(uuid, result, data, cuts);
        }
        _ => assert!(matches!(walk.end, End::Error(_)), "walked over, but not decoded"),
    }
}

/// The finished builds of the vectors, in limits that they respect or exceed.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let payloads = command::seeds().into_iter().filter(|payload| payload.first() == Some(&FINISHED_TAG));
    let prefixes: [&[u8]; 4] = [
        b"\xff\xff\xff\xff\xff\0\0",
        b"\xff\xff\xff\xff\xff\0\x01\x01",
        b"\x01\0\x02\x05\x05\0\x02\x07\x02",
        b"\xff\xff\xff\xff\xff\x08\0",
    ];
    payloads.enumerate().map(|(number, payload)| [prefixes[number % 4], &payload].concat()).collect()
}

fn walk<'a>(mut walker: FinishedWalker, pieces: impl Iterator<Item = &'a [u8]>) -> Walk {
    let mut walk = Walk { head: None, stored: Vec::new(), seen: Seen::default(), end: End::Starved };
    // The last of it may have led to more than one event, so the walker is asked once more.
    for mut rest in pieces.chain([&[][..]]) {
        loop {
            let (taken, event) = match walker.push_to(rest, &mut walk.seen) {
                Ok(step) => step,
                Err(error) => {
                    // What is stored of a refused message is thrown away; how much that was depends on the pieces.
                    walk.stored.clear();
                    walk.seen = Seen::default();
                    walk.end = End::Error(error);
                    return walk;
                }
            };
            match event {
                FinishedEvent::More => {
                    assert_eq!(taken, rest.len());
                    break;
                }
                FinishedEvent::Head(head) => assert_eq!(walk.head.replace(head), None, "two heads"),
                FinishedEvent::Data => walk.stored.extend_from_slice(&rest[..taken]),
                FinishedEvent::End => {
                    assert_eq!(taken, 0);
                    walk.end = End::Complete;
                    return walk;
                }
            }
            rest = &rest[taken..];
        }
    }
    walk
}

/// The walk found what is there, or a limit that is exceeded.
fn check_against(
    walk: &Walk,
    limits: ArtifactLimits,
    payload: &[u8],
    uuid: Uuid,
    result: &BuildResult,
    data: &[File],
) {
    let message = if let BuildResult::Message(text) = result { text.as_bytes().len() as u64 } else { 0 };
    let is_long = |file: &File| file.path.as_bytes().len() as u64 > limits.path_bytes;
    let (message_fits, files_fit) = (message <= limits.message_bytes, data.len() as u64 <= limits.files);
    let paths_fit = !data.iter().any(is_long);
    match &walk.end {
        End::Starved => panic!("starved"),
        End::Error(FinishedError::Malformed(problem)) => panic!("{problem}, but it was decoded"),
        End::Error(FinishedError::MessageTooLong { .. }) => assert!(!message_fits),
        End::Error(FinishedError::TooManyArtifacts { .. }) => assert!(!files_fit),
        End::Error(FinishedError::PathTooLong { .. }) => assert!(!paths_fit),
        End::Error(FinishedError::ArtifactsTooLong { length, limit }) => {
            assert!(length > limit && *length <= payload.len() as u64);
        }
        End::Complete => {
            assert!(message_fits && files_fit && paths_fit, "a limit is exceeded");
            let data_length = walk.stored.len() as u64;
            assert!(data_length <= limits.total_bytes && payload.ends_with(&walk.stored));
            assert_eq!((walk.seen.files.as_slice(), &walk.seen.open), (data, &None));
            assert_eq!(walk.head, Some(FinishedHead { uuid, result: result.clone(), data_length }));
        }
    }
}

/// A worker that streams the same artifacts sends the same frame as one that has them in memory.
fn check_streaming(uuid: Uuid, result: BuildResult, data: Vec<File>, cuts: Cuts<'_>) {
    let heads = data.iter().map(|file| (head_of(file), file.data.as_bytes()));
    let files_length = heads.clone().map(|(head, _)| head.total_length().unwrap()).sum();
    let mut frame = frame_head(uuid, &result, files_length).unwrap();
    for (head, data) in heads {
        head.append_to(&mut frame);
        frame.extend_from_slice(data);
    }
    let whole = Command::JobFinished { uuid, result, data };
    assert_eq!(frame, whole.to_frame().unwrap());
    let payload = &frame[builder_proto::frame::HEADER_LENGTH..];
    let unlimited = ArtifactLimits {
        total_bytes: u64::MAX,
        files: u64::MAX,
        path_bytes: u64::MAX,
        message_bytes: u64::MAX,
    };
    let walker = FinishedWalker::new(payload.len() as u64, unlimited);
    assert_eq!(walk(walker, cuts.pieces(payload)).end, End::Complete);
}

fn head_of(file: &File) -> FileHead<'_> {
    FileHead { path: file.path.as_bytes(), data_length: file.data.as_bytes().len() as u64 }
}
