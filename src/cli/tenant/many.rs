//! `nexus tenant create --from FILE`: many tenants, some at a time.

use super::super::{CommandResult, Exit, Invocation, operation};
use super::CreateArgs;
use super::input::{self, Line};
use super::place::PlaceArgs;
use super::views::LineView;
use crate::app::{App, CompletionSession};
use crate::features::provisioning::{
    Attempt, BatchOptions, BatchRow, CreateOutcome, CreateRequest, Created, plan_create,
};
use crate::kernel::{AnyFailure, Failure};

/// How many are made at once unless the caller says.
const JOBS: u16 = 4;
/// How many a process in the background is given; their ids fit on a command line (execve(2)).
const IN_BACKGROUND: usize = 10_000;

pub(super) async fn run(args: CreateArgs, ctx: &Invocation) -> CommandResult {
    let Some(source) = &args.from else { return Ok(Exit::Done) };
    let lines = input::read(source)?;
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    if ctx.global.dry_run {
        return dry_run(&lines, &args.place, App::open_for_completion(&settings).await, ctx).await;
    }
    let progress = ctx.screen.progress();
    let (provisioning, worker) = App::open_to_work(&settings, &caller, &progress).await?;
    let numbers: Vec<usize> = lines.iter().map(|line| line.number).collect();
    let requests = lines.into_iter().map(|line| request(line, &args)).collect();
    let options = BatchOptions::new(args.jobs.unwrap_or(JOBS), args.max_failures, false);
    let (mut list, mut planned) = (ctx.screen.list_writer(), Vec::new());
    let mut take = |row: BatchRow<Created>| {
        if let Attempt::Done(created) = &row.attempt {
            planned.extend((created.outcome == CreateOutcome::Planned).then_some(created.operation));
        }
        let number = numbers.get(row.position).copied().unwrap_or_default();
        list.row(&LineView::of(number, row)).map_err(AnyFailure::from)
    };
    let watch = ctx.watch(progress);
    let report = provisioning.create_many(&worker, &caller, requests, options, watch, &mut take).await?;
    list.finish()?;
    planned.chunks(IN_BACKGROUND).try_for_each(|some| operation::start_in_background(ctx, some))?;
    report.verdict()?;
    Ok(Exit::Done)
}

fn request(line: Line, args: &CreateArgs) -> CreateRequest {
    CreateRequest {
        tenant: line.tenant,
        admin_password: None,
        detach: args.detach,
        wait: false,
        wish: args.place.or(&line.wish),
    }
}

async fn dry_run(
    lines: &[Line],
    place: &PlaceArgs,
    mut control: Option<CompletionSession>,
    ctx: &Invocation,
) -> CommandResult {
    let mut list = ctx.screen.list_writer();
    for line in lines {
        let planned =
            plan_create(control.as_mut(), &ctx.caller(), (&line.tenant, None), &place.or(&line.wish)).await;
        let (outcome, error) = match &planned {
            Ok(_) => ("planned", None),
            Err(error) => ("conflict", Some(error)),
        };
        list.row(&LineView {
            code: error.map(Failure::code),
            error: error.map(ToString::to_string),
            ..LineView::without(line.number, line.tenant.slug.to_string(), outcome)
        })?;
    }
    list.finish()?;
    Ok(Exit::Done)
}
