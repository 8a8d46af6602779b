//! `starling completion`: the script that makes a shell complete, and `starling man`.

use std::path::PathBuf;

use clap::{Command, ValueEnum};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};

use super::output::{self, Failure, note};

/// The variable by which the script asks this program to complete.
pub(super) const VARIABLE: &str = "STARLING_COMPLETE";

/// Prints what makes a shell complete commands, flags and the names of rooms and nodes.
#[derive(Debug, clap::Args)]
#[command(after_help = "bash:  echo 'source <(starling completion bash)' >> ~/.bashrc\n\
                        zsh:   echo 'source <(starling completion zsh)' >> ~/.zshrc\n\
                        fish:  starling completion fish > ~/.config/fish/completions/starling.fish")]
pub(super) struct Completion {
    /// The shell.
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

/// Writes a manual page for each command.
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// The folder, as /usr/local/share/man/man1.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

/// Does it.
///
/// # Errors
/// [`Failure::Failed`] if stdout cannot be written.
pub(super) fn run(Completion { shell }: &Completion) -> Result<(), Failure> {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Elvish => &Elvish,
        Shell::Fish => &Fish,
        Shell::Powershell => &Powershell,
        Shell::Zsh => &Zsh,
    };
    let mut script = Vec::new();
    completer
        .write_registration(VARIABLE, "starling", "starling", "starling", &mut script)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    output::print(&String::from_utf8_lossy(&script))
}

/// Does it.
///
/// # Errors
/// [`Failure::Failed`] if the folder cannot be written.
pub(super) fn man(command: Command, Man { out }: &Man) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("{}: {error}", out.display()));
    std::fs::create_dir_all(out).map_err(failed)?;
    clap_mangen::generate_to(command, out).map_err(failed)?;
    note(&format!("written: try man -l {}/starling.1", out.display()));
    Ok(())
}
