//! How many connections, builds and observers the descriptors of a process allow.

/// Descriptors kept for log, listeners, templates and what else is opened in passing. Where there are few, three quarters of
/// them have to do: with nothing to do the server has fourteen files open.
const SPARE_DESCRIPTORS: u64 = 64;
/// Files of a build that prints and is stored: its console and its result.
const FILES_PER_BUILD: u64 = 2;
/// The most connections, however many descriptors there are. Each takes some memory; SECURITY.md adds it up.
const MOST_CONNECTIONS: usize = 40_000;
/// The most builds, and the most observers. These take more: a line of a console that has not arrived as a whole, or lines
/// that have not been sent.
const MOST_BUILDS: usize = 1024;
const MOST_OBSERVERS: usize = 1024;

/// Who may have descriptors. Together they never need more than there are, so that no build fails for want of one.
///
/// ```
/// use builder_engine::driver::DescriptorBudget;
///
/// let budget = DescriptorBudget::among(1024).expect("there are enough");
/// assert_eq!((budget.connections, budget.builds, budget.observers), (576, 120, 120));
/// assert_eq!(DescriptorBudget::among(16), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorBudget {
    /// Connections of all kinds: most of them wait, and need nothing but their socket.
    pub connections: usize,
    /// Builds that are under way.
    pub builds: usize,
    /// Observers: of stored results, or of builds that have ended before they had seen everything.
    pub observers: usize,
}

impl DescriptorBudget {
    /// The fewest descriptors with which there is a place for a connection, a build and an observer.
    pub const FEWEST_DESCRIPTORS: u64 = 32;

    /// Shares so many descriptors out: three fifths for connections, a quarter for the files of builds, an eighth for
    /// observers. None when there are so few that the server could not serve anybody.
    pub fn among(descriptors: u64) -> Option<DescriptorBudget> {
        if descriptors < DescriptorBudget::FEWEST_DESCRIPTORS {
            return None;
        }
        let descriptors = descriptors - spare(descriptors);
        let places = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Some(DescriptorBudget {
            connections: places(descriptors.saturating_mul(3) / 5).min(MOST_CONNECTIONS),
            builds: places(descriptors / 4 / FILES_PER_BUILD).min(MOST_BUILDS),
            observers: places(descriptors / 8).min(MOST_OBSERVERS),
        })
    }
}

/// Descriptors of so many that are kept for other things than peers and builds.
fn spare(descriptors: u64) -> u64 {
    SPARE_DESCRIPTORS.min(descriptors / 4 * 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(descriptors: u64) -> DescriptorBudget {
        DescriptorBudget::among(descriptors).unwrap()
    }

    #[test]
    fn all_together_need_no_more_descriptors_than_there_are() {
        for descriptors in [DescriptorBudget::FEWEST_DESCRIPTORS, 128, 256, 1024, 20_000, u64::from(u32::MAX)]
        {
            let DescriptorBudget { connections, builds, observers } = budget(descriptors);
            let needed = connections as u64 + FILES_PER_BUILD * builds as u64 + observers as u64;
            assert!(needed + spare(descriptors) <= descriptors, "{descriptors} descriptors, {needed} needed");
        }
        assert_eq!(DescriptorBudget::among(31), None);
        assert_eq!(budget(32), DescriptorBudget { connections: 4, builds: 1, observers: 1 });
        assert_eq!(budget(1024), DescriptorBudget { connections: 576, builds: 120, observers: 120 });
        assert_eq!(budget(20_000), DescriptorBudget { connections: 11_961, builds: 1024, observers: 1024 });
        let most = DescriptorBudget { connections: 40_000, builds: 1024, observers: 1024 };
        assert_eq!(budget(u64::MAX >> 2), most, "as on FreeBSD, where many descriptors are usual");
    }
}
