//! `nexus tenant suspend`.

use clap::Args;

use super::super::confirm::ConfirmArgs;
use super::super::{CommandResult, Invocation};
use super::TenantSelection;
use super::changes::{self, BatchArgs};
use crate::features::provisioning::Change;
use crate::kernel::Reason;

/// Arguments of `nexus tenant suspend`.
#[derive(Debug, Args)]
pub(super) struct SuspendArgs {
    /// Which
    #[command(flatten)]
    pub tenants: TenantSelection,
    /// The reason, shown wherever access is refused
    #[arg(long, value_name = "TEXT")]
    pub reason: Reason,
    /// How many
    #[command(flatten)]
    pub options: BatchArgs,
    /// How many are meant
    #[command(flatten)]
    pub confirm: ConfirmArgs,
}

pub(super) async fn run(args: SuspendArgs, ctx: &Invocation) -> CommandResult {
    let asking = args.confirm.asking("suspending");
    changes::of_selected(&args.tenants, Change::Suspend { reason: args.reason }, &args.options, asking, ctx)
        .await
}
