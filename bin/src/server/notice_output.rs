//! What a program prints that is told of a build: read by a thread, logged up to a bound, and forgotten beyond it.

use builder_proto::Uuid;
use builder_proto::text::Text;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Lines of one program that are logged.
const LINES: usize = 20;
/// Bytes of a line that are kept.
const LINE_BYTES: usize = 500;
/// Bytes that are read at once.
const PIECE_BYTES: usize = 8192;
/// Pieces that are read before the other stream, and the end, have their turn.
const PIECES: usize = 8;
/// Pause between two looks at whether a program has ended while something that it left behind keeps the pipes open.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// The first line that a program printed to stderr, if it did.
pub(crate) type Complaint = Option<String>;

/// The output of a program that a thread reads.
#[derive(Debug)]
pub(crate) struct Output {
    /// Whether the program has ended, so that nothing more is waited for.
    has_ended: Arc<AtomicBool>,
}

impl Output {
    /// Starts to read what a program prints; `report` is called when all is read.
    pub(crate) fn read(
        child: &mut Child,
        uuid: Uuid,
        report: impl FnOnce(Complaint) + Send + 'static,
    ) -> io::Result<Output> {
        let no_pipe = || io::Error::from(ErrorKind::BrokenPipe);
        let streams = [
            Stream::new(child.stdout.take().ok_or_else(no_pipe)?.into(), uuid)?,
            Stream::new(child.stderr.take().ok_or_else(no_pipe)?.into(), uuid)?,
        ];
        let has_ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&has_ended);
        thread::Builder::new().name("notice".to_owned()).spawn(move || report(read_all(streams, &seen)))?;
        Ok(Output { has_ended })
    }

    /// The program has ended. What it has printed is still read.
    pub(crate) fn stop(&self) {
        self.has_ended.store(true, Ordering::Release);
    }
}

/// One of the two streams of a program.
struct Stream {
    /// None at its end.
    pipe: Option<File>,
    uuid: Uuid,
    line: Vec<u8>,
    /// Lines that were not empty.
    lines: usize,
    first: Option<String>,
}

impl Stream {
    fn new(pipe: OwnedFd, uuid: Uuid) -> io::Result<Stream> {
        ioctl_fionbio(&pipe, true)?;
        Ok(Stream { pipe: Some(pipe.into()), uuid, line: Vec::new(), lines: 0, first: None })
    }

    /// Reads what is there, up to a bound.
    fn read(&mut self, buffer: &mut [u8]) {
        for _ in 0..PIECES {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(buffer) {
                Ok(0) => return self.end(),
                Ok(length) => self.take(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    log::warn!("cannot read what the program printed of build {}: {error}", self.uuid);
                    return self.end();
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = lines.next() {
            let room = LINE_BYTES.saturating_sub(self.line.len());
            self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
            if lines.peek().is_some() {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = core::mem::take(&mut self.line);
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        let line = Text::from(line).to_string();
        self.lines += 1;
        if self.lines <= LINES {
            log::info!("the notice of build {}: {line}", self.uuid);
        }
        self.first.get_or_insert(line);
    }

    /// Nothing more comes.
    fn end(&mut self) {
        self.end_line();
        self.pipe = None;
        if self.lines > LINES {
            log::info!("the notice of build {}: lines left out: {}", self.uuid, self.lines - LINES);
        }
    }
}

/// Reads both streams to their ends, or until the program has ended and nothing is left to be read.
fn read_all([mut stdout, mut stderr]: [Stream; 2], has_ended: &AtomicBool) -> Complaint {
    let mut buffer = vec![0; PIECE_BYTES];
    while stdout.pipe.is_some() || stderr.pipe.is_some() {
        let pipes = [&stdout, &stderr].into_iter().filter_map(|stream| stream.pipe.as_ref());
        let mut pipes: Vec<PollFd<'_>> = pipes.map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
        // Whatever it says, the pipes are looked at.
        let _ = poll(&mut pipes, Some(&PAUSE));
        // First, so that what was printed before the end is read after it.
        let is_over = has_ended.load(Ordering::Acquire);
        stdout.read(&mut buffer);
        stderr.read(&mut buffer);
        if is_over {
            // Something that left the process group may hold them open for ever.
            [&mut stdout, &mut stderr]
                .into_iter()
                .filter(|stream| stream.pipe.is_some())
                .for_each(Stream::end);
        }
    }
    stderr.first
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::sync::mpsc;
    use std::time::Duration;

    /// What a script complained of, and whether it has ended by then.
    fn complaint(script: &str, ends: bool) -> Complaint {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, receiver) = mpsc::channel();
        let report = move |complaint| sender.send(complaint).unwrap();
        let output = Output::read(&mut child, Uuid::nil(), report).unwrap();
        if ends {
            child.wait().unwrap();
            output.stop();
        }
        let complaint = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        child.wait().unwrap();
        complaint
    }

    #[test]
    fn the_first_line_of_stderr_that_says_something_is_the_complaint() {
        assert_eq!(complaint("echo fine", false), None);
        let script = "echo fine; echo >&2; printf '  no \\033[2J route\\n' >&2; echo later >&2";
        assert_eq!(complaint(script, false).as_deref(), Some("no \\x1b[2J route"));
        assert_eq!(complaint("printf 'no end' >&2", true).as_deref(), Some("no end"));
    }

    #[test]
    fn one_that_prints_without_measure_need_not_wait_and_is_not_kept() {
        let script = "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; echo over >&2";
        assert_eq!(complaint(script, false).as_deref(), Some("over"));
        let script = "head -c 300000 /dev/zero | tr '\\0' x >&2";
        assert_eq!(complaint(script, false).unwrap().len(), LINE_BYTES);
    }

    #[test]
    fn what_holds_the_pipes_is_not_waited_for_once_the_program_has_ended() {
        for held in ["sleep 300", "sleep 300 2>/dev/null", "sleep 300 >/dev/null"] {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(format!("{held} & echo no route >&2"));
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            let mut child = command.spawn().unwrap();
            let (sender, receiver) = mpsc::channel();
            let report = move |complaint| sender.send(complaint).unwrap();
            let output = Output::read(&mut child, Uuid::nil(), report).unwrap();
            child.wait().unwrap();
            output.stop();
            let complaint = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
            assert_eq!(complaint.as_deref(), Some("no route"), "{held}");
            // The group is still that of the sleep, which has not ended.
            let group = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        }
    }

    #[test]
    fn what_was_printed_right_before_the_end_is_read() {
        let (stdout, _open) = std::io::pipe().unwrap();
        let (stderr, mut printed) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut printed, b"why").unwrap();
        let stream = |pipe: std::io::PipeReader| Stream::new(pipe.into(), Uuid::nil()).unwrap();
        // Both are held open, as by something that was left behind.
        let complaint = read_all([stream(stdout), stream(stderr)], &AtomicBool::new(true));
        assert_eq!(complaint.as_deref(), Some("why"));
    }
}
