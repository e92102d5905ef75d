//! Regular expressions that lines are compared with. They come from whoever types them, and the lines from anybody.

use regex::bytes::{Regex, RegexBuilder};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Bytes that a compiled pattern may take, and its cache while it is compared once more. A pattern of a person takes a
/// thousandth of that.
const MOST_BYTES: usize = 4 << 20;
/// Parentheses inside each other.
const MOST_NESTED: u32 = 100;

/// A regular expression. The time that a comparison takes grows with the length of the line, whatever the pattern is.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

/// Why a word is no [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PatternError {
    /// It is no regular expression; this says why.
    Form(String),
    /// It would take too much memory.
    TooLarge,
}

impl Pattern {
    /// Whether it matches anywhere in the line.
    pub(crate) fn matches(&self, line: &[u8]) -> bool {
        self.0.is_match(line)
    }

    /// Where it matches.
    pub(crate) fn find_all(&self, line: &[u8]) -> Vec<Range<usize>> {
        self.0.find_iter(line).map(|found| found.range()).collect()
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(word: &str) -> Result<Pattern, PatternError> {
        let mut builder = RegexBuilder::new(word);
        builder.size_limit(MOST_BYTES).dfa_size_limit(MOST_BYTES).nest_limit(MOST_NESTED);
        builder.build().map(Pattern).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
            other => {
                // The last line says what is wrong; those before show where, with a mark that needs its place.
                let text = other.to_string();
                let last = text.lines().last().unwrap_or_default();
                PatternError::Form(last.trim_start_matches("error: ").to_owned())
            }
        })
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PatternError::Form(reason) => write!(
                f,
                "not a regular expression: {reason}; write \\ in front of a character that stands for itself, \
                 as in \\( or \\["
            ),
            PatternError::TooLarge => f.write_str("the pattern takes too much memory; repeat less in it"),
        }
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, line: &[u8]) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(line)
    }

    #[test]
    fn lines_may_hold_any_bytes() {
        assert!(matches("err(or)?:", b"\xff\x00error: x"));
        assert!(matches("(?i)ÄRGER", "ärger".as_bytes()));
        assert!(matches(r"^\w+$", "büild".as_bytes()));
        assert!(matches(r"(?-u)\xff", b"\xff"));
        assert!(!matches("^error", b"an error"));
        assert!(matches("", b""));
    }

    #[test]
    fn other_words_are_refused_with_a_reason_on_one_line() {
        for (word, reason) in
            [("(", "unclosed group"), ("[a", "unclosed character class"), ("*", "repetition operator")]
        {
            let error = word.parse::<Pattern>().unwrap_err().to_string();
            assert!(error.starts_with("not a regular expression: ") && error.contains(reason), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
        assert!("(".repeat(1000).parse::<Pattern>().is_err());
    }

    #[test]
    fn a_hostile_pattern_takes_neither_memory_nor_time() {
        for word in ["a{1000}{1000}{1000}", r"\w{100000}", r"(\d{500}){500}"] {
            assert_eq!(word.parse::<Pattern>().unwrap_err(), PatternError::TooLarge, "{word}");
        }
        let line = vec![b'a'; 1 << 14];
        // Each takes for ever where one way after the other is tried.
        for word in ["(a*)*b", "(a|a)*$b", "(a?){200}b"] {
            assert!(!matches(word, &line), "{word}");
        }
    }
}
