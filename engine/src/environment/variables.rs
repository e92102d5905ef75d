//! The variables, checked.

use crate::limits::{ENVIRONMENT_BYTES, ENVIRONMENT_VARIABLES};
use crate::names::shown;
use builder_proto::environment::Variable;
use builder_proto::text::Text;
use core::fmt;
use std::sync::Arc;

/// Variables in the order of their names, shared by all who hold them.
///
/// ```
/// use builder_engine::environment::Environment;
/// use builder_proto::environment::Variable;
///
/// let variable = |name: &str, value: &str| Variable { name: name.into(), value: value.into() };
/// let one = Environment::new(vec![variable("B", "2"), variable("A", "1")])?;
/// let other = Environment::new(vec![variable("A", "1"), variable("B", "2")])?;
/// assert_eq!(one, other);
/// assert!(Environment::new(vec![variable("A=B", "1")]).is_err());
/// # Ok::<(), builder_engine::environment::EnvironmentError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Environment(
    /// None when there are none.
    Option<Arc<[Variable]>>,
);

/// Why variables were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentError {
    /// No shell could set a variable of this name.
    Name(Text),
    /// It is not clear which value counts.
    Twice(Text),
    /// The value holds a byte that ends it.
    Nul(Text),
    /// There are so many.
    TooMany(usize),
    /// Names and values together take so many bytes.
    TooLong(usize),
}

impl Environment {
    /// Checks variables, in whatever order they come.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with them.
    pub fn new(mut variables: Vec<Variable>) -> Result<Environment, EnvironmentError> {
        if variables.len() > ENVIRONMENT_VARIABLES {
            return Err(EnvironmentError::TooMany(variables.len()));
        }
        let length = |variable: &Variable| variable.name.as_bytes().len() + variable.value.as_bytes().len();
        match variables.iter().map(length).sum() {
            0..=ENVIRONMENT_BYTES => {}
            bytes => return Err(EnvironmentError::TooLong(bytes)),
        }
        for Variable { name, value } in &variables {
            if !is_name(name.as_bytes()) {
                return Err(EnvironmentError::Name(name.clone()));
            }
            if value.as_bytes().contains(&0) {
                return Err(EnvironmentError::Nul(name.clone()));
            }
        }
        variables.sort();
        let mut pairs = variables.iter().zip(variables.iter().skip(1));
        match pairs.find(|(one, next)| one.name == next.name) {
            Some((twice, _)) => Err(EnvironmentError::Twice(twice.name.clone())),
            None => Ok(Environment::stored(Some(&variables))),
        }
    }

    /// What a record says, which was checked before it was written.
    pub(crate) fn stored(variables: Option<&Vec<Variable>>) -> Environment {
        Environment(
            variables.filter(|variables| !variables.is_empty()).map(|list| Arc::from(list.as_slice())),
        )
    }

    /// What a record says.
    pub(crate) fn to_stored(&self) -> Option<Vec<Variable>> {
        self.0.as_ref().map(|variables| variables.to_vec())
    }

    /// The variables.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// As POSIX has names: of letters, digits and underscores, beginning with no digit.
fn is_name(bytes: &[u8]) -> bool {
    let begins = bytes.first().is_some_and(|byte| !byte.is_ascii_digit());
    begins && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnvironmentError::Name(name) if name.as_bytes().is_empty() => {
                f.write_str("a variable has no name; write NAME=VALUE")
            }
            EnvironmentError::Name(name) => write!(
                f,
                "no variable can be called {}; use letters, digits and _, and no digit at the beginning",
                shown(name)
            ),
            EnvironmentError::Twice(name) => {
                write!(f, "variable {} has two values; keep one", shown(name))
            }
            EnvironmentError::Nul(name) => {
                write!(f, "the value of variable {} holds a NUL byte, which would end it", shown(name))
            }
            EnvironmentError::TooMany(count) => {
                write!(f, "there are {count} variables; at most {ENVIRONMENT_VARIABLES}")
            }
            EnvironmentError::TooLong(bytes) => write!(
                f,
                "the variables take {bytes} bytes; at most {ENVIRONMENT_BYTES}: let the job fetch what is long"
            ),
        }
    }
}

impl core::error::Error for EnvironmentError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(variables: &[(&[u8], &[u8])]) -> Option<String> {
        let variable =
            |(name, value): &(&[u8], &[u8])| Variable { name: (*name).into(), value: (*value).into() };
        Environment::new(variables.iter().map(variable).collect()).err().map(|error| error.to_string())
    }

    #[test]
    fn names_are_those_that_a_shell_can_set() {
        for name in [&b"A"[..], b"_", b"a1", b"CARGO_HOME"] {
            assert_eq!(refusal(&[(name, b"\xff'\n")]), None, "{name:?}");
        }
        for name in [&b"1A"[..], b"A-B", b"A B", b"A=", b"\xc3\xa4", b"A\0", b"A;id"] {
            let refusal = refusal(&[(name, b"")]).unwrap_or_default();
            assert!(refusal.starts_with("no variable can be called"), "{name:?}: {refusal}");
        }
        assert_eq!(refusal(&[(b"", b"")]).as_deref(), Some("a variable has no name; write NAME=VALUE"));
    }

    #[test]
    fn what_no_environment_can_hold_is_refused() {
        let twice = refusal(&[(b"A", b"1"), (b"B", b""), (b"A", b"1")]);
        assert_eq!(twice.as_deref(), Some("variable A has two values; keep one"));
        let nul = refusal(&[(b"A", b"1\x002")]);
        assert_eq!(nul.as_deref(), Some("the value of variable A holds a NUL byte, which would end it"));
    }

    #[test]
    fn there_is_an_end_to_how_many_and_how_long() {
        let names: Vec<String> = (0..=ENVIRONMENT_VARIABLES).map(|number| format!("A{number}")).collect();
        let many: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), &b""[..])).collect();
        assert_eq!(refusal(&many[1..]), None);
        assert_eq!(refusal(&many).as_deref(), Some("there are 65 variables; at most 64"));
        let value = vec![b'x'; ENVIRONMENT_BYTES];
        assert_eq!(refusal(&[(b"A", &value[1..])]), None);
        let long = refusal(&[(b"A", &value)]).unwrap_or_default();
        assert!(long.starts_with("the variables take 16385 bytes; at most 16384"), "{long}");
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let variable = Variable { name: "A".into(), value: "1".into() };
        let environment = Environment::new(vec![variable]).unwrap();
        assert_eq!(Environment::stored(environment.to_stored().as_ref()), environment);
        assert_eq!(Environment::stored(None), Environment::default());
        assert_eq!(Environment::new(Vec::new()).unwrap(), Environment::default());
    }
}
