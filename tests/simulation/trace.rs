//! What happened, as one number to compare runs by, and as text for whoever looks for a cause.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Arguments;
use std::time::Duration;

/// Lines that are kept for the report of a failure.
const KEPT_LINES: usize = 400;

/// The record of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: Cell<u64>,
    events: Cell<u64>,
    /// The last lines; none when nobody wants to read them.
    lines: Option<RefCell<VecDeque<String>>>,
    /// Whether lines are printed at once.
    printed: bool,
}

impl Trace {
    pub(crate) fn new(kept: bool, printed: bool) -> Trace {
        Trace {
            hash: Cell::new(0xcbf2_9ce4_8422_2325),
            events: Cell::new(0),
            lines: (kept || printed).then(RefCell::default),
            printed,
        }
    }

    /// Takes note of an event: its kind, and the numbers and bytes that tell it from others of its kind.
    pub(crate) fn note(&self, kind: u8, numbers: &[u64], bytes: &[u8]) {
        self.events.set(self.events.get() + 1);
        let mut hash = self.hash.get();
        let mut mix = |number: u64| {
            hash = (hash.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
        };
        mix(u64::from(kind));
        numbers.iter().copied().for_each(&mut mix);
        for chunk in bytes.chunks(8) {
            let mut number = [0; 8];
            number[..chunk.len()].copy_from_slice(chunk);
            mix(u64::from_le_bytes(number));
        }
        self.hash.set(hash);
    }

    /// Adds a line for readers, if there are any.
    pub(crate) fn say(&self, at: Duration, text: Arguments<'_>) {
        let Some(lines) = &self.lines else { return };
        let line = format!("{:>14.6} {text}", at.as_secs_f64());
        if self.printed {
            println!("{line}");
        }
        let mut lines = lines.borrow_mut();
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash.get()
    }

    pub(crate) fn events(&self) -> u64 {
        self.events.get()
    }

    pub(crate) fn last_lines(&self) -> String {
        let Some(lines) = &self.lines else { return String::new() };
        lines.borrow().iter().fold(String::new(), |text, line| text + line + "\n")
    }
}
