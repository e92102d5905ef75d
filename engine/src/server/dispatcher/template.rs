//! Templates: how an orb-build job becomes a script.

use builder_proto::job::{OrbBuildJob, ScriptJob};
use builder_proto::text::Text;

/// Replaced by the opam package of the job.
const PACKAGE: &[u8] = b"%%OPAM_PACKAGE%%";
/// Replaced by the platform of the worker.
const PLATFORM: &[u8] = b"%%PLATFORM%%";

/// Makes the script that builds the package on the platform. What is put in is not searched for placeholders again.
pub(crate) fn expand(template: &[u8], job: &OrbBuildJob, platform: &Text) -> ScriptJob {
    let pieces: Vec<&[u8]> = pieces(template, job, platform).collect();
    script_job(pieces.concat(), job, platform)
}

/// Makes a script of the template as it is, to show what would have been expanded.
pub(crate) fn keep(template: &[u8], job: &OrbBuildJob, platform: &Text) -> ScriptJob {
    script_job(template.to_vec(), job, platform)
}

fn script_job(script: Vec<u8>, job: &OrbBuildJob, platform: &Text) -> ScriptJob {
    ScriptJob { name: job.name.clone(), script: Text::from(script), platform: platform.clone() }
}

/// Bytes of the script that [`expand`] makes, which can be any number of times those of the template.
pub(crate) fn expanded_bytes(template: &[u8], job: &OrbBuildJob, platform: &Text) -> u64 {
    pieces(template, job, platform).map(|piece| piece.len() as u64).sum()
}

/// What the script consists of: parts of the template, and in between what its placeholders stand for.
fn pieces<'a>(
    template: &'a [u8],
    job: &'a OrbBuildJob,
    platform: &'a Text,
) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = template;
    core::iter::from_fn(move || {
        for (placeholder, value) in [(PACKAGE, &job.opam_package), (PLATFORM, platform)] {
            if let Some(after) = rest.strip_prefix(placeholder) {
                rest = after;
                return Some(value.as_bytes());
            }
        }
        // A piece ends before the next byte that may begin a placeholder.
        let (_, behind) = rest.split_first()?;
        let length = behind.iter().position(|byte| *byte == b'%').map_or(rest.len(), |place| place + 1);
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(template: &str, package: &str) -> String {
        let job = OrbBuildJob { name: "job".into(), opam_package: package.into() };
        let (template, platform) = (template.as_bytes(), "freebsd-13".into());
        let script = expand(template, &job, &platform).script;
        assert_eq!(expanded_bytes(template, &job, &platform), script.as_bytes().len() as u64);
        script.to_string()
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
