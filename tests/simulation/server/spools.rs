//! The spools of running builds, as in `bin/src/server/spool.rs`.

use crate::variant::Variant;
use builder_engine::spool::{Found, Scan, last_entry};
use builder_proto::Uuid;
use builder_proto::execution::append_console_entry;
use builder_tests::world::{Disk, Inode};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::rc::Rc;

pub(super) const SPOOLS: &str = ".builder/spool";

#[derive(Debug, Default)]
pub(super) struct Spool {
    file: Option<Inode>,
    length: u64,
    console_octets: u64,
    closing: Option<Vec<u8>>,
}

pub(super) type SharedSpool = Rc<RefCell<Spool>>;

impl Spool {
    pub(super) fn file(&self) -> Option<Inode> {
        self.file
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn console_octets(&self) -> u64 {
        self.console_octets
    }

    pub(super) fn closing(&self) -> Option<&[u8]> {
        self.closing.as_deref()
    }

    pub(super) fn seal(&mut self, closing: Vec<u8>) {
        self.closing = Some(closing);
    }
}

#[derive(Debug)]
pub(super) struct Spools {
    spools: BTreeMap<Uuid, SharedSpool>,
    variant: Variant,
}

impl Spools {
    pub(super) fn new(variant: Variant) -> Spools {
        Spools { spools: BTreeMap::new(), variant }
    }

    pub(super) fn get(&mut self, uuid: Uuid) -> &SharedSpool {
        self.spools.entry(uuid).or_default()
    }

    pub(super) fn append(
        &mut self,
        disk: &mut Disk,
        uuid: Uuid,
        entries: &[u8],
        console_octets: u64,
    ) -> Result<()> {
        let repeats = self.variant != Variant::SpoolWritesNotRepeated;
        let mut spool = self.get(uuid).borrow_mut();
        let file = match spool.file {
            Some(file) => file,
            None => *spool.file.insert(disk.create_new(&path(uuid))?),
        };
        // The real file is opened for appending.
        let end = disk.length(file);
        let written = match repeats {
            true => disk.write_all_at(file, end, entries),
            false => disk.write_at(file, end, entries).map(|_| ()),
        };
        if let Err(error) = written {
            let _ = disk.set_length(file, spool.length);
            return Err(error);
        }
        spool.length += entries.len() as u64;
        spool.console_octets = console_octets;
        Ok(())
    }

    pub(super) fn recover(&mut self, disk: &mut Disk, uuid: Uuid) -> Result<()> {
        let Some(file) = disk.open(&path(uuid)) else { return Ok(()) };
        let mut scan = Scan::default();
        disk.contents(file).chunks(1000).for_each(|chunk| scan.push(chunk));
        let length = match self.variant {
            Variant::SpoolNotScanned => disk.length(file),
            _ => scan.whole(),
        };
        disk.set_length(file, length)?;
        let console_octets = scan.console_octets();
        let spool = Spool { file: Some(file), length, console_octets, closing: None };
        self.spools.insert(uuid, Rc::new(RefCell::new(spool)));
        Ok(())
    }

    pub(super) fn remove(&mut self, disk: &mut Disk, uuid: Uuid) {
        let Some(spool) = self.spools.remove(&uuid) else { return };
        if spool.borrow().file.is_some() {
            // Like the real one, this goes on when it fails.
            let _ = disk.remove_file(&path(uuid));
        }
    }

    pub(super) fn remove_strays(&self, disk: &mut Disk) -> Result<()> {
        for name in disk.list(SPOOLS) {
            let known = Uuid::parse_str(&name).is_ok_and(|uuid| self.spools.contains_key(&uuid));
            if !known {
                disk.remove_file(&format!("{SPOOLS}/{name}"))?;
            }
        }
        Ok(())
    }
}

/// The console as the stored result holds it.
pub(super) fn newest_first(spool: &[u8], length: u64) -> Result<Vec<u8>> {
    let mut rest = spool.get(..length as usize).ok_or(ErrorKind::UnexpectedEof)?;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let Found::Entry(entry, octets) = last_entry(rest) else {
            return Err(Error::new(ErrorKind::InvalidData, "the spool of the console is damaged"));
        };
        append_console_entry(&mut entries, entry.delta, entry.line);
        rest = &rest[..rest.len() - octets];
    }
    Ok(entries)
}

fn path(uuid: Uuid) -> String {
    format!("{SPOOLS}/{uuid}")
}
