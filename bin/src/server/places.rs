//! The descriptors that this process may have.

use crate::server::reasons::StartError;
use builder_engine::driver::DescriptorBudget;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of descriptors as far as the system lets us, and shares them out.
///
/// # Errors
///
/// When there are so few that the server could not serve anybody.
pub(crate) fn secure() -> Result<DescriptorBudget, StartError> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    // What counts is the limit that there is afterwards, even when there was nothing to raise: FreeBSD gives no process more
    // than kern.maxfilesperproc, whatever its limit says, and lowers the limit to that when it is set.
    let _ = setrlimit(Resource::Nofile, raised);
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::from(u32::MAX));
    let fewest = DescriptorBudget::FEWEST_DESCRIPTORS;
    DescriptorBudget::among(descriptors).ok_or(StartError::Descriptors { limit: descriptors, fewest })
}
