//! What a build left: its artifacts with their digests, computed while they pass by.

use crate::limits::MANIFEST_BYTES;
use builder_proto::artifacts::ArtifactVisitor;
use builder_proto::execution::{ArtifactsReader, ReadAt, ReadError, StoredExecution};
use builder_proto::finished::{FinishedError, FinishedEvent, FinishedWalker};
use builder_proto::history::{Artifact, Sha256};
use core::mem;
use der::{Encode, Length, Tag};
use sha2::Digest;

/// The artifacts of one build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// How many there are.
    pub artifacts: u64,
    /// Bytes of their contents together.
    pub bytes: u64,
    /// All of them with their digests, in the order in which the worker sent them; or `None`, when the list would take more
    /// than [`MANIFEST_BYTES`] in DER.
    pub list: Option<Vec<Artifact>>,
}

/// Makes the manifest of artifacts that it is shown. It holds no content, and its list only as long as that is not too
/// long.
///
/// ```
/// use builder_engine::manifest::ManifestBuilder;
/// use builder_proto::artifacts::ArtifactVisitor;
///
/// let mut builder = ManifestBuilder::default();
/// builder.begin(b"bin/a", 3);
/// builder.content(b"ab");
/// builder.content(b"c");
/// builder.end();
/// let manifest = builder.finish();
/// assert_eq!((manifest.artifacts, manifest.bytes), (1, 3));
/// let digest = manifest.list.unwrap()[0].sha256.unwrap();
/// assert!(digest.to_string().starts_with("ba7816bf8f01cfea"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManifestBuilder {
    artifacts: u64,
    bytes: u64,
    listing: Listing,
}

#[derive(Clone, Debug)]
enum Listing {
    Going {
        list: Vec<Artifact>,
        /// What the artifacts of the list take in DER, without the header around all of them.
        bytes: Length,
        /// The content of the last of them so far.
        hasher: sha2::Sha256,
    },
    TooLong,
}

/// Makes the manifest of a result that is stored already, in steps: it may take a minute.
///
/// ```no_run
/// # use builder_proto::execution::{ReadAt, ReadError, StoredExecution};
/// use builder_engine::manifest::{Manifest, ManifestReader};
///
/// fn manifest<S: ReadAt>(file: S, stored: &StoredExecution) -> Result<Manifest, ReadError<S::Error>> {
///     let mut reader = ManifestReader::new(file, stored);
///     loop {
///         if let Some(manifest) = reader.step()? {
///             return Ok(manifest);
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct ManifestReader<S> {
    artifacts: ArtifactsReader<S>,
    builder: ManifestBuilder,
}

impl<S: ReadAt> ManifestReader<S> {
    /// Reads the artifacts of `stored` from `source`, which is where that was opened.
    pub fn new(source: S, stored: &StoredExecution) -> Self {
        let artifacts = ArtifactsReader::new(source, stored.output.clone());
        Self { artifacts, builder: ManifestBuilder::default() }
    }

    /// Reads at most a MiB further; gives the manifest when that was the last. The reader is of no further use then.
    ///
    /// # Errors
    ///
    /// When the source fails, or an artifact is malformed. The reader is of no further use then, either.
    pub fn step(&mut self) -> Result<Option<Manifest>, ReadError<S::Error>> {
        let more = self.artifacts.step(&mut self.builder)?;
        Ok((!more).then(|| mem::take(&mut self.builder).finish()))
    }
}

impl Manifest {
    /// The manifest of a result that is stored, or held whole, at once.
    ///
    /// # Errors
    ///
    /// When the source fails, or an artifact is malformed.
    pub fn of<S: ReadAt>(source: S, stored: &StoredExecution) -> Result<Manifest, ReadError<S::Error>> {
        let mut reader = ManifestReader::new(source, stored);
        loop {
            if let Some(manifest) = reader.step()? {
                return Ok(manifest);
            }
        }
    }
}

/// Makes the manifest of artifacts while they arrive, in whatever pieces.
#[derive(Debug)]
pub struct ManifestWalker {
    walker: FinishedWalker,
    builder: ManifestBuilder,
}

impl ManifestWalker {
    /// Expects the artifacts of a result, `length` bytes as they are stored.
    #[must_use]
    pub fn new(length: u64) -> ManifestWalker {
        ManifestWalker { walker: FinishedWalker::of_artifacts(length), builder: ManifestBuilder::default() }
    }

    /// Takes in the next bytes.
    ///
    /// # Errors
    ///
    /// When they are no artifacts. The walker is of no further use then.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), FinishedError> {
        while !bytes.is_empty() {
            let (taken, event) = self.walker.push_to(bytes, &mut self.builder)?;
            bytes = bytes.get(taken..).unwrap_or_default();
            if event == FinishedEvent::End {
                break;
            }
        }
        Ok(())
    }

    /// The manifest of the artifacts that have ended.
    #[must_use]
    pub fn finish(self) -> Manifest {
        self.builder.finish()
    }
}

impl ManifestBuilder {
    /// The manifest of the artifacts that have ended.
    #[must_use]
    pub fn finish(self) -> Manifest {
        let list = match self.listing {
            Listing::Going { list, .. } => Some(list),
            Listing::TooLong => None,
        };
        Manifest { artifacts: self.artifacts, bytes: self.bytes, list }
    }
}

impl ArtifactVisitor for ManifestBuilder {
    fn begin(&mut self, path: &[u8], size: u64) {
        self.artifacts += 1;
        self.bytes = self.bytes.saturating_add(size);
        let Listing::Going { list, bytes, .. } = &mut self.listing else { return };
        // Its place is taken before its digest is known: every digest is as long as this one.
        let artifact = Artifact { path: path.into(), size, sha256: Some(Sha256([0; 32])) };
        match longer(*bytes, &artifact) {
            Some(longer) => {
                *bytes = longer;
                list.push(artifact);
            }
            None => self.listing = Listing::TooLong,
        }
    }

    fn content(&mut self, bytes: &[u8]) {
        if let Listing::Going { hasher, .. } = &mut self.listing {
            hasher.update(bytes);
        }
    }

    fn end(&mut self) {
        if let Listing::Going { list, hasher, .. } = &mut self.listing
            && let Some(artifact) = list.last_mut()
        {
            artifact.sha256 = Some(Sha256(hasher.finalize_reset().into()));
        }
    }
}

/// Bytes of the artifacts of a list with another one; `None` when the list would be too long.
fn longer(bytes: Length, artifact: &Artifact) -> Option<Length> {
    let bytes = (bytes + artifact.encoded_len().ok()?).ok()?;
    let whole = bytes.for_tlv(Tag::Sequence).ok()?;
    (u64::from(u32::from(whole)) <= MANIFEST_BYTES).then_some(bytes)
}

impl Default for Listing {
    fn default() -> Listing {
        Listing::Going { list: Vec::new(), bytes: Length::ZERO, hasher: sha2::Sha256::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::Uuid;
    use builder_proto::build_result::BuildResult;
    use builder_proto::command::Command;
    use builder_proto::execution::Execution;
    use builder_proto::finished::{ArtifactLimits, FinishedEvent, FinishedWalker};
    use builder_proto::frame::HEADER_LENGTH;
    use builder_proto::job::{File, ScriptJob};
    use builder_proto::text::Text;
    use builder_proto::time::Time;
    use proptest::prelude::*;

    /// An artifact, its content, and the lengths of the pieces in which that comes, over and over.
    type Shown = (Vec<u8>, Vec<u8>, Vec<usize>);

    fn show(builder: &mut ManifestBuilder, path: &[u8], content: &[u8], lengths: &[usize]) {
        builder.begin(path, content.len() as u64);
        let (mut rest, mut lengths) = (content, lengths.iter().cycle());
        while !rest.is_empty() {
            let (piece, tail) =
                rest.split_at(lengths.next().map_or(rest.len(), |&length| length.min(rest.len())));
            builder.content(piece);
            rest = tail;
        }
        builder.end();
    }

    fn shown() -> impl Strategy<Value = Shown> {
        (
            prop::collection::vec(1..=u8::MAX, 1..20),
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(1_usize..200, 1..5),
        )
    }

    #[test]
    fn digests_are_those_of_the_standard() {
        let mut builder = ManifestBuilder::default();
        show(&mut builder, b"empty", b"", &[]);
        show(&mut builder, b"abc", b"abc", &[1]);
        show(&mut builder, b"a", &[b'a'; 1_000_000], &[1000]);
        let list = builder.finish().list.unwrap();
        let digests: Vec<_> = list.iter().map(|artifact| artifact.sha256.unwrap().to_string()).collect();
        assert_eq!(
            digests,
            [
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
            ]
        );
    }

    #[test]
    fn a_build_without_artifacts_has_an_empty_list() {
        let manifest = ManifestBuilder::default().finish();
        assert_eq!(manifest, Manifest { artifacts: 0, bytes: 0, list: Some(Vec::new()) });
    }

    /// Shows artifacts whose list takes exactly so many bytes.
    fn fill(builder: &mut ManifestBuilder, mut bytes: usize) {
        let length = |path: usize| {
            let artifact = Artifact { path: vec![b'x'; path].into(), size: 1, sha256: Some(Sha256([0; 32])) };
            usize::try_from(u32::from(artifact.encoded_len().unwrap())).unwrap()
        };
        while bytes > 2 * length(4096) {
            show(builder, &[b'x'; 4096], b"y", &[]);
            bytes -= length(4096);
        }
        let half = bytes / 2;
        for wanted in [half, bytes - half] {
            let path = (0..=4096).find(|&path| length(path) == wanted).expect("a path that long");
            show(builder, &vec![b'x'; path], b"y", &[]);
        }
    }

    #[test]
    fn a_list_may_take_a_mebibyte_and_no_byte_more() {
        let limit = usize::try_from(MANIFEST_BYTES).unwrap();
        let header = 5;
        let mut builder = ManifestBuilder::default();
        fill(&mut builder, limit - header);
        let list = builder.clone().finish().list.unwrap();
        assert_eq!(list.to_der().unwrap().len(), limit);

        let mut one_more = builder.clone();
        show(&mut one_more, b"z", b"", &[]);
        assert_eq!(one_more.finish().list, None);
        let mut builder = ManifestBuilder::default();
        fill(&mut builder, limit - header + 1);
        assert_eq!(builder.finish().list, None);
    }

    #[test]
    fn a_dropped_list_keeps_count_and_bytes() {
        let mut builder = ManifestBuilder::default();
        for _ in 0..300 {
            show(&mut builder, &[b'x'; 4096], b"12345", &[2]);
        }
        assert_eq!(builder.finish(), Manifest { artifacts: 300, bytes: 1500, list: None });
    }

    #[test]
    fn sizes_that_nothing_can_have_do_no_harm() {
        let mut builder = ManifestBuilder::default();
        builder.begin(b"a", u64::MAX);
        builder.begin(b"b", u64::MAX);
        builder.end();
        assert_eq!(builder.finish().bytes, u64::MAX);
    }

    /// The manifest of a result that arrives.
    fn received(files: &[File]) -> Manifest {
        let (uuid, result) = (Uuid::nil(), BuildResult::Exited(0));
        let frame = Command::JobFinished { uuid, result, data: files.to_vec() }.to_frame().unwrap();
        let mut rest = &frame[HEADER_LENGTH..];
        let limit = u64::MAX;
        let limits =
            ArtifactLimits { total_bytes: limit, files: limit, path_bytes: limit, message_bytes: limit };
        let mut walker = FinishedWalker::new(rest.len() as u64, limits);
        let mut builder = ManifestBuilder::default();
        loop {
            let (taken, event) = walker.push_to(rest, &mut builder).unwrap();
            if event == FinishedEvent::End {
                return builder.finish();
            }
            rest = &rest[taken..];
        }
    }

    /// The manifest of the same result when it is stored.
    fn stored(files: &[File]) -> Manifest {
        let bytes = Execution {
            job: ScriptJob { name: "j".into(), script: "true".into(), platform: "p".into() },
            uuid: Uuid::nil(),
            console: Vec::new(),
            started: Time::UNIX_EPOCH,
            finished: Time::UNIX_EPOCH,
            result: BuildResult::Exited(0),
            output: files.to_vec(),
        }
        .encode()
        .unwrap();
        let stored = StoredExecution::open(bytes.as_slice(), bytes.len() as u64).unwrap();
        let mut reader = ManifestReader::new(bytes.as_slice(), &stored);
        loop {
            if let Some(manifest) = reader.step().unwrap() {
                return manifest;
            }
        }
    }

    fn file(path: &str, data: Vec<u8>) -> File {
        File { path: path.into(), data: data.into() }
    }

    #[test]
    fn a_stored_result_has_the_manifest_that_it_had_when_it_arrived() {
        let large = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
        let files = [file("a", b"x".to_vec()), file("large", large), file("empty", Vec::new())];
        let manifest = stored(&files);
        assert_eq!((manifest.artifacts, manifest.bytes), (3, 3_000_001));
        assert_eq!(manifest.list.as_ref().map(Vec::len), Some(3));
        assert_eq!(manifest, received(&files));
        let many = vec![file(&"x".repeat(4096), b"12345".to_vec()); 300];
        assert_eq!(stored(&many), Manifest { artifacts: 300, bytes: 1500, list: None });
        assert_eq!(stored(&many), received(&many));
        assert_eq!(stored(&[]), received(&[]));
    }

    proptest! {
        #[test]
        fn how_contents_are_cut_changes_nothing(files in prop::collection::vec(shown(), 0..6)) {
            let mut builder = ManifestBuilder::default();
            for (path, content, lengths) in &files {
                show(&mut builder, path, content, lengths);
            }
            let expected: Vec<_> = files
                .iter()
                .map(|(path, content, _)| Artifact {
                    path: Text::from(path.as_slice()),
                    size: content.len() as u64,
                    sha256: Some(Sha256(sha2::Sha256::digest(content).into())),
                })
                .collect();
            let bytes = expected.iter().map(|artifact| artifact.size).sum();
            let artifacts = files.len() as u64;
            prop_assert_eq!(builder.finish(), Manifest { artifacts, bytes, list: Some(expected) });
        }
    }
}
