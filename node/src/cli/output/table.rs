//! Tables: `NAME   REGION`, as wide as needed. Rows that come later keep to the columns.

use super::Paint;

/// Columns as they were laid out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    widths: Vec<usize>,
}

impl Table {
    /// The head and its rows.
    pub(crate) fn whole(&mut self, head: &[&str], rows: &[Vec<String>], paint: Paint) -> String {
        let head: Vec<String> = head.iter().map(|name| name.to_uppercase()).collect();
        self.widths = vec![0; head.len()];
        for line in std::iter::once(&head).chain(rows) {
            self.widen(line);
        }
        let mut text = self.line(&head, |_, padded| paint.head(padded));
        for row in rows {
            text += &self.row(row, paint);
        }
        text
    }

    /// More rows; columns become wider if they must.
    pub(crate) fn more(&mut self, rows: &[Vec<String>], paint: Paint) -> String {
        rows.iter().for_each(|row| self.widen(row));
        rows.iter().map(|row| self.row(row, paint)).collect()
    }

    fn row(&self, row: &[String], paint: Paint) -> String {
        self.line(row, |cell, padded| paint.cell(cell, padded))
    }

    fn widen(&mut self, line: &[String]) {
        for (width, cell) in self.widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }

    fn line(&self, cells: &[String], paint: impl Fn(&str, &str) -> String) -> String {
        let last = cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |at| at + 1);
        let cells = cells.iter().zip(&self.widths).take(last).enumerate();
        let cells = cells.map(|(at, (cell, width))| {
            let width = if at + 1 == last { 0 } else { *width };
            paint(cell, &format!("{cell:width$}"))
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("   "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["demo".into(), "12".into()], vec!["a-longer-room".into(), "3".into()]];
        let mut table = Table::default();
        let head = ["room", "peers"];
        assert_eq!(
            table.whole(&head, &rows, Paint(false)),
            "ROOM            PEERS\ndemo            12\na-longer-room   3\n"
        );
        let later = [vec!["x".into(), "9".into()]];
        assert_eq!(table.more(&later, Paint(false)), "x               9\n");
        assert_eq!(Table::default().whole(&head, &[], Paint(false)), "ROOM   PEERS\n");
    }

    #[test]
    fn no_line_ends_with_spaces() {
        let rows = [vec!["demo".into(), String::new()]];
        let text = Table::default().whole(&["room", "verdict"], &rows, Paint(false));
        assert_eq!(text, "ROOM   VERDICT\ndemo\n");
    }
}
