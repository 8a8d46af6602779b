//! `starling config`: what a node would make of its settings. Never does: start one.

use clap::Subcommand;

use super::{
    node::{Given, given},
    output::{self, Failure, Format, Line, Shown, note},
};
use crate::config::{
    Flags, Mistake,
    effective::{self, Setting},
    schema::schema,
};

/// Settings of `starling node`, from the same flags, variables and file.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Tells all mistakes, and exits with 2 if there are any.
    Check {
        #[command(flatten)]
        flags: Flags,
    },
    /// Shows the settings that are given; never a secret.
    Print {
        /// All settings, with what their defaults come to here.
        #[arg(long)]
        effective: bool,
        /// Where each came from.
        #[arg(long)]
        origin: bool,
        /// How to print.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
        #[command(flatten)]
        flags: Flags,
    },
    /// Prints a JSON Schema of the file, for editors.
    Schema,
}

impl Line for Setting {
    const HEAD: &'static [&'static str] = &["key", "value"];
    const WIDE: &'static [&'static str] = &["origin"];

    fn name(&self) -> String {
        self.key.to_owned()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.name(), self.value.clone()]
    }

    fn wide(&self) -> Vec<String> {
        vec![self.origin.clone()]
    }
}

/// Does it.
///
/// # Errors
/// The mistakes.
pub(super) fn run(ConfigArgs { verb }: &ConfigArgs) -> Result<(), Failure> {
    match verb {
        Verb::Check { flags } => {
            let given = fine(given(flags))?;
            let all = effective::settings(&given.raw, &given.config);
            let count = all.iter().filter(|setting| setting.given).count();
            note(&format!("{count} settings are given, and a node can use them"));
            Ok(())
        }
        Verb::Print { effective, origin, output, flags } => {
            let given = fine(given(flags))?;
            let mut all = effective::settings(&given.raw, &given.config);
            all.retain(|setting| *effective || setting.given);
            // Where they came from is a further column.
            let wide = *origin && *output == Format::Table;
            Shown::All(&all).print(if wide { Format::Wide } else { *output })
        }
        Verb::Schema => output::value(Format::Json, &schema()),
    }
}

fn fine(given: Given) -> Result<Given, Failure> {
    if given.mistakes.is_empty() {
        return Ok(given);
    }
    Err(Failure::Usage(given.mistakes.iter().map(Mistake::to_string).collect()))
}
