//! Lines that a job printed, for a page: what a terminal would show of each, and nothing that a browser could obey.
//!
//! Each line stands by itself. On a terminal, colours go on until something ends them; here a line would look different
//! depending on lines that its reader has not asked for, as who follows a link begins amid a console. And nothing that a job
//! prints changes the look of anything else.
//!
//! | in a line | on the page |
//! |---|---|
//! | colours and styles | a `span` with classes; any colour becomes the nearest of sixteen; nothing is concealed |
//! | carriage returns, backspaces | what follows is written over what was there |
//! | erasing in the line, going to a column of it | obeyed, as programs do it to write over what they have written |
//! | links, titles, and all other sequences | left out; one without an end is shown |
//! | tabs | as they are |
//! | other control characters, marks that change the direction | escaped as [`Text`](builder_proto::text::Text) does it |
//! | what is not UTF-8 | U+FFFD |
//!
//! ```
//! use builder_engine::dashboard::colours::{html, text};
//!
//! let line = b"\x1b[31mfailed\x1b[0m: 1 < 2\x07";
//! assert_eq!(html(line), "<span class=\"f1\">failed</span>: 1 &lt; 2\\x07");
//! assert_eq!(text(line), "failed: 1 < 2\\x07");
//! assert_eq!(text(b" 10%\r 20%"), " 20%");
//! ```

mod screen;
mod style;

use screen::Screen;
use style::Style;

/// The most characters of a line that are shown: some fifty rows of a terminal. Who needs more of it reads the console as plain
/// text, which is whole; a page with many lines has to stay one that a browser can show.
pub const LONGEST: usize = 4096;

/// The most bytes of a line with its markup, before the remark that it is longer. It is enough for [`LONGEST`] characters unless
/// every one of them looks different from the one before it.
const MOST_BYTES: usize = 4 * LONGEST;

/// A line as HTML. However long the line is, this has less than 20,000 bytes.
#[must_use]
pub fn html(line: &[u8]) -> String {
    let mut output = String::with_capacity(line.len().min(MOST_BYTES));
    if is_plain(line) {
        line.iter().for_each(|byte| push_escaped(&mut output, char::from(*byte)));
        return output;
    }
    let screen = Screen::show(line, LONGEST);
    let mut is_cut = screen.is_cut();
    let (mut style, mut shown, mut is_open) = (Style::default(), 0, false);
    for cell in screen.cells() {
        if output.len() > MOST_BYTES {
            is_cut = true;
            break;
        }
        if cell.style != style {
            style = cell.style;
            if core::mem::take(&mut is_open) {
                output.push_str("</span>");
            }
            let classes = style.classes();
            if !classes.is_empty() {
                output.push_str(&format!("<span class=\"{classes}\">"));
                is_open = true;
            }
        }
        push_escaped(&mut output, cell.character());
        shown += 1;
    }
    if is_open {
        output.push_str("</span>");
    }
    if is_cut {
        output.push_str(&format!("<span class=\"cut\">{}</span>", remark(line, shown)));
    }
    output
}

/// What one reads of a line: the same without colours and styles, and without markup.
#[must_use]
pub fn text(line: &[u8]) -> String {
    if is_plain(line) {
        return line.iter().copied().map(char::from).collect();
    }
    let screen = Screen::show(line, LONGEST);
    let mut text: String = screen.cells().iter().map(screen::Cell::character).collect();
    if screen.is_cut() {
        text.push_str(&remark(line, screen.cells().len()));
    }
    text
}

/// Appends a character as text or as the value of an attribute, of HTML and of XML.
pub fn push_escaped(output: &mut String, character: char) {
    match character {
        '&' => output.push_str("&amp;"),
        '<' => output.push_str("&lt;"),
        '>' => output.push_str("&gt;"),
        '"' => output.push_str("&quot;"),
        '\'' => output.push_str("&#39;"),
        _ => output.push(character),
    }
}

/// Most lines are.
fn is_plain(line: &[u8]) -> bool {
    line.len() <= LONGEST && line.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

fn remark(line: &[u8], shown: usize) -> String {
    format!("… the line has {} bytes, of which the first {shown} characters are shown", line.len())
}

#[cfg(test)]
mod tests;
