//! Which jobs can be kept and handed out, whatever else the server holds.

use crate::limits::{OPAM_PACKAGE_BYTES, SCRIPT_BYTES};
use crate::names::{NameKind, check_name};
use builder_proto::job::Job;
use builder_proto::text::Text;

/// Refuses a job that could not be stored under its name, fit into the log or be sent to a worker, with the reason for people.
pub(crate) fn check_job(job: &Job) -> Result<(), String> {
    check_name(NameKind::Job, job.name()).map_err(|error| error.to_string())?;
    match job {
        Job::Script(script) => {
            check_name(NameKind::Platform, &script.platform).map_err(|error| error.to_string())?;
            check_script(&script.name, script.script.as_bytes().len() as u64)
        }
        Job::OrbBuild(orb_build) => match orb_build.opam_package.as_bytes().len() {
            0..=OPAM_PACKAGE_BYTES => Ok(()),
            bytes => Err(format!(
                "the opam package of job {} is {bytes} bytes long; at most {OPAM_PACKAGE_BYTES}",
                orb_build.name
            )),
        },
    }
}

/// Whether workers of the platform may run the job, as far as it says itself.
pub(crate) fn runs_on(job: &Job, platform: &Text) -> bool {
    match job {
        Job::Script(script) => script.platform == *platform,
        Job::OrbBuild(_) => true,
    }
}

/// Refuses a script, of that many bytes, that no worker would take.
pub(crate) fn check_script(job: &Text, bytes: u64) -> Result<(), String> {
    match bytes {
        0..=SCRIPT_BYTES => Ok(()),
        _ => Err(format!(
            "the script of job {job} is {bytes} bytes long; at most {SCRIPT_BYTES}: let it fetch what is large"
        )),
    }
}
