//! `starling config`: what a node would make of its settings. Never does: start one.

use clap::Subcommand;
use serde_json::json;

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
    /// How to print.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Format,
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
pub(super) fn run(ConfigArgs { verb, output }: &ConfigArgs) -> Result<(), Failure> {
    match verb {
        Verb::Check { flags } => check(given(flags), *output),
        Verb::Print { effective, origin, flags } => {
            let given = fine(given(flags))?;
            let mut all = effective::settings(&given.raw, &given.config);
            all.retain(|setting| *effective || setting.given);
            // Where they came from is a further column.
            let wide = *origin && *output == Format::Table;
            Shown::All(&all).print(if wide { Format::Wide } else { *output })
        }
        Verb::Schema => match output {
            Format::Table | Format::Wide => output::value(Format::Json, &schema()),
            other => output::value(*other, &schema()),
        },
    }
}

/// For people a sentence; for programs, whether a node could use them and why not.
fn check(given: Given, output: Format) -> Result<(), Failure> {
    let all = effective::settings(&given.raw, &given.config);
    let count = all.iter().filter(|setting| setting.given).count();
    if !matches!(output, Format::Table | Format::Wide | Format::Name) {
        let wrong: Vec<_> = given.mistakes.iter().map(Mistake::to_string).collect();
        let told = json!({"usable": wrong.is_empty(), "given": count, "mistakes": wrong});
        output::value(output, &told)?;
    }
    fine(given)?;
    note(&format!("{count} settings are given, and a node can use them"));
    Ok(())
}

fn fine(given: Given) -> Result<Given, Failure> {
    if given.mistakes.is_empty() {
        return Ok(given);
    }
    Err(Failure::Usage(given.mistakes.iter().map(Mistake::to_string).collect()))
}
