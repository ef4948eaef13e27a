//! `nexus local`: the embedded PostgreSQL and S3 endpoint.

use std::ffi::OsString;

use clap::{Args, Subcommand, ValueEnum};

use super::exit::Unjoined;
use super::{CommandResult, Invocation};

/// Arguments of `nexus local`.
#[derive(Debug, Args)]
pub struct LocalArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the stack, or wait until a stack that is starting is up
    ///
    /// Every command in the context local starts the stack by itself; this does it ahead of time.
    /// The first start makes a private PostgreSQL cluster and an S3 endpoint under NEXUS_HOME.
    #[command(after_help = "\
EXAMPLES
  nexus local up
  NEXUS_HOME=/tmp/trial nexus local up      a stack of its own, to throw away")]
    Up(UpArgs),
    /// Stop the stack and keep its data
    #[command(after_help = "\
EXAMPLES
  nexus local down")]
    Down(DownArgs),
    /// Show where the stack is and how each part does
    #[command(after_help = "\
EXAMPLES
  nexus local status
  nexus -o json local status | jq -r .s3.endpoint")]
    Status(StatusArgs),
    /// Show what the stack's parts have logged
    #[command(after_help = "\
EXAMPLES
  nexus local logs                          the last lines of every part
  nexus local logs postgres --lines 200
  nexus local logs s3 --follow")]
    Logs(LogsArgs),
    /// Destroy the stack with every tenant in it
    ///
    /// Stops the stack and deletes its data: the control database, all tenants' databases and
    /// objects. The word local must be typed; a script passes --yes --confirm local.
    #[command(after_help = "\
EXAMPLES
  nexus local reset
  nexus local reset --yes --confirm local   in a script
  nexus --dry-run local reset               what would go")]
    Reset(ResetArgs),
    /// Open psql on the stack's PostgreSQL, as its superuser
    #[command(after_help = "\
EXAMPLES
  nexus local psql
  nexus local psql -- -d nexus -c 'select 1'")]
    Psql(PsqlArgs),
    /// Run the stack's parts and watch over them
    #[command(hide = true)]
    Daemon(DaemonArgs),
}

/// Arguments of `nexus local up`.
#[derive(Debug, Args)]
pub struct UpArgs {}

/// Arguments of `nexus local down`.
#[derive(Debug, Args)]
pub struct DownArgs {}

/// Arguments of `nexus local status`.
#[derive(Debug, Args)]
pub struct StatusArgs {}

/// A part of the stack that logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// PostgreSQL
    Postgres,
    /// The S3 endpoint
    S3,
    /// What watches over both
    Daemon,
}

/// Arguments of `nexus local logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Only this part
    pub part: Option<Part>,
    /// Show this many of the last lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub lines: u32,
    /// Show new lines as they come, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
}

/// Arguments of `nexus local reset`.
#[derive(Debug, Args)]
pub struct ResetArgs {
    /// Say that the stack is meant, where there is no terminal to type it on
    #[arg(long, value_name = "WORD")]
    pub confirm: Option<String>,
}

/// Arguments of `nexus local psql`.
#[derive(Debug, Args)]
pub struct PsqlArgs {
    /// Arguments for psql
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<OsString>,
}

/// Arguments of `nexus local daemon`.
#[derive(Debug, Args)]
pub struct DaemonArgs {}

/// Runs a verb of `nexus local`.
///
/// # Errors
/// What the stack says.
#[expect(clippy::unused_async, reason = "joined to its service, it waits")]
pub async fn run(args: LocalArgs, _on: &Invocation) -> CommandResult {
    Err(Unjoined(match args.verb {
        Verb::Up(_) => "local up",
        Verb::Down(_) => "local down",
        Verb::Status(_) => "local status",
        Verb::Logs(_) => "local logs",
        Verb::Reset(_) => "local reset",
        Verb::Psql(_) => "local psql",
        Verb::Daemon(_) => "local daemon",
    })
    .into())
}
