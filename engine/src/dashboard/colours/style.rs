//! How text looks that a job prints: what it may choose, and what becomes of that on a page.

use vte::Params;

/// How a character looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// The colour of the text, from 0 to 15.
    foreground: Option<u8>,
    /// The colour behind it.
    background: Option<u8>,
    /// The sum of those of [`TRAITS`] that it has.
    traits: u8,
}

const BOLD: u8 = 1;
const DIM: u8 = 2;
const ITALIC: u8 = 4;
const UNDERLINE: u8 = 8;
const INVERSE: u8 = 16;
const STRIKE: u8 = 32;

/// Words for them, as style sheets know them.
const TRAITS: [(u8, &str); 6] = [
    (BOLD, "bold"),
    (DIM, "dim"),
    (ITALIC, "italic"),
    (UNDERLINE, "underline"),
    (INVERSE, "inverse"),
    (STRIKE, "strike"),
];

/// The sixteen colours as xterm shows them: what is nearest to another colour is judged by these. Pages have their own shades.
const COLOURS: [[u8; 3]; 16] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

/// The levels of red, green and blue of the colours from 16 to 231.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

impl Style {
    /// Does what the parameters of a "select graphic rendition" sequence say. What is unknown changes nothing; that text be
    /// concealed or blink is not obeyed.
    pub(super) fn select(&mut self, parameters: &Params) {
        let mut parameters = parameters.iter();
        while let Some(parameter) = parameters.next() {
            match *parameter {
                [] | [0, ..] => *self = Style::default(),
                [1] => self.traits |= BOLD,
                [2] => self.traits |= DIM,
                [3] => self.traits |= ITALIC,
                [4, 0] => self.traits &= !UNDERLINE,
                [4, ..] | [21] => self.traits |= UNDERLINE,
                [7] => self.traits |= INVERSE,
                [9] => self.traits |= STRIKE,
                [22] => self.traits &= !(BOLD | DIM),
                [23] => self.traits &= !ITALIC,
                [24] => self.traits &= !UNDERLINE,
                [27] => self.traits &= !INVERSE,
                [29] => self.traits &= !STRIKE,
                [code @ (30..=37 | 90..=97)] => self.foreground = basic(code),
                [code @ (40..=47 | 100..=107)] => self.background = basic(code - 10),
                [39] => self.foreground = None,
                [49] => self.background = None,
                [code @ (38 | 48 | 58)] => {
                    let colour = spread(&mut parameters);
                    self.set(code, colour);
                }
                [code @ (38 | 48 | 58), ref colour @ ..] => self.set(code, extended(colour)),
                _ => {}
            }
        }
    }

    /// Of the three that may have any colour, the third is that of the line under the text, which is always that of the text.
    fn set(&mut self, code: u16, colour: Option<u8>) {
        match (code, colour) {
            (38, Some(_)) => self.foreground = colour,
            (48, Some(_)) => self.background = colour,
            _ => {}
        }
    }

    /// The classes that a style sheet knows it by, with spaces between them: `f0` to `f15` for the colour of the text, `b0` to
    /// `b15` for the colour behind it, `bold`, `dim`, `italic`, `underline`, `inverse`, `strike`. Empty when it is plain.
    pub(super) fn classes(self) -> String {
        // Text in the colour of what is behind it would be concealed.
        let has_contrast = self.foreground != self.background;
        let colour = |letter: char, colour: Option<u8>| {
            colour.filter(|_| has_contrast).map(|colour| format!("{letter}{colour}"))
        };
        let colours = [colour('f', self.foreground), colour('b', self.background)].into_iter().flatten();
        let has = |(bit, word): (u8, &str)| (self.traits & bit != 0).then(|| word.to_owned());
        let classes: Vec<String> = colours.chain(TRAITS.into_iter().filter_map(has)).collect();
        classes.join(" ")
    }
}

/// One of the sixteen colours by its code for text.
fn basic(code: u16) -> Option<u8> {
    let colour = if code >= 90 { code - 90 + 8 } else { code.saturating_sub(30) };
    u8::try_from(colour).ok()
}

/// A colour whose parts are parameters of their own, as xterm began it: `38;5;n` or `38;2;r;g;b`.
fn spread<'a>(parameters: &mut impl Iterator<Item = &'a [u16]>) -> Option<u8> {
    let mut next = || parameters.next().and_then(|parameter| parameter.first().copied());
    match next()? {
        5 => indexed(next()?),
        2 => Some(nearest([next()?, next()?, next()?])),
        _ => None,
    }
}

/// A colour in one parameter, as the standard wants it: `38:5:n`, or `38:2::r:g:b`, which many write without the empty part.
fn extended(parts: &[u16]) -> Option<u8> {
    match *parts {
        [5, index, ..] => indexed(index),
        [2, red, green, blue] | [2, _, red, green, blue, ..] => Some(nearest([red, green, blue])),
        _ => None,
    }
}

/// One of the 256 colours: the sixteen, a cube, and shades of grey.
fn indexed(index: u16) -> Option<u8> {
    let level = |number: u16| LEVELS.get(usize::from(number % 6)).copied().map_or(0, u16::from);
    match index {
        0..=15 => u8::try_from(index).ok(),
        16..=231 => {
            let number = index - 16;
            Some(nearest([level(number / 36), level(number / 6), level(number)]))
        }
        232..=255 => Some(nearest([8 + 10 * (index - 232); 3])),
        _ => None,
    }
}

/// That of the sixteen colours which differs least.
fn nearest(colour: [u16; 3]) -> u8 {
    let distance = |known: [u8; 3]| -> u32 {
        let squares = known.iter().zip(colour).map(|(known, part)| {
            let difference = u32::from(part.min(255).abs_diff(u16::from(*known)));
            difference * difference
        });
        squares.sum()
    };
    let numbered = (0_u8..).zip(COLOURS);
    numbered.min_by_key(|(_, known)| distance(*known)).map_or(0, |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_colour_becomes_the_nearest_of_sixteen() {
        for (index, colour) in
            [(0, 0), (9, 9), (16, 0), (196, 9), (46, 10), (21, 4), (231, 15), (244, 8), (255, 7), (124, 1)]
        {
            assert_eq!(indexed(index), Some(colour), "{index}");
        }
        assert_eq!(indexed(256), None);
        assert_eq!(nearest([250, 250, 0]), 11);
        assert_eq!(nearest([u16::MAX, 0, 0]), 9, "more than all red is red");
    }
}
