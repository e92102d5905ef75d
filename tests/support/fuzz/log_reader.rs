//! The log reader over any bytes, and over logs to which anything but a forgery happened: it never gives a frame that was
//! not written, nor one out of turn, and how the file is cut into pieces makes no difference.

use super::choices::Choices;
use builder_engine::log::{Damage, Event, Frame, HEADER_LENGTH, LogReader, Position, Salt, Verdict};

/// The most that is done to one log.
const CHANGES: u8 = 4;

/// A log as it was written.
struct Written {
    header: [u8; HEADER_LENGTH],
    frames: Vec<Sealed>,
}

/// A frame as it was written.
struct Sealed {
    payload: Vec<u8>,
    bytes: Vec<u8>,
    /// Where the log stands after it.
    position: Position,
}

/// What a reader reports, with payloads of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Report {
    Frame { offset: u64, payload: Vec<u8> },
    Damage(Damage),
    End(Verdict),
}

/// A log to which something happened.
struct Changed {
    bytes: Vec<u8>,
    /// Bytes at the start that are as they were written.
    intact: usize,
    /// Whether good bytes may stand at another place, too.
    is_copied: bool,
}

/// Takes cuts off the front of the input, then a log and what happens to it, or the rest for a file.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let is_log = choices.flag();
    let cuts = choices.cuts();
    if !is_log {
        let file = choices.rest();
        assert_eq!(read(file, cuts.pieces(file)), read(file, [file].into_iter()));
        return;
    }
    let written = Written::new(salt_of(input), &mut choices);
    let changed = written.change(&mut choices);
    let file = &changed.bytes[..];
    let (reports, position) = read(file, cuts.pieces(file));
    assert_eq!((&reports, position), (&read(file, [file].into_iter()).0, position));
    written.check(&changed, &reports, position);
}

/// Logs that are whole, torn and damaged, and files that are no logs.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let frames = b"\x03\x05first\x06second\x01x";
    let changes: [&[u8]; 8] = [
        b"\0",
        b"\x01\0\x03",
        b"\x01\x01\x30\x05",
        b"\x01\x02\0\x04\x30",
        b"\x01\x03\x60\x05",
        b"\x01\x05\x05garbage behind it",
        b"\x01\x06\x20\x28",
        b"\x02\x04\x50\x02hi\x01\x05\0",
    ];
    let logs = changes.iter().map(|changes| [&b"\x01\x02\x07\x13"[..], frames, changes].concat());
    let mut header = Position::start(Salt([7; 16])).1.to_vec();
    let no_logs = [b"\0\0".to_vec(), [&b"\0\0"[..], &header].concat()];
    header[20] ^= 1;
    logs.chain(no_logs).chain([[&b"\0\x01\x05"[..], &header].concat()]).collect()
}

/// Jobs cannot know the salt, so an input must not be able to imitate it.
fn salt_of(input: &[u8]) -> Salt {
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in input {
        hash = (hash ^ u128::from(*byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
    }
    Salt(hash.to_be_bytes())
}

fn read<'a>(file: &[u8], pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Report>, Position) {
    let (mut reader, mut pieces, mut reports) = (LogReader::new(), pieces, Vec::new());
    loop {
        let report = match reader.poll() {
            Event::NeedInput => {
                match pieces.next() {
                    Some(piece) => reader.push(piece),
                    None => reader.finish(),
                }
                continue;
            }
            Event::Frame { offset, payload } => Report::Frame { offset, payload: payload.to_vec() },
            Event::Damage(damage) => {
                assert!(damage.from < damage.to || damage.lost_frames > 0, "nothing is damaged");
                assert!(damage.to < file.len() as u64);
                Report::Damage(damage)
            }
            Event::End(verdict) => {
                assert_eq!(reader.poll(), Event::End(verdict), "the end is the end");
                reports.push(Report::End(verdict));
                return (reports, reader.position());
            }
        };
        reports.push(report);
    }
}

impl Written {
    fn new(salt: Salt, choices: &mut Choices<'_>) -> Written {
        let (mut position, header) = Position::start(salt);
        let mut frames = Vec::new();
        for number in 0..choices.byte() % 8 {
            let length = usize::from(choices.byte());
            let payload = choices.part(length);
            // No empty payload is ever written.
            let payload = if payload.is_empty() { vec![number; 3] } else { payload.to_vec() };
            let mut frame = Frame::new();
            frame.append(&payload);
            let (bytes, after) = frame.seal(position);
            let bytes = bytes.to_vec();
            frames.push(Sealed { payload, bytes, position: after });
            position = after;
        }
        Written { header, frames }
    }

    fn bytes(&self) -> Vec<u8> {
        let frames = self.frames.iter().map(|frame| &frame.bytes[..]);
        [&self.header[..]].into_iter().chain(frames).collect::<Vec<_>>().concat()
    }

    fn change(&self, choices: &mut Choices<'_>) -> Changed {
        let bytes = self.bytes();
        let mut changed = Changed { intact: bytes.len(), bytes, is_copied: false };
        for _ in 0..choices.byte() % (CHANGES + 1) {
            changed.change(choices);
        }
        if choices.flag() && changed.bytes.starts_with(&self.header) {
            changed.bytes.extend_from_slice(&foreign_frame(choices));
        }
        changed
    }

    fn check(&self, changed: &Changed, reports: &[Report], position: Position) {
        if self.is_forged(changed, reports) {
            return;
        }
        let found = self.check_order(reports);
        let end =
            |frames: usize| HEADER_LENGTH + self.frames[..frames].iter().map(Sealed::len).sum::<usize>();
        let whole = (0..=self.frames.len()).rev().find(|frames| end(*frames) <= changed.intact).unwrap_or(0);
        let in_order = found.iter().enumerate().take_while(|(index, number)| index == *number).count();
        assert!(in_order >= whole, "a frame before everything bad is lost");
        let is_damaged = reports.iter().any(|report| matches!(report, Report::Damage(_)));
        if !changed.is_copied && changed.intact >= HEADER_LENGTH && self.may_be_torn(whole, &changed.bytes) {
            assert!(!is_damaged, "a torn end is taken for damage");
        }
        let Some(Report::End(verdict)) = reports.last() else { panic!("no verdict") };
        match verdict {
            Verdict::Clean { good_length } if !is_damaged => {
                assert_eq!(*good_length, end(found.len()) as u64);
                let (good, zeros) = changed.bytes.split_at(end(found.len()));
                assert_eq!(good, &self.bytes()[..good.len()], "clean, but not as written");
                assert!(zeros.iter().all(|byte| *byte == 0), "clean, but with something behind it");
            }
            Verdict::Torn { good_length } if !is_damaged => {
                assert_eq!(*good_length, end(found.len()) as u64);
                let bad = &changed.bytes[end(found.len())..];
                assert!(bad.iter().any(|byte| *byte != 0), "preallocated zeros are taken for a torn end");
            }
            Verdict::UnknownVersion { .. } => assert!(found.is_empty() && changed.intact < HEADER_LENGTH),
            Verdict::Unreadable | Verdict::Clean { .. } | Verdict::Torn { .. } => {}
        }
        assert!(!found.is_empty() || matches!(verdict, Verdict::Unreadable | Verdict::UnknownVersion { .. }));
        if let Some(last) = found.last() {
            assert_eq!(position, self.frames[*last].position, "where the next frame goes");
        }
        if changed.has_salt(&self.header) && !changed.is_copied {
            assert_eq!(found, self.present(&changed.bytes), "good frames behind bad ones are lost");
        }
    }

    /// Whether a file of which so many frames are intact is such as a crash leaves it: nothing good stands behind
    /// something bad.
    fn may_be_torn(&self, whole: usize, file: &[u8]) -> bool {
        self.present(file).iter().all(|number| *number < whole)
    }

    /// Whether the frames found have a salt that is not the one of this log. The reader believes such frames behind a bad
    /// header, as no job can choose what stands there.
    fn is_forged(&self, changed: &Changed, reports: &[Report]) -> bool {
        let found = |wanted: Option<usize>| {
            reports.iter().any(|report| match report {
                Report::Frame { offset, .. } => wanted.is_none_or(|wanted| *offset == wanted as u64),
                _ => false,
            })
        };
        let salt = if found(Some(HEADER_LENGTH)) { HEADER_LENGTH + 4..HEADER_LENGTH + 20 } else { 12..28 };
        !changed.bytes.starts_with(&self.header)
            && found(None)
            && changed.bytes.get(salt) != self.header.get(12..28)
    }

    /// Every frame found was written, and comes in its turn. Gives their numbers.
    fn check_order(&self, reports: &[Report]) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        let mut lost = 0;
        for report in reports {
            match report {
                Report::Frame { payload, offset } => {
                    let next = found.last().map_or(0, |last| last + 1) + lost;
                    let frame = self.frames.get(next).expect("a frame beyond the last that was written");
                    assert_eq!(&frame.payload, payload, "frame {next} at {offset}");
                    found.push(next);
                    lost = 0;
                }
                Report::Damage(damage) => lost = usize::try_from(damage.lost_frames).expect("a few"),
                Report::End(_) => {}
            }
        }
        found
    }

    /// The frames that are in the file, behind its header, as they were written. Where a byte is cut out that was the same as
    /// the next, two of them seem to share it; it belongs to the first.
    fn present(&self, file: &[u8]) -> Vec<usize> {
        let mut rest = &file[HEADER_LENGTH..];
        let mut present = Vec::new();
        for (number, frame) in self.frames.iter().enumerate() {
            let start = rest.windows(frame.bytes.len()).position(|window| window == frame.bytes);
            if let Some(start) = start {
                rest = &rest[start + frame.bytes.len()..];
                present.push(number);
            }
        }
        present
    }
}

impl Sealed {
    fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Changed {
    fn change(&mut self, choices: &mut Choices<'_>) {
        let kind = choices.byte() % 7;
        let length = self.bytes.len();
        let range = choices.range(length);
        match kind {
            0 => self.bytes.truncate(range.start),
            1 if range.is_empty() => return,
            1 => self.bytes[range.start] ^= 1 << (range.len() % 8),
            2 => self.bytes[range.clone()].fill(0),
            3 => drop(self.bytes.drain(range.clone())),
            4 => {
                let inserted = choices.part(range.len().min(64)).to_vec();
                self.bytes.splice(range.start..range.start, inserted);
            }
            5 => {
                let appended = choices.part(range.len().min(64)).to_vec();
                self.bytes.extend_from_slice(&appended);
                self.intact = self.intact.min(length);
                return;
            }
            _ => {
                let copy = self.bytes[range.clone()].to_vec();
                let place = choices.below(length + 1);
                self.bytes.splice(place..place, copy);
                self.intact = self.intact.min(place);
                self.is_copied = true;
                return;
            }
        }
        self.intact = self.intact.min(range.start);
    }

    /// Whether the reader can know the salt.
    fn has_salt(&self, header: &[u8; HEADER_LENGTH]) -> bool {
        self.bytes.len() > HEADER_LENGTH && self.bytes[12..28] == header[12..28]
    }
}

/// A frame of another log.
fn foreign_frame(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut frame = Frame::new();
    frame.append(&[choices.byte(), 1, 2, 3]);
    let (mut position, _) = Position::start(Salt(*b"of another file!"));
    for _ in 0..choices.byte() {
        (_, position) = frame.seal(position);
    }
    frame.seal(position).0.to_vec()
}
