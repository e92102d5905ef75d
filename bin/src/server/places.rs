//! How many connections, builds and observers the descriptors of this process allow.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors kept for log, listeners, templates and what else is opened in passing.
const SPARE_DESCRIPTORS: u64 = 64;
/// Files of a build that prints and is stored: its console and its result.
const FILES_PER_BUILD: u64 = 2;

/// Who has a place. Together they never need more descriptors than there are, so that no build fails for want of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// Connections of all kinds: most of them wait, and need nothing but their socket.
    pub(crate) connections: usize,
    /// Builds that are under way.
    pub(crate) builds: usize,
    /// Observers: of stored results, or of builds that have ended before they had seen everything.
    pub(crate) observers: usize,
}

impl Places {
    /// Raises the number of descriptors as far as the system lets us, and shares them out.
    pub(crate) fn secure() -> Places {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, ..limit };
        // What counts is the limit that there is afterwards, even when there was nothing to raise: FreeBSD gives no process
        // more than kern.maxfilesperproc, whatever its limit says, and lowers the limit to that when it is set.
        let _ = setrlimit(Resource::Nofile, raised);
        Places::among(getrlimit(Resource::Nofile).current.unwrap_or(u64::from(u32::MAX)))
    }

    /// Three fifths for connections, a quarter for the files of builds, an eighth for observers.
    fn among(descriptors: u64) -> Places {
        let descriptors = descriptors.saturating_sub(SPARE_DESCRIPTORS);
        let places = |count: u64| usize::try_from(count).unwrap_or(usize::MAX).max(1);
        Places {
            connections: places(descriptors / 5 * 3),
            builds: places(descriptors / 4 / FILES_PER_BUILD),
            observers: places(descriptors / 8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_places_together_need_no_more_descriptors_than_there_are() {
        for descriptors in [128, 256, 1024, 20_000, u64::from(u32::MAX)] {
            let Places { connections, builds, observers } = Places::among(descriptors);
            let needed = connections as u64 + FILES_PER_BUILD * builds as u64 + observers as u64;
            assert!(needed + SPARE_DESCRIPTORS <= descriptors, "{descriptors} descriptors, {needed} needed");
        }
        assert_eq!(Places::among(20_000), Places { connections: 11_961, builds: 2492, observers: 2492 });
        assert_eq!(Places::among(0), Places { connections: 1, builds: 1, observers: 1 });
    }
}
