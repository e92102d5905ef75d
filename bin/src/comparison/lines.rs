//! Which lines of two texts differ.

use builder_proto::text::Text;
use imara_diff::{Algorithm, Diff, InternedInput, Token};
use std::collections::HashSet;
use std::ops::Range;

/// Lines before and after a change that are shown with it.
pub(crate) const CONTEXT: usize = 3;

/// How two texts compare.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// They are the same, and have so many lines.
    Same(u64),
    /// They differ.
    Different(Difference),
    /// They were not compared: this is why.
    Unknown(String),
}

/// The lines of two texts around what differs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The lines that were compared.
    pub(crate) sides: [Side; 2],
    /// What differs in them, in order.
    changes: Vec<Change>,
    /// What was left out, if not all was compared line by line.
    pub(crate) shortened: Option<Shortened>,
}

/// The lines of one of the two texts that were compared with those of the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) lines: Vec<Text>,
    /// How many lines stand before them.
    pub(crate) before: u64,
    /// How many lines the text has.
    pub(crate) total: u64,
}

/// What is said where two texts were too long to be compared as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shortened {
    /// The number of the first line that differs.
    pub(crate) first_difference: u64,
}

/// Lines of the first text, by their index, in whose place the second one has others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    old: Range<usize>,
    new: Range<usize>,
}

/// Changes that are so near to each other that they are shown together.
#[derive(Debug)]
pub(crate) struct Hunk<'a> {
    difference: &'a Difference,
    changes: &'a [Change],
}

/// Where a line of a hunk comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Both texts.
    Both,
    /// The first one only.
    Old,
    /// The second one only.
    New,
}

/// Where lines stand in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of the first one, from 1; without lines, of the one before.
    pub(crate) start: u64,
    pub(crate) count: u64,
}

impl Side {
    /// Forgets all but so many of the last lines.
    pub(crate) fn keep_last(&mut self, count: usize) {
        let forgotten = self.lines.len().saturating_sub(count);
        self.lines.drain(..forgotten);
        self.before += forgotten as u64;
    }
}

impl Difference {
    /// Finds out what differs.
    ///
    /// Where texts consist of a few lines over and over, the time grows with the square of their length. It is lines that are
    /// in both texts, without those at their beginnings and ends that are the same anyway, which take time. If there are more
    /// of them than `most_shared`, the lines are given back.
    pub(crate) fn between(
        sides: [Side; 2],
        shortened: Option<Shortened>,
        most_shared: usize,
    ) -> Result<Difference, [Side; 2]> {
        let [old, new] = &sides;
        let mut input: InternedInput<&[u8]> = InternedInput::default();
        input.update_before(old.lines.iter().map(Text::as_bytes));
        input.update_after(new.lines.iter().map(Text::as_bytes));
        if shared(&input) > most_shared {
            return Err(sides);
        }
        // Histograms, the other algorithm of this crate, took 22 s where every second of 100,000 lines was another one.
        let mut diff = Diff::compute(Algorithm::Myers, &input);
        diff.postprocess_lines(&input);
        let range = |range: Range<u32>| range.start as usize..range.end as usize;
        let changes = diff.hunks().map(|hunk| Change { old: range(hunk.before), new: range(hunk.after) });
        let changes = changes.collect();
        Ok(Difference { sides, changes, shortened })
    }

    /// How many lines the first text alone has, and the second one.
    pub(crate) fn counts(&self) -> [u64; 2] {
        let count = |range: &dyn Fn(&Change) -> usize| self.changes.iter().map(range).sum::<usize>() as u64;
        [count(&|change| change.old.len()), count(&|change| change.new.len())]
    }

    /// The changes, with those together whose contexts meet.
    pub(crate) fn hunks(&self) -> impl Iterator<Item = Hunk<'_>> {
        let is_near = |one: &Change, next: &Change| next.old.start - one.old.end <= 2 * CONTEXT;
        self.changes.chunk_by(is_near).map(|changes| Hunk { difference: self, changes })
    }
}

/// How many lines of one text are in the other, too, apart from those that both begin and end with; of the two numbers the
/// greater one.
fn shared(input: &InternedInput<&[u8]>) -> usize {
    let (mut old, mut new) = (input.before.as_slice(), input.after.as_slice());
    while let ([first, old_rest @ ..], [other, new_rest @ ..]) = (old, new)
        && first == other
    {
        (old, new) = (old_rest, new_rest);
    }
    while let ([old_rest @ .., last], [new_rest @ .., other]) = (old, new)
        && last == other
    {
        (old, new) = (old_rest, new_rest);
    }
    let [in_old, in_new] =
        [old, new].map(|tokens| tokens.iter().map(|token| token.0).collect::<HashSet<_>>());
    let count = |tokens: &[Token], others: &HashSet<u32>| {
        tokens.iter().filter(|token| others.contains(&token.0)).count()
    };
    count(old, &in_new).max(count(new, &in_old))
}

impl Hunk<'_> {
    /// Where its lines stand in each text.
    pub(crate) fn places(&self) -> [Place; 2] {
        let [old, new] = self.ranges();
        let place = |range: Range<usize>, side: &Side| {
            let count = range.len() as u64;
            // As diff(1) counts: lines that are not there stand behind the one before.
            let start = side.before + range.start as u64 + u64::from(count > 0);
            Place { start, count }
        };
        let [old_side, new_side] = &self.difference.sides;
        [place(old, old_side), place(new, new_side)]
    }

    /// Its lines, in the order in which they are shown.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (Origin, &Text)> {
        let [old, new] = &self.difference.sides;
        fn of(side: &Side, range: Range<usize>) -> core::slice::Iter<'_, Text> {
            side.lines.get(range).unwrap_or_default().iter()
        }
        let [whole, _] = self.ranges();
        let starts = self.changes.iter().map(|change| change.old.start).chain([whole.end]);
        let ends = [whole.start].into_iter().chain(self.changes.iter().map(|change| change.old.end));
        let mut changes = self.changes.iter();
        ends.zip(starts).flat_map(move |(end, start)| {
            let both = of(old, end..start).map(|line| (Origin::Both, line));
            let change = changes.next();
            let removed = change.map(|change| of(old, change.old.clone())).unwrap_or_default();
            let added = change.map(|change| of(new, change.new.clone())).unwrap_or_default();
            let removed = removed.map(|line| (Origin::Old, line));
            both.chain(removed).chain(added.map(|line| (Origin::New, line)))
        })
    }

    /// The lines of each text that belong to it, with their context.
    fn ranges(&self) -> [Range<usize>; 2] {
        let [old, new] = &self.difference.sides;
        let (Some(first), Some(last)) = (self.changes.first(), self.changes.last()) else {
            return [0..0, 0..0];
        };
        // What both texts have is as long before and behind a change in one as in the other.
        let before = first.old.start.min(CONTEXT);
        let behind = old.lines.len().saturating_sub(last.old.end).min(CONTEXT);
        let range = |first: usize, last: usize, side: &Side| {
            first.saturating_sub(before)..(last + behind).min(side.lines.len())
        };
        [range(first.old.start, last.old.end, old), range(first.new.start, last.new.end, new)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(old: Vec<Text>, new: Vec<Text>) -> Option<Difference> {
        if old == new {
            return None;
        }
        let side = |lines: Vec<Text>| Side { before: 0, total: lines.len() as u64, lines };
        Some(Difference::between([side(old), side(new)], None, usize::MAX).unwrap())
    }

    fn texts(lines: &str) -> Vec<Text> {
        lines.split_whitespace().map(Text::from).collect()
    }

    fn shown(old: &str, new: &str) -> Vec<String> {
        show(&compare(texts(old), texts(new)).unwrap())
    }

    fn show(difference: &Difference) -> Vec<String> {
        let hunks = difference.hunks();
        let show = |hunk: Hunk<'_>| {
            let [old, new] = hunk.places();
            let head = format!("@{},{} {},{}", old.start, old.count, new.start, new.count);
            let lines = hunk.lines().map(|(origin, line)| match origin {
                Origin::Both => line.to_string(),
                Origin::Old => format!("-{line}"),
                Origin::New => format!("+{line}"),
            });
            [head].into_iter().chain(lines).collect::<Vec<_>>().join(" ")
        };
        hunks.map(show).collect()
    }

    #[test]
    fn changes_are_shown_with_three_lines_around_them() {
        let shown = shown("1 2 3 4 5 6 7 8 9", "1 2 3 4 x 6 7 8 9");
        assert_eq!(shown, ["@2,7 2,7 2 3 4 -5 +x 6 7 8"]);
    }

    #[test]
    fn what_only_one_text_has_stands_behind_the_line_before() {
        assert_eq!(shown("", "a b"), ["@0,0 1,2 +a +b"]);
        assert_eq!(shown("a b", ""), ["@1,2 0,0 -a -b"]);
        assert_eq!(shown("a b", "a"), ["@1,2 1,1 a -b"]);
        assert_eq!(shown("b", "a b"), ["@1,1 1,2 +a b"]);
    }

    #[test]
    fn changes_whose_contexts_meet_are_one_hunk() {
        let near = shown("a 1 2 3 4 5 6 b", "x 1 2 3 4 5 6 y");
        assert_eq!(near, ["@1,8 1,8 -a +x 1 2 3 4 5 6 -b +y"]);
        let far = shown("a 1 2 3 4 5 6 7 b", "x y 1 2 3 4 5 6 7 z");
        assert_eq!(far, ["@1,4 1,5 -a +x +y 1 2 3", "@6,4 7,4 5 6 7 -b +z"]);
    }

    #[test]
    fn lines_are_counted_and_numbered_from_where_the_comparison_began() {
        let side = |lines: &str, before| {
            let lines = texts(lines);
            Side { total: before + lines.len() as u64, lines, before }
        };
        let difference = Difference::between([side("a b", 100), side("a c d", 200)], None, 1).unwrap();
        assert_eq!(difference.counts(), [1, 2]);
        assert_eq!(show(&difference), ["@101,2 201,3 a -b +c +d"]);
    }

    #[test]
    fn what_would_take_long_is_given_back() {
        let side = |lines: &str| Side { before: 0, total: 0, lines: texts(lines) };
        let is_taken = |old, new, most| Difference::between([side(old), side(new)], None, most).is_ok();
        assert!(is_taken("a x x y b", "a 1 x 2 b", 2), "beginnings and ends do not count");
        assert!(!is_taken("a x x y b", "a 1 x 2 b", 1));
        assert!(is_taken("1 2 3", "4 5 6", 0));
        let mut side = side("a b c");
        side.keep_last(2);
        assert_eq!(side, Side { before: 1, total: 0, lines: texts("b c") });
    }

    #[test]
    fn every_hunk_leads_from_one_text_to_the_other() {
        // All texts of up to six lines of two kinds, against each other.
        let every: Vec<Vec<Text>> = (0..7)
            .flat_map(|length: u32| (0..1_u32 << length).map(move |bits| (length, bits)))
            .map(|(length, bits)| {
                (0..length).map(|line| if bits >> line & 1 == 0 { "a" } else { "b" }.into()).collect()
            })
            .collect();
        for old in &every {
            for new in &every {
                let Some(difference) = compare(old.clone(), new.clone()) else {
                    assert_eq!(old, new);
                    continue;
                };
                let mut patched: Vec<Text> = Vec::new();
                let mut at = 0;
                for hunk in difference.hunks() {
                    let [place, _] = hunk.places();
                    let start = (place.start - u64::from(place.count > 0)) as usize;
                    patched.extend_from_slice(&old[at..start]);
                    at = start + place.count as usize;
                    let kept = hunk.lines().filter(|(origin, _)| *origin != Origin::Old);
                    patched.extend(kept.map(|(_, line)| line.clone()));
                    let removed = hunk.lines().filter(|(origin, _)| *origin != Origin::New);
                    assert_eq!(removed.map(|(_, line)| line.clone()).collect::<Vec<_>>(), old[start..at]);
                }
                patched.extend_from_slice(&old[at..]);
                assert_eq!(patched, *new, "from {old:?}");
            }
        }
    }
}
