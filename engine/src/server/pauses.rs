//! Where no jobs are handed out, because somebody said so.

use crate::server::record::{Pause, Record};
use builder_proto::text::Text;
use std::collections::BTreeSet;

/// The paused platforms, and whether all of the server is drained. Both last until somebody ends them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pauses {
    everywhere: bool,
    platforms: BTreeSet<Text>,
}

impl Pauses {
    pub(crate) fn apply_paused(&mut self, pause: &Pause) {
        match &pause.platform {
            Some(platform) => drop(self.platforms.insert(platform.clone())),
            None => self.everywhere = true,
        }
    }

    pub(crate) fn apply_resumed(&mut self, pause: &Pause) {
        match &pause.platform {
            Some(platform) => self.forget(platform),
            None => self.everywhere = false,
        }
    }

    /// A platform that is gone is not paused any longer.
    pub(crate) fn forget(&mut self, platform: &Text) {
        self.platforms.remove(platform);
    }

    /// Whether nothing is handed out anywhere.
    pub(crate) fn is_draining(&self) -> bool {
        self.everywhere
    }

    /// Whether this platform is paused by itself.
    pub(crate) fn is_paused(&self, platform: &Text) -> bool {
        self.platforms.contains(platform)
    }

    /// Whether the jobs of a platform have to wait.
    pub(crate) fn hold(&self, platform: &Text) -> bool {
        self.everywhere || self.is_paused(platform)
    }

    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Record> + '_ {
        let everywhere = self.everywhere.then_some(Pause { platform: None });
        let platforms = self.platforms.iter().map(|platform| Pause { platform: Some(platform.clone()) });
        everywhere.into_iter().chain(platforms).map(Record::Paused)
    }
}
