//! `nexus migrate runs`.

use clap::{Args, Subcommand};

use super::super::pages::{self, Found};
use super::super::{CommandResult, Exit, Invocation, arguments, prompt};
use super::how::PaceArgs;
use super::report::{ReportArgs, rendered, tell};
use super::views::{RunReport, WayBackView, notice_texts};
use crate::app::Session;
use crate::features::fleet::{RunFilter, RunState, RunView, TenantState};
use crate::kernel::Progress;
use crate::kernel::ids::RunId;
use crate::kernel::text::counted;

#[derive(Debug, Subcommand)]
pub(super) enum RunsVerb {
    /// List runs, newest first
    #[command(after_help = "\
EXAMPLES
  nexus migrate runs list
  nexus -o id migrate runs list --state partial --limit 1")]
    List(ListArgs),
    /// Show a run with each of its tenants
    #[command(after_help = "\
EXAMPLES
  nexus migrate runs show 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d
  nexus -o json migrate runs show 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d | jq '.tenants[] | select(.state == \"failed\")'")]
    Show(ShowArgs),
    /// Resume a run that was stopped or interrupted, or in which tenants failed
    ///
    /// Uses the files that the run started with, even if they have changed since.
    #[command(after_help = "\
EXAMPLES
  nexus migrate runs resume 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d
  nexus --dry-run migrate runs resume 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d    its state")]
    Resume(ResumeArgs),
    /// Cancel a run: start no more of its tenants
    ///
    /// Tenants that are being migrated are finished by their process. A stopped run cannot be
    /// resumed after that.
    #[command(after_help = "\
EXAMPLES
  nexus migrate runs cancel 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d")]
    Cancel(CancelArgs),
    /// Roll a run back in the tenants it changed
    ///
    /// Runs the .down.sql files, the last one first, as a run of its own. Refused before anything
    /// is done if one of them is missing.
    #[command(after_help = "\
EXAMPLES
  nexus --dry-run migrate runs rollback 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d
  nexus --yes migrate runs rollback 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d")]
    Rollback(RollbackArgs),
}

/// Arguments of `nexus migrate runs list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = arguments::word(RunState::ALL, RunState::as_str))]
    pub state: Option<RunState>,
    /// Which rows
    #[command(flatten)]
    pub page: arguments::PageArgs,
}

/// Arguments of `nexus migrate runs show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The run's id
    pub id: RunId,
}

/// Arguments of `nexus migrate runs resume`.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The run's id
    pub id: RunId,
    /// Where to report
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Arguments of `nexus migrate runs cancel`.
#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    /// The run's id
    pub id: RunId,
}

/// Arguments of `nexus migrate runs rollback`.
#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    /// The run's id
    pub id: RunId,
    /// How
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Where to report
    #[command(flatten)]
    pub report: ReportArgs,
}

pub(super) async fn run(verb: RunsVerb, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let progress = ctx.screen.progress();
    let mut app = ctx.open(&progress).await?;
    let fleet = app.fleet();
    let watch = (&progress as &dyn Progress, &ctx.interrupt);
    match verb {
        RunsVerb::List(args) => {
            let page = args.page.page(&ctx.screen);
            let written = pages::write(
                ctx,
                page,
                ("runs", pages::before(ctx)),
                async |page, after: Option<&RunView>| {
                    let before = after.map(|run| (run.created_at, run.id));
                    let filter = RunFilter { state: args.state, before };
                    let rows = RunView::list(&mut app.control, &caller, &filter, page).await?;
                    Ok(Found { rows, place: None })
                },
            )
            .await?;
            pages::say_if_empty(ctx, written, if args.state.is_some() { "runs match" } else { "runs" });
            Ok(Exit::Done)
        }
        RunsVerb::Show(args) => show(&mut app, args.id, ctx).await,
        RunsVerb::Resume(args) if ctx.global.dry_run => show(&mut app, args.id, ctx).await,
        RunsVerb::Cancel(args) if ctx.global.dry_run => show(&mut app, args.id, ctx).await,
        RunsVerb::Resume(args) => {
            args.report.check()?;
            let outcome = fleet.resume(&mut app.control, &caller, args.id, watch).await?;
            tell(outcome, &mut app, &caller, &args.report, ctx).await
        }
        RunsVerb::Cancel(args) => {
            let view = fleet.cancel(&mut app.control, &caller, args.id).await?;
            ctx.screen.thing(&RunReport::of(view, Vec::new()))?;
            Ok(Exit::Done)
        }
        RunsVerb::Rollback(args) => {
            args.report.check()?;
            let pace = args.pace.settings();
            let way = fleet.way_back(&mut app.control, &caller, args.id, pace).await?;
            if ctx.global.dry_run {
                ctx.screen.thing(&WayBackView::of(args.id, &way))?;
                return Ok(Exit::Done);
            }
            let tenants = counted(way.tenants.len(), "tenant");
            let what = format!("rolling back run {} in {tenants}", args.id);
            prompt::confirm(ctx, &what)?;
            let outcome = fleet.roll_back(&mut app.control, &caller, args.id, pace, watch).await?;
            tell(outcome, &mut app, &caller, &args.report, ctx).await
        }
    }
}

async fn show(app: &mut Session, id: RunId, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let view = RunView::show(&mut app.control, &caller, id).await?;
    let tenants = rendered(RunView::tenants_of(&mut app.control, &caller, id).await?, ctx);
    for tenant in tenants.iter().filter(|tenant| tenant.state == TenantState::Failed) {
        if let Some(hint) = &tenant.hint {
            ctx.screen.note(&format!("{}: {}", tenant.slug, hint.text));
        }
    }
    for text in notice_texts(&tenants, id) {
        ctx.screen.note(&text);
    }
    ctx.screen.thing(&RunReport::of(view, tenants))?;
    Ok(Exit::Done)
}
