//! Everything that is left to chance, from one seed.

use std::time::Duration;

/// A stream of numbers that look random and are always the same for one seed (splitmix64, by Steele, Lea and Flood).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A stream of its own, so that drawing more here does not change what is drawn elsewhere.
    pub fn fork(&mut self) -> Random {
        Random(self.number())
    }

    /// The next number, any of 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; zero when that is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The bias of a remainder does not matter for bounds this small.
        self.number().checked_rem(bound).unwrap_or(0)
    }

    /// An index into something of that many items.
    pub fn index(&mut self, items: usize) -> usize {
        self.below(items as u64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in so many of a thousand cases.
    pub fn per_mille(&mut self, cases: u64) -> bool {
        self.below(1000) < cases
    }

    /// True in half of all cases.
    pub fn coin(&mut self) -> bool {
        self.number() & 1 == 1
    }

    /// A time span, of microseconds.
    pub fn micros(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_micros(self.between(low, high))
    }

    /// A number from 1 to 2 to the power of `bits`, of which small ones are as likely as large ones.
    pub fn skewed(&mut self, bits: u64) -> u64 {
        let bound = 1 << self.between(0, bits);
        self.between(1, bound)
    }

    /// One of some items, of which there has to be one.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// So many bytes.
    pub fn octets(&mut self, length: usize) -> Vec<u8> {
        let mut octets = Vec::with_capacity(length + 8);
        while octets.len() < length {
            octets.extend_from_slice(&self.number().to_be_bytes());
        }
        octets.truncate(length);
        octets
    }
}
