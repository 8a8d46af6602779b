//! Things one after the other, as they come. Never does: wait for one.

use super::{Format, Line, Paint, Shown, Table, line::columns};

/// See the module.
pub(crate) struct Rows {
    format: Format,
    paint: Paint,
    /// None before the first.
    table: Option<Table>,
}

impl Rows {
    /// In this format, on stdout.
    pub(crate) fn new(format: Format) -> Self {
        Self { format, paint: Paint::of_stdout(), table: None }
    }

    /// The text of the next one: a table has its head above the first.
    pub(crate) fn next<T: Line>(&mut self, item: &T) -> String {
        match (self.format, &mut self.table) {
            (Format::Table | Format::Wide, Some(table)) => {
                let (_, rows) = columns(std::slice::from_ref(item), self.format == Format::Wide);
                table.more(&rows, self.paint)
            }
            (Format::Table | Format::Wide, none) => {
                let table = none.insert(Table::default());
                Shown::One(item).text(self.format, self.paint, table)
            }
            (format, _) => {
                let text = Shown::One(item).text(format, self.paint, &mut Table::default());
                if format == Format::Yaml { format!("---\n{text}") } else { text }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Beat(&'static str, u32);

    impl Line for Beat {
        const HEAD: &'static [&'static str] = &["of", "rate"];
        fn name(&self) -> String {
            self.0.to_owned()
        }
        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_string()]
        }
    }

    fn told(format: Format) -> String {
        let mut rows = Rows { format, paint: Paint(false), table: None };
        [Beat("a", 1), Beat("bbb", 20)].iter().map(|beat| rows.next(beat)).collect()
    }

    #[test]
    fn a_head_comes_once_and_columns_grow() {
        assert_eq!(told(Format::Table), "OF   RATE\na    1\nbbb   20\n");
        assert_eq!(told(Format::Jsonl), "[\"a\",1]\n[\"bbb\",20]\n");
        assert_eq!(told(Format::Name), "a\nbbb\n");
        assert_eq!(told(Format::Yaml), "---\n- a\n- 1\n---\n- bbb\n- 20\n");
    }
}
