//! How long platforms wait whose workers lose one build after the other.

use builder_engine::limits::{LOSS_FIRST_DELAY, LOSS_LONGEST_DELAY};
use builder_proto::text::Text;
use core::time::Duration;
use std::collections::BTreeMap;

/// By platform: losses in a row, when the last one was, and when the next job may be handed out.
#[derive(Default)]
pub(super) struct Pacing(BTreeMap<Text, (u32, Duration, Duration)>);

impl Pacing {
    /// Says how many there are in a row now. Builds that ran side by side count once.
    pub(super) fn lost(&mut self, now: Duration, platform: &Text, started: Duration) -> u32 {
        let (losses, last, next) = self.0.entry(platform.clone()).or_default();
        if *losses == 0 || started >= *last {
            *losses += 1;
            (*last, *next) = (now, now + delay(*losses));
        }
        *losses
    }

    pub(super) fn handed_out(&mut self, now: Duration, platform: &Text) {
        if let Some((losses, _, next)) = self.0.get_mut(platform) {
            *next = now + delay(*losses);
        }
    }

    pub(super) fn next(&self, platform: &Text) -> Option<Duration> {
        self.0.get(platform).map(|(_, _, next)| *next)
    }

    pub(super) fn forget(&mut self, platform: &Text) {
        self.0.remove(platform);
    }
}

fn delay(losses: u32) -> Duration {
    match losses {
        0 | 1 => Duration::ZERO,
        2 => LOSS_FIRST_DELAY,
        more => LOSS_LONGEST_DELAY.min(2 * delay(more - 1)),
    }
}
