//! The line in the log for each build that has ended.

use crate::server::script::Script;
use crate::wording::{Excerpt, Span};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::text::Text;
use core::time::Duration;

/// Bytes of a result that the log shows. What a worker says about a job may be long, and the stored result has all of it.
const RESULT_BYTES: usize = 500;

/// Logs how a build ended; as a warning, unless the job was a success.
pub(crate) fn log_end(uuid: Uuid, script: &Script, platform: &Text, elapsed: Duration, result: &BuildResult) {
    let success = *result == BuildResult::Exited(0);
    let (name, elapsed, result) = (script.name(), Span(elapsed), result.to_string());
    let result = Excerpt(&result, RESULT_BYTES);
    if success {
        ::log::info!("job {name} on {platform} ended after {elapsed}: {result} (build {uuid})");
    } else {
        ::log::warn!("job {name} on {platform} ended after {elapsed}: {result} (build {uuid})");
    }
}
