//! Places in queues: a job has one for each environment.

use builder_proto::environment::Variable;
use builder_proto::job::ScriptJob;
use builder_proto::text::Text;
use std::fmt;

/// The variable that some runs find in their environment.
pub(crate) const VARIABLE: &str = "RUN";

/// Where a job waits or runs, or is to run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) platform: Text,
    /// What its environment has under [`VARIABLE`].
    pub(super) value: Option<Text>,
}

impl Place {
    pub(super) fn new(platform: &Text, environment: &[Variable]) -> Place {
        Place { platform: platform.clone(), value: value_of(environment) }
    }

    /// Where a script runs that was handed out.
    pub(super) fn of_script(script: &ScriptJob) -> Place {
        Place { platform: script.platform.clone(), value: without_variable(script).0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => write!(f, "{}", self.platform),
            Some(value) => write!(f, "{} with {VARIABLE}={value}", self.platform),
        }
    }
}

/// What an environment has under [`VARIABLE`].
pub(super) fn value_of(environment: &[Variable]) -> Option<Text> {
    environment.first().map(|variable| variable.value.clone())
}

/// The value that a script sets the variable of its run to, and the script without that.
pub(super) fn without_variable(script: &ScriptJob) -> (Option<Text>, ScriptJob) {
    let text = String::from_utf8_lossy(script.script.as_bytes());
    let export = format!("export {VARIABLE}='");
    let Some((before, rest)) = text.split_once(&export) else { return (None, script.clone()) };
    let Some((value, after)) = rest.split_once("'\n") else { return (None, script.clone()) };
    let without = ScriptJob { script: format!("{before}{after}").into(), ..script.clone() };
    (Some(value.into()), without)
}
