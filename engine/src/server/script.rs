//! What builds run.

use builder_proto::job::{Job, ScriptJob};
use builder_proto::text::Text;
use std::borrow::Cow;
use std::sync::Arc;

/// What a build runs: a script job of the schedule, shared with it, or an orb-build job made into a script.
#[derive(Clone, Debug)]
pub(crate) struct Script(Arc<Job>);

impl Script {
    pub(crate) fn new(job: ScriptJob) -> Script {
        Script(Arc::new(Job::Script(job)))
    }

    /// Shares a job of the schedule; none when it is an orb-build job.
    pub(crate) fn shared(job: &Arc<Job>) -> Option<Script> {
        matches!(**job, Job::Script(_)).then(|| Script(Arc::clone(job)))
    }

    pub(crate) fn name(&self) -> &Text {
        self.0.name()
    }

    pub(crate) fn job(&self) -> Cow<'_, ScriptJob> {
        match &*self.0 {
            Job::Script(job) => Cow::Borrowed(job),
            // Neither constructor lets one in; an empty script is the honest reading of it.
            Job::OrbBuild(job) => Cow::Owned(ScriptJob {
                name: job.name.clone(),
                script: Text::default(),
                platform: Text::default(),
            }),
        }
    }

    /// The bytes of the script in [`Script::job`].
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.script()
    }

    pub(crate) fn to_job(&self) -> ScriptJob {
        self.job().into_owned()
    }

    /// What is shared.
    pub(crate) fn shared_job(&self) -> &Arc<Job> {
        &self.0
    }

    pub(crate) fn is(&self, job: &Arc<Job>) -> bool {
        Arc::ptr_eq(&self.0, job)
    }
}
