//! How long platforms wait whose workers lose one build after the other.

use builder_engine::limits::{LOSS_FIRST_DELAY, LOSS_LONGEST_DELAY};
use builder_proto::text::Text;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Pacing {
    /// By platform: losses in a row, when the last one was, and when the next job may be handed out.
    rows: BTreeMap<Text, (u32, Duration, Duration)>,
    /// Platforms of which a worker has delivered something.
    proven: BTreeSet<Text>,
}

/// What the first loss on a platform counts that has not delivered anything: it proves as little as any number of them.
const UNPROVEN: u32 = u32::MAX;

impl Pacing {
    /// Says how many there are in a row now. Builds that ran side by side count once.
    pub(super) fn lost(&mut self, now: Duration, platform: &Text, started: Duration) -> u32 {
        let (losses, last, next) = self.rows.entry(platform.clone()).or_default();
        if *losses == 0 || started >= *last {
            *losses += 1;
            (*last, *next) = (now, now + delay(*losses));
        }
        if *losses == 1 && !self.proven.contains(platform) { UNPROVEN } else { *losses }
    }

    pub(super) fn handed_out(&mut self, now: Duration, platform: &Text) {
        if let Some((losses, _, next)) = self.rows.get_mut(platform) {
            *next = now + delay(*losses);
        }
    }

    pub(super) fn next(&self, platform: &Text) -> Option<Duration> {
        self.rows.get(platform).map(|(_, _, next)| *next)
    }

    pub(super) fn delivered(&mut self, platform: &Text) {
        self.rows.remove(platform);
        self.proven.insert(platform.clone());
    }

    pub(super) fn forget(&mut self, platform: &Text) {
        self.rows.remove(platform);
        self.proven.remove(platform);
    }
}

fn delay(losses: u32) -> Duration {
    match losses {
        0 | 1 => Duration::ZERO,
        2 => LOSS_FIRST_DELAY,
        more => LOSS_LONGEST_DELAY.min(2 * delay(more - 1)),
    }
}
