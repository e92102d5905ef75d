//! What clients are told of builds: which there are, and where the rest of each is.

use super::History;
use crate::driver::files::Files;
use crate::driver::history_file::{HistoryFile, told};
use crate::driver::history_tasks::{Item, Recall};
use crate::driver::listing::{Batch, Listing};
use crate::history::{EndedBuild, Listed, Place};
use crate::server::State;
use builder_proto::Uuid;
use builder_proto::history::{Build, HistoryQuery};

impl<F: Files> History<F> {
    /// Builds that are not finished, and those of which nobody may hear yet that they are.
    pub(in crate::driver) fn under_way<'a>(&'a self, state: &'a State) -> impl Iterator<Item = Build> + 'a {
        // Both are in the order of uuids, so that those that wait for the file, which the index has, cost little.
        let mut waiting = self.waiting.iter().peekable();
        let finished = state.ended_builds().filter(move |ended| {
            let uuid = ended.uuid();
            while waiting.next_if(|waiting| **waiting < uuid).is_some() {}
            waiting.peek() != Some(&&uuid)
                && state.name_of_build(uuid).is_none()
                && self.index.get(uuid).is_none()
        });
        state.builds_under_way().chain(finished.map(|ended| Build { end: None, ..ended.build.clone() }))
    }

    /// Begins to tell a client of builds.
    pub(in crate::driver) fn list(&self, query: &HistoryQuery, state: &State) -> Listing {
        Listing::new(query, self.index.search(query), self.under_way(state))
    }

    /// What a client is to be told next.
    pub(in crate::driver) fn next_batch(&self, listing: &mut Listing, state: &State) -> Batch {
        listing.next_batch(&self.index, |listed| self.item(listed, state))
    }

    fn item(&self, listed: &Listed, state: &State) -> Option<Item> {
        match listed.place {
            Place::File(place) => Some(Item::Stored { place, removed: listed.removed }),
            Place::Memory => {
                let ended = self.held(listed.uuid, state)?;
                Some(Item::Held(Box::new(told(ended.build.clone(), listed.removed))))
            }
        }
    }

    /// A build that the file does not have.
    fn held<'a>(&'a self, uuid: Uuid, state: &'a State) -> Option<&'a EndedBuild> {
        state.ended_build(uuid).or_else(|| self.found.iter().find(|found| found.uuid() == uuid))
    }

    /// What is known of a build, or where it is to be read; none when the history does not have it.
    pub(in crate::driver) fn recall(&self, uuid: Uuid, state: &State) -> Option<Recall<F>> {
        let listed = self.index.get(uuid)?;
        match listed.place {
            Place::File(place) => {
                let HistoryFile { file, position, .. } = self.file.clone()?;
                Some(Recall::Stored { file, salt: position.salt(), place, removed: listed.removed })
            }
            Place::Memory => {
                let mut ended = self.held(uuid, state)?.clone();
                ended.build = told(ended.build, listed.removed);
                Some(Recall::Held(Box::new(ended)))
            }
        }
    }
}
