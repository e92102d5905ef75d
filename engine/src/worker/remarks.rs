//! Console lines that the worker adds to what the job prints.

use crate::limits::REMARKS;

/// What the worker has to say about a build, one console line each; beyond [`REMARKS`] they are only counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    texts: Vec<String>,
    further: u64,
}

impl Remarks {
    /// Adds one, of which `text` is only made when there is room for it.
    pub fn add(&mut self, text: impl FnOnce() -> String) {
        if self.texts.len() < REMARKS {
            self.texts.push(text());
        } else {
            self.further = self.further.saturating_add(1);
        }
    }

    /// The lines, in the order in which they were added; the last counts those that were not kept.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let further = (self.further > 0).then(|| format!("and {} more like these", self.further));
        self.texts.iter().cloned().chain(further).map(|text| format!("builder-worker: {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_say_who_speaks() {
        let mut remarks = Remarks::default();
        remarks.add(|| "killed process 7".to_owned());
        assert_eq!(remarks.lines().collect::<Vec<_>>(), ["builder-worker: killed process 7"]);
    }

    #[test]
    fn too_many_remarks_are_counted() {
        let mut remarks = Remarks::default();
        for number in 0..REMARKS + 3 {
            remarks.add(|| number.to_string());
        }
        let lines: Vec<String> = remarks.lines().collect();
        assert_eq!(lines.len(), REMARKS + 1);
        assert_eq!(lines[REMARKS], "builder-worker: and 3 more like these");
    }
}
