//! Looking at things: which of them, and for how long. With `--watch` a person's window is written
//! anew, and whoever reads a pipe gets what changed. Never does: change anything.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use super::{
    output::{self, Failure, Format, Line, Paint, Shown, Table, note, one_line},
    select::Selector,
};
use crate::config::value;

/// The top of a window and everything below it, cleared (ECMA-48 CUP and ED).
const CLEAR: &str = "\x1b[H\x1b[2J";
/// Shortest time between two looks: a list of 10,000 rooms costs a node some milliseconds.
const SHORTEST: Duration = Duration::from_millis(200);

/// What of a list is shown, and how often.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Look {
    /// Only those with these values, as `state=up,region!=eu`; names as `-o json` has them.
    #[arg(
        short = 'l',
        long,
        value_name = "NAME=VALUE,…",
        default_value = "",
        hide_default_value = true
    )]
    selector: Selector,
    #[command(flatten)]
    stay: Stay,
}

/// How often.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Stay {
    /// Goes on showing what changes until Ctrl-C; looks every 2 s, or as often as is said.
    #[arg(short, long, value_name = "TIME", value_parser = time, num_args = 0..=1,
        require_equals = true, default_missing_value = "2s")]
    watch: Option<Duration>,
}

fn time(text: &str) -> Result<Duration, String> {
    let time = value::duration(text).ok_or_else(|| "write it as 2s or 500ms".to_owned())?;
    Ok(time.max(SHORTEST))
}

impl Look {
    /// Shows what `fetch` gets.
    ///
    /// # Errors
    /// What the node said.
    pub(super) async fn all<T: Line>(
        &self,
        format: Format,
        mut fetch: impl AsyncFnMut() -> Result<Vec<T>, Failure>,
    ) -> Result<(), Failure> {
        let mut select = async || {
            let mut items = fetch().await?;
            items.retain(|item| self.selector.takes(&json!(item)));
            Ok::<_, Failure>(items)
        };
        let Some(every) = self.stay.watch else {
            return Shown::All(&select().await?).print(format);
        };
        watch(format, every, &mut select).await
    }
}

impl Stay {
    /// Shows the one that `fetch` gets.
    ///
    /// # Errors
    /// What the node said.
    pub(super) async fn one<T: Line>(
        self,
        format: Format,
        mut fetch: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<(), Failure> {
        let Some(every) = self.watch else { return Shown::One(&fetch().await?).print(format) };
        watch(format, every, &mut async || Ok(vec![fetch().await?])).await
    }
}

/// The first look must work; a later one that does not is told and tried again.
async fn watch<T: Line>(
    format: Format,
    every: Duration,
    fetch: &mut impl AsyncFnMut() -> Result<Vec<T>, Failure>,
) -> Result<(), Failure> {
    let seen = output::is_seen() && matches!(format, Format::Table | Format::Wide);
    let mut window = Window::new(format, Paint::of_stdout(), seen);
    let mut items = fetch().await?;
    loop {
        if let Some(text) = window.next(&items) {
            output::print(&text)?;
        }
        items = loop {
            tokio::time::sleep(every).await;
            match fetch().await {
                Ok(items) => break items,
                Err(Failure::Unreachable { message, .. }) => {
                    note(&format!("{message}; trying again"))
                }
                Err(other) => return Err(other),
            }
        };
    }
}

/// What has been shown.
struct Window {
    format: Format,
    paint: Paint,
    /// A person looks at it.
    seen: bool,
    table: Table,
    /// What programs got of each, by name; none before the first look.
    known: Option<BTreeMap<String, String>>,
}

impl Window {
    fn new(format: Format, paint: Paint, seen: bool) -> Self {
        Self { format, paint, seen, table: Table::default(), known: None }
    }

    /// What is to be written now.
    fn next<T: Line>(&mut self, items: &[T]) -> Option<String> {
        let now: BTreeMap<_, _> = items.iter().map(|it| (it.name(), one_line(it))).collect();
        let Some(known) = self.known.replace(now.clone()) else {
            let text = Shown::All(items).text(self.format, self.paint, &mut self.table);
            return Some(if self.seen { format!("{CLEAR}{text}") } else { text });
        };
        if known == now {
            return None;
        }
        let new: Vec<&T> =
            items.iter().filter(|it| known.get(&it.name()) != now.get(&it.name())).collect();
        let cells = |it: &&T| {
            let mut cells = it.cells();
            if self.format == Format::Wide {
                cells.extend(it.wide());
            }
            cells
        };
        let text = match self.format {
            Format::Table | Format::Wide if self.seen => {
                let text = Shown::All(items).text(self.format, self.paint, &mut self.table);
                format!("{CLEAR}{text}")
            }
            Format::Table | Format::Wide => {
                let rows: Vec<_> = new.iter().map(cells).collect();
                self.table.more(&rows, self.paint)
            }
            Format::Jsonl => new.iter().map(|it| one_line(it) + "\n").collect(),
            Format::Name => {
                let names = new.iter().filter(|it| !known.contains_key(&it.name()));
                names.map(|it| it.name() + "\n").collect()
            }
            Format::Json => Shown::All(items).text(self.format, self.paint, &mut self.table),
            Format::Yaml => {
                let text = Shown::All(items).text(self.format, self.paint, &mut self.table);
                format!("---\n{text}")
            }
        };
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Room(&'static str, u32);

    impl Line for Room {
        const HEAD: &'static [&'static str] = &["room", "peers"];
        fn name(&self) -> String {
            self.0.to_owned()
        }
        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_string()]
        }
    }

    fn shown(format: Format, seen: bool, looks: &[&[Room]]) -> Vec<Option<String>> {
        let mut window = Window::new(format, Paint(false), seen);
        looks.iter().map(|items| window.next(items)).collect()
    }

    const LOOKS: &[&[Room]] = &[
        &[Room("a", 1), Room("bb", 1)],
        &[Room("a", 1), Room("bb", 1)],
        &[Room("a", 2), Room("bb", 1), Room("c", 0)],
        &[Room("a", 2)],
    ];

    #[test]
    fn a_pipe_gets_what_changed() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            shown(Format::Table, false, LOOKS),
            [some("ROOM   PEERS\na      1\nbb     1\n"), None, some("a      2\nc      0\n"), None]
        );
        assert_eq!(shown(Format::Jsonl, false, LOOKS)[2], some("[\"a\",2]\n[\"c\",0]\n"));
        assert_eq!(shown(Format::Name, false, LOOKS), [some("a\nbb\n"), None, some("c\n"), None]);
        assert_eq!(shown(Format::Yaml, false, LOOKS)[3], some("---\n- - a\n  - 2\n"));
    }

    #[test]
    fn a_window_is_written_anew_when_something_changed() {
        let all = shown(Format::Table, true, LOOKS);
        assert_eq!(all[1], None);
        assert_eq!(all[3].as_deref(), Some("\x1b[H\x1b[2JROOM   PEERS\na      2\n"));
    }
}
