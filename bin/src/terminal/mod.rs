//! What a terminal gets and a file or a pipe does not: colour, columns that fit, and a line that says what is going on.

mod palette;
mod table;

pub use palette::{Look, Painted, Palette};
use rustix::fd::AsFd;
use rustix::termios::tcgetwinsize;
use std::fmt;
use std::io::{self, IsTerminal, Write};
pub(crate) use table::{Cell, Fit, Table};

/// A line at the bottom of the terminal that changes in place. It is on stderr, so that stdout holds the matter alone,
/// and gone when dropped.
#[derive(Debug)]
pub struct StatusLine {
    is_enabled: bool,
    is_shown: bool,
}

impl StatusLine {
    /// A line that is shown if stderr is a terminal and `quiet` does not forbid it.
    #[must_use]
    pub fn new(quiet: bool) -> StatusLine {
        StatusLine { is_enabled: !quiet && io::stderr().is_terminal(), is_shown: false }
    }

    /// Whether anybody gets to see the line.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Shows this text, which holds no control characters, instead of what was there before; cut off where the terminal ends.
    pub fn show(&mut self, text: fmt::Arguments<'_>) {
        if self.is_enabled {
            print(format_args!("{CLEAR}{}", cut(&text.to_string(), columns())));
            self.is_shown = true;
        }
    }

    /// Removes the line, so that something else can be printed.
    pub fn clear(&mut self) {
        if self.is_shown {
            print(format_args!("{CLEAR}"));
            self.is_shown = false;
        }
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Returns to the beginning of the line and empties it.
const CLEAR: &str = "\r\x1b[K";
/// Columns of a terminal that does not tell.
const USUAL_COLUMNS: usize = 80;

/// How many columns can be filled without the beginning of a second line.
fn columns() -> usize {
    columns_of(&io::stderr()).unwrap_or(USUAL_COLUMNS) - 1
}

/// How many characters a line may have on this stream; `None` when it is no terminal, where lines may have any length.
pub fn columns_of<S: IsTerminal + AsFd>(stream: &S) -> Option<usize> {
    if !stream.is_terminal() {
        return None;
    }
    let told = tcgetwinsize(stream).map_or(0, |size| usize::from(size.ws_col));
    Some(if told == 0 { USUAL_COLUMNS } else { told })
}

/// So many characters of the text.
fn cut(text: &str, characters: usize) -> &str {
    let end = text.char_indices().nth(characters).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or_default()
}

/// Whether the terminal takes it makes no difference to what is done.
fn print(text: fmt::Arguments<'_>) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_fmt(text).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        for (characters, expected) in [(0, ""), (2, "bü"), (4, "büil"), (5, "büild"), (9, "büild")] {
            assert_eq!(cut("büild", characters), expected);
        }
    }
}
