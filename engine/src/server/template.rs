//! Templates: how an orb-build job becomes a script.

use builder_proto::job::{OrbBuildJob, ScriptJob};
use builder_proto::text::Text;

/// Replaced by the opam package of the job.
const PACKAGE: &[u8] = b"%%OPAM_PACKAGE%%";
/// Replaced by the platform of the worker.
const PLATFORM: &[u8] = b"%%PLATFORM%%";

/// Makes the script that builds the package on the platform. What is put in is not searched for placeholders again.
pub(crate) fn expand(template: &[u8], job: &OrbBuildJob, platform: &Text) -> ScriptJob {
    let mut script = Vec::with_capacity(template.len());
    let mut rest = template;
    while let Some((&first, behind)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(PACKAGE) {
            script.extend_from_slice(job.opam_package.as_bytes());
            rest = after;
        } else if let Some(after) = rest.strip_prefix(PLATFORM) {
            script.extend_from_slice(platform.as_bytes());
            rest = after;
        } else {
            script.push(first);
            rest = behind;
        }
    }
    ScriptJob { name: job.name.clone(), script: Text::from(script), platform: platform.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(template: &str, package: &str) -> String {
        let job = OrbBuildJob { name: "job".into(), opam_package: package.into() };
        expand(template.as_bytes(), &job, &"freebsd-13".into()).script.to_string()
    }

    #[test]
    fn every_placeholder_is_replaced() {
        assert_eq!(
            script("%%OPAM_PACKAGE%% on %%PLATFORM%%, %%OPAM_PACKAGE%%", "dune"),
            "dune on freebsd-13, dune"
        );
    }

    #[test]
    fn what_is_put_in_is_not_replaced_again() {
        assert_eq!(script("%%OPAM_PACKAGE%%", "%%PLATFORM%%"), "%%PLATFORM%%");
    }

    #[test]
    fn half_a_placeholder_stays() {
        assert_eq!(script("%%PLATFORM% %%%PLATFORM%%", "x"), "%%PLATFORM% %freebsd-13");
    }
}
