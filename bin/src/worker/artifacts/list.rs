//! The artifacts of a build, packed: there may be a million.

use super::super::tree::Target;
use builder_engine::limits::{ARTIFACT_FILES, ARTIFACT_LIST_BYTES};
use builder_proto::finished_frame::FileHead;
use std::fmt;

/// Artifacts in the order of their paths.
#[derive(Debug, Default)]
pub(in super::super) struct ArtifactList {
    /// All paths, one after the other.
    paths: Vec<u8>,
    items: Vec<Item>,
    length: u64,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    /// Where in `paths` the path begins.
    start: u32,
    path_length: u16,
    /// Of the path without links, which follows; zero when it is the same.
    real_length: u16,
    size: u64,
}

/// One artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Artifact<'a> {
    /// The path by which the server knows it.
    pub(in super::super) path: &'a [u8],
    /// The path below the job's directory on which there are no links.
    pub(in super::super) real: &'a [u8],
    /// Bytes when it was listed.
    pub(in super::super) size: u64,
}

/// What there is too much of, so that the artifacts of a build are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum ListError {
    Files,
    Entries { limit: u64 },
    Lookups { limit: u64 },
    Paths,
    Bytes,
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files => {
                write!(f, "the job made more than {ARTIFACT_FILES} artifacts; pack them into an archive")
            }
            Self::Entries { limit } => {
                write!(
                    f,
                    "the job's directory has more than {limit} entries; remove files that are not artifacts"
                )
            }
            Self::Lookups { limit } => write!(
                f,
                "finding the artifacts takes more than {limit} steps, as directories lie too deep or links lead too far; pack \
                 the artifacts into an archive"
            ),
            Self::Paths => {
                write!(
                    f,
                    "the paths of the artifacts take more than {ARTIFACT_LIST_BYTES} bytes; pack them into an archive"
                )
            }
            Self::Bytes => write!(f, "the artifacts take more bytes than 64 bits can count"),
        }
    }
}

impl ArtifactList {
    /// Adds an artifact. Both paths are shorter than 64 KiB.
    pub(super) fn push(&mut self, path: &[u8], target: &Target, size: u64) -> Result<(), ListError> {
        let real: &[u8] = if target.real == path { &[] } else { &target.real };
        if self.items.len() as u64 >= ARTIFACT_FILES {
            return Err(ListError::Files);
        }
        let item = Item {
            start: u32::try_from(self.paths.len()).map_err(|_| ListError::Paths)?,
            path_length: u16::try_from(path.len()).map_err(|_| ListError::Paths)?,
            real_length: u16::try_from(real.len()).map_err(|_| ListError::Paths)?,
            size,
        };
        let length = FileHead { path, data_length: size }.total_length();
        let length = length.and_then(|length| self.length.checked_add(length));
        self.length = length.ok_or(ListError::Bytes)?;
        self.paths.extend_from_slice(path);
        self.paths.extend_from_slice(real);
        self.items.push(item);
        Ok(())
    }

    /// Brings the artifacts into the order of their paths, so that the same files always give the same message.
    pub(super) fn sort(&mut self) {
        let paths = &self.paths;
        self.items.sort_unstable_by(|one, other| path_of(paths, one).cmp(path_of(paths, other)));
    }

    pub(in super::super) fn get(&self, index: usize) -> Option<Artifact<'_>> {
        let item = self.items.get(index)?;
        let path = path_of(&self.paths, item);
        let real = match usize::from(item.real_length) {
            0 => path,
            length => {
                let start = item.start as usize + path.len();
                self.paths.get(start..start + length).unwrap_or_default()
            }
        };
        Some(Artifact { path, real, size: item.size })
    }

    /// Number of artifacts.
    pub(in super::super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Bytes that the artifacts take in the message, with what precedes each.
    pub(in super::super) fn encoded_length(&self) -> u64 {
        self.length
    }

    /// Bytes of memory in the paths.
    pub(super) fn path_bytes(&self) -> u64 {
        self.paths.len() as u64
    }
}

fn path_of<'a>(paths: &'a [u8], item: &Item) -> &'a [u8] {
    let start = item.start as usize;
    paths.get(start..start + usize::from(item.path_length)).unwrap_or_default()
}
