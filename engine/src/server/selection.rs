//! Which artifacts of a build a client wants.

use crate::limits::ARTIFACT_PATH_BYTES;
use builder_proto::Uuid;
use builder_proto::text::Text;

/// Artifacts of one build, in the order in which they are stored, without those that the client already has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The build.
    pub uuid: Uuid,
    /// One artifact, or a directory that they are below; none for all artifacts of the build.
    pub path: Option<Text>,
    /// How many of the selected artifacts to leave out.
    pub skip: u64,
    /// Bytes to leave out of the first that is left.
    pub offset: u64,
}

impl Selection {
    /// What a client asked for. A leading `./` and a trailing `/` of the path mean nothing.
    ///
    /// # Errors
    ///
    /// Why nobody can ask for that.
    pub fn new(uuid: Uuid, path: Option<Text>, skip: i64, offset: i64) -> Result<Selection, &'static str> {
        let (Ok(skip), Ok(offset)) = (u64::try_from(skip), u64::try_from(offset)) else {
            return Err("a number of artifacts or bytes to leave out is negative");
        };
        let path = path.as_ref().map(|path| simplified(path.as_bytes())).filter(|path| !path.is_empty());
        if path.is_some_and(|path| path.len() as u64 > ARTIFACT_PATH_BYTES) {
            return Err("no artifact has so long a path");
        }
        Ok(Selection { uuid, path: path.map(Text::from), skip, offset })
    }

    /// Whether an artifact of this path is among them, but for those to leave out.
    #[must_use]
    pub fn includes(&self, artifact: &Text) -> bool {
        let Some(path) = &self.path else { return true };
        match artifact.as_bytes().strip_prefix(path.as_bytes()) {
            Some(rest) => rest.is_empty() || rest.starts_with(b"/"),
            None => false,
        }
    }
}

/// A path without what means nothing; empty when it means the directory of all artifacts.
fn simplified(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"./") {
        path = rest;
    }
    while let Some(rest) = path.strip_suffix(b"/") {
        path = rest;
    }
    if path == b"." { &[] } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(path: Option<&str>) -> Selection {
        Selection::new(Uuid::nil(), path.map(Text::from), 0, 0).unwrap()
    }

    #[test]
    fn a_path_selects_an_artifact_or_what_is_below_a_directory() {
        for path in ["d", "./d", "d/", "././d//"] {
            let selection = select(Some(path));
            for artifact in ["d", "d/x", "d/x/y"] {
                assert!(selection.includes(&artifact.into()), "{path} selects {artifact}");
            }
            for artifact in ["dx", "x/d", "D", "./d"] {
                assert!(!selection.includes(&artifact.into()), "{path} does not select {artifact}");
            }
        }
        assert!(select(Some("/d")).includes(&"/d/x".into()), "absolute paths are only bytes here");
        for everything in [None, Some(""), Some("."), Some("./"), Some(".//")] {
            assert!(select(everything).includes(&"d".into()));
        }
    }

    #[test]
    fn what_nobody_can_have_is_refused() {
        for (skip, offset) in [(-1, 0), (0, -1), (i64::MIN, i64::MIN)] {
            let error = Selection::new(Uuid::nil(), None, skip, offset).unwrap_err();
            assert_eq!(error, "a number of artifacts or bytes to leave out is negative");
        }
        let long = Text::from("x".repeat(4097));
        assert!(Selection::new(Uuid::nil(), Some(long), 0, 0).is_err());
    }
}
