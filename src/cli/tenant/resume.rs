//! `nexus tenant resume`.

use clap::Args;

use super::super::{CommandResult, Invocation};
use super::TenantSelection;
use super::changes::{self, Crew};
use crate::features::provisioning::Change;

/// Arguments of `nexus tenant resume`.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// Which
    #[command(flatten)]
    pub tenants: TenantSelection,
    /// How many
    #[command(flatten)]
    pub crew: Crew,
}

pub(super) async fn run(args: ResumeArgs, on: &Invocation) -> CommandResult {
    changes::of_selected(&args.tenants, Change::Resume, &args.crew, on).await
}
