mod artifacts;
mod excerpts;
mod last_lines;

use super::console_reader::Sizes;
use super::*;
use crate::Uuid;
use crate::build_result::BuildResult;
use crate::job::{File, ScriptJob};
use crate::time::Time;
use core::convert::Infallible;
use core::ops::Range;
use der::Encode;
use proptest::prelude::*;

fn execution(console: Vec<ConsoleLine>, output: Vec<File>) -> Execution {
    Execution {
        job: ScriptJob { name: "job".into(), script: "#!/bin/sh\n".into(), platform: "deb12".into() },
        uuid: Uuid::from_u128(7),
        console,
        started: Time::from_unix_milliseconds(1_795_456_515_000),
        finished: Time::from_unix_milliseconds(1_795_456_515_343),
        result: BuildResult::Exited(0),
        output,
    }
}

fn line(delta_nanoseconds: i64, line: impl Into<Vec<u8>>) -> ConsoleLine {
    ConsoleLine { delta_nanoseconds, line: line.into().into() }
}

fn file(path: &str, data: &[u8]) -> File {
    File { path: path.into(), data: data.into() }
}

/// Writes a stored result the way a server does: layout, console, artifacts.
fn stream(execution: &Execution) -> Vec<u8> {
    let mut console = Vec::new();
    for line in execution.console.iter().rev() {
        append_console_entry(&mut console, line.delta_nanoseconds, line.line.as_bytes());
    }
    let output = execution.output.to_der().unwrap();
    let layout = ExecutionHead {
        job: execution.job.clone(),
        uuid: execution.uuid,
        console_length: console.len() as u64,
        started: execution.started,
        finished: execution.finished,
        result: execution.result.clone(),
        last_line: None,
        output_length: output.len() as u64,
    }
    .layout()
    .unwrap();
    let bytes = [layout.before_console, console, layout.after_console, output].concat();
    assert_eq!(bytes.len() as u64, layout.total_length);
    bytes
}

/// Reads a stored result through the readers that hold only parts of it.
fn read(bytes: &[u8]) -> Result<Execution, ReadError<Infallible>> {
    let stored = StoredExecution::open(bytes, bytes.len() as u64)?;
    let mut output = Vec::new();
    let mut files = FilesReader::new(bytes, stored.output);
    while let Some(StoredFile { path, data }) = files.next_file()? {
        output.push(File { path, data: bytes[data.start as usize..data.end as usize].into() });
    }
    Ok(Execution {
        job: stored.job,
        uuid: stored.uuid,
        console: read_console(bytes, stored.console)?,
        started: stored.started,
        finished: stored.finished,
        result: stored.result,
        output,
    })
}

fn read_console<S: ReadAt>(source: S, console: Range<u64>) -> Result<Vec<ConsoleLine>, ReadError<S::Error>> {
    let mut reader = ConsoleReader::new(source, console);
    let (mut lines, mut pieces) = (Vec::new(), Vec::new());
    while let Some(entry) = reader.next_entry()? {
        assert!(entry.line.len() <= PIECE_BYTES);
        pieces.extend_from_slice(entry.line);
        if !entry.continues {
            lines.push(line(entry.delta_nanoseconds, core::mem::take(&mut pieces)));
        }
    }
    assert!(pieces.is_empty(), "the last piece says that it is the last");
    Ok(lines)
}

#[test]
fn a_result_is_streamed_as_it_is_written_whole() {
    let execution = execution(vec![line(0, "hello"), line(1, "")], vec![file("a", b"x"), file("b/c", b"")]);
    let bytes = execution.encode().unwrap();
    assert_eq!(stream(&execution), bytes);
    assert_eq!(Execution::decode(&bytes).unwrap(), execution);
    assert_eq!(read(&bytes).unwrap(), execution);
}

#[test]
fn an_empty_result_is_streamed_too() {
    let execution = execution(vec![], vec![]);
    let bytes = execution.encode().unwrap();
    assert!(bytes.ends_with(&NO_ARTIFACTS));
    assert_eq!(stream(&execution), bytes);
    assert_eq!(read(&bytes).unwrap(), execution);
}

#[test]
fn long_lines_come_in_pieces() {
    let long = PIECE_BYTES - 20..PIECE_BYTES + 2;
    let mut console: Vec<_> = long.map(|length| line(length as i64, vec![b'x'; length])).collect();
    console.push(line(0, vec![b'y'; 3 * PIECE_BYTES]));
    console.push(line(-1, "short"));
    console.push(line(0, vec![b'z'; 2 * PIECE_BYTES + 1]));
    let execution = execution(console, vec![]);
    assert_eq!(read(&stream(&execution)).unwrap(), execution);
}

#[test]
fn a_step_reads_at_most_one_block() {
    struct Counting<'a>(&'a [u8], core::cell::Cell<usize>);
    impl ReadAt for &Counting<'_> {
        type Error = Infallible;
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Infallible> {
            self.1.set(self.1.get() + 1);
            self.0.read_at(offset, buffer)
        }
    }
    let bytes = stream(&execution((0..50_000).map(|number| line(number, "x".repeat(60))).collect(), vec![]));
    let stored = StoredExecution::open(bytes.as_slice(), bytes.len() as u64).unwrap();
    let source = Counting(&bytes, 0.into());
    let mut reader = ConsoleReader::new(&source, stored.console);
    let mut next = 0;
    loop {
        let reads = source.1.get();
        match reader.step().unwrap() {
            ConsoleStep::Entry(entry) => {
                assert_eq!(entry.delta_nanoseconds, next);
                next += 1;
            }
            ConsoleStep::Working => {}
            ConsoleStep::End => break,
        }
        assert!(source.1.get() <= reads + 1);
    }
    assert_eq!(next, 50_000);
    assert!(source.1.get() < bytes.len() / 20_000, "{} reads", source.1.get());
}

#[test]
fn a_summary_is_read_from_little_however_long_script_console_and_artifacts_are() {
    struct Counting<'a>(&'a [u8], core::cell::Cell<usize>);
    impl ReadAt for Counting<'_> {
        type Error = Infallible;
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Infallible> {
            let read = self.0.read_at(offset, buffer)?;
            self.1.set(self.1.get() + read);
            Ok(read)
        }
    }
    let mut execution = execution(vec![line(0, vec![b'x'; 1 << 20])], vec![file("a", &[b'x'; 1 << 20])]);
    execution.job.script = vec![b'#'; 1 << 20].into();
    let bytes = execution.encode().unwrap();
    let source = Counting(&bytes, 0.into());
    let summary = StoredSummary::open(&source, bytes.len() as u64).unwrap();
    assert_eq!(summary, StoredSummary { finished: execution.finished, result: execution.result });
    assert!(source.1.get() <= 5 * 4096, "{} bytes", source.1.get());
}

#[test]
fn a_summary_of_what_is_no_result_is_refused() {
    let good = execution(vec![line(0, "x")], vec![]).encode().unwrap();
    for end in 0..good.len() {
        let error = StoredSummary::open(&good[..end], end as u64).unwrap_err().to_string();
        assert!(error.starts_with("is damaged or no stored result: "), "{error}");
    }
}

#[test]
fn a_reader_that_waits_holds_little_and_goes_on_where_it_was() {
    let console: Vec<_> = (0..100_000).map(|number| line(number, "")).collect();
    let bytes = stream(&execution(console, vec![]));
    let stored = StoredExecution::open(bytes.as_slice(), bytes.len() as u64).unwrap();
    let mut reader = ConsoleReader::new(bytes.as_slice(), stored.console);
    for number in 0..100_000 {
        if number % 1500 == 700 {
            reader.release();
            assert!(reader.held_bytes() < 4096, "{}", reader.held_bytes());
        }
        let entry = reader.next_entry().unwrap().expect("a line");
        assert_eq!(entry.delta_nanoseconds, number);
        assert!(reader.held_bytes() < 128 * 1024, "{}", reader.held_bytes());
    }
    assert_eq!(reader.next_entry().unwrap(), None);
}

#[test]
fn what_is_no_result_is_refused_with_the_place() {
    let good = execution(vec![line(0, "x")], vec![file("a", b"x")]).encode().unwrap();
    let refusal = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert_eq!(
        refusal(&good[..good.len() - 1]),
        format!(
            "is damaged or no stored result: stored result at byte 0: it is cut off: {} bytes are there, of {} \
             according to its header",
            good.len() - 1,
            good.len()
        )
    );
    assert!(refusal(&[&good[..], b"x"].concat()).contains("followed by bytes that belong to nothing"));
    assert!(refusal(b"").contains("the data ends in the middle of it"));
    assert!(refusal(b"\xa1\x02\x05\x00").contains("stored result at byte 0: unexpected tag 0xa1"));
    assert!(refusal(b"#!/bin/sh").contains("unexpected tag 0x23"));
}

#[test]
fn a_path_longer_than_any_system_allows_is_refused() {
    let bytes = execution(vec![], vec![file(&"x".repeat(65_537), b"")]).encode().unwrap();
    let error = read(&bytes).unwrap_err().to_string();
    assert!(error.contains("artifact path") && error.contains("65537 bytes long; at most 65536"), "{error}");
}

#[test]
fn lengths_beyond_64_bits_are_refused() {
    let stored = execution(vec![], vec![]);
    let head = |console_length, output_length| ExecutionHead {
        job: stored.job.clone(),
        uuid: stored.uuid,
        console_length,
        started: stored.started,
        finished: stored.finished,
        result: stored.result.clone(),
        last_line: None,
        output_length,
    };
    assert_eq!(head(u64::MAX, 2).layout(), Err(LayoutError::TooLong));
    assert_eq!(head(0, u64::MAX).layout(), Err(LayoutError::TooLong));
    assert_eq!(head(u64::MAX / 2, u64::MAX / 2).layout(), Err(LayoutError::TooLong));
    let large = head(5 << 30, 6 << 30).layout().unwrap();
    let around = (large.before_console.len() + large.after_console.len()) as u64;
    assert_eq!(large.total_length, (11 << 30) + around);
}

proptest! {
    #[test]
    fn a_console_with_more_chunks_than_checkpoints_is_read_to_its_end(
        lengths in prop::collection::vec(prop_oneof![4 => 0_usize..20, 1 => 0_usize..300], 0..3000),
        chunk_bytes in 32_usize..300,
        piece_bytes in 32_usize..300,
        checkpoints in 4_usize..20,
        // After how many entries the reader gives its memory back.
        patience in prop::option::of(1_usize..20),
    ) {
        let console: Vec<_> =
            lengths.iter().enumerate().map(|(number, length)| line(number as i64, vec![b'x'; *length])).collect();
        let mut bytes = Vec::new();
        for line in console.iter().rev() {
            append_console_entry(&mut bytes, line.delta_nanoseconds, line.line.as_bytes());
        }
        let range = 0..bytes.len() as u64;
        let sizes = Sizes { chunk_bytes, piece_bytes, checkpoints };
        let mut reader = ConsoleReader::with_sizes(bytes.as_slice(), range, sizes);
        let mut rest = console.as_slice();
        let mut pieces = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            pieces.extend_from_slice(entry.line);
            if !entry.continues {
                let (expected, tail) = rest.split_first().expect("no line comes twice");
                prop_assert_eq!(entry.delta_nanoseconds, expected.delta_nanoseconds);
                prop_assert_eq!(core::mem::take(&mut pieces), expected.line.as_bytes());
                rest = tail;
            }
            if patience.is_some_and(|patience| rest.len().is_multiple_of(patience)) {
                reader.release();
            }
            // Each scan is of a small part of the one before, so only few of them pile up.
            prop_assert!(reader.checkpoints() <= 10 * checkpoints, "{}", reader.checkpoints());
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn the_readers_agree_with_the_whole_decoder(
        lines in prop::collection::vec((-200_i64..200, prop::collection::vec(any::<u8>(), 0..200)), 0..20),
        files in prop::collection::vec(("[a-z./]{1,20}", prop::collection::vec(any::<u8>(), 0..200)), 0..5),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let console = lines.into_iter().map(|(delta, bytes)| line(delta, bytes)).collect();
        let output = files.into_iter().map(|(path, data)| file(&path, &data)).collect();
        let execution = execution(console, output);
        let mut bytes = stream(&execution);
        prop_assert_eq!(&bytes, &execution.encode().unwrap());
        if let Some((index, byte)) = damage {
            *index.get_mut(&mut bytes) = byte;
        }
        let read = read(&bytes).ok();
        if let Some(Execution { finished, result, .. }) = read.clone() {
            let summary = StoredSummary::open(bytes.as_slice(), bytes.len() as u64).unwrap();
            prop_assert_eq!(summary, StoredSummary { finished, result });
        }
        prop_assert_eq!(read, Execution::decode(&bytes).ok());
    }
}
