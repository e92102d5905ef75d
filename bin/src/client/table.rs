//! Columns of text, fitted into the width of a terminal.

use crate::terminal::{Look, Palette};
use std::fmt;

/// What becomes of a column when a line is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It stays as it is: half of a uuid is none.
    Whole,
    /// Its long cells are cut off.
    Cut,
    /// It goes, as another one says nearly the same.
    Drop,
}

/// Cells that are cut off keep so many characters.
const SHORTEST_CELL: usize = 8;
/// Between two columns, and in front of the first one.
const GAP: &str = "  ";

/// Rows of cells, printed below each other; nothing without rows.
pub(super) struct Table<const COLUMNS: usize> {
    palette: Palette,
    /// How many characters a line may have; `None` where it may have any number.
    line: Option<usize>,
    fits: [Fit; COLUMNS],
    /// The first one holds the heads.
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table with these heads.
    pub(super) fn new(
        palette: Palette,
        line: Option<usize>,
        columns: [(&str, Fit); COLUMNS],
    ) -> Table<COLUMNS> {
        let heads = columns.map(|(head, _)| head.to_owned());
        Table { palette, line, fits: columns.map(|(_, fit)| fit), rows: vec![heads] }
    }

    pub(super) fn push(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }

    /// How wide each column is; none of them if it goes.
    fn widths(&self) -> [Option<usize>; COLUMNS] {
        let mut widths = [Some(0); COLUMNS];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = Some(cell.chars().count()).max(*width);
            }
        }
        let Some(line) = self.line else { return widths };
        let too_long = |widths: &[Option<usize>; COLUMNS]| {
            let total: usize = widths.iter().flatten().map(|width| width + GAP.len()).sum();
            total.saturating_sub(line)
        };
        for column in 0..COLUMNS {
            if too_long(&widths) > 0 && self.fits.get(column) == Some(&Fit::Drop) {
                widths.iter_mut().skip(column).take(1).for_each(|width| *width = None);
            }
        }
        // The widest one gives way, character by character, so that none is cut off while another is much wider.
        while too_long(&widths) > 0 {
            let can_shrink = widths.iter_mut().zip(self.fits).filter(|(_, fit)| *fit == Fit::Cut);
            let widest = can_shrink.filter_map(|(width, _)| width.as_mut()).max_by_key(|width| **width);
            match widest {
                Some(width) if *width > SHORTEST_CELL => *width -= 1,
                _ => break,
            }
        }
        widths
    }

    /// The cell, cut off when it is too wide.
    fn cut(&self, cell: &str, width: usize) -> String {
        if cell.chars().count() <= width {
            return cell.to_owned();
        }
        let mark = if self.palette.has_signs() { "…" } else { ".." };
        let kept = width.saturating_sub(mark.chars().count());
        cell.chars().take(kept).chain(mark.chars()).collect()
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.len() <= 1 {
            return Ok(());
        }
        let widths = self.widths();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                if let Some(width) = *width {
                    line.push_str(&format!("{GAP}{:width$}", self.cut(cell, width)));
                }
            }
            match number {
                0 => writeln!(f, "{}", self.palette.paint(Look::Aside, line.trim_end()))?,
                _ => writeln!(f, "{}", line.trim_end())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(line: Option<usize>, palette: Palette) -> String {
        let columns = [("A", Fit::Cut), ("LONG", Fit::Drop), ("B", Fit::Cut), ("ID", Fit::Whole)];
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
