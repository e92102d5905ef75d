//! What somebody may have meant who mistyped a word.

/// Shorter words are not taken for the beginning of longer ones.
const SHORTEST_BEGINNING: usize = 3;
/// More slips than these are no slips.
const MOST_SLIPS: usize = 3;

/// The candidate that was most probably meant by a word that is none of them: the one that takes the fewest slips, or else
/// the first that begins with the word.
pub(super) fn most_similar(word: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    // One slip in three letters, as there is a candidate for anything otherwise.
    let limit = (word.chars().count() / 3).min(MOST_SLIPS);
    let mut best: Option<(usize, String)> = None;
    for candidate in candidates {
        let Some(slips) = slips_within(word, &candidate, limit).or_else(|| begins(word, &candidate)) else {
            continue;
        };
        if best.as_ref().is_none_or(|(fewest, _)| slips < *fewest) {
            best = Some((slips, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Counts as more slips than any word may have.
fn begins(word: &str, candidate: &str) -> Option<usize> {
    let is_long = word.chars().count() >= SHORTEST_BEGINNING;
    (is_long && candidate.to_lowercase().starts_with(&word.to_lowercase())).then_some(MOST_SLIPS + 1)
}

/// How many letters are missing, too many, wrong, or swapped with their neighbour, unless that is more than `limit`. Whether
/// letters are capital makes no difference.
fn slips_within(one: &str, other: &str, limit: usize) -> Option<usize> {
    let letters = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    let (one, other) = (letters(one), letters(other));
    if one.len().abs_diff(other.len()) > limit {
        return None;
    }
    // A row holds the slips from the beginning of `one` up to here, to each beginning of `other`.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut slips = vec![row + 1];
        for (column, opposite) in other.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, column) + usize::from(letter != opposite);
            let mut fewest = replaced.min(at(&last, column + 1) + 1).min(at(&slips, column) + 1);
            let is_swapped = row > 0
                && column > 0
                && one.get(row - 1) == Some(opposite)
                && other.get(column - 1) == Some(letter);
            if is_swapped {
                fewest = fewest.min(at(&before_last, column - 1) + 1);
            }
            slips.push(fewest);
        }
        before_last = core::mem::replace(&mut last, slips);
    }
    last.last().copied().filter(|slips| *slips <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted_up_to_a_limit() {
        for (one, other, slips) in [
            ("schedule", "schedule", 0),
            ("shedule", "schedule", 1),
            ("schedulee", "schedule", 1),
            ("schedole", "schedule", 1),
            ("shcedule", "schedule", 1),
            ("Linux", "linux", 0),
            ("kitten", "sitting", 3),
            ("", "ab", 2),
            ("büild", "build", 1),
        ] {
            assert_eq!(slips_within(one, other, 3), Some(slips), "{one} {other}");
            assert_eq!(slips_within(other, one, 3), Some(slips), "{other} {one}");
            assert_eq!(slips_within(one, other, slips), Some(slips), "{one} {other}");
            if slips > 0 {
                assert_eq!(slips_within(one, other, slips - 1), None, "{one} {other}");
            }
        }
    }

    #[test]
    fn the_most_similar_one_was_meant_if_any_is_similar() {
        let candidates = ["debian-12", "debian-13", "freebsd-14", "linux", "a"].map(str::to_owned);
        for (word, meant) in [
            ("debian12", Some("debian-12")),
            ("debain-13", Some("debian-13")),
            ("freebsd", Some("freebsd-14")),
            ("FreeBSD-14", Some("freebsd-14")),
            ("linus", Some("linux")),
            // Two letters allow no slip, and are too few for a beginning.
            ("b", None),
            ("li", None),
            ("plan9", None),
        ] {
            assert_eq!(most_similar(word, candidates.clone()).as_deref(), meant, "{word}");
        }
    }
}
