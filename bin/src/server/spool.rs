//! The spools of running builds, as files.

use crate::server::paths::Paths;
use builder_engine::spool::{ENTRY_OVERHEAD, Found, LINE_BYTES, Scan, last_entry};
use builder_proto::Uuid;
use builder_proto::execution::append_console_entry;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::Arc;

/// Octets read at once.
const BLOCK_BYTES: usize = 256 * 1024;
/// Octets of a spool whose space takes some milliseconds to be freed.
const LONG_BYTES: u64 = 8 * 1024 * 1024;

/// The console of one build. Observers share it, and keep what they still read when the spool is removed.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    /// None as long as nothing was printed.
    file: Option<Arc<File>>,
    length: u64,
    console_octets: u64,
    /// The last messages for observers; there when no more lines come.
    closing: Option<Rc<Vec<u8>>>,
}

/// A spool that observers look at while the server appends.
pub(crate) type SharedSpool = Rc<RefCell<Spool>>;

impl Spool {
    pub(crate) fn file(&self) -> Option<&Arc<File>> {
        self.file.as_ref()
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Octets that the console takes in the stored result.
    pub(crate) fn console_octets(&self) -> u64 {
        self.console_octets
    }

    pub(crate) fn closing(&self) -> Option<&Rc<Vec<u8>>> {
        self.closing.as_ref()
    }

    pub(crate) fn seal(&mut self, closing: Vec<u8>) {
        self.closing = Some(Rc::new(closing));
    }

    fn append(
        &mut self,
        entries: &[u8],
        console_octets: u64,
        open: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(Arc::new(open()?))),
        };
        if let Err(error) = (&*file).write_all(entries) {
            // Half an entry would hide all that follow; when it cannot be cut off either, the build fails all the same.
            let _ = file.set_len(self.length);
            return Err(error);
        }
        self.length += entries.len() as u64;
        self.console_octets = console_octets;
        Ok(())
    }
}

/// All spools by build.
#[derive(Debug)]
pub(crate) struct Spools {
    paths: Paths,
    spools: BTreeMap<Uuid, SharedSpool>,
}

impl Spools {
    pub(crate) fn new(paths: Paths) -> Spools {
        Spools { paths, spools: BTreeMap::new() }
    }

    pub(crate) fn get(&mut self, uuid: Uuid) -> &SharedSpool {
        self.spools.entry(uuid).or_default()
    }

    pub(crate) fn append(&mut self, uuid: Uuid, entries: &[u8], console_octets: u64) -> io::Result<()> {
        let path = self.paths.spool(uuid);
        let open = || OpenOptions::new().read(true).append(true).create_new(true).open(&path);
        self.get(uuid).borrow_mut().append(entries, console_octets, open)
    }

    /// Takes up the spool that an earlier server left, without what a crash left at its end. A disk that does not give
    /// back all of it costs the rest of that console, and nothing else.
    pub(crate) fn recover(&mut self, uuid: Uuid) {
        let path = self.paths.spool(uuid);
        let file = match OpenOptions::new().read(true).append(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => {
                log::error!("cannot open {}: {error}; the console of this build is lost", path.display());
                return;
            }
        };
        let mut scan = Scan::default();
        let outcome = read_whole(&file, &mut scan).and_then(|()| file.set_len(scan.whole()));
        if let Err(error) = outcome {
            log::error!(
                "cannot read {}: {error}; the console of this build ends after {} bytes of it",
                path.display(),
                scan.whole()
            );
        }
        let spool = Spool {
            file: Some(Arc::new(file)),
            length: scan.whole(),
            console_octets: scan.console_octets(),
            closing: None,
        };
        self.spools.insert(uuid, Rc::new(RefCell::new(spool)));
    }

    /// Removes the spool of a build whose result is stored. Gives its file when that is long: whoever closes it last waits
    /// until its space is free.
    pub(crate) fn remove(&mut self, uuid: Uuid) -> Option<Arc<File>> {
        let spool = self.spools.remove(&uuid)?;
        let file = spool.borrow().file.clone()?;
        let path = self.paths.spool(uuid);
        if let Err(error) = fs::remove_file(&path) {
            log::warn!("cannot remove {}: {error}; it is no longer needed", path.display());
        }
        (spool.borrow().length > LONG_BYTES).then_some(file)
    }

    /// Removes all spools that were not taken up, apart from those of `unfinished` builds, which could not be opened.
    pub(crate) fn remove_strays(&self, unfinished: &BTreeSet<Uuid>) -> io::Result<()> {
        for entry in fs::read_dir(self.paths.spools())? {
            let entry = entry?;
            let known = entry.file_name().to_str().and_then(|name| Uuid::parse_str(name).ok());
            if known.is_some_and(|uuid| unfinished.contains(&uuid)) {
                continue;
            }
            if let Err(error) = fs::remove_file(entry.path()) {
                log::warn!("cannot remove {}: {error}; it is no longer needed", entry.path().display());
            }
        }
        Ok(())
    }
}

/// Reads as much of a spool as the disk gives back.
fn read_whole(mut file: &File, scan: &mut Scan) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(octets) => scan.push(block.get(..octets).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes the console as the stored result holds it, the newest line first, from a spool of `length` octets.
///
/// # Errors
///
/// When either file fails, or the spool does not hold what was written to it.
pub(crate) fn write_newest_first(spool: &File, length: u64, output: &mut impl Write) -> io::Result<()> {
    let mut end = length;
    let mut block = Vec::new();
    let mut entries = Vec::with_capacity(BLOCK_BYTES + LINE_BYTES);
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES as u64);
        block.resize(usize::try_from(end - start).unwrap_or(BLOCK_BYTES), 0);
        spool.read_exact_at(&mut block, start)?;
        let mut rest = block.as_slice();
        while let Found::Entry(entry, octets) = last_entry(rest) {
            append_console_entry(&mut entries, entry.delta, entry.line);
            rest = rest.get(..rest.len() - octets).unwrap_or_default();
        }
        // A block holds at least one whole entry, unless something else wrote to the file.
        const { assert!(BLOCK_BYTES >= LINE_BYTES + ENTRY_OVERHEAD) };
        if rest.len() == block.len() {
            return Err(io::Error::new(ErrorKind::InvalidData, "the spool of the console is damaged"));
        }
        output.write_all(&entries)?;
        entries.clear();
        end = start + rest.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_file_of_a_long_spool_is_left_to_others_to_close() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("spool")).unwrap();
        let mut spools = Spools::new(Paths::new(directory.path(), directory.path().to_owned()));
        let entries = vec![0; LONG_BYTES as usize];
        let [none, short, long] = [0, 1, 2].map(Uuid::from_u128);
        assert!(spools.remove(none).is_none());
        spools.append(short, &entries, 0).unwrap();
        assert!(spools.remove(short).is_none());
        spools.append(long, &entries, 0).unwrap();
        spools.append(long, b"more", 0).unwrap();
        assert_eq!(spools.remove(long).unwrap().metadata().unwrap().len(), LONG_BYTES + 4);
        assert_eq!(fs::read_dir(directory.path().join("spool")).unwrap().count(), 0);
    }
}
