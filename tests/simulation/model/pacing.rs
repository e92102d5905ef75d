//! Clause 12: what the network shows of losses in a row.
//!
//! It shows fewer than the server knows of, and never earlier: a peer that was refused may have lost its build or not. So
//! what this model demands is less than what the server does.

use builder_engine::limits::{LOSS_FIRST_DELAY, LOSS_LONGEST_DELAY};
use builder_proto::Uuid;
use builder_proto::text::Text;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The platforms, since the server started.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    rows: BTreeMap<Text, Row>,
    /// When the server decided to hand out builds that have not left yet: what they wait for may take long.
    decided: BTreeMap<Uuid, Duration>,
    /// Builds that workers have, with their platform and the time at which that was decided.
    running: BTreeMap<Uuid, (Text, Duration)>,
    /// Platforms that were dropped, or may have been.
    ignored: BTreeSet<Text>,
}

#[derive(Debug)]
struct Row {
    losses: u32,
    last: Duration,
}

impl Pacing {
    pub(super) fn decide(&mut self, time: Duration, uuid: Uuid) {
        self.decided.insert(uuid, time);
    }

    pub(super) fn hand_out(&mut self, time: Duration, uuid: Uuid, platform: &Text) -> Result<(), String> {
        let time = self.decided.remove(&uuid).unwrap_or(time);
        self.running.insert(uuid, (platform.clone(), time));
        let row = self.rows.get(platform).filter(|_| !self.ignored.contains(platform));
        let Some(row) = row else { return Ok(()) };
        // A turn of the server takes time, too.
        let pause = row.delay() / 2;
        match time > row.last && time < row.last + pause {
            false => Ok(()),
            true => Err(format!(
                "platform {platform} has lost {} builds in a row, the last at {:?}, and gets the next at {time:?}",
                row.losses, row.last
            )),
        }
    }

    /// The server has read a result to its end.
    pub(super) fn delivered(&mut self, uuid: Uuid) {
        if let Some((platform, _)) = self.running.remove(&uuid) {
            self.rows.remove(&platform);
        }
    }

    /// The connection of a worker is over, and it had not been refused.
    pub(super) fn lost(&mut self, time: Duration, uuid: Uuid) {
        let Some((platform, started)) = self.running.remove(&uuid) else { return };
        let row = self.rows.entry(platform).or_insert(Row { losses: 0, last: Duration::ZERO });
        if row.losses == 0 || started >= row.last {
            *row = Row { losses: row.losses + 1, last: time };
        }
    }

    /// Nobody knows when the server forgets the losses of a platform.
    pub(super) fn ignore(&mut self, platform: &Text) {
        self.ignored.insert(platform.clone());
    }
}

impl Row {
    fn delay(&self) -> Duration {
        let doubled = (2..self.losses).fold(LOSS_FIRST_DELAY, |delay, _| LOSS_LONGEST_DELAY.min(2 * delay));
        if self.losses < 2 { Duration::ZERO } else { doubled }
    }
}
