//! `nexus init`: the control database, the keys and the first operator.

use clap::Args;

use super::exit::Unjoined;
use super::{CommandResult, Invocation, arguments};

/// Arguments of `nexus init`.
#[derive(Debug, Args)]
#[command(
    long_about = "Make the control database, the keys and the first operator\n\n\
        Makes what is missing and leaves what is there: a master key is never overwritten. In the \
        context local this happens by itself.",
    after_help = "\
EXAMPLES
  nexus --context prod init --operator-email ann@example.com
  pass show nexus/ann | nexus --context prod init --operator-email ann@example.com --operator-password-stdin
  nexus --context prod --dry-run init       what is missing"
)]
pub struct InitArgs {
    /// The first operator's e-mail address; asked for on a terminal
    #[arg(long, value_name = "E-MAIL", value_parser = arguments::email)]
    pub operator_email: Option<String>,
    /// Read the first operator's password from standard input: one line
    #[arg(long, requires = "operator_email")]
    pub operator_password_stdin: bool,
}

/// Runs `nexus init`.
///
/// # Errors
/// What the services say.
#[expect(clippy::unused_async, reason = "joined to its service, it waits")]
pub async fn run(_args: InitArgs, _on: &Invocation) -> CommandResult {
    Err(Unjoined("init").into())
}
