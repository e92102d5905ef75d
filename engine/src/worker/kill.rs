//! Killing processes until none is left.

use super::interface::Action;
use super::queue::ActionQueue;
use crate::limits::{KILL_RETRY_TIME, KILL_TIME};
use core::time::Duration;

/// Repeats [`Action::KillDescendants`]: the children of a killed process appear only after its death.
#[derive(Clone, Copy, Debug)]
pub(super) struct Killing {
    retry_at: Duration,
    give_up_at: Duration,
}

impl Killing {
    pub(super) fn begin(now: Duration, queue: &mut ActionQueue) -> Self {
        queue.push(Action::KillDescendants);
        Self { retry_at: now.saturating_add(KILL_RETRY_TIME), give_up_at: now.saturating_add(KILL_TIME) }
    }

    pub(super) fn deadline(&self) -> Duration {
        self.retry_at
    }

    /// Kills once more when it is time, and says whether to leave what remains alone from now on.
    pub(super) fn tick(&mut self, now: Duration, queue: &mut ActionQueue) -> bool {
        if now >= self.give_up_at {
            return true;
        }
        if now >= self.retry_at {
            self.retry_at = now.saturating_add(KILL_RETRY_TIME);
            queue.push(Action::KillDescendants);
        }
        false
    }
}
