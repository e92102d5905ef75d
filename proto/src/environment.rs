//! Variables that a person adds to the environment of one run of a job.

use crate::text::Text;
use der_derive::Sequence;

/// A variable of the environment.
///
/// ```
/// use builder_proto::environment::Variable;
///
/// let variable = Variable { name: "COMMIT".into(), value: "0123abc".into() };
/// assert_eq!(variable.to_string(), "COMMIT=0123abc");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Sequence)]
pub struct Variable {
    /// The name.
    pub name: Text,
    /// What it is set to: any bytes.
    pub value: Text,
}

impl core::fmt::Display for Variable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}
