//! Colour, where a person looks. Never does: change what is said.

use std::io::IsTerminal;

/// Whether to paint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    /// As <https://no-color.org> and the terminal have it.
    pub(crate) fn of_stdout() -> Self {
        Self::decide(std::io::stdout().is_terminal(), |name| std::env::var(name).ok())
    }

    fn decide(terminal: bool, env: impl Fn(&str) -> Option<String>) -> Self {
        let refused = env("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(terminal && !refused && env("TERM").as_deref() != Some("dumb"))
    }

    /// A heading.
    pub(crate) fn head(self, text: &str) -> String {
        self.with("1", text)
    }

    /// A cell, by what it says; `padded` is as long as it is to be.
    pub(crate) fn cell(self, text: &str, padded: &str) -> String {
        match text {
            "up" | "here" | "ok" | "drained" | "chosen" => self.with("32", padded),
            "draining" | "cordoned" | "warning" => self.with("33", padded),
            "down" | "lost" | "unheard" | "cut" | "error" => self.with("31", padded),
            _ => padded.to_owned(),
        }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_that_wants_colour_gets_it() {
        let decide = |terminal, name: &str, value: &str| {
            Paint::decide(terminal, |asked| (asked == name).then(|| value.to_owned())).0
        };
        assert!(decide(true, "TERM", "xterm"));
        assert!(!decide(false, "TERM", "xterm"));
        assert!(!decide(true, "TERM", "dumb"));
        assert!(!decide(true, "NO_COLOR", "1"));
        assert!(decide(true, "NO_COLOR", ""));
    }

    #[test]
    fn colour_leaves_the_text_as_long_as_it_was() {
        assert_eq!(Paint(false).cell("up", "up  "), "up  ");
        assert_eq!(Paint(true).cell("up", "up  "), "\x1b[32mup  \x1b[0m");
        assert_eq!(Paint(true).cell("n1", "n1"), "n1");
    }
}
