//! The clocks of the system. The time of day is read here only.

use builder_engine::Now;
use builder_proto::time::Time;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where monotonic time starts, and how both clocks are read together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        Now { wall: wall_time(), monotonic: self.start.elapsed() }
    }

    /// How long to wait until a monotonic time; zero when it has passed.
    pub(crate) fn until(&self, at: Duration) -> Duration {
        at.saturating_sub(self.start.elapsed())
    }
}

/// The time of this host, to the millisecond.
pub(crate) fn wall_time() -> Time {
    let milliseconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |before| -before),
    };
    Time::from_unix_milliseconds(milliseconds)
}
