//! What a browser gets that follows a console: chunks of HTTP, in them events, and in these lines.

use crate::failure::{Failure, Outcome};
use crate::rows::console::{LINE_BYTES, line_number};

/// Bytes of a line that come before those that are all alike.
const NUMBER_BYTES: usize = 8;

/// Checks that the lines of a [`LineSource`](crate::rows::console::LineSource) come one after the other, each of them once.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// What is not a whole chunk yet.
    raw: Vec<u8>,
    /// What is not a whole line of the stream yet.
    text: Vec<u8>,
    /// How many lines of the console have come.
    count: u64,
    has_end: bool,
    is_over: bool,
}

impl Checker {
    /// How many lines of the console have come.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Whether the stream has ended as one does whose console is complete.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes in what was read.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.raw.extend_from_slice(bytes);
        let raw = core::mem::take(&mut self.raw);
        let mut rest = raw.as_slice();
        while let Some((chunk, behind)) = split_chunk(rest)? {
            rest = behind;
            self.text.extend_from_slice(chunk);
            if chunk.is_empty() {
                self.finish(rest)?;
            }
        }
        self.raw = rest.to_vec();
        let text = core::mem::take(&mut self.text);
        let mut rest = text.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = rest.split_at(end);
            self.take_field(line)?;
            rest = behind.get(1..).unwrap_or_default();
        }
        self.text = rest.to_vec();
        Ok(())
    }

    fn finish(&mut self, rest: &[u8]) -> Outcome<()> {
        self.is_over = true;
        match rest.is_empty() {
            true => Ok(()),
            false => Err(Failure::new("something follows the end of a stream")),
        }
    }

    /// A line of the stream.
    fn take_field(&mut self, field: &[u8]) -> Outcome<()> {
        if let Some(lines) = field.strip_prefix(b"data: [") {
            return self.take_lines(lines);
        }
        self.has_end |= field == b"event: end";
        Ok(())
    }

    /// What an event holds: lines as `[1,null,"TEXT"]`, with commas between them, and `]` at the end.
    fn take_lines(&mut self, mut lines: &[u8]) -> Outcome<()> {
        while lines != b"]" {
            let expected = self.count;
            lines = take_line(lines, expected)
                .ok_or_else(|| Failure::new(format_args!("line {expected} is not the next one")))?;
            self.count += 1;
        }
        Ok(())
    }

    /// Whether all has come, and no more.
    pub(crate) fn check_end(&self, lines: u64) -> Outcome<()> {
        match self.is_over && self.has_end && self.count == lines {
            true => Ok(()),
            false => Err(Failure::new(format_args!("a viewer got {} of {lines} lines", self.count))),
        }
    }
}

/// The first chunk, and what comes after it. None if it has not come whole.
fn split_chunk(bytes: &[u8]) -> Outcome<Option<(&[u8], &[u8])>> {
    let Some(end) = bytes.windows(2).take(20).position(|window| window == b"\r\n") else { return Ok(None) };
    let length = std::str::from_utf8(bytes.get(..end).unwrap_or_default()).unwrap_or_default();
    let length = usize::from_str_radix(length, 16)
        .map_err(|_| Failure::new(format_args!("{length:?} is not the length of a chunk")))?;
    let body = bytes.get(end + 2..).unwrap_or_default();
    Ok(body.split_at_checked(length).and_then(|(chunk, rest)| Some((chunk, rest.strip_prefix(b"\r\n")?))))
}

/// What comes after the line, if this is the one that is expected.
fn take_line(lines: &[u8], expected: u64) -> Option<&[u8]> {
    let lines = lines.strip_prefix(b"[")?;
    let comma = lines.iter().position(|byte| *byte == b',')?;
    let (number, lines) = lines.split_at(comma);
    // A browser counts from 1.
    let number: u64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    let quote = lines.iter().position(|byte| *byte == b'"')?;
    let (text, lines) = lines.get(quote + 1..)?.split_at_checked(LINE_BYTES)?;
    let is_whole = text.get(NUMBER_BYTES..)?.iter().all(|byte| *byte == b'x');
    let is_next = number == expected + 1 && line_number(text) == Some(expected) && is_whole;
    let lines = lines.strip_prefix(b"\"]")?;
    is_next.then(|| lines.strip_prefix(b",").unwrap_or(lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64) -> String {
        format!("[{},null,\"{number:08}{}\"]", number + 1, "x".repeat(LINE_BYTES - NUMBER_BYTES))
    }

    fn chunk(text: &str) -> String {
        format!("{:x}\r\n{text}\r\n", text.len())
    }

    fn checked(stream: &str, piece: usize) -> Outcome<Checker> {
        let mut checker = Checker::default();
        stream.as_bytes().chunks(piece).try_for_each(|piece| checker.take(piece))?;
        Ok(checker)
    }

    #[test]
    fn lines_are_counted_however_they_arrive() {
        let first = chunk(&format!("retry: 2000\n\nid: 2\ndata: [{},{}]\n\n", line(0), line(1)));
        let stream = [first, chunk(":\n\n"), chunk(&format!("id: 3\ndata: [{}]\n\n", line(2)))].concat();
        let whole = stream.clone() + &chunk("event: end\ndata: \n\n") + "0\r\n\r\n";
        for piece in [1, 7, 100, whole.len()] {
            let checker = checked(&whole, piece).unwrap();
            assert_eq!(checker.count(), 3);
            checker.check_end(3).unwrap();
            checker.check_end(4).unwrap_err();
        }
        let cut = checked(&stream, 10).unwrap();
        assert!(!cut.is_over());
        cut.check_end(3).unwrap_err();
    }

    #[test]
    fn a_line_that_is_missing_or_comes_twice_is_found() {
        for lines in [[0, 0], [0, 2], [1, 2]] {
            let stream = chunk(&format!("id: 2\ndata: [{},{}]\n\n", line(lines[0]), line(lines[1])));
            checked(&stream, 50).unwrap_err();
        }
        let altered = line(0).replace("xx\"", "x?\"");
        checked(&chunk(&format!("data: [{altered}]\n\n")), 50).unwrap_err();
    }
}
