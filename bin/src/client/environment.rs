//! The variables of `--env`.

use super::flags::ENV;
use crate::command_line::{Matches, UsageError, values};
use builder_engine::environment::Environment;
use builder_proto::environment::Variable;
use std::str::FromStr;

/// What follows one `--env`.
struct Given(Variable);

impl FromStr for Given {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Given, &'static str> {
        let (name, value) = word.split_once('=').ok_or("there is no =; write NAME=VALUE")?;
        Ok(Given(Variable { name: name.into(), value: value.into() }))
    }
}

/// All variables that were given, which are fit for a job.
pub(super) fn variables(matches: &Matches) -> Result<Vec<Variable>, UsageError> {
    let given = values::<Given>(matches, ENV.long)?;
    let variables: Vec<Variable> = given.into_iter().map(|Given(variable)| variable).collect();
    Environment::new(variables.clone())
        .map_err(|error| UsageError::new(format_args!("--{}: {error}", ENV.long)))?;
    Ok(variables)
}
