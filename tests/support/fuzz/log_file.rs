//! The write-ahead log over a disk that fills up, breaks, loses power and is damaged: what was committed is there after
//! every start, what was not is there whole or not at all, and nothing else ever is.

use super::choices::Choices;
use crate::world::{Crash, Faults, LogStorage, Random};
use builder_engine::log::{
    FRAME_HEADER_LENGTH, HEADER_LENGTH, LogFile, OpenError, RecoveryReport, Salt, Settings, WriteError,
};
use std::convert::Infallible;

const LOG: &str = "log";
/// The most that happens in one run.
const STEPS: usize = 64;

/// The payloads of frames.
type Frames = Vec<Vec<u8>>;

/// Takes what happens off the input, step by step.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let mut world = World::start();
    for _ in 0..STEPS {
        if choices.is_empty() {
            break;
        }
        world.step(&mut choices);
    }
    world.disk.set_capacity(None);
    world.restart(&mut choices);
    world.restart(&mut Choices::new(&[]));
}

/// A few lives of a log.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let lives: [&[u8]; 14] = [
        b"\0\x03one\x03",
        b"\0\x03one\x01\x03two\x03\x02\x05three\x06\x05\x02\x01\x01\0\xff",
        b"\0\x03one\x03\0\x03two\x03\x05\x02\0\x05three\x03\x07\0",
        b"\0\x03one\x03\x08\0\x02\0\x03two\x03\x06\x08\x01\x01\x05\0\x01\0\x01\x01\0\x04more\x03",
        b"\0\x03one\x03\x08\x01\x03\0\xff\x01\0\x03two\x03\x07\x02\x01\x01\0\x04more\x03\x06\0",
        b"\0\x03one\x03\x09\x01\x10\0\x20a longer record, for a full disk\x03\x09\0\x03\x0a",
        b"\0\x03one\x03\0\x03two\x03\0\x05three\x03\x0b\0\x28\x01",
        b"\0\x03one\x03\0\x03two\x03\x0b\x01\x50\x04\0\x04more\x03",
        b"\0\x03one\x03\x0b\0\x30\x05",
        b"\x05\x01\0\x03one\x05\x01\x06\0",
        b"\0\x03one\x03\x08\0\x05\0\x05\x02\x07\0\0\x04more\x03",
        b"\0\0\x03\0\x03one\x03\0\0\x03\x06\0",
        b"\0\x03one\x03\0\x03two\x08\x01\x04\0\0\0\xff\x03\x06\x04\x01\x03\x02\x01\0\x04more\x03",
        b"\0\x03one\x03\x09\0\x01\x02\0\x03two\x08\x01\x08\0\xff\x01\0\xff\x02\0\xff\x03\x06\x02\x03\x03",
    ];
    lives.iter().map(|life| life.to_vec()).collect()
}

/// A log and what it is to hold.
struct World {
    disk: LogStorage,
    /// None while the program does not run.
    log: Option<LogFile<LogStorage>>,
    /// What goes wrong with the disk.
    faults: Faults,
    /// What was committed.
    frames: Frames,
    /// What was appended since.
    pending: Vec<u8>,
    /// What the next start may find instead of `frames`.
    alternatives: Vec<Frames>,
    salts: u8,
}

impl World {
    fn start() -> World {
        let mut world = World {
            disk: LogStorage::alone(Random::scripted(&[])),
            log: None,
            faults: Faults::default(),
            frames: Frames::new(),
            pending: Vec::new(),
            alternatives: Vec::new(),
            salts: 0,
        };
        world.open();
        world
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % 12 {
            0..=2 => self.append(choices),
            3 | 4 => self.commit(),
            5 => self.rotate(choices),
            6 => self.crash(Crash::Power, choices),
            7 => self.crash(Crash::Kill, choices),
            8 => self.break_disk(choices),
            9 => self.limit_disk(choices),
            10 => self.restore_reserve(),
            _ => self.damage(choices),
        }
        match &self.log {
            Some(log) => {
                let length = log.length();
                let bytes = self.contents().unwrap_or_default();
                assert_eq!(log.has_pending(), !self.pending.is_empty());
                assert!(bytes.len() as u64 >= length);
                assert_eq!(length == 0, bytes.is_empty(), "a file with zeros and nothing else");
                assert!(
                    bytes.iter().skip(length as usize).all(|byte| *byte == 0),
                    "not zeros behind the last frame"
                );
                assert!(length == 0 || length > HEADER_LENGTH as u64, "a log without a commit");
            }
            // Whoever runs it starts it again.
            None => self.restart(choices),
        }
    }

    fn append(&mut self, choices: &mut Choices<'_>) {
        let length = usize::from(choices.byte());
        let record = choices.part(length);
        let Some(log) = &mut self.log else { return };
        log.append(record).expect("a small record, and a log that works");
        self.pending.extend_from_slice(record);
    }

    fn commit(&mut self) {
        let Some(log) = &mut self.log else { return };
        match log.commit() {
            Ok(()) => self.take_pending(),
            Err(error) => self.on_error(&error),
        }
    }

    fn rotate(&mut self, choices: &mut Choices<'_>) {
        let Some(log) = &mut self.log else { return };
        let all = [&self.frames.concat()[..], &self.pending].concat();
        let cuts = choices.cuts();
        self.salts += 1;
        let snapshot = cuts.pieces(&all).map(Ok::<_, Infallible>);
        match log.rotate(Salt([self.salts; 16]), snapshot) {
            Ok(()) => {
                self.pending.clear();
                self.frames = in_one(all);
            }
            Err(WriteError::NoRecord(_)) => assert!(all.is_empty()),
            Err(error) => {
                self.alternatives.push(in_one(all));
                self.on_error(&error);
            }
        }
    }

    fn restore_reserve(&mut self) {
        let Some(log) = &mut self.log else { return };
        match log.restore_reserve() {
            Ok(()) => assert!(log.reserve_available()),
            Err(error) => self.on_error(&error),
        }
    }

    fn on_error(&mut self, error: &WriteError) {
        let Some(log) = &mut self.log else { return };
        match error {
            // A rotation may have committed first.
            WriteError::Full(_) if !log.has_pending() => self.take_pending(),
            WriteError::Full(_) => {}
            WriteError::Failed(reason) => {
                assert!(matches!(log.commit(), Err(WriteError::Failed(again)) if again == *reason));
                let mut frames = self.frames.clone();
                frames.extend(in_one(self.pending.clone()));
                self.alternatives.push(frames);
                // The program ends at once.
                self.log = None;
                return;
            }
            WriteError::RecordTooLong { .. } | WriteError::NoRecord(_) => panic!("{error}"),
        }
        // The log is as it was.
        self.alternatives.clear();
    }

    fn take_pending(&mut self) {
        self.frames.extend(in_one(core::mem::take(&mut self.pending)));
    }

    /// Lets everything fail from some operation on, or anything that the input picks.
    fn break_disk(&mut self, choices: &mut Choices<'_>) {
        if !choices.flag() {
            self.disk.host.crash_after(u64::from(choices.byte() % 32), Crash::Kill);
            return;
        }
        self.set_faults(Faults {
            short_writes: 300,
            write_errors: 300,
            failed_syncs: 300,
            written_back: 300,
            other_errors: 300,
            ..self.faults
        });
        self.disk.disk.borrow_mut().decide_by(choices.script());
    }

    fn limit_disk(&mut self, choices: &mut Choices<'_>) {
        let room = choices.flag().then(|| u64::from(choices.byte()));
        self.disk.disk.borrow_mut().leave(room);
        let longest_transfer = choices.flag().then(|| 1 + usize::from(choices.byte()));
        self.set_faults(Faults { longest_transfer, ..self.faults });
    }

    fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
        self.disk.set_faults(faults);
    }

    /// Ends what goes wrong, but for what is in short supply.
    fn mend(&mut self) {
        self.disk.host.revive();
        let longest_transfer = self.faults.longest_transfer;
        self.set_faults(Faults { longest_transfer, ..Faults::default() });
    }

    fn contents(&self) -> Option<Vec<u8>> {
        self.disk.names().iter().any(|name| name == LOG).then(|| self.disk.read(LOG))
    }

    /// The program ends, and with it the machine if its power fails; the input decides what is lost.
    fn crash(&mut self, crash: Crash, choices: &mut Choices<'_>) {
        self.log = None;
        self.mend();
        let mut disk = self.disk.disk.borrow_mut();
        disk.decide_by(choices.script());
        disk.crash(crash);
    }

    /// The program ends, if it has not, and starts again; if it cannot because the disk is broken, that is mended.
    fn restart(&mut self, choices: &mut Choices<'_>) {
        self.log = None;
        if !self.open() {
            let crash = if choices.flag() { Crash::Power } else { Crash::Kill };
            self.crash(crash, choices);
            self.disk.set_capacity(None);
            assert!(self.open(), "nothing is wrong with the disk");
        }
    }

    /// Starts the program; false when the disk does not let it.
    fn open(&mut self) -> bool {
        match self.try_open(false) {
            Ok((frames, recovery)) => {
                assert!(recovery.salvaged.is_none());
                let expected = core::iter::once(&self.frames).chain(&self.alternatives);
                assert!(
                    expected.clone().any(|expected| *expected == frames),
                    "{recovery}: found {frames:?} instead of one of {:?}",
                    expected.collect::<Vec<_>>()
                );
                assert!(!recovery.created || frames.is_empty());
                self.accept(frames);
                true
            }
            Err(OpenError::Storage(_)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// What the program has found is what counts from now on.
    fn accept(&mut self, frames: Frames) {
        self.frames = frames;
        self.pending.clear();
        self.alternatives.clear();
    }

    fn try_open(&mut self, salvage: bool) -> Result<(Frames, RecoveryReport), OpenError> {
        self.salts += 1;
        let settings = Settings {
            salt: Salt([self.salts; 16]),
            salvage,
            unused: false,
            reserve_bytes: 40,
            rotation_bytes: 200,
            preallocated_bytes: if self.salts & 1 == 0 { 0 } else { 90 },
        };
        let mut frames = Frames::new();
        let (log, recovery) = LogFile::open(self.disk.clone(), settings, |payload| {
            frames.push(payload.to_vec());
            Ok::<_, Infallible>(())
        })?;
        assert_eq!(recovery.frames, frames.len() as u64);
        self.log = Some(log);
        Ok((frames, recovery))
    }

    /// Something changes the log while the program does not run.
    fn damage(&mut self, choices: &mut Choices<'_>) {
        self.restart(choices);
        let length = self.log.take().map_or(0, |log| log.length() as usize);
        self.mend();
        self.disk.set_capacity(None);
        let Some(mut bytes) = self.contents() else { return };
        let last_frame = self.frames.last().map_or(length, |last| length - FRAME_HEADER_LENGTH - last.len());
        let is_cut = choices.flag();
        let range = choices.range(bytes.len());
        match is_cut {
            true => bytes.truncate(range.start),
            false => bytes[range.clone()].iter_mut().for_each(|byte| *byte ^= 0x55),
        }
        self.disk.put(LOG, &bytes);
        match self.try_open(false) {
            Ok((frames, _)) => {
                assert!(frames.starts_with(&self.frames[..1]), "what no crash does is taken for a torn end");
                assert!(self.frames.starts_with(&frames), "not what was written");
                let is_good = !is_cut && range.end <= last_frame;
                assert!(!is_good || frames == self.frames, "damage before a good frame is cut off");
                self.accept(frames);
            }
            Err(error) => {
                assert_eq!(self.disk.read(LOG), bytes, "{error}, but the log has changed");
                let (frames, recovery) = self.try_open(true).expect("a salvage takes what there is");
                let mut rest = self.frames.iter();
                assert!(
                    frames.iter().all(|frame| rest.any(|written| written == frame)),
                    "not what was written"
                );
                let saved = recovery.salvaged.expect("something was salvaged").saved;
                assert_eq!(self.disk.disk.borrow().read(&saved.file), Some(&bytes[..]));
                self.accept(in_one(frames.concat()));
                if frames.is_empty() {
                    self.begin_again();
                }
            }
        }
    }

    /// Replaces a log of which nothing was left.
    fn begin_again(&mut self) {
        let Some(log) = &mut self.log else { return };
        log.append(b"begun again").expect("a small record");
        log.commit().expect("nothing is wrong with the disk");
        self.frames = in_one(b"begun again".to_vec());
    }
}

/// The bytes in one frame, or none when there are no bytes.
fn in_one(bytes: Vec<u8>) -> Frames {
    if bytes.is_empty() { Frames::new() } else { vec![bytes] }
}
