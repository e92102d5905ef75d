//! What the next worker of a platform is to run, with the template of the platform filled in and its environment set.

use crate::environment::{Environment, EnvironmentScript};
use crate::server::admission::check_script;
use crate::server::dispatcher::template;
use crate::server::jobs::Jobs;
use builder_proto::job::{Job, OrbBuildJob, ScriptJob};
use builder_proto::text::Text;

/// A job that is about to leave its queue.
pub(crate) struct Prepared {
    /// What runs; script or template as they are when what was to be made of them cannot run.
    pub(crate) script: ScriptJob,
    /// Whether it is another script than the schedule has.
    pub(crate) is_made: bool,
    /// What it sets already.
    pub(crate) environment: Environment,
    /// Whether a worker takes it.
    pub(crate) check: Result<(), String>,
}

impl Prepared {
    /// From the first job in the queue that can run; none when there is none.
    pub(crate) fn next(platform: &Text, jobs: &Jobs<'_>) -> Option<Prepared> {
        let template = jobs.templates.get(platform);
        let place = jobs.journal.state().queues.get(platform)?.first(template.is_some())?;
        let prepared = match (&*place.job, template) {
            (Job::Script(script), _) => {
                let check = check_script(&script.name, script.script.as_bytes().len() as u64);
                Prepared {
                    script: script.clone(),
                    is_made: false,
                    environment: Environment::default(),
                    check,
                }
            }
            (Job::OrbBuild(job), template) => expanded(job, template?, platform),
        };
        Some(prepared.with(&place.environment))
    }

    /// The same in an environment.
    fn with(self, environment: &Environment) -> Prepared {
        if environment.is_empty() {
            return self;
        }
        let Prepared { mut script, check, .. } = self;
        let name = &script.name;
        let made = check.and_then(|()| {
            let made = EnvironmentScript::new(script.script.as_bytes(), environment)
                .map_err(|error| format!("the script of job {name} cannot run so: {error}"))?;
            check_script(name, made.length()).map(|()| made.to_bytes())
        });
        let check = made.map(|made| script.script = Text::from(made));
        Prepared { script, is_made: true, environment: environment.clone(), check }
    }
}

/// An orb-build job.
fn expanded(job: &OrbBuildJob, template: &[u8], platform: &Text) -> Prepared {
    let check = check_script(&job.name, template::expanded_bytes(template, job, platform))
        .map_err(|error| format!("{error} (orb-build.template.{platform} makes it so long)"));
    let script = match &check {
        Ok(()) => template::expand(template, job, platform),
        Err(_) => template::keep(template, job, platform),
    };
    Prepared { script, is_made: true, environment: Environment::default(), check }
}
