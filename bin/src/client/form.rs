//! In what form answers are printed.

use super::flags::JSON;
use crate::command_line::Matches;

/// In what form to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For people.
    People,
    /// For programs.
    Json,
}

impl Form {
    pub(super) fn of(matches: &Matches) -> Form {
        if matches.opt_present(JSON.long) { Form::Json } else { Form::People }
    }
}
