//! `nexus tenant update`.

use super::super::usage::UsageError;
use super::super::{CommandResult, Exit, Invocation};
use super::changes::conclude;
use super::views::UpdatedView;
use super::{UpdateArgs, facilities};
use crate::app::App;
use crate::features::provisioning::BatchOptions;
use crate::features::tenants::{self, Change, ChangeOutcome};
use crate::kernel::AnyFailure;
use crate::kernel::text::counted;

pub(super) async fn run(args: UpdateArgs, ctx: &Invocation) -> CommandResult {
    let (chosen, asked) = (args.tenants.clone(), facilities::asked(&args));
    let asking = args.confirm.asking("updating");
    let change = change(args)?;
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let mut app = App::open(&settings, &caller, &progress).await?;
    let dry_run = ctx.global.dry_run;
    if let Some(name) = chosen.one() {
        asking.confirm(ctx, &[&name.to_string()], false)?;
        let updated = tenants::update(&mut app.control, &caller, name, &change, dry_run).await;
        drop(progress);
        let mut updated = updated?;
        if facilities::allow(&mut app, &caller, name, &asked, ctx).await? {
            updated.outcome = if dry_run { ChangeOutcome::Planned } else { ChangeOutcome::Updated };
        }
        if updated.outcome == ChangeOutcome::Unchanged {
            ctx.screen.note(&format!("tenant {} is already up to date; nothing was changed", updated.slug));
        }
        ctx.screen.list([UpdatedView::from(updated)])?;
        return Ok(Exit::Done);
    }
    drop(progress);
    let all = chosen.confirmed(&mut app, &caller, &asking, ctx).await?;
    let (provisioning, worker) = app.begin_work_on_rows();
    let watch = ctx.watch(ctx.screen.progress());
    let options = BatchOptions::new(1, None, dry_run);
    let mut list = ctx.screen.list_writer();
    let mut take = |row| UpdatedView::of(row).map_or(Ok(()), |row| list.row(&row)).map_err(AnyFailure::from);
    let report = provisioning.update_many(&worker, &caller, (all, change), options, watch, &mut take).await?;
    list.finish()?;
    let (matched, unchanged) = (counted(report.total, "tenant"), report.unchanged);
    ctx.screen.note(&format!("{matched} matched, {unchanged} already up to date"));
    conclude(report, ctx)
}

/// The change that is asked for, if it makes sense as a whole.
fn change(args: UpdateArgs) -> Result<Change, AnyFailure> {
    if args.name.is_some() && args.tenants.one().is_none() {
        return Err(UsageError::new("--name is for one tenant, and several are named", []).into());
    }
    if !facilities::asked(&args).is_empty() && args.tenants.one().is_none() {
        let text = "--advisory-locks and --large-objects are for one tenant, and several are named";
        return Err(UsageError::new(text, []).into());
    }
    let change = Change::new(args.name, args.labels, args.unlabel)?;
    Ok(Change { profile: args.profile.change(), ..change })
}
