//! `nexus migrate plan`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::super::own_files::{self, ForceArgs};
use super::super::{CommandResult, Exit, Invocation};
use super::how::{FilesArgs, PaceArgs, WhichArgs, request};
use super::sources::SourceArgs;
use super::views::PlanView;
use crate::app::App;
use crate::features::fleet::PlanFile;
use crate::kernel::shell;

pub(super) const AFTER_HELP: &str = "\
EXAMPLES
  nexus migrate plan --all
  nexus migrate plan --where tier=gold --set app
  nexus migrate plan --all --source shop=./migrations     the files of this checkout
  nexus migrate plan --all --wave 'canary=acme,beta;10%' --out plan.json
  nexus migrate apply --plan plan.json      once somebody has approved it
  nexus -o json migrate plan --all | jq '.tenants[].slug'";

/// Arguments of `nexus migrate plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Which tenants
    #[command(flatten)]
    pub which: WhichArgs,
    /// Which files
    #[command(flatten)]
    pub files: FilesArgs,
    /// Where they are
    #[command(flatten)]
    pub source: SourceArgs,
    /// How
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Save the plan in this file, for nexus migrate apply
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Whose file may be overwritten
    #[command(flatten)]
    pub force: ForceArgs,
}

pub(super) async fn run(args: PlanArgs, ctx: &Invocation) -> CommandResult {
    if let Some(file) = &args.out {
        own_files::check(file, args.force, &own_files::is_plan)?;
    }
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let mut app = App::open_to_read(&settings, &caller, &progress).await?;
    drop(progress);
    let files = (args.files, args.source.with_settings(ctx)?);
    let request = request(args.which, files, &args.pace, Duration::ZERO, None);
    let planned = app.fleet().plan(&mut app.control, &caller, &request).await?;
    for file in planned.misnamed() {
        ctx.screen.warn(&file.to_string());
    }
    if let Some(file) = args.out.filter(|_| !ctx.global.dry_run) {
        let saved = PlanFile::new(&request, &planned);
        let text = serde_json::to_string_pretty(&saved).unwrap_or_default();
        own_files::write_public(&file, text.as_bytes(), args.force, &own_files::is_plan)?;
        ctx.screen.note(&format!("apply it: nexus migrate apply --plan {}", shell::path(&file)));
    }
    ctx.screen.thing(&PlanView::of(&planned))?;
    Ok(Exit::Done)
}
