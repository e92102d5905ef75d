//! Where the script of a job comes from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// Where a script is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ScriptSource {
    /// A file.
    File(PathBuf),
    /// Standard input, which is written as `-`.
    StandardInput,
}

impl From<&str> for ScriptSource {
    fn from(word: &str) -> ScriptSource {
        if word == "-" { ScriptSource::StandardInput } else { ScriptSource::File(word.into()) }
    }
}

impl ScriptSource {
    /// Reads everything, or returns `None` when that is more than `limit` bytes.
    pub(super) fn read_at_most(&self, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        let length = match self {
            ScriptSource::File(path) => File::open(path)?.take(limit + 1).read_to_end(&mut content)?,
            ScriptSource::StandardInput => io::stdin().take(limit + 1).read_to_end(&mut content)?,
        };
        Ok((length as u64 <= limit).then_some(content))
    }
}

/// Follows the words "the script".
impl fmt::Display for ScriptSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScriptSource::File(path) => path.display().fmt(f),
            ScriptSource::StandardInput => f.write_str("on standard input"),
        }
    }
}
