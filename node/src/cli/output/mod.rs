//! What the command line prints: data on stdout, everything else on stderr. Never does: ask.

pub(super) mod failure;
mod line;
mod paint;
pub(super) mod rows;
mod table;
mod yaml;

use std::{
    io::{self, IsTerminal, Write},
    sync::OnceLock,
};

use clap::ValueEnum;
use serde_json::Value;

pub(super) use failure::Failure;
pub(super) use line::{Line, Shown, columns, one_line, or_dash};
pub(super) use paint::Paint;
pub(super) use table::Table;

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
    /// For people with a wide window: all columns.
    Wide,
    /// For programs: what the API answered.
    Json,
    /// For programs that read line by line: one object a line.
    Jsonl,
    /// The same as json, in YAML.
    Yaml,
    /// Names alone, one a line.
    Name,
}

/// How much is said beside the data.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct Voice {
    /// Says nothing but data and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Tells each request to a node.
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
}

static VOICE: OnceLock<Voice> = OnceLock::new();

impl Voice {
    /// Holds from now on.
    pub(super) fn take(self) {
        let _ = VOICE.set(self);
    }

    /// Nothing but data and errors.
    pub(super) const fn is_quiet(self) -> bool {
        self.quiet
    }

    /// The one that holds.
    pub(super) fn current() -> Self {
        VOICE.get().copied().unwrap_or_default()
    }
}

/// Prints text.
///
/// # Errors
/// [`Failure::Failed`] if stdout cannot be written.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // As of `| head`: whoever listened has heard enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::Failed(format!("stdout cannot be written: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Prints a value as it is: JSON for people, too.
///
/// # Errors
/// As [`print()`]; [`Failure::Usage`] for names, which it has none of.
pub(super) fn value(format: Format, value: &Value) -> Result<(), Failure> {
    match format {
        Format::Table | Format::Wide | Format::Json => print(&format!("{value:#}\n")),
        Format::Jsonl => print(&format!("{value}\n")),
        Format::Yaml => print(&yaml::document(value)),
        Format::Name => Err(Failure::Usage(vec!["-o name: there are no names in this".to_owned()])),
    }
}

/// Tells a person what was done; nothing reads it.
pub(super) fn note(text: &str) {
    if !Voice::current().quiet {
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// Whether a person looks at stdout.
pub(super) fn is_seen() -> bool {
    io::stdout().is_terminal()
}
