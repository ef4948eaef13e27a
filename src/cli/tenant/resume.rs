//! `nexus tenant resume`.

use clap::Args;

use super::super::confirm::ConfirmArgs;
use super::super::{CommandResult, Invocation};
use super::TenantSelection;
use super::changes::{self, BatchArgs};
use crate::features::provisioning::Change;

/// Arguments of `nexus tenant resume`.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// Which
    #[command(flatten)]
    pub tenants: TenantSelection,
    /// How many
    #[command(flatten)]
    pub options: BatchArgs,
    /// How many are meant
    #[command(flatten)]
    pub confirm: ConfirmArgs,
}

pub(super) async fn run(args: ResumeArgs, ctx: &Invocation) -> CommandResult {
    let asking = args.confirm.asking("resuming");
    changes::of_selected(&args.tenants, Change::Resume, &args.options, asking, ctx).await
}
