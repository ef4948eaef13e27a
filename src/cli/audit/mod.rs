//! `nexus audit`: who changed what, and whether that record is what was written.

mod export;
mod list;
mod verify;
mod views;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::arguments::{Input, PageArgs};
use super::moment::Moment;
use super::{CommandResult, Invocation, complete};
use crate::features::audit::Watch;
use crate::features::tenants::TenantRef;
use crate::kernel::word::{WordError, require_lower_case};
use crate::kernel::{OperationId, Progress};

/// Arguments of `nexus audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List who changed what, newest first
    #[command(after_help = "\
EXAMPLES
  nexus audit list --tenant acme --since 7d
  nexus audit list --action tenant.delete
  nexus -o json audit list --caller machine:ann --since 2026-11-01T00:00:00Z --all")]
    List(ListArgs),
    /// Verify that the log was not tampered with
    ///
    /// Recomputes the hash of every row and compares it with the stored one, with the recorded end
    /// of the chain, and with the anchors that are given. Only an anchor reveals that the newest
    /// rows were removed and the end was reset. When something is wrong, names the first bad
    /// position and exits with 9.
    #[command(after_help = "\
EXAMPLES
  nexus audit verify
  nexus audit verify --anchor /mnt/elsewhere/nexus-anchors
  nexus audit verify --file audit.jsonl --anchor nexus-anchors      needs no database")]
    Verify(VerifyArgs),
    /// Print the latest audit hash, to store elsewhere
    ///
    /// Verifies the log first: one that was tampered with gets no anchor. With --file, the anchors
    /// already in the file must match the chain before a new one is appended. Keep the file where
    /// nobody who can change the database can change it.
    #[command(after_help = "\
EXAMPLES
  nexus audit anchor --file /mnt/elsewhere/nexus-anchors      each night
  nexus audit anchor | mail -s 'nexus anchor' auditor@example.com")]
    Anchor(AnchorArgs),
    /// Export rows in order, with the hashes that prove them
    ///
    /// The export runs from the first row of the period to the last, so that it is one unbroken
    /// piece of the chain. Verify it with nexus audit verify --file, which needs no database.
    #[command(after_help = "\
EXAMPLES
  nexus audit export --file audit.jsonl
  nexus audit export --since 30d --format csv --file november.csv
  nexus audit export | gzip > audit.jsonl.gz")]
    Export(ExportArgs),
}

/// Arguments of `nexus audit list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those of this tenant, even if it was purged
    #[arg(long, value_name = "SLUG|ID", add = complete::tenants())]
    tenant: Option<TenantRef>,
    /// Only actions that start with this
    #[arg(long, value_name = "PREFIX", value_parser = action)]
    action: Option<String>,
    /// Only those of this caller, e.g. machine:ann
    #[arg(long, value_name = "CALLER")]
    caller: Option<String>,
    /// Only those of this operation
    #[arg(long, value_name = "ID", add = complete::operations())]
    operation: Option<OperationId>,
    /// Which time
    #[command(flatten)]
    period: PeriodArgs,
    /// Which rows
    #[command(flatten)]
    page: PageArgs,
}

/// The beginning of an action.
fn action(text: &str) -> Result<String, WordError> {
    require_lower_case(text).map(|()| text.to_owned())
}

/// A period of time.
#[derive(Debug, Clone, Copy, Args)]
pub struct PeriodArgs {
    /// From this time on (RFC 3339), from this day on (UTC), or so long ago: 30m, 2h, 7d
    #[arg(long, value_name = "TIME|AGO")]
    since: Option<Moment>,
    /// Before this time (RFC 3339), before this day (UTC), or so long ago: 30m, 2h, 7d
    #[arg(long, value_name = "TIME|AGO")]
    until: Option<Moment>,
}

/// Arguments of `nexus audit verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Compare with the anchors in this file, or - for standard input
    #[arg(long, value_name = "FILE|-", value_hint = clap::ValueHint::FilePath)]
    anchor: Option<Input>,
    /// Verify this export instead of the database, or - for standard input
    #[arg(long, value_name = "EXPORT|-", value_hint = clap::ValueHint::FilePath)]
    file: Option<Input>,
}

/// Arguments of `nexus audit anchor`.
#[derive(Debug, Args)]
pub struct AnchorArgs {
    /// Append to this file, after comparing its anchors
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
}

/// Arguments of `nexus audit export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Which time
    #[command(flatten)]
    period: PeriodArgs,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    format: Format,
    /// Write this new file, 0600, instead of standard output
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line
    Jsonl,
    /// A header and rows
    Csv,
}

/// Runs a verb of `nexus audit`.
///
/// # Errors
/// What the services say.
pub async fn run(args: AuditArgs, ctx: &Invocation) -> CommandResult {
    // A file that is not finished goes with the work that writes it.
    match args.verb {
        Verb::List(args) => list::run(args, ctx).await,
        Verb::Verify(args) => verify::verify(args, ctx).await,
        Verb::Anchor(args) => verify::anchor(args, ctx).await,
        Verb::Export(args) => export::run(args, ctx).await,
    }
}

fn watch<'a>(ctx: &'a Invocation, progress: &'a dyn Progress) -> Watch<'a> {
    Watch { progress, stop: &ctx.interrupt }
}
