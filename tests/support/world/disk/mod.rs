//! A disk that keeps what was synced, and of the rest whatever it likes.
//!
//! Files consist of sectors. What is written goes to the page cache, from where a sync, or the kernel by itself, brings
//! it to the platter. Names are changed in memory, too, and become durable when their directory is synced. A power failure leaves
//! of every file that was not synced any prefix or any subset of its new sectors, and of every directory the first
//! changes up to some point. It is the worst of three file systems: a sync of data leaves a grown length behind, as on UFS;
//! and a file in which a write ended before the end may come back padded with zeros, as on ZFS, even if it was synced,
//! unless its length was set after that write. A sync that fails leaves some sectors unwritten and has the kernel believe that they are
//! written; they may vanish from the cache when the process is gone.

mod file;
mod names;
mod storage;

pub use storage::LogStorage;

use super::host::{Crash, Host};
use super::random::Random;
use file::File;
use names::{Changes, Directory, Entry};
use std::io::{Error, ErrorKind, Result};
use std::rc::Rc;
use std::time::Duration;

/// A file or directory, whatever its name. Stays valid as long as the process that opened it.
pub type Inode = usize;

const ROOT: Inode = 0;

/// What goes wrong; the first ones are cases of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Writes that take only a part.
    pub short_writes: u64,
    /// Writes that fail.
    pub write_errors: u64,
    /// Syncs that fail.
    pub failed_syncs: u64,
    /// Syncs that take up to twenty seconds.
    pub slow_syncs: u64,
    /// Writes after which the system writes a part to the platter by itself.
    pub written_back: u64,
    /// Files that cannot be created, renamed, removed or given another length.
    pub other_errors: u64,
    /// What errors say, unless they say nothing in particular.
    pub error: Option<ErrorKind>,
    /// Bytes that one write, or one read of a log, takes at most.
    pub longest_transfer: Option<usize>,
    /// Bytes that one file holds at most.
    pub longest_file: Option<usize>,
}

/// Sizes, in bytes, that say what a crash tears apart.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// These reach the disk together or not at all.
    pub sector: usize,
    /// A record that ZFS writes again, whole, after a crash. There they are larger, and so are files.
    pub record: usize,
}

/// The disk of the server.
#[derive(Debug)]
pub struct Disk {
    host: Rc<Host>,
    /// Decides what goes wrong and what is lost.
    random: Random,
    /// How long things take: a script need not say that.
    times: Random,
    geometry: Geometry,
    nodes: Vec<Node>,
    changes: Changes,
    used: u64,
    capacity: u64,
    faults: Faults,
    syncs_of_contents: u64,
}

#[derive(Clone, Debug)]
enum Node {
    Free,
    File(File),
    Directory(Directory),
}

impl Default for Geometry {
    fn default() -> Geometry {
        Geometry { sector: 512, record: 2048 }
    }
}

impl Disk {
    /// An empty disk with room for everything.
    pub fn new(host: Rc<Host>, mut random: Random, faults: Faults) -> Disk {
        Disk {
            host,
            times: random.fork(),
            random,
            geometry: Geometry::default(),
            nodes: vec![Node::Directory(Directory::default())],
            changes: Changes::default(),
            used: 0,
            capacity: u64::MAX,
            faults,
            syncs_of_contents: 0,
        }
    }

    /// Another geometry, for the files that are still to be created.
    #[must_use]
    pub fn with_geometry(self, geometry: Geometry) -> Disk {
        Disk { geometry, ..self }
    }

    /// A disk in the same state on another machine, without faults and with room for everything: what was not synced can
    /// still be lost.
    pub fn fork(&self, host: Rc<Host>, random: Random) -> Disk {
        Disk {
            geometry: self.geometry,
            nodes: self.nodes.clone(),
            changes: self.changes.clone(),
            used: self.used,
            ..Disk::new(host, random, Faults::default())
        }
    }

    /// From now on `random` decides what goes wrong and what is lost.
    pub fn decide_by(&mut self, random: Random) {
        self.random = random;
    }

    /// Bytes that can still be written.
    pub fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.used)
    }

    /// Leaves so many bytes; `None` for as many as anyone could want.
    pub fn leave(&mut self, bytes: Option<u64>) {
        self.set_capacity(bytes.map(|bytes| self.used + bytes));
    }

    /// All files with a name together can hold so many bytes; `None` for as many as anyone could want.
    pub fn set_capacity(&mut self, bytes: Option<u64>) {
        self.capacity = bytes.unwrap_or(u64::MAX);
    }

    /// Whether there is a limit to what it takes.
    pub fn is_short_of_room(&self) -> bool {
        self.capacity != u64::MAX
    }

    /// From now on this goes wrong, and nothing else.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// How long the next sync takes.
    pub fn sync_time(&mut self) -> Duration {
        match self.times.per_mille(self.faults.slow_syncs) {
            true => self.times.micros(100_000, 20_000_000),
            false => self.times.micros(50, 500),
        }
    }

    /// Syncs so far that made nothing durable but contents.
    pub fn syncs_of_contents(&self) -> u64 {
        self.syncs_of_contents
    }

    /// Puts a file in place, durably and whatever is there, without an operation: no program does it.
    pub fn put(&mut self, path: &str, contents: &[u8]) {
        let found = self.find(path);
        let inode = found.unwrap_or_else(|| self.take_inode(Node::File(File::new(self.geometry))));
        let Node::File(file) = &mut self.nodes[inode] else { unreachable!("a file") };
        self.used = self.used + contents.len() as u64 - file.length() as u64;
        file.replace(contents);
        let (directory, name) = self.parent(path).expect("a directory for it");
        if found.is_none() {
            self.change(vec![Entry { directory, name, inode: Some(inode) }]);
        }
        let changes = self.changes.sync(directory);
        self.put_on_platter(changes);
    }

    /// Whether there is a file or a directory of this name.
    pub fn exists(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// The contents of a file; none when there is no such file.
    pub fn read(&self, path: &str) -> Option<&[u8]> {
        Some(self.file(self.find(path)?).contents())
    }

    /// The names in a directory, in order; none in anything else.
    pub fn list(&self, path: &str) -> Vec<String> {
        match self.find(path).map(|inode| &self.nodes[inode]) {
            Some(Node::Directory(directory)) => directory.entries.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether there is a directory of this name.
    pub fn is_directory(&self, path: &str) -> bool {
        self.find(path).is_some_and(|inode| matches!(self.nodes[inode], Node::Directory(_)))
    }

    /// The file or directory of this name.
    pub fn open(&self, path: &str) -> Option<Inode> {
        self.find(path)
    }

    /// Creates a file, which must not be there.
    pub fn create_new(&mut self, path: &str) -> Result<Inode> {
        match self.find(path) {
            Some(_) => Err(ErrorKind::AlreadyExists.into()),
            None => self.create(path),
        }
    }

    /// Creates a file, or empties the one that is there.
    pub fn create(&mut self, path: &str) -> Result<Inode> {
        self.operate()?;
        if let Some(inode) = self.find(path) {
            self.resize(inode, 0);
            return Ok(inode);
        }
        self.add(path, Node::File(File::new(self.geometry)))
    }

    /// Creates a directory, which must not be there.
    pub fn create_directory(&mut self, path: &str) -> Result<()> {
        self.operate()?;
        match self.find(path) {
            Some(_) => Err(ErrorKind::AlreadyExists.into()),
            None => self.add(path, Node::Directory(Directory::default())).map(|_| ()),
        }
    }

    /// Bytes of an open file.
    pub fn length(&self, file: Inode) -> u64 {
        self.file(file).length() as u64
    }

    /// Reads as much of an open file as fits into the buffer; says how much.
    pub fn read_at(&self, file: Inode, offset: u64, buffer: &mut [u8]) -> usize {
        let rest = self.file(file).contents().get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len()).min(self.longest_transfer());
        buffer[..length].copy_from_slice(&rest[..length]);
        length
    }

    /// Whether all that was written to a file, and its length, would survive a power failure.
    pub fn is_durable(&self, path: &str) -> bool {
        self.find(path).is_some_and(|inode| self.file(inode).is_durable())
    }

    /// Has the system write some of a file to the platter by itself.
    pub fn start_flush(&mut self, file: Inode) {
        let Node::File(file) = &mut self.nodes[file] else { unreachable!("a file") };
        file.write_back(&mut self.random);
    }

    /// Writes some bytes; says how many.
    pub fn write_at(&mut self, file: Inode, offset: u64, bytes: &[u8]) -> Result<usize> {
        self.host.operate()?;
        self.fail_sometimes(self.faults.write_errors, "write error")?;
        let offset = offset as usize;
        let length = self.file(file).length();
        let overwritten = length.saturating_sub(offset).min(bytes.len());
        let room = usize::try_from(self.free()).unwrap_or(usize::MAX);
        let room_in_file = self.faults.longest_file.unwrap_or(usize::MAX).saturating_sub(length);
        let mut written = bytes.len().min(overwritten.saturating_add(room.min(room_in_file)));
        if written == 0 && !bytes.is_empty() {
            let full = if room_in_file == 0 { ErrorKind::FileTooLarge } else { ErrorKind::StorageFull };
            return Err(full.into());
        }
        if written > 1 && self.random.per_mille(self.faults.short_writes) {
            written = self.random.between(1, written as u64 - 1) as usize;
        }
        written = written.min(self.longest_transfer());
        let written_back = self.random.per_mille(self.faults.written_back);
        let Node::File(file) = &mut self.nodes[file] else { unreachable!("a file") };
        if file.links > 0 {
            self.used += (offset + written).saturating_sub(length) as u64;
        }
        file.write(offset, &bytes[..written]);
        if written_back {
            file.write_back(&mut self.random);
        }
        Ok(written)
    }

    /// Writes all bytes, however many writes that takes.
    pub fn write_all_at(&mut self, file: Inode, mut offset: u64, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let written = self.write_at(file, offset, bytes)?;
            offset += written as u64;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Cuts a file, or adds zeros to it.
    pub fn set_length(&mut self, file: Inode, length: u64) -> Result<()> {
        self.operate()?;
        self.resize(file, length as usize);
        Ok(())
    }

    /// Makes contents and length of a file durable.
    pub fn sync(&mut self, file: Inode) -> Result<()> {
        self.sync_with(file, File::sync)
    }

    /// A sync of data, which leaves a grown length behind.
    pub fn sync_contents(&mut self, file: Inode) -> Result<()> {
        self.syncs_of_contents += 1;
        self.sync_with(file, File::sync_contents)
    }

    fn sync_with(&mut self, file: Inode, sync: fn(&mut File)) -> Result<()> {
        self.host.operate()?;
        let fails = self.random.per_mille(self.faults.failed_syncs);
        let Node::File(file) = &mut self.nodes[file] else { unreachable!("a file") };
        if fails {
            file.fail_sync(&mut self.random);
            return Err(self.error("sync failure"));
        }
        sync(file);
        Ok(())
    }

    /// Makes the names in a directory durable.
    pub fn sync_directory(&mut self, path: &str) -> Result<()> {
        self.host.operate()?;
        let inode = self.find(path).ok_or(ErrorKind::NotFound)?;
        self.fail_sometimes(self.faults.failed_syncs, "sync failure")?;
        let changes = self.changes.sync(inode);
        self.put_on_platter(changes);
        Ok(())
    }

    /// Syncs every file and every directory.
    pub fn sync_everything(&mut self) -> Result<()> {
        self.host.operate()?;
        let fails = self.random.per_mille(self.faults.failed_syncs);
        for node in &mut self.nodes {
            match node {
                Node::File(file) if fails => file.fail_sync(&mut self.random),
                Node::File(file) => file.sync(),
                _ => {}
            }
        }
        if fails {
            return Err(self.error("sync failure"));
        }
        let changes = self.changes.sync_all();
        self.put_on_platter(changes);
        Ok(())
    }

    /// Gives a file or a directory another name. A file replaces a file, a directory an empty directory.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        self.operate()?;
        let inode = self.find(from).ok_or(ErrorKind::NotFound)?;
        let (from_directory, from_name) = self.parent(from)?;
        let (to_directory, to_name) = self.parent(to)?;
        if let Some(replaced) = self.find(to) {
            match &self.nodes[replaced] {
                Node::Directory(directory) if !directory.entries.is_empty() => {
                    return Err(ErrorKind::DirectoryNotEmpty.into());
                }
                _ => self.unlink(replaced),
            }
        }
        self.change(vec![
            Entry { directory: from_directory, name: from_name, inode: None },
            Entry { directory: to_directory, name: to_name, inode: Some(inode) },
        ]);
        Ok(())
    }

    /// Removes the name of a file.
    pub fn remove_file(&mut self, path: &str) -> Result<()> {
        self.operate()?;
        let inode = self.find(path).ok_or(ErrorKind::NotFound)?;
        self.remove(path, inode)
    }

    /// Removes an empty directory.
    pub fn remove_directory(&mut self, path: &str) -> Result<()> {
        self.operate()?;
        let inode = self.find(path).ok_or(ErrorKind::NotFound)?;
        match self.directory(inode).entries.is_empty() {
            true => self.remove(path, inode),
            false => Err(ErrorKind::DirectoryNotEmpty.into()),
        }
    }

    /// Makes of the disk what the next start finds.
    pub fn crash(&mut self, crash: Crash) {
        match crash {
            Crash::Power => {
                let changes = self.changes.lose_power(&mut self.random);
                self.put_on_platter(changes);
                for node in &mut self.nodes {
                    match node {
                        Node::Free => {}
                        Node::File(file) => file.lose_power(&mut self.random),
                        Node::Directory(directory) => directory.lose_power(),
                    }
                }
            }
            Crash::Kill => {
                for node in &mut self.nodes {
                    if let Node::File(file) = node
                        && self.random.coin()
                    {
                        file.evict();
                    }
                }
            }
        }
        self.sweep();
    }

    /// Counts an operation on names or lengths.
    fn operate(&mut self) -> Result<()> {
        self.host.operate()?;
        self.fail_sometimes(self.faults.other_errors, "error")
    }

    fn longest_transfer(&self) -> usize {
        self.faults.longest_transfer.unwrap_or(usize::MAX)
    }

    fn fail_sometimes(&mut self, cases: u64, what: &str) -> Result<()> {
        if self.random.per_mille(cases) { Err(self.error(what)) } else { Ok(()) }
    }

    fn error(&self, what: &str) -> Error {
        Error::new(self.faults.error.unwrap_or(ErrorKind::Other), format!("injected {what}"))
    }

    fn take_inode(&mut self, node: Node) -> Inode {
        let free = self.nodes.iter().position(|node| matches!(node, Node::Free));
        let inode = free.unwrap_or(self.nodes.len());
        if free.is_none() {
            self.nodes.push(Node::Free);
        }
        self.nodes[inode] = node;
        inode
    }

    fn add(&mut self, path: &str, node: Node) -> Result<Inode> {
        let (directory, name) = self.parent(path)?;
        if self.free() == 0 && self.random.coin() {
            return Err(ErrorKind::StorageFull.into());
        }
        let inode = self.take_inode(node);
        self.change(vec![Entry { directory, name, inode: Some(inode) }]);
        Ok(inode)
    }

    fn remove(&mut self, path: &str, inode: Inode) -> Result<()> {
        let (directory, name) = self.parent(path)?;
        self.unlink(inode);
        self.change(vec![Entry { directory, name, inode: None }]);
        Ok(())
    }

    /// A file without a name takes no room, although whoever has it open may go on.
    fn unlink(&mut self, inode: Inode) {
        if let Node::File(file) = &mut self.nodes[inode] {
            file.links -= 1;
            self.used -= file.length() as u64;
        }
    }

    fn resize(&mut self, inode: Inode, length: usize) {
        let Node::File(file) = &mut self.nodes[inode] else { unreachable!("a file") };
        let before = file.length();
        file.set_length(length);
        if file.links > 0 {
            self.used = self.used + length as u64 - before as u64;
        }
    }

    fn change(&mut self, change: names::Change) {
        for entry in &change {
            let Node::Directory(directory) = &mut self.nodes[entry.directory] else {
                unreachable!("a directory")
            };
            match entry.inode {
                Some(inode) => directory.entries.insert(entry.name.clone(), inode),
                None => directory.entries.remove(&entry.name),
            };
        }
        self.changes.push(change);
    }

    fn put_on_platter(&mut self, changes: Vec<names::Change>) {
        let nodes = &mut self.nodes;
        names::apply(changes, |inode, change| {
            // A directory that was removed meanwhile has no names to keep.
            if let Node::Directory(directory) = &mut nodes[inode] {
                change(directory);
            }
        });
    }

    /// Frees what has no name any more and will have none after a power failure either, and counts what is left.
    fn sweep(&mut self) {
        let visible = self.reach(vec![ROOT], |directory| directory.entries.values().copied().collect());
        let mut starts: Vec<Inode> = self.changes.inodes().collect();
        starts.push(ROOT);
        let needed = self.reach(starts, |directory| directory.inodes().collect());
        self.used = 0;
        for (node, (visible, needed)) in self.nodes.iter_mut().zip(visible.into_iter().zip(needed)) {
            match node {
                _ if !needed => *node = Node::Free,
                Node::File(file) => {
                    file.links = u32::from(visible);
                    self.used += if visible { file.length() as u64 } else { 0 };
                }
                _ => {}
            }
        }
    }

    fn reach(&self, mut unvisited: Vec<Inode>, next: impl Fn(&Directory) -> Vec<Inode>) -> Vec<bool> {
        let mut reached = vec![false; self.nodes.len()];
        while let Some(inode) = unvisited.pop() {
            if !std::mem::replace(&mut reached[inode], true)
                && let Node::Directory(directory) = &self.nodes[inode]
            {
                unvisited.extend(next(directory));
            }
        }
        reached
    }

    fn find(&self, path: &str) -> Option<Inode> {
        let mut inode = ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let Node::Directory(directory) = &self.nodes[inode] else { return None };
            inode = *directory.entries.get(name)?;
        }
        Some(inode)
    }

    fn parent(&self, path: &str) -> Result<(Inode, String)> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        match self.find(parent) {
            Some(inode) if matches!(self.nodes[inode], Node::Directory(_)) => Ok((inode, name.to_owned())),
            _ => Err(ErrorKind::NotFound.into()),
        }
    }

    fn file(&self, inode: Inode) -> &File {
        match &self.nodes[inode] {
            Node::File(file) => file,
            _ => unreachable!("inode {inode} is no file"),
        }
    }

    fn directory(&self, inode: Inode) -> &Directory {
        match &self.nodes[inode] {
            Node::Directory(directory) => directory,
            _ => unreachable!("inode {inode} is no directory"),
        }
    }
}

#[cfg(test)]
mod tests;
