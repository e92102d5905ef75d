//! Cutting what a job prints into lines.

use crate::limits::LINE_BYTES;

/// Cuts a stream of bytes at newlines, wherever the pieces of the stream begin and end.
///
/// Bytes stay as they are. A line of more than [`LINE_BYTES`] becomes several, so memory is bounded.
#[derive(Debug, Default)]
pub struct LineSplitter {
    /// The beginning of a line whose end has not arrived; at most [`LINE_BYTES`].
    partial: Vec<u8>,
}

impl LineSplitter {
    /// Takes the next piece of the stream and passes on each line that is now complete, without its newline.
    pub fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (head, tail) = bytes.split_at(end);
            let rest = self.fill(head, &mut line);
            if self.partial.is_empty() {
                line(rest);
            } else {
                self.partial.extend_from_slice(rest);
                line(&self.partial);
                self.partial.clear();
            }
            bytes = tail.get(1..).unwrap_or_default();
        }
        let rest = self.fill(bytes, &mut line);
        self.partial.extend_from_slice(rest);
    }

    /// Ends the stream: a last line counts although it has no newline.
    pub fn finish(&mut self, mut line: impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            line(&self.partial);
            self.partial.clear();
        }
    }

    /// Passes on pieces of [`LINE_BYTES`] while the line is longer than that, and returns what then remains.
    fn fill<'a>(&mut self, mut bytes: &'a [u8], line: &mut impl FnMut(&[u8])) -> &'a [u8] {
        while self.partial.len().saturating_add(bytes.len()) > LINE_BYTES {
            let (head, tail) = bytes.split_at(LINE_BYTES.saturating_sub(self.partial.len()));
            if self.partial.is_empty() {
                line(head);
            } else {
                self.partial.extend_from_slice(head);
                line(&self.partial);
                self.partial.clear();
            }
            bytes = tail;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let mut splitter = LineSplitter::default();
        for piece in pieces {
            splitter.push(piece, |line| lines.push(line.to_vec()));
        }
        splitter.finish(|line| lines.push(line.to_vec()));
        lines
    }

    #[test]
    fn newlines_end_lines() {
        assert_eq!(split(&[b"one\ntwo\n"]), [b"one", b"two"]);
        assert_eq!(split(&[b"\n\n"]), [b"", b""]);
        assert!(split(&[b""]).is_empty());
    }

    #[test]
    fn a_last_line_without_newline_counts() {
        assert_eq!(split(&[b"one\ntwo"]), [b"one", b"two"]);
    }

    #[test]
    fn bytes_pass_as_they_are() {
        assert_eq!(split(&[b"\0\xff\r\n\x1b[0m\n"]), [&b"\0\xff\r"[..], b"\x1b[0m"]);
    }

    #[test]
    fn a_line_of_the_greatest_length_stays_whole() {
        let mut text = vec![b'x'; LINE_BYTES];
        text.extend_from_slice(b"\ny\n");
        assert_eq!(split(&[&text]), [&text[..LINE_BYTES], b"y"]);
    }

    #[test]
    fn a_longer_line_is_split() {
        let text = vec![b'x'; 2 * LINE_BYTES + 1];
        let lengths: Vec<usize> = split(&[&text]).iter().map(Vec::len).collect();
        assert_eq!(lengths, [LINE_BYTES, LINE_BYTES, 1]);
    }

    #[test]
    fn it_does_not_matter_how_the_stream_is_cut() {
        let mut text = b"first\n\n".to_vec();
        text.extend(core::iter::repeat_n(b'x', LINE_BYTES + 5));
        text.extend_from_slice(b"\nlast");
        let whole = split(&[&text]);
        for size in [1, 2, 3, 7, 1000, LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1] {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(split(&pieces), whole, "pieces of {size}");
        }
    }
}
