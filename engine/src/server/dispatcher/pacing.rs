//! How fast the jobs of a platform are handed out when its workers lose one after the other.
//!
//! Workers that take jobs and end without a result would otherwise go through a queue of hundreds in seconds. After the second
//! loss in a row the platform has to wait before its next job leaves the queue, and after each further one twice as long, up to
//! a bound. One result that a worker delivers ends that. All of it is forgotten when the server stops, so that a sick platform
//! is tried a little sooner; but the losses of a job are remembered, and so its third one may be the first that is known of its
//! platform. That is why a loss says whether the platform has proved anything yet.

use crate::Now;
use crate::limits::{LOSS_FIRST_DELAY, LOSS_LONGEST_DELAY};
use builder_proto::overview;
use builder_proto::text::Text;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// The platforms whose workers lost the last build that came to an end. Times are monotonic.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    platforms: BTreeMap<Text, Pace>,
    /// Platforms of which a worker has delivered a result since the start.
    proven: BTreeSet<Text>,
}

#[derive(Debug)]
struct Pace {
    /// Losses in a row. Builds that ran side by side may have been lost for one reason, so they count once.
    losses: u32,
    /// When the last loss that counted was noticed.
    last_loss: Duration,
    /// No job is handed out before.
    next: Duration,
    /// Whether a worker and a job wait for that time.
    is_awaited: bool,
}

/// What a loss means for its platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Losses in a row, this one included.
    pub(crate) losses: u32,
    /// The time between two jobs from now on, when it has changed.
    pub(crate) new_delay: Option<Duration>,
    /// Whether no worker of the platform has delivered anything since the start.
    pub(crate) is_unproven: bool,
}

/// What a result means for its platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relief {
    /// Whether jobs had to wait because of earlier losses.
    pub(crate) was_slow: bool,
    /// Whether a job and a worker wait that need not wait any longer.
    pub(crate) was_awaited: bool,
}

impl Pacing {
    /// Takes note of a build that was lost; it had been handed out at `started`.
    pub(crate) fn lost(&mut self, now: Duration, platform: &Text, started: Duration) -> Row {
        let is_unproven = !self.proven.contains(platform);
        let Some(pace) = self.platforms.get_mut(platform) else {
            let pace = Pace { losses: 1, last_loss: now, next: now, is_awaited: false };
            self.platforms.insert(platform.clone(), pace);
            return Row { losses: 1, new_delay: None, is_unproven };
        };
        if started < pace.last_loss {
            return Row { losses: pace.losses, new_delay: None, is_unproven };
        }
        let before = delay(pace.losses);
        pace.losses = pace.losses.saturating_add(1);
        pace.last_loss = now;
        let after = delay(pace.losses);
        pace.next = now.saturating_add(after);
        Row { losses: pace.losses, new_delay: (after != before).then_some(after), is_unproven }
    }

    /// A worker of the platform has delivered a result.
    pub(crate) fn delivered(&mut self, platform: &Text) -> Relief {
        let pace = self.platforms.remove(platform);
        self.proven.insert(platform.clone());
        Relief {
            was_slow: pace.as_ref().is_some_and(|pace| !delay(pace.losses).is_zero()),
            was_awaited: pace.is_some_and(|pace| pace.is_awaited),
        }
    }

    /// The platform is gone.
    pub(crate) fn forget(&mut self, platform: &Text) {
        self.platforms.remove(platform);
        self.proven.remove(platform);
    }

    /// Whether a job may leave the queue of the platform for a worker that waits. If not, [`Pacing::next_deadline`] and
    /// [`Pacing::take_due`] say when.
    pub(crate) fn allows(&mut self, now: Duration, platform: &Text) -> bool {
        let Some(pace) = self.platforms.get_mut(platform) else { return true };
        pace.is_awaited = pace.next > now;
        !pace.is_awaited
    }

    /// A job has left the queue of the platform. One at a time shows whether its workers are well.
    pub(crate) fn handed_out(&mut self, now: Duration, platform: &Text) {
        if let Some(pace) = self.platforms.get_mut(platform) {
            pace.next = now.saturating_add(delay(pace.losses));
        }
    }

    /// Platforms on which a worker and a job have waited long enough.
    pub(crate) fn take_due(&mut self, now: Duration) -> Vec<Text> {
        let mut due = Vec::new();
        for (platform, pace) in &mut self.platforms {
            if pace.is_awaited && pace.next <= now {
                pace.is_awaited = false;
                due.push(platform.clone());
            }
        }
        due
    }

    /// Why no job of the platform may be handed out yet, if that is so.
    pub(crate) fn pace(&self, now: Now, platform: &Text) -> Option<overview::Pace> {
        let pace = self.platforms.get(platform)?;
        let wait = pace.next.checked_sub(now.monotonic).filter(|wait| !wait.is_zero())?;
        Some(overview::Pace { losses: u64::from(pace.losses), next: now.wall.saturating_add(wait) })
    }

    /// When [`Pacing::take_due`] has something to say.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.platforms.values().filter(|pace| pace.is_awaited).map(|pace| pace.next).min()
    }
}

/// Time between two jobs of a platform after so many losses in a row. The first is everyday: a worker was ended, or its
/// machine was started anew.
fn delay(losses: u32) -> Duration {
    let Some(doublings) = losses.checked_sub(2) else { return Duration::ZERO };
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    LOSS_FIRST_DELAY.saturating_mul(factor).min(LOSS_LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Losses one after the other, each of a build that was handed out as soon as that was allowed.
    fn lose(pacing: &mut Pacing, count: u32) -> Vec<Duration> {
        let platform = Text::from("p");
        let mut now = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..count {
            let before = now;
            if !pacing.allows(now, &platform) {
                now = pacing.next_deadline().unwrap();
                assert_eq!(pacing.take_due(now), std::slice::from_ref(&platform));
                assert!(pacing.allows(now, &platform));
            }
            pauses.push(now - before);
            pacing.handed_out(now, &platform);
            pacing.lost(now, &platform, now);
        }
        pauses
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        let pauses = lose(&mut Pacing::default(), 14);
        let seconds: Vec<u64> = pauses.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(delay(u32::MAX), LOSS_LONGEST_DELAY);
    }

    #[test]
    fn a_result_ends_the_pauses_and_wakes_who_waits() {
        let mut pacing = Pacing::default();
        let platform = Text::from("p");
        lose(&mut pacing, 5);
        assert!(!pacing.allows(Duration::ZERO, &platform));
        assert_eq!(pacing.delivered(&platform), Relief { was_slow: true, was_awaited: true });
        assert!(pacing.allows(Duration::ZERO, &platform));
        assert_eq!(pacing.next_deadline(), None);
        assert_eq!(pacing.delivered(&platform), Relief { was_slow: false, was_awaited: false });
        assert_eq!(lose(&mut pacing, 3), [Duration::ZERO, Duration::ZERO, SECOND]);
    }

    #[test]
    fn builds_that_ran_side_by_side_count_once() {
        let mut pacing = Pacing::default();
        let platform = Text::from("p");
        for _ in 0..10 {
            let row = Row { losses: 1, new_delay: None, is_unproven: true };
            assert_eq!(pacing.lost(5 * SECOND, &platform, SECOND), row);
        }
        assert!(pacing.allows(5 * SECOND, &platform));
        let row = pacing.lost(6 * SECOND, &platform, 5 * SECOND);
        assert_eq!(row, Row { losses: 2, new_delay: Some(SECOND), is_unproven: true });
        assert_eq!(pacing.lost(7 * SECOND, &platform, 5 * SECOND).losses, 2);
    }

    #[test]
    fn a_platform_is_proven_by_a_result_and_until_it_is_dropped() {
        let mut pacing = Pacing::default();
        let platform = Text::from("p");
        let is_unproven = |pacing: &mut Pacing| pacing.lost(SECOND, &platform, SECOND).is_unproven;
        assert!(is_unproven(&mut pacing));
        pacing.delivered(&platform);
        assert!(!is_unproven(&mut pacing) && !is_unproven(&mut pacing));
        pacing.forget(&platform);
        assert!(is_unproven(&mut pacing));
    }

    #[test]
    fn while_it_is_slow_one_job_at_a_time_leaves_the_queue() {
        let mut pacing = Pacing::default();
        let platform = Text::from("p");
        lose(&mut pacing, 4);
        let now = pacing.platforms[&platform].next;
        assert!(pacing.allows(now, &platform));
        pacing.handed_out(now, &platform);
        assert!(!pacing.allows(now, &platform), "the first has not come back");
        assert!(pacing.allows(now + 4 * SECOND, &platform), "but it may take long");
    }

    #[test]
    fn each_change_is_told_once() {
        let mut pacing = Pacing::default();
        let platform = Text::from("p");
        let mut now = Duration::ZERO;
        let mut told = Vec::new();
        for _ in 0..15 {
            told.extend(pacing.lost(now, &platform, now).new_delay.map(|delay| delay.as_secs()));
            now += 1000 * SECOND;
        }
        assert_eq!(told, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
    }

    #[test]
    fn platforms_do_not_slow_each_other_down() {
        let mut pacing = Pacing::default();
        lose(&mut pacing, 5);
        assert!(pacing.allows(Duration::ZERO, &"q".into()));
        pacing.forget(&"p".into());
        assert!(pacing.allows(Duration::ZERO, &"p".into()));
    }
}
