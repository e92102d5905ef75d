//! Where no jobs may be handed out, as far as that is known.

use super::observation::Observation;
use builder_proto::command::Command;
use builder_proto::text::Text;
use std::collections::BTreeMap;

/// What may be paused, and may not be: platforms, and everything at once.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    places: BTreeMap<Place, Vec<bool>>,
    /// How often that may have changed, and what this was when each place changed last.
    clock: u64,
    changed: BTreeMap<Place, u64>,
}

/// A platform, or none for all of them.
type Place = Option<Text>;

impl Pauses {
    /// A command is about to be given, and may take effect from now on.
    pub(super) fn begin(&mut self, command: &Command) {
        let Some((place, after)) = effect(command) else { return };
        self.touch(&place);
        let possible = self.places.entry(place).or_insert_with(|| vec![false]);
        if !possible.contains(&after) {
            possible.push(after);
        }
    }

    /// A command has taken effect, or was refused as it would change nothing.
    pub(super) fn answered(&mut self, command: &Command, answer: &Command) {
        let Some((place, after)) = effect(command) else { return };
        self.touch(&place);
        match answer {
            Command::Success => drop(self.places.insert(place, vec![after])),
            Command::Failure(text) if changes_nothing(&text.to_string()) => {
                self.places.insert(place, vec![false]);
            }
            _ => {}
        }
    }

    /// Holds what a start found against what has to be so.
    pub(super) fn settle(&mut self, observed: &Observation) -> Result<(), String> {
        for (place, possible) in &mut self.places {
            let paused = observed.paused.contains(place);
            if !possible.contains(&paused) {
                return Err(format!("{place:?} is paused: {paused}, contrary to what was answered"));
            }
            *possible = vec![paused];
        }
        Ok(())
    }

    /// Nothing is handed out where somebody was told so.
    pub(super) fn check(&self, platform: &Text) -> Result<(), String> {
        let holds = |place: &Place| self.places.get(place).is_some_and(|possible| *possible == [true]);
        match holds(&None) || holds(&Some(platform.clone())) {
            true => Err(format!("a job is handed out on {platform}, where that was paused")),
            false => Ok(()),
        }
    }

    fn touch(&mut self, place: &Place) {
        self.clock += 1;
        self.changed.insert(place.clone(), self.clock);
    }

    /// Grows whenever something may have changed.
    pub(super) fn clock(&self) -> u64 {
        self.clock
    }

    /// Whether a platform, or everything, has been paused ever since then, or has not, if that is known.
    pub(super) fn known_since(&self, platform: Option<&Text>, clock: u64) -> Option<bool> {
        let place = platform.cloned();
        let is_certain = self.changed.get(&place).is_none_or(|changed| *changed <= clock);
        match self.places.get(&place).map(Vec::as_slice) {
            None if is_certain => Some(false),
            Some([only]) if is_certain => Some(*only),
            _ => None,
        }
    }

    /// What may still be paused.
    pub(super) fn possible(&self) -> Option<Place> {
        let mut possible = self.places.iter().filter(|(_, possible)| possible.contains(&true));
        possible.next().map(|(place, _)| place.clone())
    }
}

/// Where a command pauses what was not, or the opposite.
fn effect(command: &Command) -> Option<(Place, bool)> {
    match command {
        Command::Pause(platform) => Some((Some(platform.clone()), true)),
        Command::DropPlatform(platform) => Some((Some(platform.clone()), false)),
        Command::Resume { platform } => Some((platform.clone(), false)),
        Command::Drain { .. } => Some((None, true)),
        _ => None,
    }
}

/// Whether a refusal says that there is no such platform, or that it is not paused.
fn changes_nothing(refusal: &str) -> bool {
    ["unknown platform", "is not paused", "is not draining"].iter().any(|words| refusal.contains(words))
}
