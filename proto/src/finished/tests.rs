use super::*;
use crate::Uuid;
use crate::artifacts::ArtifactVisitor;
use crate::build_result::BuildResult;
use crate::job::File;
use der::{Decode, Encode};
use proptest::prelude::*;

const UUID: Uuid = Uuid::from_u128(0x988a_d4a2_647b_4f84_9116_f936_eedd_ac84);
const LIMITS: ArtifactLimits =
    ArtifactLimits { total_bytes: u64::MAX, files: 1000, path_bytes: 4096, message_bytes: 65_536 };

fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut output = Vec::new();
    crate::header::Header { tag, length: content.len() as u64 }.append_to(&mut output);
    output.extend_from_slice(content);
    output
}

fn message(result: &[u8], artifacts: &[u8]) -> Vec<u8> {
    let uuid = value(0x0c, UUID.as_bytes());
    value(0xa3, &value(0x30, &[&uuid, result, artifacts].concat()))
}

fn file(path: &str, data: &[u8]) -> File {
    File { path: path.into(), data: data.into() }
}

const EXITED_0: &[u8] = b"\xa0\x03\x02\x01\x00";

/// What came out of a walk: the head, the bytes to store, and the artifacts that a visitor saw whole.
type Walked = (Option<FinishedHead>, Vec<u8>, Vec<File>);

/// Collects the artifacts that it sees.
#[derive(Default)]
struct Collector {
    seen: Vec<File>,
    open: Option<(Vec<u8>, u64, Vec<u8>)>,
}

impl ArtifactVisitor for Collector {
    fn begin(&mut self, path: &[u8], size: u64) {
        assert_eq!(self.open.replace((path.to_vec(), size, Vec::new())), None, "one after the other");
    }

    fn content(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        self.open.as_mut().expect("an artifact").2.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        let (path, size, data) = self.open.take().expect("an artifact");
        assert_eq!(data.len() as u64, size);
        self.seen.push(File { path: path.into(), data: data.into() });
    }
}

/// Walks over pieces; also says whether the end was reached.
fn walk<'a>(
    length: u64,
    limits: ArtifactLimits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Walked, bool), FinishedError> {
    let mut walker = FinishedWalker::new(length, limits);
    let (mut head, mut stored, mut collector) = (None, Vec::new(), Collector::default());
    for mut rest in pieces {
        loop {
            let (taken, event) = walker.push_to(rest, &mut collector)?;
            match event {
                FinishedEvent::More => {
                    assert_eq!(taken, rest.len(), "nothing is left over");
                    break;
                }
                FinishedEvent::Head(found) => assert_eq!(head.replace(found), None, "one head"),
                FinishedEvent::Data => {
                    assert!(taken > 0 && head.is_some());
                    stored.extend_from_slice(&rest[..taken]);
                }
                FinishedEvent::End => {
                    assert_eq!(collector.open, None, "the last artifact has ended");
                    return Ok(((head, stored, collector.seen), true));
                }
            }
            rest = &rest[taken..];
        }
    }
    Ok(((head, stored, collector.seen), false))
}

fn walk_whole(bytes: &[u8], limits: ArtifactLimits) -> Result<Walked, FinishedError> {
    let (walked, ended) = walk(bytes.len() as u64, limits, [bytes])?;
    assert!(ended, "all bytes were there");
    Ok(walked)
}

fn refusal(bytes: &[u8], limits: ArtifactLimits) -> String {
    walk_whole(bytes, limits).unwrap_err().to_string()
}

#[test]
fn the_head_comes_first_and_the_artifacts_as_they_are() {
    let files = vec![file("bin/a", b"xyz"), file("empty", b""), file("../b", b"\0")];
    let artifacts = files.to_der().unwrap();
    let (head, stored, seen) = walk_whole(&message(EXITED_0, &artifacts), LIMITS).unwrap();
    let head = head.unwrap();
    assert_eq!(head.uuid, UUID);
    assert_eq!(head.result, BuildResult::Exited(0));
    assert_eq!(head.data_length, artifacts.len() as u64);
    assert_eq!(stored, artifacts);
    assert_eq!(seen, files);
}

#[test]
fn a_message_without_artifacts_ends_too() {
    let (head, stored, seen) = walk_whole(&message(b"\xa3\x04\x0c\x02no", b"\x30\x00"), LIMITS).unwrap();
    assert_eq!(head.unwrap().result, BuildResult::Message("no".into()));
    assert_eq!(stored, b"\x30\x00");
    assert_eq!(seen, []);
}

#[test]
fn an_artifact_ends_with_its_last_byte() {
    let artifacts = vec![file("a", b"xyz"), file("b", b"")].to_der().unwrap();
    let bytes = message(EXITED_0, &artifacts);
    let seen_of = |missing: usize| {
        let ((_, _, seen), _) = walk(bytes.len() as u64, LIMITS, [&bytes[..bytes.len() - missing]]).unwrap();
        seen.len()
    };
    assert_eq!([0, 1, 7, 8].map(seen_of), [2, 1, 1, 0]);
}

#[test]
fn a_message_that_is_cut_off_does_not_end() {
    let bytes = message(EXITED_0, &vec![file("path", b"content")].to_der().unwrap());
    for end in 0..bytes.len() {
        let (_, ended) = walk(bytes.len() as u64, LIMITS, [&bytes[..end]]).unwrap();
        assert!(!ended, "{end} of {} bytes", bytes.len());
    }
}

#[test]
fn pushing_nothing_changes_nothing() {
    let bytes = message(EXITED_0, &vec![file("a", b"x")].to_der().unwrap());
    let mut walker = FinishedWalker::new(bytes.len() as u64, LIMITS);
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        assert_eq!(walker.push(&[]), Ok((0, FinishedEvent::More)));
        rest = &rest[walker.push(&rest[..1]).unwrap().0..];
    }
    assert_eq!(walker.push(&[]), Ok((0, FinishedEvent::End)));
    assert_eq!(walker.push(b"more"), Ok((0, FinishedEvent::End)));
}

#[test]
fn an_artifact_of_more_than_4_gib_passes_by() {
    const CONTENT: u64 = 5 << 30;
    let header = |tag, length| crate::header::Header { tag, length };
    let path = value(0x0c, b"big");
    let content = header(0x0c, CONTENT);
    let artifact = header(0x30, path.len() as u64 + content.total_length().unwrap());
    let artifacts = header(0x30, artifact.total_length().unwrap());
    let head = [value(0x0c, UUID.as_bytes()), EXITED_0.to_vec()].concat();
    let fields = header(0x30, head.len() as u64 + artifacts.total_length().unwrap());
    let command = header(0xa3, fields.total_length().unwrap());

    let mut prefix = Vec::new();
    command.append_to(&mut prefix);
    fields.append_to(&mut prefix);
    prefix.extend_from_slice(&head);
    artifacts.append_to(&mut prefix);
    artifact.append_to(&mut prefix);
    prefix.extend_from_slice(&path);
    content.append_to(&mut prefix);

    let mut walker = FinishedWalker::new(command.total_length().unwrap(), LIMITS);
    let (taken, event) = walker.push(&prefix).unwrap();
    let FinishedEvent::Head(head) = event else { panic!("{event:?}") };
    assert_eq!(head.data_length, artifacts.total_length().unwrap());
    assert_eq!(walker.push(&prefix[taken..]), Ok((prefix.len() - taken, FinishedEvent::Data)));
    let block = vec![0; 1 << 20];
    for _ in 0..CONTENT >> 20 {
        assert_eq!(walker.push(&block), Ok((block.len(), FinishedEvent::Data)));
    }
    assert_eq!(walker.push(&block), Ok((0, FinishedEvent::End)));
}

#[test]
fn every_limit_is_kept_and_named() {
    let artifacts = vec![file("bin/a", b"xyz"), file("b", b"")].to_der().unwrap();
    let exited = message(EXITED_0, &artifacts);
    let aborted = message(b"\xa3\x04\x0c\x02no", &artifacts);
    let exact =
        ArtifactLimits { total_bytes: artifacts.len() as u64, files: 2, path_bytes: 5, message_bytes: 2 };
    walk_whole(&exited, exact).unwrap();
    walk_whole(&aborted, exact).unwrap();
    for (bytes, limits, text) in [
        (
            &exited,
            ArtifactLimits { total_bytes: exact.total_bytes - 1, ..exact },
            "the artifacts take 23 bytes; at most 22 bytes of artifacts are stored for a build",
        ),
        (
            &exited,
            ArtifactLimits { files: 1, ..exact },
            "there are too many artifacts; at most 1 are stored for a build",
        ),
        (
            &exited,
            ArtifactLimits { path_bytes: 4, ..exact },
            "the path of an artifact is 5 bytes long; at most 4 bytes are accepted",
        ),
        (
            &aborted,
            ArtifactLimits { message_bytes: 1, ..exact },
            "the message of the result is 2 bytes long; at most 1 bytes are accepted",
        ),
    ] {
        assert_eq!(refusal(bytes, limits), text);
    }
}

#[test]
fn a_long_message_is_refused_before_it_is_collected() {
    let bytes = message(&value(0xa3, &value(0x0c, &[b'x'; 1000])), b"\x30\x00");
    let limits = ArtifactLimits { message_bytes: 10, ..LIMITS };
    let mut walker = FinishedWalker::new(bytes.len() as u64, limits);
    let error = walker.push(&bytes[..40]).unwrap_err();
    assert!(matches!(error, FinishedError::MessageTooLong { .. }), "{error}");
}

#[test]
fn malformed_messages_are_refused_with_the_place() {
    let uuid = value(0x0c, UUID.as_bytes());
    let with = |artifacts: &[u8]| message(EXITED_0, artifacts);
    for (bytes, text) in [
        (vec![0xa4, 0x00], "jobFinished at byte 0: unexpected tag 0xa4"),
        (vec![0xa3, 0x80, 0, 0], "jobFinished at byte 0: the length is indefinite, which DER forbids"),
        (vec![0xa3, 0x81, 0x01, 0], "jobFinished at byte 0: the length is not written in the fewest bytes"),
        (vec![0xa3, 0x05, 0], "jobFinished at byte 0: it is longer than what contains it"),
        (vec![0xa3, 0x00, 0], "jobFinished at byte 0: it is followed by bytes that belong to nothing"),
        (vec![0xa3, 0x00], "jobFinished at byte 2: the data ends in the middle of it"),
        (value(0xa3, &value(0x31, b"")), "fields of jobFinished at byte 2: unexpected tag 0x31"),
        (value(0xa3, &value(0x30, &value(0x0c, &[0; 15]))), "uuid at byte 4: 15 bytes instead of 16"),
        (value(0xa3, &value(0x30, &value(0x04, &[0; 16]))), "uuid at byte 4: unexpected tag 0x04"),
        (value(0xa3, &value(0x30, &uuid)), "jobFinished at byte 22: the data ends in the middle of it"),
        (message(b"\xa4\x02\x05\x00", b"\x30\x00"), "result at byte 22: unexpected tag 0xa4"),
        (message(&value(0xa0, &value(2, &[1; 9])), b"\x30\x00"), "result at byte 22: not an integer"),
        (message(b"\xa0\x04\x02\x02\x00\x01", b"\x30\x00"), "result at byte 22: ASN.1 INTEGER"),
        (message(b"\xa0\x04\x02\x01\x00\x01", b"\x30\x00"), "result at byte 22: "),
        (message(b"\xa3\x02\x04\x00", b"\x30\x00"), "result at byte 22: "),
        (message(EXITED_0, b""), "jobFinished at byte 27: the data ends in the middle of it"),
        (with(b"\x31\x00"), "artifacts at byte 27: unexpected tag 0x31"),
        (with(b"\x30\x00\x00"), "artifacts at byte 27: it is followed by"),
        (with(b"\x30\x01"), "artifacts at byte 27: it is longer than"),
        (with(&value(0x30, b"\x30\x05\x0c\x00\x0c\x01x")), "artifact path at byte 31: the path is empty"),
        (with(&value(0x30, b"\x30\x06\x0c\x02a\0\x0c\x00")), "artifact path at byte 34: the path contains"),
        (with(&value(0x30, b"\x30\x06\x04\x02ab\x0c\x00")), "artifact path at byte 31: unexpected tag 0x04"),
        (with(&value(0x30, b"\x30\x06\x0c\x05ab\x0c\x00")), "artifact path at byte 31: it is longer"),
        (with(&value(0x30, b"\x30\x06\x0c\x02ab\x0c\x01x")), "artifact data at byte 35: it is longer"),
        (with(&value(0x30, b"\x30\x07\x0c\x02ab\x0c\x00x")), "artifact data at byte 35: it is followed"),
        (with(&value(0x30, b"\x30\x04\x0c\x02ab")), "jobFinished at byte 35: the data ends"),
        (with(&value(0x30, b"\x30\x09\x0c\x02ab\x0c\x00")), "artifact at byte 29: it is longer"),
        (with(&value(0x30, b"\x30\x03\x0c\x01a\x30\x00")), "artifact data at byte 34: unexpected tag 0x30"),
    ] {
        let refusal = refusal(&bytes, LIMITS);
        assert!(refusal.contains(text), "{bytes:02x?}: {refusal}; expected {text}");
    }
}

fn a_file() -> impl Strategy<Value = File> {
    ("[a-z./]{1,20}", prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(path, data)| file(&path, &data))
}

fn a_result() -> impl Strategy<Value = BuildResult> {
    prop_oneof![
        (-300_i64..300).prop_map(BuildResult::Exited),
        (-300_i64..300).prop_map(BuildResult::Signalled),
        (-300_i64..300).prop_map(BuildResult::Stopped),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|text| BuildResult::Message(text.into())),
    ]
}

/// Cuts bytes into pieces as long as `lengths` says, over and over.
fn cut<'a>(bytes: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    lengths.iter().cycle().map_while(move |&length| {
        let (piece, tail) = rest.split_at(length.min(rest.len()));
        rest = tail;
        (!piece.is_empty()).then_some(piece)
    })
}

proptest! {
    #[test]
    fn how_a_message_is_cut_changes_nothing(
        result in a_result(),
        files in prop::collection::vec(a_file(), 0..5),
        lengths in prop::collection::vec(1_usize..200, 1..20),
        damage in prop::option::of((any::<prop::sample::Index>(), prop_oneof![Just(0), any::<u8>()])),
    ) {
        let mut bytes = message(&result.to_der().unwrap(), &files.to_der().unwrap());
        if let Some((index, byte)) = &damage {
            *index.get_mut(&mut bytes) = *byte;
        }
        // The last push is empty: it brings the end.
        let pieces = cut(&bytes, &lengths).chain([&[][..]]);
        let in_pieces = walk(bytes.len() as u64, LIMITS, pieces);
        prop_assert_eq!(&in_pieces, &walk(bytes.len() as u64, LIMITS, [bytes.as_slice()]));
        if damage.is_none() {
            let ((head, stored, seen), ended) = in_pieces.unwrap();
            prop_assert!(ended);
            prop_assert_eq!(head.unwrap().result, result);
            prop_assert_eq!(Vec::<File>::from_der(&stored).unwrap(), files.clone());
            prop_assert_eq!(seen, files);
        }
    }

    #[test]
    fn what_is_accepted_can_be_decoded_whole(bytes in prop::collection::vec(0_u8..0x40, 0..60)) {
        let bytes = message(EXITED_0, &value(0x30, &bytes));
        if let Ok((_, stored, seen)) = walk_whole(&bytes, LIMITS) {
            prop_assert_eq!(Vec::<File>::from_der(&stored).unwrap(), seen);
        }
    }
}
