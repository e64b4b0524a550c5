//! Columns. A table is printed whole or not at all: who asks for one says what to do if it is too wide.

use anstyle::Style;

use super::style::{clean, paint, width, wrap};

/// Between two columns.
const GAP: usize = 2;
/// A column whose text may be wrapped is worth printing from this width on.
const WRAPPED_MIN: usize = 30;

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Flush left.
    Left,
    /// Flush right.
    Right,
    /// Flush left, and wrapped if need be; at most one column of a table, the last.
    Wrapped,
}

/// A cell: clean text and its style.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(super) fn styled(text: impl AsRef<[u8]>, style: Style) -> Self {
        Self { text: clean(text), style }
    }
}

impl<T: AsRef<[u8]>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

/// Rows under titles.
#[derive(Clone, Debug)]
pub(super) struct Table {
    columns: Vec<(&'static str, Set)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(columns: &[(&'static str, Set)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Its lines, titles first, or none if they can't be kept within `columns`.
    pub(super) fn lines(&self, columns: usize, title: Style) -> Option<Vec<String>> {
        let widths = self.widths(columns)?;
        let titles = self.columns.iter().map(|(text, _)| Cell::styled(text, title)).collect();
        let all = std::iter::once(&titles).chain(&self.rows);
        Some(all.flat_map(|row| self.row_lines(row, &widths)).collect())
    }

    /// The width of every column, if the table fits.
    fn widths(&self, columns: usize) -> Option<Vec<usize>> {
        let natural = |(index, (title, _)): (usize, &(&str, Set))| {
            let cells = self.rows.iter().filter_map(|row| row.get(index));
            cells.map(|cell| width(&cell.text)).fold(width(title), usize::max)
        };
        let mut widths: Vec<usize> = self.columns.iter().enumerate().map(natural).collect();
        let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let over = total.saturating_sub(columns);
        if over == 0 {
            return Some(widths);
        }
        let last = widths.last_mut().filter(|_| matches!(self.columns.last(), Some((_, Set::Wrapped))))?;
        *last = last.checked_sub(over).filter(|left| *left >= WRAPPED_MIN)?;
        Some(widths)
    }

    fn row_lines(&self, row: &[Cell], widths: &[usize]) -> Vec<String> {
        let cells: Vec<Vec<String>> = row
            .iter()
            .zip(widths)
            .zip(&self.columns)
            .map(|((cell, width), (_, set))| match set {
                Set::Wrapped => wrap(&cell.text, *width),
                Set::Left | Set::Right => vec![cell.text.clone()],
            })
            .collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or_default();
        (0..height).map(|line| self.line(row, &cells, widths, line)).collect()
    }

    fn line(&self, row: &[Cell], cells: &[Vec<String>], widths: &[usize], line: usize) -> String {
        let (mut out, mut owed) = (String::new(), 0);
        for (index, columns) in widths.iter().enumerate() {
            let text = cells.get(index).and_then(|lines| lines.get(line)).map_or("", String::as_str);
            let style = row.get(index).map_or_else(Style::new, |cell| cell.style);
            let room = columns.saturating_sub(width(text));
            let right = self.columns.get(index).is_some_and(|(_, set)| *set == Set::Right);
            let (before, after) = if right { (room, 0) } else { (0, room) };
            owed += before;
            if !text.is_empty() {
                out.extend(std::iter::repeat_n(' ', std::mem::take(&mut owed)));
                out.push_str(&paint(style, text));
            }
            owed += after + GAP;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_no_line_ends_in_spaces() {
        let mut table = Table::new(&[("name", Set::Left), ("count", Set::Right), ("why", Set::Wrapped)]);
        table.row(vec!["日本".into(), "7".into(), "".into()]);
        table.row(vec!["longer".into(), "12".into(), "because".into()]);
        let lines = table.lines(80, Style::new()).expect("it fits");
        assert_eq!(lines, ["name    count  why", "日本        7", "longer     12  because"]);
    }

    #[test]
    fn the_last_column_is_wrapped_and_a_table_that_can_not_fit_is_none() {
        let mut table = Table::new(&[("id", Set::Left), ("text", Set::Wrapped)]);
        table.row(vec!["x".into(), "word ".repeat(20).trim().into()]);
        let lines = table.lines(40, Style::new()).expect("it can be wrapped");
        assert!(lines.len() > 2 && lines.iter().all(|line| width(line) <= 40), "{lines:?}");
        assert!(table.lines(20, Style::new()).is_none());
    }
}
