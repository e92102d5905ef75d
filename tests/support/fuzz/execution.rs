//! Stored results: the readers that hold only parts of one agree with the decoder that holds it whole, and the parts
//! that are written one after the other are the whole.

use super::choices::{Choices, Cuts};
use crate::{results, vectors};
use builder_proto::execution::{
    ConsoleReader, ConsoleStep, Execution, FilesReader, ReadAt, ReadError, StoredExecution,
    append_console_entry, console_entry_length,
};
use std::convert::Infallible;

/// Takes cuts off the front of the input, and the rest for a stored result.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let style = choices.byte();
    let cuts = choices.cuts();
    let bytes = choices.rest();
    match Execution::decode(bytes) {
        Err(_) => {
            assert!(read(bytes, cuts).is_err(), "read, but not decoded");
            read_beyond(bytes, style);
        }
        Ok(execution) => {
            assert_eq!(read(bytes, cuts).as_ref(), Ok(&execution));
            check_writing(&execution, cuts);
            if style % 16 == 15 {
                check_writing(&lengthen(execution, style), cuts);
            }
        }
    }
}

/// The stored results of the vectors.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let file = std::fs::read(vectors::path("full-0.4.0.der")).unwrap();
    let results = vectors::load("execution.json").into_iter().map(|vector| vector.bytes).chain([file]);
    let prefixes: [&[u8]; 3] = [b"\0\0", b"\x0f\x01\x01", b"\x1f\x02\x40\x01"];
    results.enumerate().map(|(number, bytes)| [prefixes[number % 3], &bytes].concat()).collect()
}

/// A medium that gives only a few bytes at once.
#[derive(Clone, Copy)]
struct Slow<'a> {
    bytes: &'a [u8],
    longest: usize,
}

impl ReadAt for Slow<'_> {
    type Error = Infallible;

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let length = buffer.len().min(self.longest);
        self.bytes.read_at(offset, &mut buffer[..length])
    }
}

/// Reads a stored result in parts, and its console in small steps too.
fn read(bytes: &[u8], cuts: Cuts<'_>) -> Result<Execution, ReadError<Infallible>> {
    let source = Slow { bytes, longest: cuts.longest() };
    let execution = results::read(source, bytes.len())?;
    let stored = StoredExecution::open(&source, bytes.len() as u64)?;
    let mut steps = ConsoleReader::new(source, stored.console);
    let mut stepped = 0;
    loop {
        match steps.step()? {
            ConsoleStep::Entry(entry) => {
                stepped += usize::from(!entry.continues);
                if stepped % 10 == 0 {
                    steps.release();
                }
            }
            ConsoleStep::Working => {}
            ConsoleStep::End => break,
        }
    }
    assert_eq!(stepped, execution.console.len(), "as many lines in small steps");
    Ok(execution)
}

/// A file that is shorter than it was when its length was asked for.
fn read_beyond(bytes: &[u8], more: u8) {
    let promised = bytes.len() as u64 + u64::from(more);
    let Ok(stored) = StoredExecution::open(bytes, promised) else { return };
    assert!(stored.console.end <= promised && stored.output.end <= promised);
    let _ = results::read_console(ConsoleReader::new(bytes, stored.console));
    let mut reader = FilesReader::new(bytes, stored.output);
    while let Ok(Some(_)) = reader.next_file() {}
}

/// Writes a stored result as a whole and in parts, and reads it.
fn check_writing(execution: &Execution, cuts: Cuts<'_>) {
    let whole = execution.encode().unwrap();
    assert_eq!(Execution::decode(&whole).as_ref(), Ok(execution));
    for line in &execution.console {
        let (delta, bytes) = (line.delta_nanoseconds, line.line.as_bytes());
        let mut entry = Vec::new();
        append_console_entry(&mut entry, delta, bytes);
        assert_eq!(entry.len() as u64, console_entry_length(delta, bytes.len() as u64));
    }
    assert_eq!(results::stream(execution, results::output_of(&whole)), whole);
    assert_eq!(read(&whole, cuts).as_ref(), Ok(execution));
}

/// Repeats every line, so that the console takes more than one block of what a reader reads at once.
fn lengthen(mut execution: Execution, style: u8) -> Execution {
    let times = 1 << (style >> 4);
    for line in &mut execution.console {
        line.line = line.line.as_bytes().repeat(times).into();
    }
    execution.console = execution.console.iter().cycle().take(execution.console.len() * 3).cloned().collect();
    execution
}
