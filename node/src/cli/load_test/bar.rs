//! A bar of progress on a terminal's stderr. Never does: write where nobody looks.

use std::io::{self, IsTerminal, Write};

use crate::cli::output::{Voice, note};

/// Cells of a whole bar.
const WIDTH: usize = 24;

/// See the module.
pub(super) struct Bar {
    shown: bool,
    /// Longest line so far, to be blanked by a shorter one.
    longest: usize,
}

impl Bar {
    /// On stderr, if that is a terminal.
    pub(super) fn new() -> Self {
        Self { shown: io::stderr().is_terminal() && !Voice::current().is_quiet(), longest: 0 }
    }

    /// Shows how much of `all` is done, and a few words.
    pub(super) fn at(&mut self, done: f64, all: f64, words: &str) {
        if !self.shown {
            return;
        }
        let line = line(done, all, words);
        self.longest = self.longest.max(line.chars().count());
        let _ = write!(io::stderr(), "\r{line:width$}", width = self.longest);
    }

    /// Takes it away.
    pub(super) fn end(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r{:width$}\r", "", width = self.longest);
        }
    }

    /// What is worth a line where nobody sees a bar.
    pub(super) fn say(&self, words: &str) {
        if !self.shown {
            note(words);
        }
    }
}

fn line(done: f64, all: f64, words: &str) -> String {
    let share = if all > 0.0 { (done / all).clamp(0.0, 1.0) } else { 1.0 };
    let full = (share * WIDTH as f64).round() as usize;
    format!("[{}{}] {words}", "=".repeat(full), " ".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_its_share() {
        assert_eq!(line(0.0, 10.0, "a"), format!("[{}] a", " ".repeat(24)));
        assert_eq!(line(5.0, 10.0, "b"), format!("[{}{}] b", "=".repeat(12), " ".repeat(12)));
        assert_eq!(line(99.0, 10.0, ""), format!("[{}] ", "=".repeat(24)));
        assert_eq!(line(0.0, 0.0, ""), format!("[{}] ", "=".repeat(24)));
    }
}
