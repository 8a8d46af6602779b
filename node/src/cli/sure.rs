//! Whether somebody means it: what a destructive command would do, said before or instead of doing
//! it. What it says was asked of the node. Never does: do it.

use std::io::{self, BufRead, IsTerminal, Write};

use serde::Serialize;
use serde_json::json;

use super::output::{self, Failure, Format};

/// How sure somebody is.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Sure {
    /// Says what would happen, and does not do it.
    #[arg(long)]
    dry_run: bool,
    /// Does not ask. (Without a terminal nothing is asked.)
    #[arg(short, long, conflicts_with = "dry_run")]
    yes: bool,
}

/// What would happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Deed {
    /// As `delete room demo`.
    pub(super) would: String,
    /// What comes of it, a sentence each.
    pub(super) then: Vec<String>,
}

impl Sure {
    /// Whether to go on. `deed` asks the node, and is only called if somebody is going to read it.
    ///
    /// # Errors
    /// The deed's, and that somebody does not want it.
    pub(super) async fn may(
        self,
        format: Format,
        deed: impl Future<Output = Result<Deed, Failure>>,
    ) -> Result<bool, Failure> {
        if self.dry_run {
            let deed = deed.await?;
            match format {
                Format::Table | Format::Wide => output::print(&text(&deed))?,
                other => output::value(
                    other,
                    &json!({
                        "dryRun": true, "would": deed.would, "then": deed.then
                    }),
                )?,
            }
            return Ok(false);
        }
        if self.yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(true);
        }
        let deed = deed.await?;
        let _ = write!(io::stderr(), "{}Go on? [y/N] ", text(&deed));
        let mut answer = String::new();
        let _ = io::stdin().lock().read_line(&mut answer);
        if is_yes(&answer) { Ok(true) } else { Err(Failure::Failed("not done".to_owned())) }
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

fn text(deed: &Deed) -> String {
    let then: String = deed.then.iter().map(|line| format!("  {line}\n")).collect();
    format!("would {}\n{then}", deed.would)
}

/// `4 peers (a, b, c, …)`; no more than five are named.
pub(super) fn counted(what: &str, names: &[String]) -> String {
    let mut named: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    if names.len() > named.len() {
        named.push("…");
    }
    let plural = if names.len() == 1 { "" } else { "s" };
    match names.len() {
        0 => format!("no {what}s"),
        n => format!("{n} {what}{plural} ({})", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y\n") && is_yes("YES\n"));
        assert!(!is_yes("\n") && !is_yes("no\n") && !is_yes("yep\n"));
    }

    #[test]
    fn names_are_counted_and_the_first_told() {
        let names = |n: usize| (0..n).map(|n| format!("p{n}")).collect::<Vec<_>>();
        assert_eq!(counted("peer", &names(0)), "no peers");
        assert_eq!(counted("peer", &names(1)), "1 peer (p0)");
        assert_eq!(counted("peer", &names(7)), "7 peers (p0, p1, p2, p3, p4, …)");
    }

    #[test]
    fn a_deed_is_told_with_what_comes_of_it() {
        let deed = Deed { would: "delete room demo".into(), then: vec!["2 peers leave".into()] };
        assert_eq!(text(&deed), "would delete room demo\n  2 peers leave\n");
    }
}
