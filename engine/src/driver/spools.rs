//! The spools of running builds: when they are opened, what is kept of them, and when they go.

use super::files::{DirectoryName, FileName, Files, read_exact, sync_names, write_all};
use crate::spool::{ENTRY_OVERHEAD, Found, LINE_BYTES, Scan, last_entry};
use builder_proto::Uuid;
use builder_proto::execution::append_console_entry;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::rc::Rc;

/// Bytes read at once.
const BLOCK_BYTES: usize = 256 * 1024;
/// Bytes of a spool whose space takes some milliseconds to be freed.
const LONG_BYTES: u64 = 8 * 1024 * 1024;

/// The console of one build. Observers share it, and keep what they still read when the spool is removed.
#[derive(Debug)]
pub(crate) struct Spool<F: Files> {
    /// None as long as nothing was printed.
    file: Option<F::File>,
    length: u64,
    console_bytes: u64,
    /// The last messages for observers; there when no more lines come.
    closing: Option<Rc<Vec<u8>>>,
}

/// A spool that observers look at while the server appends.
pub(crate) type SharedSpool<F> = Rc<RefCell<Spool<F>>>;

impl<F: Files> Default for Spool<F> {
    fn default() -> Self {
        Spool { file: None, length: 0, console_bytes: 0, closing: None }
    }
}

impl<F: Files> Spool<F> {
    pub(crate) fn file(&self) -> Option<&F::File> {
        self.file.as_ref()
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes that the console takes in the stored result.
    pub(crate) fn console_bytes(&self) -> u64 {
        self.console_bytes
    }

    pub(crate) fn closing(&self) -> Option<&Rc<Vec<u8>>> {
        self.closing.as_ref()
    }

    pub(crate) fn seal(&mut self, closing: Vec<u8>) {
        self.closing = Some(Rc::new(closing));
    }

    fn append(&mut self, files: &F, uuid: Uuid, entries: &[u8], console_bytes: u64) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(files.create(FileName::Spool(uuid))?),
        };
        if let Err(error) = write_all(files, file, self.length, entries) {
            // Half an entry would hide all that follow; when it cannot be cut off either, the build fails all the same.
            let _ = files.set_length(file, self.length);
            return Err(error);
        }
        self.length += entries.len() as u64;
        self.console_bytes = console_bytes;
        Ok(())
    }
}

/// All spools by build.
#[derive(Debug)]
pub(crate) struct Spools<F: Files> {
    files: F,
    spools: BTreeMap<Uuid, SharedSpool<F>>,
}

impl<F: Files> Spools<F> {
    pub(crate) fn new(files: F) -> Self {
        Spools { files, spools: BTreeMap::new() }
    }

    pub(crate) fn get(&mut self, uuid: Uuid) -> &SharedSpool<F> {
        self.spools.entry(uuid).or_default()
    }

    pub(crate) fn append(&mut self, uuid: Uuid, entries: &[u8], console_bytes: u64) -> io::Result<()> {
        let spool = self.spools.entry(uuid).or_default();
        spool.borrow_mut().append(&self.files, uuid, entries, console_bytes)
    }

    /// Takes up the spool that an earlier server left, without what a crash left at its end. A disk that does not give
    /// back all of it costs the rest of that console, and nothing else.
    pub(crate) fn recover(&mut self, uuid: Uuid) {
        let path = || self.files.describe(FileName::Spool(uuid));
        let file = match self.files.open(FileName::Spool(uuid)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => {
                ::log::error!("cannot open {}: {error}; the console of this build is lost", path());
                return;
            }
        };
        let mut scan = Scan::default();
        let outcome = read_through(&self.files, &file, &mut scan)
            .and_then(|()| self.files.set_length(&file, scan.whole()));
        if let Err(error) = outcome {
            ::log::error!(
                "cannot read {}: {error}; the console of this build ends after {} bytes of it",
                path(),
                scan.whole()
            );
        }
        let spool = Spool {
            file: Some(file),
            length: scan.whole(),
            console_bytes: scan.console_bytes(),
            closing: None,
        };
        self.spools.insert(uuid, Rc::new(RefCell::new(spool)));
    }

    /// Removes the spool of a build whose result is stored. Gives its file when that is long: whoever closes it last waits
    /// until its space is free.
    pub(crate) fn remove(&mut self, uuid: Uuid) -> Option<F::File> {
        let spool = self.spools.remove(&uuid)?;
        let file = spool.borrow().file.clone()?;
        self.remove_file(FileName::Spool(uuid));
        (spool.borrow().length > LONG_BYTES).then_some(file)
    }

    /// Removes all spools that were not taken up, apart from those of `unfinished` builds, which could not be opened.
    pub(crate) fn remove_strays(&self, unfinished: &BTreeSet<Uuid>) -> io::Result<()> {
        for name in self.files.list(DirectoryName::Spools)? {
            let known = core::str::from_utf8(&name).ok().and_then(|name| Uuid::parse_str(name).ok());
            if !known.is_some_and(|uuid| unfinished.contains(&uuid)) {
                self.remove_file(FileName::Entry(DirectoryName::Spools, &name));
            }
        }
        Ok(())
    }

    fn remove_file(&self, name: FileName<'_>) {
        if let Err(error) = self.files.remove(name) {
            ::log::warn!("cannot remove {}: {error}; it is no longer needed", self.files.describe(name));
        }
    }
}

/// Makes the server's own directories, without what an earlier server was writing. Where they are, a server may have
/// answered.
///
/// # Errors
///
/// What could not be done, with which directory, and why not.
pub(crate) fn prepare_directories<F: Files>(
    files: &F,
) -> Result<(), (&'static str, DirectoryName<'static>, io::Error)> {
    let (private, stagings) = (DirectoryName::Private, DirectoryName::Stagings);
    for directory in [stagings, DirectoryName::Spools] {
        match files.make_directory(directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(("create", directory, error));
            }
            _ => {}
        }
    }
    let names = files.list(stagings).map_err(|error| ("clear", stagings, error))?;
    for name in names {
        files.remove(FileName::Entry(stagings, &name)).map_err(|error| ("clear", stagings, error))?;
    }
    sync_names(files, private).map_err(|error| ("sync", private, error))
}

/// Reads as much of a spool as the disk gives back.
fn read_through<F: Files>(files: &F, file: &F::File, scan: &mut Scan) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut position = 0;
    loop {
        match files.read_at(file, position, &mut block)? {
            0 => return Ok(()),
            read => {
                scan.push(block.get(..read).unwrap_or_default());
                position += read as u64;
            }
        }
    }
}

/// Gives the console as the stored result holds it, the newest line first and a block at a time, from a spool of `length`
/// bytes.
///
/// # Errors
///
/// When the spool cannot be read or does not hold what was written to it, and those of `take`.
pub(crate) fn newest_first<F: Files>(
    files: &F,
    spool: &F::File,
    length: u64,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut end = length;
    let mut block = Vec::new();
    let mut entries = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES as u64);
        block.resize(usize::try_from(end - start).unwrap_or(BLOCK_BYTES), 0);
        read_exact(files, spool, start, &mut block)?;
        let mut rest = block.as_slice();
        while let Found::Entry(entry, bytes) = last_entry(rest) {
            append_console_entry(&mut entries, entry.delta, entry.line);
            rest = rest.get(..rest.len() - bytes).unwrap_or_default();
        }
        // A block holds at least one whole entry, unless something else wrote to the file.
        const { assert!(BLOCK_BYTES >= LINE_BYTES + ENTRY_OVERHEAD) };
        if rest.len() == block.len() {
            return Err(io::Error::new(ErrorKind::InvalidData, "the spool of the console is damaged"));
        }
        take(&entries)?;
        entries.clear();
        end = start + rest.len() as u64;
    }
    Ok(())
}
