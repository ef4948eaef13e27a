//! `nexus operation`: recorded changes of tenants, which can be finished or taken back.

use clap::{Args, Subcommand, ValueEnum};

use super::arguments::{Sort, TenantRef};
use super::exit::Unjoined;
use super::{CommandResult, Invocation, complete};
use crate::kernel::OperationId;

/// Arguments of `nexus operation`.
#[derive(Debug, Args)]
pub struct OperationArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List recorded changes, newest first
    #[command(after_help = "\
EXAMPLES
  nexus operation list --open               what is not finished
  nexus operation list --tenant acme
  nexus -o id operation list --state failed | xargs -n1 nexus operation resume")]
    List(ListArgs),
    /// Show a change with each of its steps
    #[command(after_help = "\
EXAMPLES
  nexus operation show 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d
  nexus -o json operation show 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d | jq '.steps[]'")]
    Show(ShowArgs),
    /// Finish a change that was stopped
    ///
    /// Looks at what is really there first, so it is safe after a crash, and safe to repeat.
    #[command(after_help = "\
EXAMPLES
  nexus operation resume 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d
  nexus operation resume --all")]
    Resume(ResumeArgs),
    /// Take back a change that was stopped
    ///
    /// Undoes the steps that were done, last first. What Nexus did not make is left alone.
    #[command(after_help = "\
EXAMPLES
  nexus operation rollback 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d
  nexus --dry-run operation rollback 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d")]
    Rollback(RollbackArgs),
}

/// What operations can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortField {
    /// When it was begun
    Created,
    /// When it last changed
    Updated,
    /// What it does
    Kind,
    /// How it stands
    State,
}

/// Arguments of `nexus operation list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those of this tenant
    #[arg(long, value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: Option<TenantRef>,
    /// Only those in this state; several: separated by commas
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub state: Vec<String>,
    /// Only those that are not finished
    #[arg(long, conflicts_with = "state")]
    pub open: bool,
    /// Sort by this field; with '-' before it, the other way round
    #[arg(long, value_name = "FIELD", default_value = "-created", allow_hyphen_values = true)]
    pub sort: Sort<SortField>,
    /// Which rows
    #[command(flatten)]
    pub page: super::arguments::PageArgs,
}

/// Arguments of `nexus operation show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The operation's id
    #[arg(add = complete::operations())]
    pub id: OperationId,
}

/// Arguments of `nexus operation resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The operation's id
    #[arg(required_unless_present = "all", conflicts_with = "all", add = complete::operations())]
    pub id: Option<OperationId>,
    /// All that are not finished
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `nexus operation rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The operation's id
    #[arg(add = complete::operations())]
    pub id: OperationId,
}

/// Runs a verb of `nexus operation`.
///
/// # Errors
/// What the services say.
#[expect(clippy::unused_async, reason = "joined to its service, it waits")]
pub async fn run(args: OperationArgs, _on: &Invocation) -> CommandResult {
    Err(Unjoined(match args.verb {
        Verb::List(_) => "operation list",
        Verb::Show(_) => "operation show",
        Verb::Resume(_) => "operation resume",
        Verb::Rollback(_) => "operation rollback",
    })
    .into())
}
