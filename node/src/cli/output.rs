//! What the command line prints: data on stdout, everything else on stderr. Never does: ask.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::ValueEnum;
use serde::Serialize;
use starling_proto::{Code, Refusal};

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: what the API answered.
    Json,
}

/// Why a command did not do it.
#[derive(Debug)]
pub(super) enum Failure {
    /// Settings or arguments; each line is one.
    Usage(Vec<String>),
    /// The node refused.
    Refused(Refusal),
    /// The node was not reached.
    Unreachable {
        /// Why.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Anything else.
    Failed(String),
}

impl Failure {
    /// Tells it, and the exit code.
    pub(super) fn tell(&self) -> ExitCode {
        let (text, code) = self.told();
        let _ = io::stderr().write_all(text.as_bytes());
        ExitCode::from(code)
    }

    fn told(&self) -> (String, u8) {
        match self {
            Self::Usage(lines) if lines.len() == 1 => (format!("error: {}\n", lines[0]), 2),
            Self::Usage(lines) => {
                let list: String = lines.iter().map(|line| format!("  {line}\n")).collect();
                (format!("error: {} settings cannot be used\n{list}", lines.len()), 2)
            }
            Self::Refused(Refusal { code, message, hint }) => {
                let hint = if hint.is_empty() { String::new() } else { format!("hint: {hint}\n") };
                (format!("error: {message} [{code}]\n{hint}"), exit_code(*code))
            }
            Self::Unreachable { message, hint } => (format!("error: {message}\nhint: {hint}\n"), 5),
            Self::Failed(message) => (format!("error: {message}\n"), 1),
        }
    }
}

fn exit_code(code: Code) -> u8 {
    match code.status() {
        404 => 3,
        401 | 403 => 4,
        400 | 413 => 2,
        504 => 5,
        _ => 1,
    }
}

/// Prints JSON.
///
/// # Errors
/// [`Failure::Failed`] if stdout cannot be written.
pub(super) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::Failed(format!("the answer is not JSON: {error}")))?;
    print(&format!("{text}\n"))
}

/// Prints a table: `NAME   REGION`, as wide as needed.
///
/// # Errors
/// [`Failure::Failed`] if stdout cannot be written.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    print(&laid_out(head, rows))
}

/// Prints text.
///
/// # Errors
/// [`Failure::Failed`] if stdout cannot be written.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        // As of `| head`: whoever listened has heard enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::Failed(format!("stdout cannot be written: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Tells a person what was done; nothing reads it.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn laid_out(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|name| name.to_uppercase()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text += cells.collect::<Vec<_>>().join("   ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["demo".into(), "12".into()], vec!["a-longer-room".into(), "3".into()]];
        assert_eq!(
            laid_out(&["room", "peers"], &rows),
            "ROOM            PEERS\ndemo            12\na-longer-room   3\n"
        );
        assert_eq!(laid_out(&["room", "peers"], &[]), "ROOM   PEERS\n");
    }

    #[test]
    fn failures_have_sentence_hint_and_exit_code() {
        let told = |failure: Failure| failure.told();
        let refusal = Refusal::new(Code::RoomNotFound, "there is no room 'x'").hint("list them");
        let text = "error: there is no room 'x' [room_not_found]\nhint: list them\n";
        assert_eq!(told(Failure::Refused(refusal)), (text.to_owned(), 3));
        let denied = Refusal::new(Code::Unauthorized, "no");
        assert_eq!(told(Failure::Refused(denied)).1, 4);
        let full = Refusal::new(Code::NoCapacity, "full");
        assert_eq!(told(Failure::Refused(full)).1, 1);
        let usage = Failure::Usage(vec!["a".into(), "b".into()]);
        assert_eq!(told(usage), ("error: 2 settings cannot be used\n  a\n  b\n".to_owned(), 2));
    }
}
