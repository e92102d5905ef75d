//! When to connect again after a connection that broke before the server had said hello.
//!
//! A system whose queue of connections is full resets those that come on top, as FreeBSD does with the 129th by default.
//! Nothing was asked yet, so asking again does no harm. All that were reset at once come back spread over a time that
//! doubles, or they would meet again.

use crate::limits::{LONGEST_RECONNECT_TIME, RECONNECT_TIME, RECONNECTS};
use core::time::Duration;

/// Counts the connections that broke, and spreads the next ones.
///
/// ```
/// use builder_engine::reconnecting::Reconnecting;
/// use core::time::Duration;
///
/// let mut reconnecting = Reconnecting::new(0); // any number; the smallest waits half as long as the greatest
/// assert_eq!(reconnecting.next_delay(), Some(Duration::from_millis(50)));
/// assert_eq!(reconnecting.next_delay(), Some(Duration::from_millis(100)));
/// while reconnecting.next_delay().is_some() {}
/// assert_eq!(Reconnecting::attempts(), 10, "then there are no more");
/// ```
#[derive(Clone, Debug)]
pub struct Reconnecting {
    spread: u32,
    broken: u32,
}

impl Reconnecting {
    /// Begins to count. `spread` is any number, a different one in each program that may come back at the same time.
    #[must_use]
    pub fn new(spread: u32) -> Self {
        Self { spread, broken: 0 }
    }

    /// Notes that a connection broke before its hello, and says how long to wait before the next; none when there were
    /// enough.
    pub fn next_delay(&mut self) -> Option<Duration> {
        if self.broken >= RECONNECTS {
            return None;
        }
        let longest = RECONNECT_TIME.saturating_mul(1 << self.broken).min(LONGEST_RECONNECT_TIME);
        self.broken += 1;
        // Between half of it and all of it.
        let shortest = longest / 2;
        let spare = (longest - shortest).as_nanos() * u128::from(self.spread) / u128::from(u32::MAX);
        Some(shortest + Duration::from_nanos(u64::try_from(spare).unwrap_or(u64::MAX)))
    }

    /// How many connections were made, the one that broke last included, when there is no next.
    #[must_use]
    pub fn attempts() -> u32 {
        RECONNECTS + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(spread: u32) -> Vec<Duration> {
        let mut reconnecting = Reconnecting::new(spread);
        core::iter::from_fn(|| reconnecting.next_delay()).collect()
    }

    #[test]
    fn delays_double_up_to_a_bound_and_end() {
        let milliseconds: Vec<u128> = delays(u32::MAX).iter().map(Duration::as_millis).collect();
        assert_eq!(milliseconds, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        assert_eq!(milliseconds.len() + 1, Reconnecting::attempts() as usize);
    }

    #[test]
    fn those_who_were_reset_together_come_back_one_after_the_other() {
        let (early, middle, late) = (delays(0), delays(u32::MAX / 2), delays(u32::MAX));
        for attempt in 0..early.len() {
            assert_eq!(early[attempt] * 2, late[attempt]);
            assert!(early[attempt] < middle[attempt] && middle[attempt] < late[attempt]);
        }
    }
}
