//! How a job is, as a picture that other pages show, such as the README of its sources: an SVG document of its own.

use super::atom::escaped;

/// What the colour of a badge says. Its words say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// The last build did what it should.
    Good,
    /// It did not.
    Bad,
    /// The first build runs, or one is shown that runs.
    Running,
    /// There is no such job, or nothing has ended.
    Unknown,
}

/// Behind the label.
const LABEL_COLOUR: &str = "#3d444d";
const HEIGHT: usize = 20;
/// Pixels on either side of a text.
const MARGIN: usize = 6;
/// The most characters of a text that are shown.
const LONGEST: usize = 60;

/// How wide the printable characters of ASCII are, from the space on: tenths of a pixel in DejaVu Sans at 11 pixels. Verdana is
/// as wide. Where a viewer has another font, it stretches the text to what is said here.
const WIDTHS: [u8; 95] = [
    35, 44, 51, 92, 70, 105, 86, 30, 43, 43, 55, 92, 35, 40, 35, 37, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70,
    37, 37, 92, 92, 92, 58, 110, 75, 75, 77, 85, 70, 63, 85, 83, 32, 32, 72, 61, 95, 82, 87, 66, 87, 76, 70,
    67, 81, 75, 109, 75, 67, 75, 43, 37, 43, 92, 55, 55, 67, 70, 60, 70, 68, 39, 70, 70, 31, 31, 64, 31, 107,
    70, 67, 70, 70, 45, 57, 43, 70, 65, 90, 65, 65, 58, 70, 37, 70, 92,
];
/// The same for all others: as wide as high, which is enough for nearly all.
const OTHER_WIDTH: usize = 110;

impl Tone {
    /// Behind the message, which is white.
    fn colour(self) -> &'static str {
        match self {
            Tone::Good => "#1a7f37",
            Tone::Bad => "#cf222e",
            Tone::Running => "#0969da",
            Tone::Unknown => "#656d76",
        }
    }
}

/// A badge with a label at the left and a message at the right.
pub(super) fn badge(label: &str, message: &str, tone: Tone) -> String {
    let (label, message) = (shortened(label), shortened(message));
    let (label_width, message_width) = (width(&label), width(&message));
    let (left, right) = (label_width + 2 * MARGIN, message_width + 2 * MARGIN);
    let (label, message) = (escaped(&label), escaped(&message));
    let (total, behind, colour) = (left + right, left + MARGIN, tone.colour());
    // The corners at the right are round, by three pixels.
    let straight = right - 3;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{total}\" height=\"{HEIGHT}\" role=\"img\" \
         aria-label=\"{label}: {message}\"><title>{label}: {message}</title>\
         <rect width=\"{total}\" height=\"{HEIGHT}\" rx=\"3\" fill=\"{LABEL_COLOUR}\"/>\
         <path d=\"M{left} 0h{straight}a3 3 0 0 1 3 3v14a3 3 0 0 1 -3 3H{left}z\" fill=\"{colour}\"/>\
         <g fill=\"#fff\" font-family=\"Verdana,'DejaVu Sans',sans-serif\" font-size=\"11\">\
         <text x=\"{MARGIN}\" y=\"14\" textLength=\"{label_width}\">{label}</text>\
         <text x=\"{behind}\" y=\"14\" textLength=\"{message_width}\">{message}</text></g></svg>\n"
    )
}

/// The text as it is shown, so that its width is that of what is there.
fn shortened(text: &str) -> String {
    let visible = builder_proto::text::Text::from(text).to_string();
    let mut characters = visible.chars();
    let shown: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() { format!("{shown}…") } else { shown }
}

/// In whole pixels.
fn width(text: &str) -> usize {
    let of = |character: char| {
        let place =
            u32::from(character).checked_sub(u32::from(' ')).and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| WIDTHS.get(place)).map_or(OTHER_WIDTH, |width| usize::from(*width))
    };
    text.chars().map(of).sum::<usize>().div_ceil(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TONES: [Tone; 4] = [Tone::Good, Tone::Bad, Tone::Running, Tone::Unknown];

    /// The texts that a viewer of the badge gets, each with its width.
    fn texts(badge: &str) -> Vec<(String, usize)> {
        let document = roxmltree::Document::parse(badge).unwrap();
        let texts =
            document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")));
        let width = |node: roxmltree::Node<'_, '_>| node.attribute("textLength").unwrap().parse().unwrap();
        texts.map(|node| (node.text().unwrap_or_default().to_owned(), width(node))).collect()
    }

    #[test]
    fn a_badge_says_it_in_words_and_is_as_wide_as_they_are() {
        let badge = badge("hello", "ok", Tone::Good);
        assert_eq!(texts(&badge), [("hello".to_owned(), 27), ("ok".to_owned(), 14)]);
        let document = roxmltree::Document::parse(&badge).unwrap();
        let root = document.root_element();
        assert_eq!(root.attribute("aria-label"), Some("hello: ok"));
        assert_eq!(root.attribute("width"), Some("65"));
        assert_eq!(root.first_element_child().unwrap().text(), Some("hello: ok"));
    }

    #[test]
    fn no_name_is_markup() {
        let name = "\"><script>alert(1)</script>&amp;'\0\x1b[2J\u{202e}\u{ffff}";
        let badge = badge(name, name, Tone::Bad);
        let shown = "\"><script>alert(1)</script>&amp;'\\x00\\x1b[2J\\u{202e}\u{fffd}";
        assert_eq!(texts(&badge)[0].0, shown);
        let document = roxmltree::Document::parse(&badge).unwrap();
        assert!(document.descendants().all(|node| !node.has_tag_name("script")));
        assert!(!badge.contains("style="), "an inline style is refused by the pages' own policy");
    }

    #[test]
    fn a_long_name_is_cut_and_any_character_has_a_width() {
        let long = texts(&badge(&"x".repeat(1000), "日本語", Tone::Unknown));
        assert_eq!(long[0].0, format!("{}…", "x".repeat(LONGEST)));
        assert_eq!(long[1].1, 33);
        assert_eq!(texts(&badge("", "", Tone::Good))[0], (String::new(), 0));
    }

    /// As the Web Content Accessibility Guidelines define it.
    fn luminance(colour: &str) -> f64 {
        let part = |start: usize| {
            let part = f64::from(u8::from_str_radix(&colour[start..start + 2], 16).unwrap()) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    #[test]
    fn white_can_be_read_on_every_colour() {
        for colour in TONES.map(Tone::colour).into_iter().chain([LABEL_COLOUR]) {
            let contrast = 1.05 / (luminance(colour) + 0.05);
            assert!(contrast >= 4.5, "{colour}: {contrast}");
        }
    }
}
