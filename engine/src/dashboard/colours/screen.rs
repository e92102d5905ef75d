//! What a terminal of one line would show.

use super::style::Style;
use builder_proto::text::Visible;
use vte::{Params, Parser, Perform};

/// One line of a terminal that is as wide as it has to be.
#[derive(Debug, Default)]
pub(super) struct Screen {
    cells: Vec<Cell>,
    /// Where the next character goes: in `cells`, or at their end, or beyond what is kept.
    cursor: usize,
    /// How far the line reaches, whether or not all of it is kept.
    length: usize,
    style: Style,
    /// The most characters that are kept.
    widest: usize,
    /// Whether a character that is printed is to be noted instead of shown, and whether it was.
    probe: Probe,
}

/// A character of the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    /// Fit to be shown. [`ERASED`] where something was.
    character: char,
    pub(super) style: Style,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Probe {
    #[default]
    None,
    Waiting,
    Printed,
}

/// Never printed, as it is no character that is fit to be shown.
const ERASED: char = '\0';
const ESCAPE: char = '\x1b';

impl Cell {
    pub(super) fn character(&self) -> char {
        if self.character == ERASED { ' ' } else { self.character }
    }
}

impl Screen {
    /// Shows a line, of which so many characters are kept.
    pub(super) fn show(line: &[u8], widest: usize) -> Screen {
        let text = String::from_utf8_lossy(line);
        let mut screen = Screen { widest, ..Screen::default() };
        let mut parser = Parser::new();
        parser.advance(&mut screen, text.as_bytes());
        // A letter is printed only where no sequence has begun.
        screen.probe = Probe::Waiting;
        parser.advance(&mut screen, b"x");
        let is_whole = core::mem::take(&mut screen.probe) == Probe::Printed;
        // The escape character ends whatever went before, so the last one begins what has no end.
        if let Some(start) = text.rfind(ESCAPE).filter(|_| !is_whole) {
            screen.cursor = screen.length;
            text.get(start..).unwrap_or_default().chars().for_each(|character| screen.put_visibly(character));
        }
        while screen.cells.pop_if(|cell| cell.character == ERASED).is_some() {}
        screen
    }

    /// Whether there is more than is kept.
    pub(super) fn is_cut(&self) -> bool {
        self.length > self.widest
    }

    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// Erases part of the line, as a terminal does it: what is behind the cursor, what is before it, or all.
    fn erase(&mut self, part: u16) {
        if matches!(part, 0 | 2) {
            self.cells.truncate(self.cursor);
            self.length = self.cursor;
        }
        if matches!(part, 1 | 2) {
            let before = self.cells.len().min(self.cursor.saturating_add(1));
            let cells = self.cells.get_mut(..before).unwrap_or_default();
            cells.fill(Cell { character: ERASED, style: Style::default() });
        }
    }

    fn put(&mut self, character: char) {
        let cell = Cell { character, style: self.style };
        let has_room = self.cells.len() < self.widest;
        match self.cells.get_mut(self.cursor) {
            Some(known) => *known = cell,
            None if has_room => self.cells.push(cell),
            None => {}
        }
        self.cursor = self.cursor.saturating_add(1);
        self.length = self.length.max(self.cursor);
    }

    fn put_visibly(&mut self, character: char) {
        if Visible(character).is_escaped() {
            Visible(character).to_string().chars().for_each(|character| self.put(character));
        } else {
            self.put(character);
        }
    }
}

impl Perform for Screen {
    fn print(&mut self, character: char) {
        if self.probe == Probe::None {
            self.put_visibly(character);
        } else {
            self.probe = Probe::Printed;
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.cursor = 0,
            0x08 => self.cursor = self.cursor.saturating_sub(1),
            b'\t' => self.put('\t'),
            _ => self.put_visibly(char::from(byte)),
        }
    }

    /// Of all sequences, those are obeyed that are about this line: how text looks, and what programs do to write over what
    /// they have written.
    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        if ignore || !intermediates.is_empty() {
            return;
        }
        let first = params.iter().next().and_then(|parameter| parameter.first().copied()).unwrap_or_default();
        match action {
            'm' => self.style.select(params),
            'K' => self.erase(first),
            'G' => {
                let column = usize::from(first.saturating_sub(1));
                self.cursor = column.min(self.cells.len());
            }
            _ => {}
        }
    }
}
