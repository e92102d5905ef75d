//! Lines of consoles on a page: whatever a job prints, what a browser gets of it is text and our own markup, and nothing is
//! longer than it may be.

use builder_engine::dashboard::colours::{LONGEST, html, text};
use builder_proto::text::{Text, Visible};
use std::collections::BTreeSet;

/// The most bytes of a line as HTML.
const HTML_BYTES: usize = 20_000;
/// The most of the remark at the end of a line that is shortened.
const REMARK: usize = 200;

/// Takes all of the input for a line.
pub fn run(input: &[u8]) {
    let (html, text) = (html(input), text(input));
    assert!(html.len() < HTML_BYTES, "{} bytes", html.len());
    assert!(text.chars().count() <= LONGEST + REMARK);
    assert!(is_harmless(&text) && is_harmless(&html), "something controls a terminal or a browser");
    let read = read(&html);
    // Markup is shortened sooner when it is long.
    assert!(read == text || html.len() > 4 * LONGEST, "{read:?} is shown, and {text:?} is found");
    let has_effect = |byte: &u8| matches!(byte, 0x08 | b'\r' | 0x1b);
    if !input.iter().any(has_effect) && input.len() <= LONGEST / 8 {
        // Then it is what any other text of others looks like.
        let parts = input.split(|byte| *byte == b'\t');
        let parts: Vec<String> = parts.map(|part| Text::from(part).to_string()).collect();
        assert_eq!(text, parts.join("\t"));
    }
}

/// Lines as programs print them, and lines that want to do harm.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let lines: [&[u8]; 16] = [
        b"make: *** [Makefile:7: all] Error 1",
        b"\x1b[1;31merror\x1b[0m\x1b[1m: cannot find \x1b[4mvalue\x1b[24m `x`\x1b[m",
        b"   0%\r  50%\x1b[K\r 100%\r",
        b"\x1b[38;5;196;48;2;1;2;3mcolours\x1b[38:2::9:8:7mmore\x1b[49;39;58;5;1m",
        b"\x1b[91;104mbright\x1b[2;3;7;9;22;23;27;29m",
        b"a\x08bc\x1b[1G\x1b[2Kd\x1b[3Ge\x1b[1K",
        b"\x1b]0;title\x07\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\",
        b"\x1b[2J\x1b[?1049h\x1b[31",
        b"\x1bPq#0\x1b\\\x1b_x\x1b\\\x1b^y\x1b\\\x1bXz\x1b\\",
        b"<script>alert(\"1\" & '2')</script>",
        b"\x1b[31m<b onclick=x>\x1b[0m</span>",
        b"na\xc3\xafve caf\xe9 \xff\xfe\xc2\x9b31m\xe2\x80\xae\xe2\x81\xa6\xd8\x9c",
        b"\tindented\twith tabs\0and\x7fmore\x1a\x18",
        b"\x1b[8mconcealed\x1b[30;40mblack on black",
        b"\x1b]0;never ends <b>",
        "日本語 \u{2028}\u{1f980}\u{301}".as_bytes(),
    ];
    let long = [b"\x1b[32m<", "x".repeat(2 * LONGEST).as_bytes()].concat();
    let gaudy = "\x1b[31m<\x1b[44m".repeat(LONGEST / 4).into_bytes();
    lines.into_iter().map(<[u8]>::to_vec).chain([long, gaudy]).collect()
}

fn is_harmless(text: &str) -> bool {
    text.chars().all(|character| character == '\t' || !Visible(character).is_escaped())
}

/// What one reads of the HTML; there is nothing in it but characters, five references, and spans that are not nested, each with
/// classes that a style sheet knows.
fn read(html: &str) -> String {
    let (mut text, mut rest, mut is_open) = (String::new(), html, false);
    while let Some(place) = rest.find(['<', '>', '&', '"', '\'']) {
        let (plain, special) = rest.split_at(place);
        text.push_str(plain);
        rest = if let Some(behind) = special.strip_prefix("</span>") {
            assert!(is_open, "a span ends that has not begun");
            is_open = false;
            behind
        } else if let Some(behind) = special.strip_prefix("<span class=\"") {
            assert!(!is_open, "a span is in another");
            is_open = true;
            let (classes, behind) = behind.split_once("\">").expect("a span to have a head");
            check(classes);
            behind
        } else {
            let references = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&#39;", '\'')];
            let known = references.iter().find(|(name, _)| special.starts_with(name));
            let (name, character) = known.expect("nothing but our own markup");
            text.push(*character);
            &special[name.len()..]
        };
    }
    assert!(!is_open, "a span has no end");
    text + rest
}

fn check(classes: &str) {
    let is_colour = |class: &str| {
        let number = class.strip_prefix(['f', 'b']).and_then(|number| number.parse::<u8>().ok());
        number.is_some_and(|number| number < 16)
    };
    let words = ["bold", "dim", "italic", "underline", "inverse", "strike", "cut"];
    let all: Vec<&str> = classes.split(' ').collect();
    assert!(all.iter().all(|class| words.contains(class) || is_colour(class)), "{classes}");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{classes}");
}
