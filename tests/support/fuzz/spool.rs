//! Spools: a scan in any pieces finds what a simple reader finds, both ends lead to the same lines, and whatever stands
//! behind a torn end, no line before it is lost or changed.

use super::choices::{Choices, Cuts};
use builder_engine::spool::{ENTRY_OVERHEAD, Found, LINE_BYTES, Scan, append_line, first_entry, last_entry};
use builder_proto::execution::append_console_entry;

/// When a line was printed, and its bytes.
type Line = (i64, Vec<u8>);

/// Takes cuts and lines off the front of the input, and the rest for what stands behind them.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let cuts = choices.cuts();
    let mut spool = Vec::new();
    let (mut written, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..choices.byte() % 8 {
        let delta = i64::from(choices.number()) << (choices.byte() % 64);
        let line = take_line(&mut choices);
        let before = written.len();
        written.extend(split(&line).map(|piece| (delta, piece.to_vec())));
        let added = &written[before..];
        assert_eq!(append_line(&mut spool, delta, &line), stored_length(added));
        for (_, piece) in added {
            ends.push(ends.last().unwrap_or(&0) + piece.len() + ENTRY_OVERHEAD);
        }
    }
    assert_eq!(spool.len(), ends.last().copied().unwrap_or(0));
    spool.truncate(spool.len() - choices.below(spool.len() + 1));
    let whole = ends.iter().filter(|end| **end <= spool.len()).count();
    spool.extend_from_slice(choices.rest());
    let found = check(&spool, cuts);
    assert_eq!(found.get(..whole), written.get(..whole), "lines before the torn end");
}

/// Spools with good ends, torn ends, zeros and garbage behind.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let lines = b"\x03\0\x01\0\x02\x05first\0\x02\x07\x02\0\xff\xff\x3f\x02\x04last";
    let mut seeds: Vec<Vec<u8>> =
        [&b"\0"[..], b"\x05", b"\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", b"\0garbage"]
            .iter()
            .map(|end| [&b"\x02\x03\x11"[..], lines, end].concat())
            .collect();
    let mut spool = b"\x01\x07\0\0".to_vec();
    append_line(&mut spool, 1, b"one");
    append_line(&mut spool, -1, b"");
    seeds.push(spool);
    // A line that is just as long as an entry may be, and one that has to be split.
    seeds.push(b"\0\x02\0\0\0\x3f\x01x\x02\0\0\0\x3f\x02y\x03\0".to_vec());
    seeds
}

/// Usually a part of the input, sometimes one that may have to be split.
fn take_line(choices: &mut Choices<'_>) -> Vec<u8> {
    if choices.rarely(64) {
        let length = LINE_BYTES * usize::from(choices.byte() % 3);
        return vec![choices.byte(); (length + choices.below(5)).saturating_sub(2)];
    }
    let length = usize::from(choices.byte());
    choices.part(length).to_vec()
}

/// A line as entries hold it.
fn split(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.is_empty().then_some(line).into_iter().chain(line.chunks(LINE_BYTES))
}

/// Bytes that lines take in a stored result.
fn stored_length(lines: &[Line]) -> u64 {
    let mut bytes = Vec::new();
    for (delta, line) in lines {
        append_console_entry(&mut bytes, *delta, line);
    }
    bytes.len() as u64
}

/// Scans a spool; gives the lines of its whole entries.
fn check(spool: &[u8], cuts: Cuts<'_>) -> Vec<Line> {
    let mut scan = Scan::default();
    cuts.pieces(spool).for_each(|piece| scan.push(piece));
    let mut lines = Vec::new();
    let mut rest = spool;
    while let Found::Entry(entry, length) = first_entry(rest) {
        lines.push((entry.delta, entry.line.to_vec()));
        rest = &rest[length..];
    }
    let whole = &spool[..spool.len() - rest.len()];
    assert_eq!(scan.whole(), whole.len() as u64);
    assert_eq!(scan.console_bytes(), stored_length(&lines));
    let mut rest = whole;
    for line in lines.iter().rev() {
        let Found::Entry(entry, length) = last_entry(rest) else { panic!("no entry at the end") };
        assert_eq!((entry.delta, entry.line), (line.0, &line.1[..]));
        rest = &rest[..rest.len() - length];
    }
    assert!(rest.is_empty());
    // Whatever stands there may be looked at from behind, too.
    let _ = last_entry(spool);
    lines
}
