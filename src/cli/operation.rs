//! `nexus operation`: recorded changes of tenants, which can be finished or taken back.

use std::os::unix::process::CommandExt;
use std::process::Stdio;

use clap::{Args, Subcommand};

use super::confirm::ConfirmArgs;
use super::output::{Thing, row, time_text};
use super::pages::{self, Found};
use super::tenant::changes::BatchArgs;
use super::{CommandResult, Exit, Invocation, arguments, complete};
use crate::app::Session;
use crate::features::provisioning::{
    Direction, DrivenBy, OperationFilter, OperationState, OperationView, Provisioning, Worker,
};
use crate::features::tenants::{self, TenantRef};
use crate::infra::saga::StepRecord;
use crate::kernel::{AnyFailure, BatchId, Caller, Failure, OperationId, Progress, child};

mod batch;

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
  nexus -o id operation list --state stopped | xargs -r -n1 nexus operation resume")]
    List(ListArgs),
    /// Show a change with each of its steps
    #[command(after_help = "\
EXAMPLES
  nexus operation show 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d
  nexus -o json operation show 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d | jq '.steps[]'")]
    Show(ShowArgs),
    /// Finish an interrupted change
    ///
    /// Checks the actual state first, so it is safe after a crash, and safe to repeat.
    #[command(after_help = "\
EXAMPLES
  nexus operation resume 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d
  nexus operation resume --all")]
    Resume(ResumeArgs),
    /// Roll back an interrupted change
    ///
    /// Undoes the steps that were done, last first. What Nexus did not create is left alone. With
    /// --batch: applies the opposite verb to exactly those tenants that one command changed.
    /// Tenants that were changed again since are skipped, and named.
    #[command(after_help = "\
EXAMPLES
  nexus operation rollback --batch 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d
  nexus --dry-run operation rollback --batch 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d
  nexus operation rollback 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d
  nexus --dry-run operation rollback 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d")]
    Rollback(RollbackArgs),
}

/// Arguments of `nexus operation list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those of this tenant
    #[arg(long, value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: Option<TenantRef>,
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = arguments::word(OperationState::ALL, OperationState::as_str))]
    pub state: Option<OperationState>,
    /// Only those that are not finished
    #[arg(long, conflicts_with = "state")]
    pub open: bool,
    /// Only those of this batch: what one command changed
    #[arg(long, value_name = "ID")]
    pub batch: Option<BatchId>,
    /// Which rows
    #[command(flatten)]
    pub page: arguments::PageArgs,
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
    /// The operations' ids
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all", add = complete::operations())]
    pub ids: Vec<OperationId>,
    /// All that are not finished
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `nexus operation rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The operation's id
    #[arg(value_name = "ID", required_unless_present = "batch", conflicts_with = "batch", add = complete::operations())]
    pub id: Option<OperationId>,
    /// Undo what one command changed: the batch's id
    #[arg(long, value_name = "ID")]
    pub batch: Option<BatchId>,
    /// How many
    #[command(flatten)]
    pub options: BatchArgs,
    /// How many are meant
    #[command(flatten)]
    pub confirm: ConfirmArgs,
}

/// Runs a verb of `nexus operation`.
///
/// # Errors
/// What the services say.
pub async fn run(args: OperationArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let progress = ctx.screen.progress();
    let mut app = ctx.open(&progress).await?;
    match args.verb {
        Verb::List(args) => list(&args, &mut app, &caller, ctx).await,
        Verb::Show(args) => {
            let view = OperationView::show(&mut app.control, &caller, args.id).await?;
            ctx.screen.thing(&view)?;
            Ok(Exit::Done)
        }
        Verb::Resume(args) => {
            let (provisioning, worker) = app.begin_work().await?;
            let ids = if args.all { provisioning.unfinished(&worker, &caller).await? } else { args.ids };
            take_up(&provisioning, &worker, &ids, Direction::AsRecorded, (&caller, &progress), ctx).await
        }
        Verb::Rollback(args) => {
            let (provisioning, worker) = app.begin_work().await?;
            if let Some(id) = args.batch {
                drop(progress);
                return batch::roll_back(id, &args, (provisioning, worker), ctx).await;
            }
            let ids: Vec<OperationId> = args.id.into_iter().collect();
            take_up(&provisioning, &worker, &ids, Direction::Back, (&caller, &progress), ctx).await
        }
    }
}

async fn list(args: &ListArgs, app: &mut Session, caller: &Caller, ctx: &Invocation) -> CommandResult {
    let tenant = match &args.tenant {
        Some(name) => Some(tenants::get(&mut app.control, caller, name).await?.id),
        None => None,
    };
    let filter = OperationFilter {
        tenant,
        state: args.state,
        open: args.open,
        batch: args.batch,
        ..OperationFilter::default()
    };
    let page = args.page.page(&ctx.screen);
    let written = pages::write(
        ctx,
        page,
        ("operations", pages::before(ctx)),
        async |page, after: Option<&OperationView>| {
            let before = after.map(|row| (row.created_at, row.id));
            let filter = OperationFilter { before, ..filter.clone() };
            let rows = OperationView::list(&mut app.control, caller, &filter, page).await?;
            Ok(Found { rows, place: None })
        },
    )
    .await?;
    let narrowed = tenant.is_some() || args.state.is_some() || args.open || args.batch.is_some();
    pages::say_if_empty(ctx, written, if narrowed { "operations match" } else { "operations" });
    Ok(Exit::Done)
}

async fn take_up(
    provisioning: &Provisioning,
    worker: &Worker,
    ids: &[OperationId],
    direction: Direction,
    (caller, progress): (&Caller, &dyn Progress),
    ctx: &Invocation,
) -> CommandResult {
    let mut list = ctx.screen.list_writer();
    let mut failure: Option<AnyFailure> = None;
    for id in ids {
        if ctx.global.dry_run {
            list.row(&provisioning.operation(worker, caller, *id).await?)?;
            continue;
        }
        let ended = provisioning.take_up(worker, caller, *id, direction, progress, &ctx.interrupt).await;
        if let Err(error) = ended {
            // With many the first failure is told at the end; the others are in the list.
            failure.get_or_insert(error.into());
        }
        list.row(&provisioning.operation(worker, caller, *id).await?)?;
        if ctx.interrupt.is_cancelled() {
            break;
        }
    }
    list.finish()?;
    failure.map_or(Ok(Exit::Done), Err)
}

/// Starts `nexus operation resume` as a process of its own, which outlives this one.
///
/// # Errors
/// When no process can be started; the operations can be resumed by hand.
pub fn start_in_background(ctx: &Invocation, ids: &[OperationId]) -> Result<(), AnyFailure> {
    let program = std::env::current_exe().map_err(NotStarted)?;
    let mut command = child::command(program);
    command.args(["--context", ctx.loaded.context.as_str()]);
    if let Some(file) = &ctx.loaded.file {
        command.arg("--config").arg(file);
    }
    command.args(["--quiet", "operation", "resume"]).args(ids.iter().map(ToString::to_string));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().map_err(NotStarted)?;
    Ok(())
}

/// The process that should do the work did not start.
#[derive(Debug, thiserror::Error, Failure)]
#[error("the work is recorded, but no process could be started to do it: {0}")]
#[failure(Unavailable, "not_started")]
#[hint("do it here: nexus operation resume --all")]
struct NotStarted(std::io::Error);

row! { it: OperationView, it.id;
    text "id": it.id,
    text "kind": it.kind,
    text "tenant": it.tenant,
    text "state": it.state,
    text "created_at": it.created_at,
    text "error": error_text(it),
}

impl Thing for OperationView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("id", self.id.to_string()),
            ("kind", self.kind.clone()),
            ("tenant", self.tenant.clone()),
            ("tenant_id", self.tenant_id.to_string()),
            ("state", self.state.clone()),
            ("caller", self.caller.clone()),
            ("error", error_text(self)),
            ("created_at", time_text(self.created_at)),
            ("updated_at", time_text(self.updated_at)),
            ("finished_at", self.finished_at.map(time_text).unwrap_or_default()),
        ];
        let step = |step: &StepRecord| format!("{}: {}", step.name, step.state.as_str());
        if self.driven_by == DrivenBy::Worker {
            fields.push(("driven_by", self.driven_by.as_str().to_owned()));
        }
        fields.extend(self.retry_at.map(|at| ("retry_at", time_text(at))));
        fields.extend(self.batch.map(|id| ("batch", id.to_string())));
        fields.push(("steps", self.steps.iter().map(step).collect::<Vec<_>>().join(", ")));
        fields
    }

    fn id(&self) -> String {
        self.id.to_string()
    }
}

fn error_text(view: &OperationView) -> String {
    let message = view.error.as_ref().and_then(|error| error.get("message"));
    message.and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}
