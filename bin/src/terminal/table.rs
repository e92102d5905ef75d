//! Rows of cells that fit a terminal.

use super::{Look, Palette};
use std::fmt;

/// What becomes of a column when a line is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It stays as it is: half of a uuid is none.
    Whole,
    /// Its long cells are cut off.
    Cut,
    /// Its long cells go on below: half of a name is another one.
    Wrap,
    /// It goes, as others say nearly the same or more; the one with the lowest number goes first.
    Drop(u8),
}

/// Cells that are cut off keep so many characters.
const SHORTEST_CELL: usize = 8;
/// Cells that go on below have so many characters on a line before other columns go.
const WRAPPED_CELL: usize = 32;
/// Between two columns, and in front of the first one.
const GAP: &str = "  ";

/// What stands in a column of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    look: Option<Look>,
}

impl Cell {
    /// Text that stands out, or back.
    pub(crate) fn new(text: impl fmt::Display, look: Look) -> Cell {
        Cell { text: text.to_string(), look: Some(look) }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell { text, look: None }
    }
}

/// Rows of cells, printed below each other; nothing without rows.
pub(crate) struct Table<const COLUMNS: usize> {
    palette: Palette,
    /// How many characters a line may have; `None` where it may have any number.
    line: Option<usize>,
    fits: [Fit; COLUMNS],
    /// The first one holds the heads.
    rows: Vec<[Cell; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table with these heads.
    pub(crate) fn new(
        palette: Palette,
        line: Option<usize>,
        columns: [(&str, Fit); COLUMNS],
    ) -> Table<COLUMNS> {
        let heads = columns.map(|(head, _)| Cell::from(head.to_owned()));
        Table { palette, line, fits: columns.map(|(_, fit)| fit), rows: vec![heads] }
    }

    pub(crate) fn push(&mut self, row: [impl Into<Cell>; COLUMNS]) {
        self.rows.push(row.map(Into::into));
    }

    /// Whether nothing has to give way.
    pub(crate) fn fits(&self) -> bool {
        self.line.is_none_or(|line| length(&self.full_widths()) <= line)
    }

    fn full_widths(&self) -> [Option<usize>; COLUMNS] {
        let mut widths = [Some(0); COLUMNS];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = Some(cell.width()).max(*width);
            }
        }
        widths
    }

    /// How wide each column is; none of them if it goes.
    fn widths(&self) -> [Option<usize>; COLUMNS] {
        let mut widths = self.full_widths();
        let Some(line) = self.line else { return widths };
        for (column, width) in widths.iter_mut().enumerate() {
            let mut cells = self.rows.iter().skip(1).filter_map(|row| row.get(column));
            *width = width.filter(|_| cells.any(|cell| !cell.text.is_empty()));
        }
        let usable = widths;
        if length(&widths) > line {
            for (width, _) in widths.iter_mut().zip(self.fits).filter(|(_, fit)| *fit == Fit::Wrap) {
                *width = width.map(|width| width.min(WRAPPED_CELL));
            }
        }
        while length(&widths) > line {
            let droppable = widths.iter_mut().zip(self.fits).filter_map(|(width, fit)| match fit {
                Fit::Drop(rank) if width.is_some() => Some((rank, width)),
                _ => None,
            });
            match droppable.min_by_key(|(rank, _)| *rank) {
                Some((_, width)) => *width = None,
                None => break,
            }
        }
        // What went early may be so short that it fits.
        let mut gone: Vec<(u8, usize)> = Vec::new();
        for (column, (width, fit)) in widths.iter().zip(self.fits).enumerate() {
            match fit {
                Fit::Drop(rank) if width.is_none() => gone.push((rank, column)),
                _ => {}
            }
        }
        gone.sort_by(|one, other| other.cmp(one));
        for (_, column) in gone {
            let mut more = widths;
            let full = usable.get(column).copied().flatten();
            more.iter_mut().skip(column).take(1).for_each(|width| *width = full);
            if length(&more) <= line {
                widths = more;
            }
        }
        // The widest one gives way, character by character, so that none is cut off while another is much wider.
        while length(&widths) > line {
            let can_shrink =
                widths.iter_mut().zip(self.fits).filter(|(_, fit)| matches!(fit, Fit::Cut | Fit::Wrap));
            let widest = can_shrink.filter_map(|(width, _)| width.as_mut()).max_by_key(|width| **width);
            match widest {
                Some(width) if *width > SHORTEST_CELL => *width -= 1,
                _ => break,
            }
        }
        // What is left over.
        let spare = line.saturating_sub(length(&widths));
        for ((width, usable), fit) in widths.iter_mut().zip(usable).zip(self.fits) {
            if let (Fit::Wrap, Some(width), Some(usable)) = (fit, width, usable) {
                *width = usable.min(*width + spare);
                break;
            }
        }
        widths
    }

    /// The rows that a row takes: in those below the first, what its long cells go on with.
    fn wrapped(&self, row: &[Cell; COLUMNS], widths: &[Option<usize>; COLUMNS]) -> Vec<[Cell; COLUMNS]> {
        let mut rows = Vec::new();
        let mut rest = row.clone();
        loop {
            let mut below = [(); COLUMNS].map(|()| Cell::from(String::new()));
            for (((cell, below), width), fit) in rest.iter_mut().zip(&mut below).zip(widths).zip(self.fits) {
                if let (Fit::Wrap, Some(width)) = (fit, *width) {
                    let (text, more) = split(&cell.text, width);
                    *below = Cell { text: more.to_owned(), ..*cell };
                    cell.text = text.to_owned();
                }
            }
            rows.push(core::mem::replace(&mut rest, below));
            if rest.iter().all(|cell| cell.text.is_empty()) {
                return rows;
            }
        }
    }

    /// The cell, cut off when it is too wide.
    fn cut(&self, cell: &Cell, width: usize) -> Cell {
        if cell.width() <= width {
            return cell.clone();
        }
        let mark = if self.palette.has_signs() { "…" } else { ".." };
        let kept = width.saturating_sub(mark.chars().count());
        Cell { text: cell.text.chars().take(kept).chain(mark.chars()).collect(), ..*cell }
    }

    /// The cells of a row beside each other, without spaces at the end, which colours would turn into something.
    fn line(&self, row: &[Cell; COLUMNS], widths: &[Option<usize>; COLUMNS]) -> String {
        let (mut line, mut spaces) = (String::new(), 0);
        for (width, cell) in widths.iter().zip(row) {
            let Some(width) = *width else { continue };
            spaces += GAP.len();
            let cell = self.cut(cell, width);
            let spaces_behind = width.saturating_sub(cell.width());
            if cell.text.is_empty() {
                spaces += spaces_behind;
                continue;
            }
            line.push_str(&" ".repeat(spaces));
            match cell.look {
                Some(look) => line.push_str(&self.palette.paint(look, &cell.text).to_string()),
                None => line.push_str(&cell.text),
            }
            spaces = spaces_behind;
        }
        line
    }
}

/// As much of a text as fits, up to a hyphen or a space if that is not far away, and the rest.
fn split(text: &str, width: usize) -> (&str, &str) {
    let Some((end, _)) = text.char_indices().nth(width.max(1)) else { return (text, "") };
    let (fits, _) = text.split_at(end);
    let end = match fits.rfind(['-', ' ']) {
        Some(at) if at + 1 > end / 2 => at + 1,
        _ => end,
    };
    let (line, rest) = text.split_at(end);
    (line.trim_end(), rest)
}

/// Characters in a line of columns of these widths.
fn length(widths: &[Option<usize>]) -> usize {
    widths.iter().flatten().map(|width| width + GAP.len()).sum()
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.len() <= 1 {
            return Ok(());
        }
        let widths = self.widths();
        for (number, row) in self.rows.iter().enumerate() {
            for row in self.wrapped(row, &widths) {
                let line = self.line(&row, &widths);
                match number {
                    0 => writeln!(f, "{}", self.palette.paint(Look::Aside, line))?,
                    _ => writeln!(f, "{line}")?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(line: Option<usize>, palette: Palette) -> String {
        let columns = [("A", Fit::Cut), ("LONG", Fit::Drop(0)), ("B", Fit::Cut), ("ID", Fit::Whole)];
        let mut table = Table::new(palette, line, columns);
        table.push(["büild-of-something", "x", "another-thing", "0123456789"].map(str::to_owned));
        table.push(["y", "", "", "z"].map(str::to_owned));
        table.to_string()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(Table::new(Palette::PLAIN, Some(80), [("A", Fit::Whole)]).to_string(), "");
        let expected = "  A                   LONG  B              ID
  büild-of-something  x     another-thing  0123456789
  y                                        z
";
        assert_eq!(table(None, Palette::PLAIN), expected);
        assert_eq!(table(Some(53), Palette::PLAIN), expected);
    }

    #[test]
    fn columns_go_in_the_order_of_their_numbers_and_colours_shift_nothing() {
        let columns = [("A", Fit::Drop(1)), ("B", Fit::Drop(0)), ("C", Fit::Whole)];
        let table = |line: usize| {
            let mut table = Table::new(Palette::COLOURED, Some(line), columns);
            table.push([Cell::new("bad", Look::Bad), "b".to_owned().into(), Cell::new("good", Look::Good)]);
            table.push(["", "b", ""].map(str::to_owned));
            assert_eq!(table.fits(), line >= 14);
            table.to_string()
        };
        let (bad, good) = ("\x1b[31mbad\x1b[0m", "\x1b[32mgood\x1b[0m");
        let head = |text: &str| format!("\x1b[2m{text}\x1b[0m\n");
        assert_eq!(table(14), format!("{}  {bad}  b  {good}\n       b\n", head("  A    B  C")));
        assert_eq!(table(13), format!("{}  {bad}  {good}\n\n", head("  A    C")));
        let both = format!("{}  b  {good}\n  b\n", head("  B  C"));
        assert_eq!(table(10), both, "what went first is there again where it fits");
        assert_eq!(table(8), format!("{}  {good}\n\n", head("  C")));
    }

    #[test]
    fn a_long_name_goes_on_below_and_costs_no_other_column_its_place() {
        let table = |line: usize| {
            let columns = [("RESULT", Fit::Whole), ("JOB", Fit::Wrap), ("USUAL", Fit::Drop(0))];
            let mut table = Table::new(Palette::PLAIN, Some(line), columns);
            let long = format!("build-{}-of-the-{}", "very".repeat(8), "name".repeat(8));
            table.push(["ok", &long, "5s"].map(str::to_owned));
            table.push(["ok", "short", "6s"].map(str::to_owned));
            table.to_string()
        };
        let expected = "  RESULT  JOB                               USUAL
  ok      build-                            5s
          veryveryveryveryveryveryveryvery
          -of-the-
          namenamenamenamenamenamenamename
  ok      short                             6s
";
        let text = table(50);
        assert!(text.lines().all(|line| line.chars().count() <= 50), "{text}");
        let joined = |text: &str| {
            text.lines()
                .skip(1)
                .map(|line| line.get(10..44).unwrap_or(line.get(10..).unwrap_or("")))
                .map(str::trim)
                .collect::<String>()
        };
        assert_eq!(joined(&text), joined(expected));
        assert!(text.contains("short") && text.contains("6s"), "{text}");
        assert!(table(200).lines().count() == 3, "where there is room, it is on one line");
    }

    #[test]
    fn a_short_line_takes_first_what_can_be_done_without_and_then_the_ends_of_long_cells() {
        let without = "  A                   B              ID
  büild-of-something  another-thing  0123456789
  y                                  z
";
        assert_eq!(table(Some(52), Palette::PLAIN), without);
        assert_eq!(table(Some(47), Palette::PLAIN), without);
        let cut = "  A              B              ID
  büild-of-so..  another-thing  0123456789
  y                             z
";
        assert_eq!(table(Some(42), Palette::PLAIN), cut);
        let both = "  A         B         ID
  büild-o…  another…  0123456789
  y                   z
";
        assert_eq!(table(Some(32), Palette::FULL).replace("\x1b[2m", "").replace("\x1b[0m", ""), both);
        assert_eq!(
            table(Some(5), Palette::FULL),
            table(Some(32), Palette::FULL),
            "there is an end to cutting"
        );
    }
}
