//! Things in all formats: what a list or a single one looks like.

use serde::Serialize;
use serde_json::json;

use super::{Failure, Format, Paint, Table, print, yaml};

/// A line of a table, and what of it programs get.
pub(crate) trait Line: Serialize {
    /// Columns.
    const HEAD: &'static [&'static str];
    /// Further columns of `-o wide`.
    const WIDE: &'static [&'static str] = &[];
    /// Its name.
    fn name(&self) -> String;
    /// A cell for each of [`Line::HEAD`].
    fn cells(&self) -> Vec<String>;
    /// A cell for each of [`Line::WIDE`].
    fn wide(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Columns and rows of things.
pub(crate) fn columns<T: Line>(items: &[T], wide: bool) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let mut head = T::HEAD.to_vec();
    let row = |item: &T| {
        let mut cells = item.cells();
        if wide {
            cells.extend(item.wide());
        }
        cells
    };
    if wide {
        head.extend_from_slice(T::WIDE);
    }
    (head, items.iter().map(row).collect())
}

/// What is printed.
pub(crate) enum Shown<'a, T> {
    /// A list.
    All(&'a [T]),
    /// One.
    One(&'a T),
}

impl<T: Line> Shown<'_, T> {
    const fn items(&self) -> &[T] {
        match self {
            Self::All(items) => items,
            Self::One(item) => std::slice::from_ref(item),
        }
    }

    fn json(&self) -> String {
        let text = match self {
            Self::All(items) => serde_json::to_string_pretty(items),
            Self::One(item) => serde_json::to_string_pretty(item),
        };
        text.expect("what the API answers is JSON")
    }

    fn yaml(&self) -> String {
        match self {
            Self::All(items) => yaml::document(&json!(items)),
            Self::One(item) => yaml::document(&json!(item)),
        }
    }

    /// The text in a format; `table` keeps the columns.
    pub(crate) fn text(&self, format: Format, paint: Paint, table: &mut Table) -> String {
        let line = |text: String| text + "\n";
        match format {
            Format::Table | Format::Wide => {
                let (head, rows) = columns(self.items(), format == Format::Wide);
                table.whole(&head, &rows, paint)
            }
            Format::Json => line(self.json()),
            Format::Jsonl => self.items().iter().map(|item| line(one_line(item))).collect(),
            Format::Yaml => self.yaml(),
            Format::Name => self.items().iter().map(|item| line(item.name())).collect(),
        }
    }

    /// Prints it.
    ///
    /// # Errors
    /// [`Failure::Failed`] if stdout cannot be written.
    pub(crate) fn print(&self, format: Format) -> Result<(), Failure> {
        print(&self.text(format, Paint::of_stdout(), &mut Table::default()))
    }
}

/// As JSON without a line break.
pub(crate) fn one_line(item: &impl Serialize) -> String {
    serde_json::to_string(item).expect("what the API answers is JSON")
}

/// A cell is never empty.
pub(crate) fn or_dash(text: impl Into<String>) -> String {
    let text = text.into();
    if text.is_empty() { "-".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Dog {
        name: &'static str,
        legs: u8,
    }

    impl Line for Dog {
        const HEAD: &'static [&'static str] = &["dog"];
        const WIDE: &'static [&'static str] = &["legs"];
        fn name(&self) -> String {
            self.name.to_owned()
        }
        fn cells(&self) -> Vec<String> {
            vec![self.name()]
        }
        fn wide(&self) -> Vec<String> {
            vec![self.legs.to_string()]
        }
    }

    #[test]
    fn each_format_shows_the_same_things() {
        let dogs = [Dog { name: "rex", legs: 4 }, Dog { name: "tripod", legs: 3 }];
        let shown = |format| {
            let text =
                |shown: Shown<'_, Dog>| shown.text(format, Paint(false), &mut Table::default());
            (text(Shown::All(&dogs)), text(Shown::One(&dogs[0])))
        };
        let (table, _) = shown(Format::Table);
        assert_eq!(table, "DOG\nrex\ntripod\n");
        assert_eq!(shown(Format::Wide).0, "DOG      LEGS\nrex      4\ntripod   3\n");
        let (all, one) = shown(Format::Jsonl);
        assert_eq!(one, "{\"name\":\"rex\",\"legs\":4}\n");
        assert_eq!(all, format!("{one}{{\"name\":\"tripod\",\"legs\":3}}\n"));
        assert_eq!(shown(Format::Name), ("rex\ntripod\n".into(), "rex\n".into()));
        assert_eq!(shown(Format::Yaml).1, "legs: 4\nname: rex\n");
        let (all, one) = shown(Format::Json);
        assert!(all.starts_with("[\n") && one.starts_with("{\n"), "{all}{one}");
    }
}
