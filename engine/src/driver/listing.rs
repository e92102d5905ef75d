//! What a client is told of builds: those that run and those that have ended, the one that started last first.

use super::history_tasks::Item;
use crate::history::{Found, Index, Key, Listed, Query, running_builds};
use builder_proto::Uuid;
use builder_proto::history::{Build, HistoryQuery};
use std::collections::BTreeSet;

/// Builds that are read for one client at a time.
const BUILDS_PER_READ: usize = 64;

/// A client that is told of builds, a few at a time.
#[derive(Debug)]
pub(crate) struct Listing {
    query: Query,
    /// Builds that run, the one that started first at the front.
    running: Vec<Build>,
    /// Those of them that the client was told of. They may have ended since.
    told: BTreeSet<Uuid>,
    left: u64,
}

/// What a client is to be told next.
#[derive(Debug)]
pub(crate) enum Batch {
    /// These builds, some of which have to be read first.
    Builds(Vec<Item>),
    /// Nothing for now; others are to have their turn.
    NotYet,
    /// Nothing any more.
    End,
}

impl Listing {
    /// Begins with a search for builds that have ended, and those that are under way now.
    pub(super) fn new(asked: &HistoryQuery, query: Query, under_way: impl Iterator<Item = Build>) -> Listing {
        let running = running_builds(asked, under_way);
        Listing { query, running, told: BTreeSet::new(), left: asked.limit.unwrap_or(u64::MAX) }
    }

    /// Goes on. What has ended is told as `item` says, if that still knows it.
    pub(super) fn next_batch(&mut self, index: &Index, item: impl Fn(&Listed) -> Option<Item>) -> Batch {
        let mut items = Vec::new();
        while self.left > 0 && items.len() < BUILDS_PER_READ {
            let found = index.next(&mut self.query);
            let listed = match &found {
                Found::Build(listed) => Some(listed),
                Found::NotYet if items.is_empty() => return Batch::NotYet,
                Found::NotYet => break,
                Found::End => None,
            };
            // One that has ended since may be the same.
            let is_next = |build: &mut Build| listed.is_none_or(|listed| Key::of(build) >= listed.key);
            let next = match (self.running.pop_if(is_next), listed) {
                (Some(build), _) => {
                    self.told.insert(build.uuid());
                    // It may have ended since, and the search may be past it.
                    match index.get(build.uuid()) {
                        Some(ended) => item(&ended),
                        None => Some(Item::Held(Box::new(build))),
                    }
                }
                (None, Some(listed)) => {
                    self.query.advance(listed);
                    item(listed).filter(|_| !self.told.contains(&listed.uuid))
                }
                (None, None) => break,
            };
            if let Some(next) = next {
                items.push(next);
                self.left -= 1;
            }
        }
        if items.is_empty() { Batch::End } else { Batch::Builds(items) }
    }
}
