//! Stored results, read and written in the parts in which the programs do.

use builder_proto::execution::{
    ConsoleLine, ConsoleReader, Execution, ExecutionHead, FilesReader, ReadAt, ReadError, StoredExecution,
    append_console_entry,
};
use builder_proto::header::{Header, SEQUENCE};
use builder_proto::job::File;
use std::ops::Range;

/// Reads a stored result of `length` bytes through the readers that hold only parts of it.
pub fn read<S: ReadAt + Copy>(source: S, length: usize) -> Result<Execution, ReadError<S::Error>> {
    let StoredExecution { job, uuid, started, finished, result, console, output } =
        StoredExecution::open(&source, length as u64)?;
    let console = read_console(ConsoleReader::new(source, console))?;
    let output = read_files(source, output)?;
    Ok(Execution { job, uuid, console, started, finished, result, output })
}

/// Reads all lines, the oldest first.
pub fn read_console<S: ReadAt>(
    mut reader: ConsoleReader<S>,
) -> Result<Vec<ConsoleLine>, ReadError<S::Error>> {
    let (mut lines, mut line) = (Vec::new(), Vec::new());
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

/// Reads all artifacts.
pub fn read_files<S: ReadAt + Copy>(source: S, output: Range<u64>) -> Result<Vec<File>, ReadError<S::Error>> {
    let mut reader = FilesReader::new(source, output);
    let mut files = Vec::new();
    while let Some(file) = reader.next_file()? {
        let mut data = vec![0; (file.data.end - file.data.start) as usize];
        let mut filled = 0;
        while filled < data.len() {
            let place = file.data.start + filled as u64;
            let count = source.read_at(place, &mut data[filled..]).map_err(ReadError::Source)?;
            assert!(count > 0, "the artifact is within the file");
            filled += count;
        }
        files.push(File { path: file.path, data: data.into() });
    }
    Ok(files)
}

/// Writes a stored result the way the server does, `output` being its artifacts as they arrived.
pub fn stream(execution: &Execution, output: &[u8]) -> Vec<u8> {
    let mut console = Vec::new();
    for line in execution.console.iter().rev() {
        append_console_entry(&mut console, line.delta_nanoseconds, line.line.as_bytes());
    }
    let head = ExecutionHead {
        job: execution.job.clone(),
        uuid: execution.uuid,
        console_length: console.len() as u64,
        started: execution.started,
        finished: execution.finished,
        result: execution.result.clone(),
        last_line: None,
        output_length: output.len() as u64,
    };
    let layout = head.layout().unwrap();
    let bytes = [&layout.before_console, &console, &layout.after_console, output].concat();
    assert_eq!(layout.total_length, bytes.len() as u64);
    bytes
}

/// The artifacts of a stored result, the header around all of them included.
pub fn output_of(bytes: &[u8]) -> &[u8] {
    let output = StoredExecution::open(bytes, bytes.len() as u64).unwrap().output;
    let length = Header { tag: SEQUENCE, length: output.end - output.start }.encoded_length();
    &bytes[(output.start - length) as usize..]
}
