//! A stdout that may be closed while something more important than the text goes on.

use std::io::{self, ErrorKind, StdoutLock, Write};

/// Writes to stdout as long as somebody reads it. Whoever has seen enough, such as `head`, does not end the rest.
#[derive(Debug)]
pub(super) struct Lenient<W = StdoutLock<'static>> {
    output: W,
    is_closed: bool,
}

impl Lenient {
    pub(super) fn stdout() -> Lenient {
        Lenient::new(io::stdout().lock())
    }
}

impl<W: Write> Lenient<W> {
    fn new(output: W) -> Lenient<W> {
        Lenient { output, is_closed: false }
    }

    fn tolerate<T>(&mut self, outcome: io::Result<T>, instead: T) -> io::Result<T> {
        match outcome {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(instead)
            }
            outcome => outcome,
        }
    }
}

impl<W: Write> Write for Lenient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            return Ok(bytes.len());
        }
        let written = self.output.write(bytes);
        self.tolerate(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_closed {
            return Ok(());
        }
        let flushed = self.output.flush();
        self.tolerate(flushed, ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails in this way from the second write on.
    struct Failing(Option<ErrorKind>, usize);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            match self.0.filter(|_| self.1 > 1) {
                Some(kind) => Err(kind.into()),
                None => Ok(bytes.len()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_nobody_reads_is_no_failure_and_anything_else_is() {
        let mut closed = Lenient::new(Failing(Some(ErrorKind::BrokenPipe), 0));
        for _ in 0..3 {
            closed.write_all(b"line\n").unwrap();
            closed.flush().unwrap();
        }
        assert_eq!(closed.output.1, 2, "it is not tried again");
        let mut full = Lenient::new(Failing(Some(ErrorKind::StorageFull), 0));
        full.write_all(b"line\n").unwrap();
        assert_eq!(full.write_all(b"line\n").unwrap_err().kind(), ErrorKind::StorageFull);
    }
}
