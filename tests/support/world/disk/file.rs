//! One file: what programs read of it, and what a power failure would leave.

use super::super::random::Random;
use super::Geometry;
use std::collections::BTreeSet;
use std::ops::Range;

/// A file in the page cache and on the platter.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    geometry: Geometry,
    /// What reads give.
    cache: Vec<u8>,
    /// What is on the platter.
    durable: Vec<u8>,
    /// Sectors that the next sync writes.
    dirty: BTreeSet<usize>,
    /// Whether the next sync writes the length.
    length_dirty: bool,
    /// Sectors whose sync failed: the kernel believes that they are on the platter.
    mistaken: BTreeSet<usize>,
    /// Whether a write ended before the end of the file, and its length was not set since.
    ended_early: bool,
    /// The same, as the last sync found it.
    durable_ended_early: bool,
    /// Names of the file.
    pub(super) links: u32,
}

/// What a power failure does to the sectors of a file that were not synced.
#[derive(Clone, Copy, Debug)]
enum Survival {
    None,
    All,
    Prefix(usize),
    Subset,
}

impl File {
    pub(super) fn new(geometry: Geometry) -> File {
        File { geometry, links: 1, ..File::default() }
    }

    /// Puts something else in its place, on the platter as well.
    pub(super) fn replace(&mut self, contents: &[u8]) {
        let (cache, durable) = (contents.to_vec(), contents.to_vec());
        *self = File { cache, durable, geometry: self.geometry, links: self.links, ..File::default() };
    }

    pub(super) fn contents(&self) -> &[u8] {
        &self.cache
    }

    pub(super) fn length(&self) -> usize {
        self.cache.len()
    }

    /// Whether all that was written is on the platter.
    pub(super) fn is_durable(&self) -> bool {
        let is_synced = self.dirty.is_empty() && self.mistaken.is_empty() && !self.length_dirty;
        is_synced || self.cache == self.durable
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if end > self.cache.len() {
            self.cache.resize(end, 0);
            self.length_dirty = true;
        }
        self.cache[offset..end].copy_from_slice(bytes);
        let size = self.geometry.sector;
        for sector in offset / size..end.div_ceil(size) {
            self.dirty.insert(sector);
            self.mistaken.remove(&sector);
        }
        self.ended_early |= end < self.cache.len();
    }

    pub(super) fn set_length(&mut self, length: usize) {
        self.ended_early = false;
        if length == self.cache.len() {
            return;
        }
        self.cache.resize(length, 0);
        self.length_dirty = true;
        let size = self.geometry.sector;
        self.dirty.retain(|sector| sector * size < length);
        self.mistaken.retain(|sector| sector * size < length);
    }

    pub(super) fn sync(&mut self) {
        if self.length_dirty {
            self.durable.resize(self.cache.len(), 0);
            self.length_dirty = false;
        }
        for sector in std::mem::take(&mut self.dirty) {
            self.put(sector);
        }
        self.durable_ended_early = self.ended_early;
    }

    /// Leaves a grown length behind, as UFS does, and with it what is beyond the length on the platter.
    pub(super) fn sync_contents(&mut self) {
        let end = self.durable.len().min(self.cache.len());
        for sector in std::mem::take(&mut self.dirty) {
            self.keep(sector);
            if self.range(sector, self.cache.len()).end > end {
                self.dirty.insert(sector);
            }
        }
        self.durable_ended_early = self.ended_early;
    }

    /// Some of it reaches the platter, and the kernel forgets about the rest; but not about the length.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        for sector in std::mem::take(&mut self.dirty) {
            if random.coin() {
                self.put(sector);
            } else {
                self.mistaken.insert(sector);
            }
        }
    }

    /// The kernel writes some of it without being asked.
    pub(super) fn write_back(&mut self, random: &mut Random) {
        let written: Vec<usize> = self.dirty.iter().copied().filter(|_| random.coin()).collect();
        for sector in written {
            self.dirty.remove(&sector);
            self.put(sector);
        }
    }

    /// The kernel drops pages that it believes to be on the platter; the next read shows what is really there.
    pub(super) fn evict(&mut self) {
        for sector in std::mem::take(&mut self.mistaken) {
            let range = self.range(sector, self.cache.len());
            let kept = range.start.min(self.durable.len())..range.end.min(self.durable.len());
            self.cache[range.clone()].fill(0);
            self.cache[range.start..range.start + kept.len()].copy_from_slice(&self.durable[kept]);
        }
    }

    /// What the next life of the machine finds.
    pub(super) fn lose_power(&mut self, random: &mut Random) {
        if !self.dirty.is_empty() || !self.mistaken.is_empty() || self.length_dirty {
            self.lose_unsynced(random);
        }
        if (self.ended_early || self.durable_ended_early) && random.coin() {
            self.durable.resize(self.durable.len().next_multiple_of(self.geometry.record), 0);
        }
        (self.ended_early, self.durable_ended_early) = (false, false);
        self.cache.clone_from(&self.durable);
    }

    fn lose_unsynced(&mut self, random: &mut Random) {
        let survival = match random.below(6) {
            0 => Survival::None,
            1 => Survival::All,
            2 | 3 => Survival::Prefix(random.index(self.dirty.len() + 1)),
            _ => Survival::Subset,
        };
        let dirty = std::mem::take(&mut self.dirty);
        let kept: Vec<usize> = match survival {
            Survival::None => Vec::new(),
            Survival::All => dirty.into_iter().collect(),
            Survival::Prefix(count) => dirty.into_iter().take(count).collect(),
            Survival::Subset => dirty.into_iter().filter(|_| random.coin()).collect(),
        };
        if self.length_dirty {
            let grown = self.cache.len() > self.durable.len();
            let length = match (survival, kept.last()) {
                (Survival::All, _) => self.cache.len(),
                (Survival::Prefix(_), Some(last)) if grown => {
                    self.range(*last, self.cache.len()).end.max(self.durable.len())
                }
                _ => *random.pick(&[self.durable.len(), self.cache.len()]),
            };
            self.durable.resize(length, 0);
        }
        for sector in kept {
            self.keep(sector);
        }
        self.length_dirty = false;
        self.mistaken.clear();
    }

    /// Puts one sector on the platter, as far as the length there allows.
    fn keep(&mut self, sector: usize) {
        let range = self.range(sector, self.cache.len().min(self.durable.len()));
        self.durable[range.clone()].copy_from_slice(&self.cache[range]);
    }

    /// Puts one sector on the platter, and with it as much of the length as it takes.
    fn put(&mut self, sector: usize) {
        let end = self.range(sector, self.cache.len()).end;
        if end > self.durable.len() {
            self.durable.resize(end, 0);
        }
        self.keep(sector);
    }

    /// The place of a sector in a file of that length.
    fn range(&self, sector: usize, length: usize) -> Range<usize> {
        let size = self.geometry.sector;
        (sector * size).min(length)..((sector + 1) * size).min(length)
    }
}
