//! Numbers for names, so that a row need not hold them.

use builder_proto::text::Text;
use std::collections::BTreeMap;

/// Names in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    names: Vec<Text>,
    numbers: BTreeMap<Text, u32>,
}

/// What a number has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Any,
    Is(u32),
    /// No build has that name.
    Nothing,
}

impl Numbering {
    /// The number of a name, which may be new.
    pub(super) fn number(&mut self, name: &Text) -> u32 {
        let next = self.numbers.len() as u32;
        match self.numbers.get(name) {
            Some(number) => *number,
            None => {
                self.names.push(name.clone());
                *self.numbers.entry(name.clone()).or_insert(next)
            }
        }
    }

    pub(super) fn get(&self, name: &Text) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(super) fn name(&self, number: u32) -> Option<&Text> {
        self.names.get(number as usize)
    }

    pub(super) fn filter(&self, name: Option<&Text>) -> Filter {
        match name.map(|name| self.get(name)) {
            None => Filter::Any,
            Some(None) => Filter::Nothing,
            Some(Some(number)) => Filter::Is(number),
        }
    }
}

impl Filter {
    pub(super) fn fits(self, number: u32) -> bool {
        match self {
            Filter::Any => true,
            Filter::Is(wanted) => wanted == number,
            Filter::Nothing => false,
        }
    }
}
