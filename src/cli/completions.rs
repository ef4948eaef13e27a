//! `nexus completions SHELL`: the script that a shell reads once and that asks `nexus` from then on.

use clap::{Args, ValueEnum};
use clap_complete::env::{EnvCompleter, Fish, Zsh};

use super::complete::{Bash, Powershell, Quoting};
use super::output::{OutputError, Screen};
use super::{CommandResult, Exit, complete};

/// Arguments of `nexus completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  echo 'source <(nexus completions bash)' >> ~/.bashrc
  echo 'source <(nexus completions zsh)' >> ~/.zshrc
  nexus completions fish > ~/.config/fish/completions/nexus.fish
  nexus completions powershell | Out-String | Invoke-Expression

The script calls nexus, so it also completes the names of tenants and contexts.")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// A shell that can be taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
}

impl Shell {
    /// The name under which the shell looks for the script.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Bash => "nexus.bash",
            Self::Zsh => "_nexus",
            Self::Fish => "nexus.fish",
            Self::Powershell => "_nexus.ps1",
        }
    }

    /// The script.
    ///
    /// # Errors
    /// None in practice: it is written to memory.
    pub fn script(self) -> Result<String, OutputError> {
        let shell: &dyn EnvCompleter = match self {
            Self::Bash => &Bash,
            Self::Zsh => &Quoting(Zsh),
            Self::Fish => &Quoting(Fish),
            Self::Powershell => &Powershell,
        };
        let mut script = Vec::new();
        shell.write_registration(complete::VARIABLE, "nexus", "nexus", "nexus", &mut script)?;
        let script = String::from_utf8_lossy(&script);
        Ok(format!("{}\n", script.trim()))
    }
}

/// Prints the script.
///
/// # Errors
/// When standard output takes no more.
pub fn run(args: &CompletionsArgs, screen: &Screen) -> CommandResult {
    screen.raw(args.shell.script()?.as_bytes())?;
    Ok(Exit::Done)
}
