//! Why a measurement came to nothing.

use std::fmt;
use std::io;

/// A sentence for whoever runs the benchmark.
#[derive(Debug)]
pub(crate) struct Failure(String);

/// What a measurement gives, unless it comes to nothing.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// Says what was tried when something failed.
pub(crate) trait During<T> {
    /// Adds what was tried, as in "cannot WHAT".
    fn during(self, what: impl fmt::Display) -> Outcome<T>;
}

impl Failure {
    pub(crate) fn new(sentence: impl fmt::Display) -> Failure {
        Failure(sentence.to_string())
    }
}

impl<T, E: fmt::Display> During<T> for Result<T, E> {
    fn during(self, what: impl fmt::Display) -> Outcome<T> {
        self.map_err(|error| Failure(format!("cannot {what}: {error}")))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure(format!("a connection or a file failed: {error}"))
    }
}
