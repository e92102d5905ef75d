//! Stored results: the readers that hold only parts of one agree with the decoder that holds it whole, and the parts
//! that are written one after the other are the whole.

use super::choices::{Choices, Cuts};
use crate::vectors;
use builder_proto::execution::{
    ConsoleLine, ConsoleReader, ConsoleStep, Execution, ExecutionHead, FilesReader, ReadAt, ReadError,
    StoredExecution, append_console_entry, console_entry_length,
};
use builder_proto::header::Header;
use builder_proto::job::File;
use std::convert::Infallible;

/// Takes cuts off the front of the input, and the rest for a stored result.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let style = choices.octet();
    let cuts = choices.cuts();
    let octets = choices.rest();
    match Execution::decode(octets) {
        Err(_) => {
            assert!(read(octets, cuts).is_err(), "read, but not decoded");
            read_beyond(octets, style);
        }
        Ok(execution) => {
            assert_eq!(read(octets, cuts).as_ref(), Ok(&execution));
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
    let results = vectors::load("execution.json").into_iter().map(|vector| vector.octets).chain([file]);
    let prefixes: [&[u8]; 3] = [b"\0\0", b"\x0f\x01\x01", b"\x1f\x02\x40\x01"];
    results.enumerate().map(|(number, octets)| [prefixes[number % 3], &octets].concat()).collect()
}

/// A medium that gives only a few octets at once.
#[derive(Clone, Copy)]
struct Slow<'a> {
    octets: &'a [u8],
    longest: usize,
}

impl ReadAt for Slow<'_> {
    type Error = Infallible;

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let length = buffer.len().min(self.longest);
        self.octets.read_at(offset, &mut buffer[..length])
    }
}

/// Reads a stored result through the readers that hold only parts of it.
fn read(octets: &[u8], cuts: Cuts<'_>) -> Result<Execution, ReadError<Infallible>> {
    let source = Slow { octets, longest: cuts.longest() };
    let stored = StoredExecution::open(&source, octets.len() as u64)?;
    let console = read_console(ConsoleReader::new(source, stored.console.clone()))?;
    let mut reader = FilesReader::new(source, stored.output);
    let mut output = Vec::new();
    while let Some(file) = reader.next_file()? {
        let data = octets[file.data.start as usize..file.data.end as usize].into();
        output.push(File { path: file.path, data });
    }
    let mut steps = ConsoleReader::new(source, stored.console);
    let mut stepped = 0;
    loop {
        match steps.step()? {
            ConsoleStep::Entry(entry) => stepped += usize::from(!entry.continues),
            ConsoleStep::Working => {}
            ConsoleStep::End => break,
        }
    }
    assert_eq!(stepped, console.len(), "as many lines in small steps");
    let StoredExecution { job, uuid, started, finished, result, .. } = stored;
    Ok(Execution { job, uuid, console, started, finished, result, output })
}

fn read_console<S: ReadAt>(mut reader: ConsoleReader<S>) -> Result<Vec<ConsoleLine>, ReadError<S::Error>> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        line.extend_from_slice(entry.line);
        if !entry.continues {
            let line = core::mem::take(&mut line).into();
            lines.push(ConsoleLine { delta_nanoseconds: entry.delta_nanoseconds, line });
        }
    }
    assert!(line.is_empty(), "the last line goes on");
    Ok(lines)
}

/// A file that is shorter than it was when its length was asked for.
fn read_beyond(octets: &[u8], more: u8) {
    let promised = octets.len() as u64 + u64::from(more);
    let Ok(stored) = StoredExecution::open(octets, promised) else { return };
    assert!(stored.console.end <= promised && stored.output.end <= promised);
    let _ = read_console(ConsoleReader::new(octets, stored.console));
    let mut reader = FilesReader::new(octets, stored.output);
    while let Ok(Some(_)) = reader.next_file() {}
}

/// Writes a stored result as a whole and in parts, and reads it.
fn check_writing(execution: &Execution, cuts: Cuts<'_>) {
    let whole = execution.encode().unwrap();
    assert_eq!(Execution::decode(&whole).as_ref(), Ok(execution));
    let output = StoredExecution::open(&whole[..], whole.len() as u64).unwrap().output;
    let output_header = Header { tag: 0x30, length: output.end - output.start };
    let output = &whole[(output.start - output_header.encoded_length()) as usize..];
    let mut console = Vec::new();
    for line in execution.console.iter().rev() {
        let (delta, octets) = (line.delta_nanoseconds, line.line.as_bytes());
        let before = console.len() as u64;
        append_console_entry(&mut console, delta, octets);
        assert_eq!(console.len() as u64 - before, console_entry_length(delta, octets.len() as u64));
    }
    let head = ExecutionHead {
        job: execution.job.clone(),
        uuid: execution.uuid,
        console_length: console.len() as u64,
        started: execution.started,
        finished: execution.finished,
        result: execution.result.clone(),
        output_length: output.len() as u64,
    };
    let layout = head.layout().unwrap();
    let parts = [&layout.before_console, &console, &layout.after_console, output].concat();
    assert_eq!(parts, whole);
    assert_eq!(layout.total_length, whole.len() as u64);
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
