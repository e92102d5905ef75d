//! Two texts, compared line by line while they arrive: what is the same at their beginnings is never held.

use super::lines::{CONTEXT, Comparison, Difference, Shortened, Side};
use builder_proto::text::Text;
use std::collections::VecDeque;
use std::convert::Infallible;

/// How much of each text is compared from the first line on that differs. If there is more, the ends are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Lines that are held.
    pub(crate) lines: usize,
    /// Bytes that are held.
    pub(crate) bytes: usize,
    /// Lines that are in the other text, too.
    pub(crate) shared: usize,
    /// Lines of an end.
    pub(crate) tail: usize,
}

/// What takes up to six seconds to compare, on the machine on which this was measured.
pub(crate) const LIMITS: Limits =
    Limits { lines: 500_000, bytes: 64 * 1024 * 1024, shared: 100_000, tail: 1000 };

/// Lines one after the other.
pub(crate) trait Lines {
    /// Why there may be no line where there should be one.
    type Error;

    fn next(&mut self) -> Result<Option<Text>, Self::Error>;
}

impl<I: Iterator<Item = Text>> Lines for I {
    type Error = Infallible;

    fn next(&mut self) -> Result<Option<Text>, Infallible> {
        Ok(Iterator::next(self))
    }
}

/// The lines of a text, without their ends. What follows the last newline is a line, if it is anything.
pub(crate) fn lines_of(text: &[u8]) -> impl Iterator<Item = Text> {
    let text = text.strip_suffix(b"\n").map_or((!text.is_empty()).then_some(text), Some);
    text.into_iter().flat_map(|text| text.split(|byte| *byte == b'\n')).map(Text::from)
}

/// Compares two texts.
pub(crate) fn compare<L: Lines>(old: &mut L, new: &mut L, limits: Limits) -> Result<Comparison, L::Error> {
    let mut same = 0;
    let mut context: VecDeque<Text> = VecDeque::with_capacity(CONTEXT + 1);
    let firsts = loop {
        match (old.next()?, new.next()?) {
            (None, None) => return Ok(Comparison::Same(same)),
            (Some(line), Some(other)) if line == other => {
                same += 1;
                context.push_back(line);
                if context.len() > CONTEXT {
                    context.pop_front();
                }
            }
            firsts => break firsts,
        }
    };
    let old = Rest::read(old, firsts.0, limits)?;
    let new = Rest::read(new, firsts.1, limits)?;
    let is_long = old.is_long || new.is_long;
    let ends = Shortened { first_difference: same + 1 };
    let sides = [old, new].map(|rest| rest.into_side(same, &context));
    let compared = match is_long {
        true => Err(sides),
        false => Difference::between(sides, None, limits.shared),
    };
    let compared = compared.or_else(|mut sides| {
        sides.iter_mut().for_each(|side| side.keep_last(limits.tail));
        Difference::between(sides, Some(ends), usize::MAX)
    });
    // There is no limit to what an end may share.
    compared.map(Comparison::Different).or_else(|_| Ok(Comparison::Unknown("it is too long".to_owned())))
}

/// A text from the first line on that differs: all of it, or the end if it is long.
#[derive(Default)]
struct Rest {
    lines: VecDeque<Text>,
    bytes: usize,
    count: u64,
    is_long: bool,
}

impl Rest {
    fn read<L: Lines>(source: &mut L, first: Option<Text>, limits: Limits) -> Result<Rest, L::Error> {
        let mut rest = Rest::default();
        let mut next = first;
        while let Some(line) = next {
            rest.push(line, limits);
            next = source.next()?;
        }
        Ok(rest)
    }

    fn push(&mut self, line: Text, limits: Limits) {
        self.count += 1;
        self.bytes += line.as_bytes().len();
        self.lines.push_back(line);
        self.is_long |= self.lines.len() > limits.lines || self.bytes > limits.bytes;
        while self.is_long && (self.lines.len() > limits.tail || self.bytes > limits.bytes) {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= line.as_bytes().len();
        }
    }

    /// What is held, and if that is all, in front of it what both texts have there.
    fn into_side(self, same: u64, context: &VecDeque<Text>) -> Side {
        let total = same + self.count;
        let context = if self.is_long { None } else { Some(context) };
        let lines: Vec<Text> = context.into_iter().flatten().cloned().chain(self.lines).collect();
        Side { before: total - lines.len() as u64, lines, total }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::Origin;
    use super::*;

    const FEW: Limits = Limits { lines: 6, bytes: 40, shared: 4, tail: 2 };

    fn compared(old: &[&str], new: &[&str]) -> Comparison {
        let [mut old, mut new] = [old, new].map(|lines| lines.iter().map(|line| Text::from(*line)));
        compare(&mut old, &mut new, FEW).unwrap()
    }

    fn difference(old: &[&str], new: &[&str]) -> Difference {
        match compared(old, new) {
            Comparison::Different(difference) => difference,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn texts_of_any_length_may_be_the_same() {
        let long = ["a line"; 100];
        assert_eq!(compared(&long, &long), Comparison::Same(100));
        assert_eq!(compared(&[], &[]), Comparison::Same(0));
    }

    #[test]
    fn lines_that_differ_have_the_same_ones_before_them_as_context() {
        let old = ["1", "2", "3", "4", "5", "old", "end"];
        let new = ["1", "2", "3", "4", "5", "new", "end"];
        let difference = difference(&old, &new);
        assert_eq!(difference.shortened, None);
        let hunk = difference.hunks().next().unwrap();
        let [place, _] = hunk.places();
        assert_eq!((place.start, place.count), (3, 5));
        let lines: Vec<String> = hunk.lines().map(|(_, line)| line.to_string()).collect();
        assert_eq!(lines, ["3", "4", "5", "old", "new", "end"]);
    }

    #[test]
    fn a_text_may_go_on_where_the_other_ends() {
        let difference = difference(&["a"], &["a", "b", "c"]);
        assert_eq!(difference.counts(), [0, 2]);
        assert_eq!(difference.sides.each_ref().map(|side| side.total), [1, 3]);
    }

    #[test]
    fn of_texts_that_are_too_long_the_ends_are_compared() {
        let old = ["same", "x", "1", "2", "3", "4", "5", "6", "7", "8"];
        let new = ["same", "y", "7", "9"];
        let found = difference(&old, &new);
        assert_eq!(found.shortened, Some(Shortened { first_difference: 2 }));
        assert_eq!(found.sides.each_ref().map(|side| (side.before, side.total)), [(8, 10), (2, 4)]);
        let lines: Vec<(Origin, String)> = found
            .hunks()
            .flat_map(|hunk| hunk.lines().map(|(o, line)| (o, line.to_string())).collect::<Vec<_>>())
            .collect();
        let expected = [(Origin::Both, "7"), (Origin::Old, "8"), (Origin::New, "9")];
        assert_eq!(lines, expected.map(|(origin, line)| (origin, line.to_owned())));
        // A few long lines are as bad as many short ones.
        let long = "x".repeat(30);
        assert!(difference(&[&long, &long], &["y"]).shortened.is_some());
        let both = difference(&old, &[&old[..], &["9"]].concat());
        assert_eq!(both.shortened, None, "what is the same does not count: {both:?}");
    }

    #[test]
    fn ends_that_are_the_same_have_nothing_to_show() {
        let old = ["x", "1", "2", "3", "4", "5", "6", "7"];
        let new = ["y", "1", "2", "3", "4", "5", "6", "7"];
        let difference = difference(&old, &new);
        assert_eq!(difference.counts(), [0, 0]);
        assert_eq!(difference.shortened, Some(Shortened { first_difference: 1 }));
    }

    #[test]
    fn of_texts_that_take_too_long_the_ends_are_compared() {
        let difference = difference(&["a", "b", "a", "b", "a"], &["b", "a", "b", "a", "b", "c"]);
        assert_eq!(difference.shortened, Some(Shortened { first_difference: 1 }));
        assert_eq!(difference.sides.each_ref().map(|side| (side.before, side.lines.len())), [(3, 2), (4, 2)]);
    }

    #[test]
    fn what_follows_the_last_newline_is_a_line_if_it_is_anything() {
        for (text, lines) in
            [("", &[][..]), ("\n", &[""]), ("a", &["a"]), ("a\n", &["a"]), ("a\n\nb", &["a", "", "b"])]
        {
            let expected: Vec<Text> = lines.iter().map(|line| Text::from(*line)).collect();
            assert_eq!(lines_of(text.as_bytes()).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }
}
