//! A disk in memory that fills up, breaks and loses power as a fuzzer decides.

use super::choices::Choices;
use builder_engine::log::Storage;
use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::rc::Rc;

/// Octets that are written to the platter together. Small, so that small files have many.
const PAGE_BYTES: usize = 16;
/// Bytes of the records that ZFS writes again, whole, after a crash.
const RECORD_BYTES: usize = 64;

/// Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Rc<RefCell<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    fault: Option<Fault>,
    /// Octets that all files with a name can hold together.
    capacity: Option<usize>,
    /// Octets that one write takes at most.
    longest_write: Option<usize>,
}

#[derive(Debug, Default)]
struct File {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Whether a page differs from the platter, as far as the system knows.
    dirty: Vec<bool>,
    /// Whether a write ended before the end of the file, and its length was not set since.
    ended_early: bool,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// How many operations succeed before.
    pub(super) after: u8,
    pub(super) kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// Nothing works any more.
    Dead,
    /// One operation fails. If it is a sync, the system takes pages for written that are not.
    Once,
}

impl Disk {
    pub(super) fn set_fault(&self, fault: Option<Fault>) {
        self.0.borrow_mut().fault = fault;
    }

    pub(super) fn set_longest_write(&self, octets: Option<usize>) {
        self.0.borrow_mut().longest_write = octets;
    }

    /// Leaves so many octets, or as many as anyone could want.
    pub(super) fn leave(&self, octets: Option<usize>) {
        let mut contents = self.0.borrow_mut();
        contents.capacity = octets.map(|octets| contents.used() + octets);
    }

    /// What a file holds; nothing when there is no such file.
    pub(super) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let contents = self.0.borrow();
        contents.names.get(name).map(|file| contents.files[*file].cached.clone())
    }

    /// Changes a file behind everyone's back.
    pub(super) fn replace(&self, name: &str, octets: Vec<u8>) {
        let mut contents = self.0.borrow_mut();
        let file = contents.names[name];
        let dirty = vec![false; octets.len().div_ceil(PAGE_BYTES)];
        contents.files[file] = File { durable: octets.clone(), cached: octets, dirty, ended_early: false };
    }

    /// The program ends, and nothing else. The system may forget pages that it takes for written.
    pub(super) fn end_program(&self, choices: &mut Choices<'_>) {
        let mut contents = self.0.borrow_mut();
        contents.fault = None;
        if choices.flag() {
            contents.files.iter_mut().for_each(File::forget_clean_pages);
        }
    }

    /// The power fails: of what was not synced, anything may be lost.
    pub(super) fn lose_power(&self, choices: &mut Choices<'_>) {
        let mut contents = self.0.borrow_mut();
        contents.fault = None;
        let survives = choices.octet();
        contents.names = match survives & 1 {
            0 => contents.durable_names.clone(),
            _ => contents.names.clone(),
        };
        contents.durable_names = contents.names.clone();
        contents.files.iter_mut().for_each(|file| file.lose_power(survives, choices));
    }

    fn sync_with(&self, file: usize, sync: impl FnOnce(&mut File)) -> Result<()> {
        match self.operate() {
            Ok(mut contents) => {
                sync(&mut contents.files[file]);
                Ok(())
            }
            Err(mut failure) => {
                // Every other page got there, and all pass for clean.
                failure.0.files[file].write_back(|page| page % 2 == 0);
                Err(failure.into())
            }
        }
    }

    /// Counts an operation that changes the disk or makes changes durable.
    fn operate(&self) -> std::result::Result<RefMut<'_, Contents>, Failure<'_>> {
        let mut contents = self.0.borrow_mut();
        match &mut contents.fault {
            Some(Fault { after: 0, kind }) => {
                if *kind == FaultKind::Once {
                    contents.fault = None;
                }
                Err(Failure(contents))
            }
            Some(Fault { after, .. }) => {
                *after -= 1;
                Ok(contents)
            }
            None => Ok(contents),
        }
    }
}

/// An operation that failed, and the disk.
struct Failure<'a>(RefMut<'a, Contents>);

impl From<Failure<'_>> for Error {
    fn from(_: Failure<'_>) -> Error {
        Error::other("the disk is broken")
    }
}

impl Contents {
    fn used(&self) -> usize {
        self.names.values().map(|file| self.files[*file].cached.len()).sum()
    }
}

impl File {
    fn write(&mut self, offset: usize, octets: &[u8]) {
        let end = offset + octets.len();
        self.resize(self.cached.len().max(end));
        self.cached[offset..end].copy_from_slice(octets);
        self.dirty[offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES)].fill(true);
        self.ended_early |= end < self.cached.len();
    }

    fn set_length(&mut self, length: usize) {
        self.resize(length);
        self.ended_early = false;
    }

    fn resize(&mut self, length: usize) {
        if length < self.cached.len() {
            self.cached.truncate(length);
            // The rest of the last page is cleared, on the platter too.
            self.dirty.truncate(length.div_ceil(PAGE_BYTES));
            self.dirty.last_mut().into_iter().for_each(|page| *page = true);
        }
        self.cached.resize(length, 0);
        self.dirty.resize(length.div_ceil(PAGE_BYTES), true);
    }

    /// Brings dirty pages to the platter, of those that are to be.
    fn write_back(&mut self, mut is_written: impl FnMut(usize) -> bool) {
        self.durable.resize(self.cached.len(), 0);
        for page in (0..self.dirty.len()).filter(|page| self.dirty[*page]) {
            if is_written(page) {
                let range = page * PAGE_BYTES..(page * PAGE_BYTES + PAGE_BYTES).min(self.cached.len());
                self.durable[range.clone()].copy_from_slice(&self.cached[range]);
            }
        }
        self.dirty.fill(false);
    }

    /// Brings to the platter what is dirty below the length there, which stays as it is: so does a sync of data on UFS.
    fn write_back_contents(&mut self) {
        let end = self.durable.len().min(self.cached.len());
        for page in (0..self.dirty.len()).filter(|page| self.dirty[*page]).collect::<Vec<_>>() {
            let range = (page * PAGE_BYTES).min(end)..(page * PAGE_BYTES + PAGE_BYTES).min(end);
            self.durable[range.clone()].copy_from_slice(&self.cached[range]);
            self.dirty[page] = (page + 1) * PAGE_BYTES > end && self.cached.len() != self.durable.len();
        }
    }

    fn forget_clean_pages(&mut self) {
        for page in (0..self.dirty.len()).filter(|page| !self.dirty[*page]) {
            let range = page * PAGE_BYTES..(page * PAGE_BYTES + PAGE_BYTES).min(self.cached.len());
            let durable = range.clone().map(|place| self.durable.get(place).copied().unwrap_or(0));
            let durable: Vec<u8> = durable.collect();
            self.cached[range].copy_from_slice(&durable);
        }
    }

    /// Bit 1 says whether the length survives, bits 2 and 3 whether no page does, all do, or the fuzzer decides, and bit 4
    /// whether a record is padded with zeros.
    fn lose_power(&mut self, survives: u8, choices: &mut Choices<'_>) {
        if self.dirty.iter().any(|page| *page) {
            let length = if survives & 2 == 0 { self.durable.len() } else { self.cached.len() };
            match survives >> 2 & 3 {
                0 => self.write_back(|_| false),
                1 => self.write_back(|_| true),
                _ => {
                    let pages = u16::from(choices.octet()) << 8 | u16::from(choices.octet());
                    self.write_back(|page| pages >> (page % 16) & 1 == 1);
                }
            }
            self.durable.resize(length, 0);
        }
        if survives & 16 != 0 && self.ended_early {
            self.durable.resize(self.durable.len().next_multiple_of(RECORD_BYTES), 0);
        }
        self.cached.clone_from(&self.durable);
        self.dirty = vec![false; self.cached.len().div_ceil(PAGE_BYTES)];
    }
}

impl Storage for Disk {
    type File = usize;

    fn open(&self, name: &str) -> Result<Option<usize>> {
        Ok(self.0.borrow().names.get(name).copied())
    }

    fn create(&self, name: &str) -> Result<usize> {
        let mut contents = self.operate()?;
        if let Some(file) = contents.names.get(name).copied() {
            contents.files[file].set_length(0);
            return Ok(file);
        }
        let file = contents.files.len();
        contents.files.push(File::default());
        contents.names.insert(name.to_owned(), file);
        Ok(file)
    }

    fn read_at(&self, file: &usize, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let contents = self.0.borrow();
        let rest = contents.files[*file].cached.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len()).min(contents.longest_write.unwrap_or(usize::MAX));
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&self, file: &usize, offset: u64, octets: &[u8]) -> Result<usize> {
        let mut contents = self.operate()?;
        let room = contents.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(contents.used()));
        let longest = contents.longest_write.unwrap_or(usize::MAX);
        let file = &mut contents.files[*file];
        let overwritten = file.cached.len().saturating_sub(offset as usize);
        let written = octets.len().min(overwritten.saturating_add(room)).min(longest);
        if written == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        file.write(offset as usize, &octets[..written]);
        Ok(written)
    }

    fn set_length(&self, file: &usize, length: u64) -> Result<()> {
        self.operate()?.files[*file].set_length(length as usize);
        Ok(())
    }

    fn sync(&self, file: &usize) -> Result<()> {
        self.sync_with(*file, |file| file.write_back(|_| true))
    }

    fn sync_contents(&self, file: &usize) -> Result<()> {
        self.sync_with(*file, File::write_back_contents)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut contents = self.operate()?;
        let file = contents.names.remove(from).ok_or(ErrorKind::NotFound)?;
        contents.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.operate()?.names.remove(name);
        Ok(())
    }

    fn sync_names(&self) -> Result<()> {
        let mut contents = self.operate()?;
        contents.durable_names = contents.names.clone();
        Ok(())
    }

    fn describe(&self, name: &str) -> String {
        name.to_owned()
    }
}
