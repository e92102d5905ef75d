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
mod tests {
    use super::*;

    #[track_caller]
    fn shows(line: &[u8], expected: &str) {
        assert_eq!(html(line), expected, "{}", line.escape_ascii());
    }

    #[test]
    fn colours_and_styles_are_classes() {
        shows(b"plain", "plain");
        shows(b"\x1b[1;31mred\x1b[0m plain", "<span class=\"f1 bold\">red</span> plain");
        shows(
            b"\x1b[92;41ma\x1b[39mb\x1b[49mc",
            "<span class=\"f10 b1\">a</span><span class=\"b1\">b</span>c",
        );
        shows(b"\x1b[2;3;4;7;9mx", "<span class=\"dim italic underline inverse strike\">x</span>");
        shows(b"\x1b[1;2;3;4;7;9m\x1b[22;23;24;27;29mx", "x");
        shows(b"\x1b[1ma\x1b[mb", "<span class=\"bold\">a</span>b");
        shows(b"\x1b[4:3ma\x1b[4:0mb", "<span class=\"underline\">a</span>b");
        shows(b"\x1b[1m\x1b[1m", "");
    }

    #[test]
    fn many_colours_are_sixteen() {
        for red in ["38;5;196", "38;2;255;0;0", "38:5:196", "38:2:255:0:0", "38:2::255:0:0"] {
            shows(format!("\x1b[{red}mx").as_bytes(), "<span class=\"f9\">x</span>");
            let behind = format!("\x1b[1;{}mx", red.replacen("38", "48", 1));
            shows(behind.as_bytes(), "<span class=\"b9 bold\">x</span>");
        }
        // The colour of the line under a text is no style.
        shows(b"\x1b[58;5;1;3mx", "<span class=\"italic\">x</span>");
        for nonsense in ["38", "38;5", "38;2;1;2", "38;5;256", "38:7", "999"] {
            shows(format!("\x1b[{nonsense}mx").as_bytes(), "x");
        }
    }

    #[test]
    fn nothing_is_concealed() {
        shows(b"\x1b[8mx", "x");
        shows(b"\x1b[30;40mx", "x");
        shows(b"\x1b[37;48;5;7;1mx", "<span class=\"bold\">x</span>");
    }

    #[test]
    fn each_line_begins_afresh_and_closes_what_it_opened() {
        shows(b"\x1b[31mred", "<span class=\"f1\">red</span>");
        shows(b"next", "next");
    }

    #[test]
    fn what_is_written_over_is_gone() {
        shows(b"10%\r20%\r100%", "100%");
        shows(b"longer\rab", "abnger");
        shows(b"done\r", "done");
        shows(b"a\x08b\x08\x08\x08c", "c");
        shows(b"fetching a long name\r\x1b[Kdone", "done");
        shows(b"fetching\x1b[2K\x1b[1Gdone", "done");
        shows(b"abc\x1b[1K", "");
        shows(b"abc\x1b[2G\x1b[1Kx", " xc");
        shows(b"ab\x1b[9Gc", "abc");
        shows(b"\x1b[31mab\r\x1b[32mc", "<span class=\"f2\">c</span><span class=\"f1\">b</span>");
    }

    #[test]
    fn no_other_sequence_does_anything() {
        shows(b"a\x1b]0;title\x07b", "ab");
        shows(b"\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\", "link");
        shows(b"\x1b[2J\x1b[5;5H\x1b[?1049h\x1b[6nx\x1bc\x1b(0", "x");
        shows(b"\x1bPq#0;2;0;0;0\x1b\\x\x1b_apc\x1b\\y\x1b^pm\x1b\\z", "xyz");
        shows(b"\x1b[>4;2mx", "x");
    }

    #[test]
    fn a_sequence_without_an_end_hides_nothing() {
        shows(b"a\x1b", "a\\x1b");
        shows(b"a\x1b[31", "a\\x1b[31");
        shows(b"a\x1b]0;the rest", "a\\x1b]0;the rest");
        shows(b"a\x1b]0;b\x1b]0;<b>\xe2\x80\xae", "a\\x1b]0;&lt;b&gt;\\u{202e}");
        shows(b"hello\x1b[\r5", "hello\\x1b[\\r5");
        shows(b"\x1bXstring", "\\x1bXstring");
        shows("\x1bPdevice é".as_bytes(), "\\x1bPdevice é");
    }

    #[test]
    fn nothing_is_markup_and_nothing_controls_a_browser() {
        shows(b"<script>alert('1&2\")</script>", "&lt;script&gt;alert(&#39;1&amp;2&quot;)&lt;/script&gt;");
        shows(b"\x1b[31m<b>", "<span class=\"f1\">&lt;b&gt;</span>");
        shows(b"\x1b[31\"onload=1m", "nload=1m");
        shows(
            "a\u{202e}b\u{2066}\u{61c}\u{2028}\u{9b}2J\0\x07\x7f\n\tz".as_bytes(),
            "a\\u{202e}b\\u{2066}\\u{61c}\\u{2028}\\u{9b}2J\\x00\\x07\\x7f\\n\tz",
        );
        shows(b"caf\xc3\xa9 \xff\x9b2J \xe2\x82", "café \u{fffd}\u{fffd}2J \u{fffd}");
    }

    #[test]
    fn the_text_is_what_one_reads() {
        assert_eq!(text(b"plain\t<b>"), "plain\t<b>");
        assert_eq!(text(b"\x1b[1;31mred\x1b[0m <b>\x07\r\x1b]0;t\x07R"), "Red <b>\\x07");
    }

    #[test]
    fn a_long_line_is_shortened_and_says_so() {
        let megabytes = vec![b'a'; 16 << 20];
        let remark = "… the line has 16777216 bytes, of which the first 4096 characters are shown";
        let shown = "a".repeat(LONGEST);
        assert_eq!(html(&megabytes), format!("{shown}<span class=\"cut\">{remark}</span>"));
        assert_eq!(text(&megabytes), format!("{shown}{remark}"));
        assert_eq!(html(&megabytes[..LONGEST]), shown);
        let gaudy: Vec<u8> =
            (0..100_000).flat_map(|number| format!("\x1b[{}m<", 31 + number % 7).into_bytes()).collect();
        let long = html(&gaudy);
        assert!(long.len() < 20_000 && long.ends_with(" characters are shown</span>"), "{}", long.len());
        // What is written over takes no room.
        let progress: Vec<u8> =
            (0..100_000).flat_map(|number| format!("{number:07}\r\x1b[K").into_bytes()).collect();
        assert_eq!(html(&[&progress[..], b"done"].concat()), "done");
        let unfinished = [b"\x1b]0;".as_slice(), &megabytes].concat();
        assert!(text(&unfinished).starts_with("\\x1b]0;aaa") && text(&unfinished).len() < 20_000);
    }
}
