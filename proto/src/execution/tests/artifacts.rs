//! Artifacts with their contents, read in steps.

use super::{execution, file, stream};
use crate::artifacts::ArtifactVisitor;
use crate::execution::{ArtifactsReader, ReadAt, ReadError, StoredExecution};
use crate::job::File;
use proptest::prelude::*;

/// Collects the artifacts that it sees, and counts bytes of content.
#[derive(Debug, Default)]
struct Collector {
    seen: Vec<File>,
    open: Option<(Vec<u8>, u64, Vec<u8>)>,
    bytes: u64,
}

impl ArtifactVisitor for Collector {
    fn begin(&mut self, path: &[u8], size: u64) {
        assert_eq!(self.open.replace((path.to_vec(), size, Vec::new())), None, "one after the other");
    }

    fn content(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        self.bytes += bytes.len() as u64;
        self.open.as_mut().expect("an artifact").2.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        let (path, size, data) = self.open.take().expect("an artifact");
        assert_eq!(data.len() as u64, size);
        self.seen.push(File { path: path.into(), data: data.into() });
    }
}

/// A stored result, and where its artifacts are.
fn stored(files: &[File]) -> (Vec<u8>, core::ops::Range<u64>) {
    let bytes = stream(&execution(Vec::new(), files.to_vec()));
    let output = StoredExecution::open(bytes.as_slice(), bytes.len() as u64).unwrap().output;
    (bytes, output)
}

#[test]
fn a_step_goes_through_a_mebibyte_at_most() {
    let files = [file("large", &vec![7; (5 << 20) + 1]), file("empty", b""), file("small", b"x")];
    let (bytes, output) = stored(&files);
    let mut reader = ArtifactsReader::new(bytes.as_slice(), output);
    let mut collector = Collector::default();
    let mut steps = 0;
    loop {
        let before = collector.bytes;
        let more = reader.step(&mut collector).unwrap();
        assert!(collector.bytes - before <= 1 << 20);
        steps += 1;
        if !more {
            break;
        }
    }
    assert_eq!(steps, 6, "and not much less");
    assert_eq!(collector.seen, files);
    assert!(!reader.step(&mut collector).unwrap(), "the end stays the end");
}

#[test]
fn many_small_artifacts_are_several_steps() {
    let files = vec![file("x", b""); 100_000];
    let (bytes, output) = stored(&files);
    let mut reader = ArtifactsReader::new(bytes.as_slice(), output);
    let mut collector = Collector::default();
    assert!(reader.step(&mut collector).unwrap());
    assert!((10_000..100_000).contains(&collector.seen.len()), "{}", collector.seen.len());
    while reader.step(&mut collector).unwrap() {}
    assert_eq!(collector.seen.len(), 100_000);
}

#[test]
fn a_content_that_cannot_be_read_is_an_error() {
    /// Ends in the middle of an artifact that was there a moment ago.
    struct Shorter<'a>(&'a [u8]);
    impl ReadAt for Shorter<'_> {
        type Error = core::convert::Infallible;
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Self::Error> {
            self.0[..200_000].read_at(offset, buffer)
        }
    }
    let (bytes, output) = stored(&[file("large", &[7; 300_000])]);
    let mut reader = ArtifactsReader::new(Shorter(&bytes), output);
    let error = reader.step(&mut Collector::default()).unwrap_err();
    assert!(matches!(error, ReadError::Malformed(_)), "{error}");
    assert!(error.to_string().contains("the file at byte 200000"), "{error}");
}

proptest! {
    #[test]
    fn how_many_bytes_a_step_has_changes_nothing(
        files in prop::collection::vec(
            ("[a-z./]{1,20}", prop::collection::vec(any::<u8>(), 0..300)), 0..6
        ),
        step_bytes in 1_u64..400,
    ) {
        let files: Vec<_> = files.iter().map(|(path, data)| file(path, data)).collect();
        let (bytes, output) = stored(&files);
        let mut reader = ArtifactsReader::with_steps_of(step_bytes, bytes.as_slice(), output);
        let mut collector = Collector::default();
        while reader.step(&mut collector).unwrap() {}
        prop_assert_eq!(collector.open, None);
        prop_assert_eq!(collector.seen, files);
    }
}
