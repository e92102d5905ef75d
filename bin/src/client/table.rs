//! Columns of text.

use crate::terminal::{Look, Palette};
use std::fmt;

/// Rows of cells, printed below each other with two spaces between columns and in front; nothing without rows.
pub(super) struct Table<const COLUMNS: usize> {
    palette: Palette,
    /// The first one holds the heads.
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(super) fn new(palette: Palette, heads: [&str; COLUMNS]) -> Table<COLUMNS> {
        Table { palette, rows: vec![heads.map(str::to_owned)] }
    }

    pub(super) fn push(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.len() <= 1 {
            return Ok(());
        }
        let mut widths = [0; COLUMNS];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                line.push_str(&format!("  {cell:width$}"));
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

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(Palette::PLAIN, ["A", "LONG"]);
        table.push(["büild".to_owned(), "x".to_owned()]);
        table.push(["y".to_owned(), String::new()]);
        assert_eq!(Table::new(Palette::PLAIN, ["A"]).to_string(), "");
        assert_eq!(table.to_string(), "  A      LONG\n  büild  x\n  y\n");
    }
}
