//! Names of files and directories, and which of them a power failure would leave.

use super::super::random::Random;
use super::Inode;
use std::collections::{BTreeMap, BTreeSet};

/// A directory as programs see it, and as it is on the platter.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    pub(super) entries: BTreeMap<String, Inode>,
    durable: BTreeMap<String, Inode>,
}

/// A name in a directory, and what it stands for from now on.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) directory: Inode,
    pub(super) name: String,
    pub(super) inode: Option<Inode>,
}

/// What one operation did to names: all of it becomes durable, or nothing.
pub(super) type Change = Vec<Entry>;

/// Changes that are not durable yet, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes(Vec<Change>);

impl Directory {
    fn set(&mut self, name: &str, inode: Option<Inode>) {
        match inode {
            Some(inode) => self.durable.insert(name.to_owned(), inode),
            None => self.durable.remove(name),
        };
    }

    /// Everything that a name leads to, or would lead to after a power failure.
    pub(super) fn inodes(&self) -> impl Iterator<Item = Inode> + '_ {
        self.entries.values().chain(self.durable.values()).copied()
    }

    pub(super) fn lose_power(&mut self) {
        self.entries.clone_from(&self.durable);
    }
}

impl Changes {
    pub(super) fn push(&mut self, change: Change) {
        self.0.push(change);
    }

    /// The changes that a sync of `directory` makes durable. A move between directories takes with it what was changed
    /// before in the other one.
    pub(super) fn sync(&mut self, directory: Inode) -> Vec<Change> {
        if !self.0.iter().flatten().any(|entry| entry.directory == directory) {
            return Vec::new();
        }
        let mut directories = BTreeSet::from([directory]);
        let mut selected = vec![false; self.0.len()];
        for (change, selected) in self.0.iter().zip(&mut selected).rev() {
            if change.iter().any(|entry| directories.contains(&entry.directory)) {
                directories.extend(change.iter().map(|entry| entry.directory));
                *selected = true;
            }
        }
        let mut synced = Vec::new();
        let mut left = Vec::new();
        for (change, selected) in std::mem::take(&mut self.0).into_iter().zip(selected) {
            if selected { synced.push(change) } else { left.push(change) }
        }
        self.0 = left;
        synced
    }

    /// Everything that a change names.
    pub(super) fn inodes(&self) -> impl Iterator<Item = Inode> + '_ {
        self.0.iter().flatten().flat_map(|entry| entry.inode.into_iter().chain([entry.directory]))
    }

    pub(super) fn sync_all(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.0)
    }

    /// The changes that are on the platter although nobody asked: of each directory the first ones.
    pub(super) fn lose_power(&mut self, random: &mut Random) -> Vec<Change> {
        let kept_per_mille = *random.pick(&[0, 500, 900, 1000]);
        let mut ended = BTreeSet::new();
        let mut kept = Vec::new();
        for change in std::mem::take(&mut self.0) {
            let possible = !change.iter().any(|entry| ended.contains(&entry.directory));
            if possible && random.per_mille(kept_per_mille) {
                kept.push(change);
            } else {
                ended.extend(change.iter().map(|entry| entry.directory));
            }
        }
        kept
    }
}

/// Puts changes on the platter.
pub(super) fn apply(changes: Vec<Change>, mut directory: impl FnMut(Inode, &mut dyn FnMut(&mut Directory))) {
    for entry in changes.into_iter().flatten() {
        directory(entry.directory, &mut |directory| directory.set(&entry.name, entry.inode));
    }
}
