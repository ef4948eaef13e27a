//! `nexus migrate apply`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::super::{CommandResult, Exit, Invocation};
use super::how::WaitArgs;
use super::report::{ReportArgs, read_file, tell};
use super::sources::SourceArgs;
use super::views::PlanView;
use crate::app::App;
use crate::features::fleet::PlanFile;

pub(super) const AFTER_HELP: &str = "\
EXAMPLES
  nexus migrate plan --all --out plan.json
  nexus migrate apply --plan plan.json
  nexus --dry-run migrate apply --plan plan.json      whether it still applies";

/// Arguments of `nexus migrate apply`.
#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// The plan, as nexus migrate plan --out saved it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub plan: PathBuf,
    /// Where the files are
    #[command(flatten)]
    pub source: SourceArgs,
    /// How long to wait
    #[command(flatten)]
    pub wait: WaitArgs,
    /// Where to report
    #[command(flatten)]
    pub report: ReportArgs,
}

pub(super) async fn run(args: ApplyArgs, ctx: &Invocation) -> CommandResult {
    args.report.check()?;
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let name = args.plan.display().to_string();
    let sources = args.source.with_settings(ctx)?;
    let saved = PlanFile::read(&read_file(&args.plan)?, &name)?;
    let progress = ctx.screen.progress();
    let mut app = App::open(&settings, &caller, &progress).await?;
    let fleet = app.fleet();
    if ctx.global.dry_run {
        drop(progress);
        let request = saved.request(Duration::ZERO, sources, &name)?;
        let planned = fleet.plan(&mut app.control, &caller, &request).await?;
        saved.check(&planned)?;
        ctx.screen.thing(&PlanView::of(&planned))?;
        return Ok(Exit::Done);
    }
    let request = saved.request(args.wait.lock_wait, sources, &name)?;
    let watch = (&progress as &dyn crate::kernel::Progress, &ctx.interrupt);
    let outcome = fleet.migrate(&mut app.control, &caller, &request, Some(&saved), watch).await?;
    drop(progress);
    tell(outcome, &mut app, &caller, &args.report, ctx).await
}
