use std::io::{self, Write};

use super::{
    terminal::{Paint, Style},
    text,
};

/// What stands between two columns.
const GAP: usize = 2;

/// The least that is left of a last column that is cut: less says nothing.
const LAST_MIN: usize = 16;

/// A cell: text and how it is painted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(super) fn styled(text: &str, style: Style) -> Self {
        Self {
            text: text::printable(text).into_owned(),
            style,
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::styled(text, Style::Plain)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// Rows in columns for people. Control characters in a cell are escaped, since most of what is
/// shown was written by somebody else.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new<const N: usize>(headings: [&str; N]) -> Self {
        let headings = headings.map(|heading| Cell::styled(heading, Style::Faint));
        Self {
            rows: vec![headings.into()],
        }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// Prints the rows; the last column is cut where the line would be wider than `columns`.
    pub(super) fn print(
        &self,
        output: &mut impl Write,
        paint: Paint,
        columns: Option<usize>,
    ) -> io::Result<()> {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..count)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| text::width(&cell.text)).max().unwrap_or(0)
            })
            .collect();
        let before: usize = widths.iter().rev().skip(1).map(|width| width + GAP).sum();
        let left = columns.map(|columns| columns.saturating_sub(before).max(LAST_MIN));
        for row in &self.rows {
            let mut gap = 0;
            for (column, cell) in row.iter().enumerate() {
                let last = column + 1 == row.len();
                let shown = match left {
                    Some(left) if column + 1 == count => text::cut(&cell.text, left),
                    Some(_) | None => cell.text.as_str().into(),
                };
                if !cell.text.is_empty() || !last {
                    write!(output, "{:gap$}", "")?;
                }
                paint.write(output, cell.style, &shown)?;
                if !last {
                    gap = GAP + widths[column] - text::width(&shown);
                }
            }
            writeln!(output)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(columns: Option<usize>) -> String {
        let mut table = Table::new(["NAME", "WHAT IT IS"]);
        table.row(["数".into(), "a sentence that goes on".into()]);
        table.row(["evil\u{1b}[2J".into(), "short".into()]);
        let mut output = Vec::new();
        table.print(&mut output, Paint::None, columns).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn columns_are_aligned_and_escaped() {
        assert_eq!(
            printed(None),
            "NAME           WHAT IT IS\n\
             数             a sentence that goes on\n\
             evil\\u{1b}[2J  short\n"
        );
    }

    #[test]
    fn the_last_column_is_cut_to_the_width() {
        let widest = printed(Some(33)).lines().map(text::width).max();
        assert_eq!(widest, Some(33));
        // A terminal that is too narrow still shows something.
        assert!(printed(Some(10)).contains("a sentence that…"));
    }
}
