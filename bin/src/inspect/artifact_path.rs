//! Where an artifact may be written, as far as its path alone can tell.

use std::fmt;

/// The path of an artifact, taken apart. It leads down from a directory and never out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArtifactPath<'a> {
    /// The directories, outermost first.
    pub(super) directories: Vec<&'a [u8]>,
    /// The name of the file.
    pub(super) name: &'a [u8],
}

/// Why nothing is written to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathError {
    Absolute,
    ParentDirectory,
    NoFileName,
}

impl<'a> ArtifactPath<'a> {
    /// Takes a path apart, as it came from a worker. A worker does not send NUL; the system would refuse it.
    pub(super) fn parse(path: &'a [u8]) -> Result<Self, PathError> {
        if path.starts_with(b"/") {
            return Err(PathError::Absolute);
        }
        let mut parts: Vec<_> = path.split(|&byte| byte == b'/').collect();
        if parts.contains(&&b".."[..]) {
            return Err(PathError::ParentDirectory);
        }
        let name = parts.pop().filter(|name| !is_here(name)).ok_or(PathError::NoFileName)?;
        parts.retain(|part| !is_here(part));
        Ok(Self { directories: parts, name })
    }
}

/// Whether a part of a path stays where it is: `a//b` and `a/./b` are `a/b`.
fn is_here(part: &[u8]) -> bool {
    matches!(part, b"" | b".")
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absolute => "the path is absolute",
            Self::ParentDirectory => "the path contains ..",
            Self::NoFileName => "the path names a directory, not a file",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_the_directory_are_taken_apart() {
        for (path, directories, name) in [
            (&b"a"[..], &[][..], &b"a"[..]),
            (b"bin/hello.hvt", &[&b"bin"[..]], b"hello.hvt"),
            (b"./a//b/./c", &[b"a", b"b"], b"c"),
            (b"...", &[], b"..."),
            (b"a b/\xff\n", &[b"a b"], b"\xff\n"),
        ] {
            let expected = ArtifactPath { directories: directories.to_vec(), name };
            assert_eq!(ArtifactPath::parse(path), Ok(expected));
        }
    }

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused() {
        for (path, error) in [
            (&b"/abs/olute"[..], PathError::Absolute),
            (b"/", PathError::Absolute),
            (b"//", PathError::Absolute),
            (b"../up", PathError::ParentDirectory),
            (b"a/../../b", PathError::ParentDirectory),
            (b"a/..", PathError::ParentDirectory),
            (b"..", PathError::ParentDirectory),
            (b".", PathError::NoFileName),
            (b"dir/", PathError::NoFileName),
            (b"dir/.", PathError::NoFileName),
            (b"", PathError::NoFileName),
        ] {
            assert_eq!(ArtifactPath::parse(path), Err(error), "{}", path.escape_ascii());
        }
    }
}
