//! `nexus migrate tenants`.

use std::time::Duration;

use clap::Args;

use super::super::{CommandResult, Exit, Invocation};
use super::how::{FilesArgs, PaceArgs, WaitArgs, WhichArgs, request};
use super::report::{ReportArgs, tell};
use super::sources::SourceArgs;
use super::views::PlanView;
use crate::app::App;
use crate::features::fleet::Shard;

pub(super) const AFTER_HELP: &str = "\
EXAMPLES
  nexus migrate tenants --all               what a deploy runs
  nexus --dry-run migrate tenants --all     what it would do
  nexus migrate tenants --all --wave 'canary=acme,beta;1%;10%;rest' --soak 5m
  nexus migrate tenants --all --only failed --retries 10
  nexus migrate tenants acme --set app --to 20260101120000
  nexus migrate tenants --all --report junit=migrate.xml --report markdown=migrate.md
  nexus migrate tenants --all --shard 1/4   on one of four machines that share the run

Exit codes: 0 done, or nothing to do; 6 some tenants failed or were not started; 7 another run is in
progress; 8 a server does not answer; 130 interrupted. 'nexus tenant list --help' describes the
conditions of --where.";

/// Arguments of `nexus migrate tenants`.
#[derive(Debug, Args)]
pub(super) struct TenantsArgs {
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
    /// How long to wait
    #[command(flatten)]
    pub wait: WaitArgs,
    /// Share the run with other processes: this is the I-th of N. The first one starts it, and each
    /// takes tenants that are free
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Where to report
    #[command(flatten)]
    pub report: ReportArgs,
}

pub(super) async fn run(args: TenantsArgs, ctx: &Invocation) -> CommandResult {
    args.report.check()?;
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let mut app = App::open(&settings, &caller, &progress).await?;
    let fleet = app.fleet();
    let files = (args.files, args.source.with_settings(ctx)?);
    if ctx.global.dry_run {
        drop(progress);
        let request = request(args.which, files, &args.pace, Duration::ZERO, None);
        let planned = fleet.plan(&mut app.control, &caller, &request).await?;
        for file in planned.misnamed() {
            ctx.screen.warn(&file.to_string());
        }
        ctx.screen.thing(&PlanView::of(&planned))?;
        return Ok(Exit::Done);
    }
    let request = request(args.which, files, &args.pace, args.wait.lock_wait, args.shard);
    let watch = (&progress as &dyn crate::kernel::Progress, &ctx.interrupt);
    let outcome = fleet.migrate(&mut app.control, &caller, &request, None, watch).await?;
    drop(progress);
    tell(outcome, &mut app, &caller, &args.report, ctx).await
}
