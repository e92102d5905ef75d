//! What connections hold of messages whose rest has not arrived, and who gives way when that is too much.

use crate::limits::{HELD_BYTES, HELD_BYTES_EACH};
use crate::server::peer::ConnectionId;
use crate::server::sessions::connection::{Connection, Phase};
use std::collections::BTreeSet;

/// Who holds how much that counts toward the limit for all together.
#[derive(Debug, Default)]
pub(crate) struct Incomplete {
    total: usize,
    holders: BTreeSet<(usize, ConnectionId)>,
}

impl Incomplete {
    /// Counts what a connection holds.
    pub(crate) fn add(&mut self, id: ConnectionId, connection: &Connection) {
        let bytes = counted(connection);
        if bytes > 0 {
            self.total += bytes;
            self.holders.insert((bytes, id));
        }
    }

    /// Counts it no longer; to be called before the connection changes.
    pub(crate) fn remove(&mut self, id: ConnectionId, connection: &Connection) {
        let bytes = counted(connection);
        if bytes > 0 && self.holders.remove(&(bytes, id)) {
            self.total -= bytes;
        }
    }

    /// The connection that holds most, while all together hold too much. Those that hold little have nothing to fear from
    /// any number of others.
    pub(crate) fn too_much(&self) -> Option<ConnectionId> {
        let (_, id) = self.holders.last()?;
        (self.total > HELD_BYTES).then_some(*id)
    }

    #[cfg(test)]
    pub(crate) fn total(&self) -> usize {
        self.total
    }
}

/// Workers that build may always hold a line of their console, so that no crowd of others can cost them their builds; there
/// are only so many of them.
fn counted(connection: &Connection) -> usize {
    let held = connection.decoder.held();
    match connection.phase {
        Phase::Building(_) => held.saturating_sub(HELD_BYTES_EACH),
        _ => held,
    }
}
