//! Everything that is left to chance: from one seed, or from a script.

use std::time::Duration;

/// A stream of numbers that look random and are always the same for one seed; or the decisions of a script.
#[derive(Clone, Debug)]
pub struct Random(Source);

#[derive(Clone, Debug)]
enum Source {
    /// The state of splitmix64, by Steele, Lea and Flood.
    Seed(u64),
    /// The bytes that are left.
    Script(std::vec::IntoIter<u8>),
}

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Random {
        Random(Source::Seed(seed))
    }

    /// Decisions that someone else takes, such as a fuzzer: small ones take a byte. When the bytes are used up, every number
    /// is zero and nothing rare happens any more.
    pub fn scripted(script: &[u8]) -> Random {
        Random(Source::Script(Vec::from(script).into_iter()))
    }

    /// A stream of its own, so that drawing more here does not change what is drawn elsewhere.
    pub fn fork(&mut self) -> Random {
        Random::new(self.number())
    }

    /// The next number, any of 64 bits.
    pub fn number(&mut self) -> u64 {
        let state = match &mut self.0 {
            Source::Seed(state) => state,
            Source::Script(script) => return take(script, 8),
        };
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; zero when that is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        let number = match &mut self.0 {
            Source::Script(script) if bound <= 1 << 16 => {
                take(script, usize::from(bound > 1) + usize::from(bound > 1 << 8))
            }
            _ => self.number(),
        };
        // The bias of a remainder does not matter for bounds this small.
        number.checked_rem(bound).unwrap_or(0)
    }

    /// An index into something of that many items.
    pub fn index(&mut self, items: usize) -> usize {
        self.below(items as u64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in so many of a thousand cases. Where there are none, nothing is drawn.
    pub fn per_mille(&mut self, cases: u64) -> bool {
        cases > 0
            && match &mut self.0 {
                Source::Seed(_) => self.below(1000) < cases,
                // Zeros stand for what is usual.
                Source::Script(script) => (take(script, 1) + 1) * 1000 > 256 * (1000 - cases),
            }
    }

    /// True in half of all cases.
    pub fn coin(&mut self) -> bool {
        self.below(2) == 1
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
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.number().to_be_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

/// A number of so many bytes; those that are missing are zeros.
fn take(script: &mut std::vec::IntoIter<u8>, bytes: usize) -> u64 {
    (0..bytes).fold(0, |number, _| number << 8 | u64::from(script.next().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_always_the_same_stream_and_no_other_one() {
        let draw = |seed| (0..5).map(|_| Random::new(seed).number()).collect::<Vec<_>>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        // As the authors of splitmix64 compute it.
        assert_eq!(Random::new(1_234_567).number(), 6_457_827_717_110_365_317);
    }

    #[test]
    fn a_script_decides_byte_by_byte_and_zeros_are_what_is_usual() {
        let mut random = Random::scripted(&[7, 3, 1, 4, 0, 255, 9]);
        assert_eq!(random.below(1), 0, "there is nothing to decide");
        assert!(!random.per_mille(0), "nor here");
        assert_eq!((random.below(5), random.coin()), (2, true));
        assert_eq!(random.below(1000), 260);
        assert!(!random.per_mille(300));
        assert!(random.per_mille(1));
        assert_eq!(random.number(), 9 << 56);
        assert_eq!((random.number(), random.coin(), random.per_mille(999)), (0, false, true));
        assert!(!random.per_mille(900));
    }
}
