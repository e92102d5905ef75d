//! From when to when a build ran: `SEQUENCE { started Time, finished Time }`.

use crate::time::Time;
use der_derive::Sequence;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Sequence)]
pub(super) struct Timestamps {
    pub(super) started: Time,
    pub(super) finished: Time,
}
