//! What a terminal gets and a file or a pipe does not: colours and signs, a line that says what is going on, and columns that fit
//! (`table`).

pub(crate) mod table;

use rustix::fd::AsFd;
use rustix::termios::tcgetwinsize;
use std::fmt;
use std::io::{self, IsTerminal, Write};

/// What a stream can show besides plain text: colours, signs, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    has_colours: bool,
    has_signs: bool,
}

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A title.
    Title,
    /// What stands beside the matter: the heads of columns, times.
    Aside,
    /// All is well.
    Good,
    /// Somebody should look.
    Bad,
}

impl Palette {
    /// Neither colours nor signs.
    pub const PLAIN: Palette = Palette { has_colours: false, has_signs: false };
    /// Colours only.
    pub const COLOURED: Palette = Palette { has_colours: true, has_signs: false };
    /// Colours and signs.
    pub const FULL: Palette = Palette { has_colours: true, has_signs: true };

    /// Colours, if `stream` is a terminal that has them and the environment has no `NO_COLOR`; signs, if it is a terminal
    /// whose characters are those of UTF-8.
    #[must_use]
    pub fn of(stream: &impl IsTerminal) -> Palette {
        let is_terminal = stream.is_terminal();
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        Palette {
            has_colours: is_terminal && !is_dumb && !is_set("NO_COLOR"),
            has_signs: is_terminal && is_utf8(|name| std::env::var(name).ok()),
        }
    }

    /// Whether there are any.
    #[must_use]
    pub fn has_colours(self) -> bool {
        self.has_colours
    }

    /// Whether characters beyond ASCII are shown as what they are.
    #[must_use]
    pub fn has_signs(self) -> bool {
        self.has_signs
    }

    /// The text in this look.
    pub fn paint<T: fmt::Display>(self, look: Look, text: T) -> Painted<T> {
        Painted { look: self.has_colours.then_some(look), text }
    }

    /// How something ended: green or red, with a sign in front where the terminal has one, so that those who see no colours
    /// need not read.
    pub fn outcome<T: fmt::Display>(self, is_good: bool, text: T) -> Painted<String> {
        let (look, sign) = if is_good { (Look::Good, "✓ ") } else { (Look::Bad, "✗ ") };
        let sign = if self.has_signs { sign } else { "" };
        self.paint(look, format!("{sign}{text}"))
    }
}

/// Whether characters are those of UTF-8, by the variables that setlocale(3) looks at: the first that is not empty counts.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()))
        .unwrap_or_default();
    let codeset = locale.to_ascii_lowercase();
    codeset.contains("utf-8") || codeset.contains("utf8")
}

/// Text in some look; made by [`Palette::paint`].
#[derive(Clone, Copy, Debug)]
pub struct Painted<T> {
    look: Option<Look>,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The numbers are those of "select graphic rendition" in ECMA-48.
        let number = match self.look {
            None => return self.text.fmt(f),
            Some(Look::Title) => 1,
            Some(Look::Aside) => 2,
            Some(Look::Good) => 32,
            Some(Look::Bad) => 31,
        };
        write!(f, "\x1b[{number}m{}\x1b[0m", self.text)
    }
}

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

    #[test]
    fn text_is_painted_only_with_colours() {
        assert_eq!(Palette::COLOURED.paint(Look::Bad, "exited 1").to_string(), "\x1b[31mexited 1\x1b[0m");
        assert_eq!(Palette::PLAIN.paint(Look::Bad, "exited 1").to_string(), "exited 1");
        assert_eq!(Palette::PLAIN.paint(Look::Aside, format_args!("{:>3}", 1)).to_string(), "  1");
    }

    #[test]
    fn an_outcome_is_seen_by_colour_or_sign_or_read() {
        assert_eq!(Palette::FULL.outcome(true, "exited 0").to_string(), "\x1b[32m✓ exited 0\x1b[0m");
        assert_eq!(Palette::FULL.outcome(false, "exited 1").to_string(), "\x1b[31m✗ exited 1\x1b[0m");
        assert_eq!(Palette::COLOURED.outcome(true, "exited 0").to_string(), "\x1b[32mexited 0\x1b[0m");
        assert_eq!(Palette::PLAIN.outcome(false, "exited 1").to_string(), "exited 1");
    }

    #[test]
    fn the_first_variable_that_is_set_tells_the_codeset() {
        let is_utf8 = |set: &[(&str, &str)]| {
            is_utf8(|name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(is_utf8(&[("LANG", "de_DE.UTF-8")]));
        assert!(is_utf8(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8"), ("LANG", "C")]));
        assert!(!is_utf8(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(!is_utf8(&[("LANG", "de_DE.ISO8859-1")]));
        assert!(!is_utf8(&[]));
    }
}
