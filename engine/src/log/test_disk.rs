//! A disk in memory that fills up, breaks and crashes as told.

use super::storage::Storage;
use core::ops::Range;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

/// Clones are the same disk, so a test keeps one and gives one away.
#[derive(Clone, Debug, Default)]
pub(super) struct TestDisk(Rc<RefCell<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    files: Vec<TestFile>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    faults: Faults,
    /// Operations so far that change the disk or make changes durable.
    operations: u64,
    /// Syncs of files that only wrote contents.
    syncs_of_contents: u64,
}

#[derive(Clone, Debug, Default)]
struct TestFile {
    octets: Vec<u8>,
    durable: Vec<u8>,
    /// What was written since the last sync begins here: another sync makes nothing else durable.
    dirty_from: usize,
    /// Whether a write ended before the end of the file, and its length was not set since.
    ended_early: bool,
}

/// Whole records of this many bytes are written again after a crash, as ZFS does, whose records are larger.
const RECORD_BYTES: usize = 64;

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// The power fails instead of the operation with this number.
    pub(super) crash_at: Option<u64>,
    /// Octets that all files with a name can hold together.
    pub(super) capacity: Option<usize>,
    /// Octets that one file can hold.
    pub(super) longest_file: Option<usize>,
    /// Octets that one write takes at most.
    pub(super) longest_write: Option<usize>,
    /// Syncs fail with this.
    pub(super) sync: Option<io::ErrorKind>,
    /// Writes fail with this.
    pub(super) write: Option<io::ErrorKind>,
}

/// What a crash leaves of the contents that were not synced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unsynced {
    Kept,
    Lost,
    /// The first half of what was written.
    Half,
    /// The length, but zeros instead of the octets written.
    Zeros,
    /// The length, but zeros instead of the first half of what was written.
    ZerosFirst,
    /// Everything, and zeros behind the end of what was not written from front to back.
    Padded,
}

impl Unsynced {
    pub(super) const ALL: [Unsynced; 6] = [
        Unsynced::Kept,
        Unsynced::Lost,
        Unsynced::Half,
        Unsynced::Zeros,
        Unsynced::ZerosFirst,
        Unsynced::Padded,
    ];
}

impl TestDisk {
    pub(super) fn set_faults(&self, faults: Faults) {
        self.0.borrow_mut().faults = faults;
    }

    pub(super) fn operations(&self) -> u64 {
        self.0.borrow().operations
    }

    pub(super) fn syncs_of_contents(&self) -> u64 {
        self.0.borrow().syncs_of_contents
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.borrow().names.keys().cloned().collect()
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        let inner = self.0.borrow();
        inner.files[inner.names[name]].octets.clone()
    }

    pub(super) fn write(&self, name: &str, octets: &[u8]) {
        let file = self.create(name).unwrap();
        let inner = &mut *self.0.borrow_mut();
        inner.files[file] = TestFile::durable(octets.to_vec());
        inner.durable_names = inner.names.clone();
    }

    /// A disk of its own in the same state, without faults: what was not synced can still be lost.
    pub(super) fn fork(&self) -> TestDisk {
        let inner = self.0.borrow();
        TestDisk(Rc::new(RefCell::new(Inner {
            files: inner.files.clone(),
            names: inner.names.clone(),
            durable_names: inner.durable_names.clone(),
            ..Inner::default()
        })))
    }

    /// Every disk that a crash of the machine may leave for the next start.
    pub(super) fn crashes(&self) -> impl Iterator<Item = TestDisk> {
        Unsynced::ALL
            .into_iter()
            .flat_map(|unsynced| [self.after_crash(unsynced, false), self.after_crash(unsynced, true)])
    }

    /// The disk as the next start finds it, without faults.
    pub(super) fn after_crash(&self, unsynced: Unsynced, names_kept: bool) -> TestDisk {
        let inner = self.0.borrow();
        let names = if names_kept { &inner.names } else { &inner.durable_names }.clone();
        let files = inner.files.iter().map(|file| file.after_crash(unsynced)).collect();
        TestDisk(Rc::new(RefCell::new(Inner {
            files,
            durable_names: names.clone(),
            names,
            ..Inner::default()
        })))
    }

    fn sync_with(&self, file: usize, sync: fn(&mut TestFile)) -> io::Result<()> {
        let mut inner = self.operate()?;
        if let Some(kind) = inner.faults.sync {
            inner.files[file].fail_sync();
            return Err(kind.into());
        }
        sync(&mut inner.files[file]);
        Ok(())
    }

    /// Counts an operation, or lets the power fail.
    fn operate(&self) -> io::Result<std::cell::RefMut<'_, Inner>> {
        let mut inner = self.0.borrow_mut();
        if inner.faults.crash_at.is_some_and(|at| inner.operations >= at) {
            return Err(io::Error::other("power failure"));
        }
        inner.operations += 1;
        Ok(inner)
    }
}

impl TestFile {
    fn after_crash(&self, unsynced: Unsynced) -> TestFile {
        let Range { start, end } = self.written();
        let middle = start + (end - start) / 2;
        let octets = &self.octets[..];
        let octets = match unsynced {
            Unsynced::Kept => octets.to_vec(),
            Unsynced::Lost => self.durable.clone(),
            Unsynced::Half => [&octets[..middle], self.durable.get(middle..).unwrap_or_default()].concat(),
            Unsynced::Zeros => [&octets[..start], &vec![0; end - start], &octets[end..]].concat(),
            Unsynced::ZerosFirst => [&octets[..start], &vec![0; middle - start], &octets[middle..]].concat(),
            Unsynced::Padded => {
                let padding = if self.ended_early {
                    octets.len().next_multiple_of(RECORD_BYTES) - octets.len()
                } else {
                    0
                };
                [octets, &vec![0; padding]].concat()
            }
        };
        TestFile::durable(octets)
    }

    /// The octets that differ from what is durable, other than by being cut off.
    fn written(&self) -> Range<usize> {
        let (octets, durable) = (&self.octets, &self.durable);
        let differs = |place: &usize| octets.get(*place) != durable.get(*place);
        let start = (0..octets.len()).find(differs).unwrap_or(octets.len());
        let end = (start..octets.len()).rfind(differs).map_or(start, |last| last + 1);
        start..end
    }

    fn durable(octets: Vec<u8>) -> TestFile {
        TestFile { durable: octets.clone(), dirty_from: octets.len(), octets, ended_early: false }
    }

    fn write(&mut self, offset: usize, octets: &[u8]) {
        let overwritten = octets.len().min(self.octets.len() - offset);
        self.octets.splice(offset..offset + overwritten, octets.iter().copied());
        self.dirty_from = self.dirty_from.min(offset);
        self.ended_early |= offset + octets.len() < self.octets.len();
    }

    fn truncate(&mut self, length: usize) {
        self.octets.truncate(length);
        self.dirty_from = self.dirty_from.min(length);
        self.ended_early = false;
    }

    fn sync(&mut self) {
        self.durable.resize(self.octets.len(), 0);
        self.durable[self.dirty_from..].copy_from_slice(&self.octets[self.dirty_from..]);
        self.dirty_from = self.octets.len();
    }

    /// Leaves a grown length behind, and what is beyond the durable one with it.
    fn sync_contents(&mut self) {
        let end = self.durable.len().min(self.octets.len());
        if self.dirty_from < end {
            self.durable[self.dirty_from..end].copy_from_slice(&self.octets[self.dirty_from..end]);
            self.dirty_from = end;
        }
    }

    /// The system takes for written what is not.
    fn fail_sync(&mut self) {
        self.dirty_from = self.octets.len();
    }
}

impl Storage for TestDisk {
    type File = usize;

    fn open(&self, name: &str) -> io::Result<Option<usize>> {
        Ok(self.0.borrow().names.get(name).copied())
    }

    fn create(&self, name: &str) -> io::Result<usize> {
        let mut inner = self.operate()?;
        if let Some(file) = inner.names.get(name).copied() {
            inner.files[file].truncate(0);
            return Ok(file);
        }
        let file = inner.files.len();
        inner.files.push(TestFile::default());
        inner.names.insert(name.to_owned(), file);
        Ok(file)
    }

    fn read_at(&self, file: &usize, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let inner = self.0.borrow();
        let octets = &inner.files[*file].octets;
        let rest = &octets[octets.len().min(offset as usize)..];
        // Short reads, so that nobody relies on long ones.
        let length = rest.len().min(buffer.len()).min(1 << 20 | 17);
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&self, file: &usize, offset: u64, octets: &[u8]) -> io::Result<usize> {
        let mut inner = self.operate()?;
        if let Some(kind) = inner.faults.write {
            return Err(kind.into());
        }
        let used: usize = inner.names.values().map(|file| inner.files[*file].octets.len()).sum();
        let room = inner.faults.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(used));
        let length = inner.files[*file].octets.len();
        let room_in_file =
            inner.faults.longest_file.map_or(usize::MAX, |longest| longest.saturating_sub(length));
        assert!(offset as usize <= length, "no holes");
        // What is overwritten takes no room.
        let overwritten = (length - offset as usize).min(octets.len());
        if overwritten == 0 && room_in_file == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        } else if overwritten == 0 && room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let longest = inner.faults.longest_write.unwrap_or(usize::MAX);
        let added = (octets.len() - overwritten).min(room).min(room_in_file);
        let written = (overwritten + added).min(longest);
        inner.files[*file].write(offset as usize, &octets[..written]);
        Ok(written)
    }

    fn set_length(&self, file: &usize, length: u64) -> io::Result<()> {
        self.operate()?.files[*file].truncate(length as usize);
        Ok(())
    }

    fn sync(&self, file: &usize) -> io::Result<()> {
        self.sync_with(*file, TestFile::sync)
    }

    fn sync_contents(&self, file: &usize) -> io::Result<()> {
        self.sync_with(*file, TestFile::sync_contents)?;
        self.0.borrow_mut().syncs_of_contents += 1;
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.operate()?;
        let file = inner.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        inner.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.operate()?.names.remove(name);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut inner = self.operate()?;
        if let Some(kind) = inner.faults.sync {
            return Err(kind.into());
        }
        inner.durable_names = inner.names.clone();
        Ok(())
    }

    fn describe(&self, name: &str) -> String {
        format!("/data/{name}")
    }
}
