//! What the next worker of a platform is to run, with the template of the platform filled in.

use crate::server::admission::check_script;
use crate::server::dispatcher::template;
use crate::server::jobs::Jobs;
use builder_proto::job::{Job, ScriptJob};
use builder_proto::text::Text;

/// A job that is about to leave its queue.
pub(crate) struct Prepared {
    /// What runs; the template as it is when the script made from it would be too long.
    pub(crate) script: ScriptJob,
    pub(crate) from_template: bool,
    /// Whether a worker takes it.
    pub(crate) check: Result<(), String>,
}

impl Prepared {
    /// From the first job in the queue that can run; none when there is none.
    pub(crate) fn next(platform: &Text, jobs: &Jobs<'_>) -> Option<Prepared> {
        let template = jobs.templates.get(platform);
        Some(match (&**jobs.journal.state().queues.get(platform)?.first(template.is_some())?, template) {
            (Job::Script(script), _) => {
                let check = check_script(&script.name, script.script.as_bytes().len() as u64);
                Prepared { script: script.clone(), from_template: false, check }
            }
            (Job::OrbBuild(job), template) => {
                let template = template?;
                let check = check_script(&job.name, template::expanded_bytes(template, job, platform))
                    .map_err(|error| format!("{error} (orb-build.template.{platform} makes it so long)"));
                let script = match &check {
                    Ok(()) => template::expand(template, job, platform),
                    Err(_) => template::keep(template, job, platform),
                };
                Prepared { script, from_template: true, check }
            }
        })
    }
}
