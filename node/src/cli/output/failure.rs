//! Why a command did not do it, and its exit code.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use starling_client::{Error, http::ClientError};
use starling_proto::{Code, Refusal};

/// Exit codes and what they mean, for the help and the documentation.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage or settings, \
    3 not found, 4 denied, 5 node not reachable, 6 an expectation was not met.";

/// Why a command did not do it.
#[derive(Debug)]
pub(crate) enum Failure {
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
    /// It was done, and what came of it is not what was expected; each line is one.
    Unmet(Vec<String>),
    /// Anything else.
    Failed(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Refused { refusal, .. } => Self::Refused(refusal),
            Error::Token => Self::Usage(vec![message]),
            Error::Strange { .. } => Self::Failed(message),
            Error::Unreachable(error) => {
                let hint = match error {
                    ClientError::Url(_) => "give --server (or STARLING_SERVER) as http://host:port",
                    _ => "is the node running there? --server or STARLING_SERVER names another",
                };
                Self::Unreachable { message, hint: hint.to_owned() }
            }
        }
    }
}

impl Failure {
    /// Tells it, and the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        let (text, code) = self.told();
        let _ = io::stderr().write_all(text.as_bytes());
        ExitCode::from(code)
    }

    fn told(&self) -> (String, u8) {
        match self {
            Self::Usage(lines) if lines.len() == 1 => (format!("error: {}\n", lines[0]), 2),
            Self::Usage(lines) => (listed(lines, "settings cannot be used"), 2),
            Self::Refused(Refusal { code, message, hint }) => {
                let hint = if hint.is_empty() { String::new() } else { format!("hint: {hint}\n") };
                (format!("error: {message} [{code}]\n{hint}"), exit_code(*code))
            }
            Self::Unreachable { message, hint } => (format!("error: {message}\nhint: {hint}\n"), 5),
            Self::Unmet(lines) if lines.len() == 1 => (format!("not met: {}\n", lines[0]), 6),
            Self::Unmet(lines) => (listed(lines, "expectations are not met"), 6),
            Self::Failed(message) => (format!("error: {message}\n"), 1),
        }
    }
}

fn listed(lines: &[String], what: &str) -> String {
    let list: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("error: {} {what}\n{list}", lines.len())
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let unmet = Failure::Unmet(vec!["loss<1%: it was 3%".into()]);
        assert_eq!(told(unmet), ("not met: loss<1%: it was 3%\n".to_owned(), 6));
        let gone = Failure::from(Error::from(ClientError::Url("x".into())));
        assert_eq!(told(gone).1, 5);
    }
}
