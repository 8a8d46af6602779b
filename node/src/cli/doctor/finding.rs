//! What an examination found.

use serde::Serialize;

use crate::{
    cli::output::{Line, Paint},
    config::Mistake,
};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// It is not.
    Ok,
    /// It may be meant.
    Warning,
    /// It is.
    Error,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// How bad.
    pub(super) level: Level,
    /// What was looked at.
    pub(super) check: &'static str,
    /// A sentence.
    pub(super) message: String,
    /// What to do; empty if there is nothing to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) fix: String,
}

impl Finding {
    /// As it should be.
    pub(super) fn fine(check: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, check, message: message.into(), fix: String::new() }
    }

    /// It may be meant.
    pub(super) fn odd(
        check: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warning, check, message: message.into(), fix: fix.into() }
    }

    /// It is wrong.
    pub(super) fn wrong(
        check: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { level: Level::Error, check, message: message.into(), fix: fix.into() }
    }
}

impl Line for Finding {
    const HEAD: &'static [&'static str] = &["level", "check", "finding"];

    fn name(&self) -> String {
        self.check.to_owned()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.level.word().to_owned(), self.name(), self.message.clone()]
    }
}

/// A setting that cannot be used.
pub(super) fn of_mistake(mistake: &Mistake) -> Finding {
    let Mistake { key, origin, message, fix } = mistake;
    Finding::wrong("settings", format!("{key} ({origin}): {message}"), fix.clone())
}

/// For people: each finding with its fix below.
pub(super) fn text(found: &[Finding], paint: Paint) -> String {
    let mut text = String::new();
    for Finding { level, check, message, fix } in found {
        let level = paint.cell(level.word(), &format!("{:7}", level.word()));
        text += &format!("{level}  {check}: {message}\n");
        if !fix.is_empty() {
            text += &format!("         fix: {fix}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_fix_another() {
        let found = [Finding::fine("clock", "right"), Finding::wrong("ports", "taken", "free it")];
        assert_eq!(
            text(&found, Paint(false)),
            "ok       clock: right\nerror    ports: taken\n         fix: free it\n"
        );
    }
}
