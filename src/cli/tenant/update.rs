//! `nexus tenant update`.

use std::collections::BTreeSet;

use super::super::usage::UsageError;
use super::super::{CommandResult, Exit, Invocation};
use super::views::UpdatedView;
use super::{Selected, UpdateArgs, facilities};
use crate::app::{App, Session};
use crate::features::provisioning::Batch;
use crate::features::tenants::{self, Change, ChangeOutcome};
use crate::kernel::text::counted;
use crate::kernel::{AnyFailure, BatchId, ErrorKind, Event, Failure, Progress};

/// Some tenants could not be changed.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{failed} of {total} tenants could not be changed")]
#[failure(Partial, "some_not_updated")]
#[hint("repeat the command: what is changed already is left as it is")]
#[hints(batch.map(super::changes::way_back))]
#[details(failed, total)]
struct NotUpdated {
    failed: u64,
    total: usize,
    batch: Option<BatchId>,
}

pub(super) async fn run(args: UpdateArgs, ctx: &Invocation) -> CommandResult {
    let (chosen, asked) = (args.tenants.clone(), facilities::asked(&args));
    let asking = args.confirm.asking("updating");
    let mut change = change(args)?;
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
    let all = chosen.fixed(&mut app, &caller).await?;
    let total = all.len();
    if all.is_empty() && chosen.is_selection() {
        chosen.say_that_none_match(&mut app, &caller, ctx).await?;
    }
    if !dry_run {
        let slugs: Vec<&str> = all.iter().map(|one| one.slug.as_str()).collect();
        asking.confirm(ctx, &slugs, chosen.is_selection())?;
        if total > 0 {
            let batch = Batch::begin(&mut app.control, &caller, ("update", total), None).await?;
            change.batch = Some(batch.id);
            ctx.screen.note(&format!("batch {}", batch.id));
        }
    }
    let Tally { failed, unchanged, seen } = each(all, &change, &mut app, &progress, ctx).await?;
    drop(progress);
    ctx.screen.note(&format!("{} matched, {unchanged} already up to date", counted(total, "tenant")));
    let batch = change.batch.filter(|_| seen > unchanged);
    match failed {
        0 => {
            if let Some(batch) = batch {
                ctx.screen.note(&format!("batch {batch}; {}", super::changes::way_back(batch)));
            }
            Ok(if ctx.interrupt.is_cancelled() { Exit::Interrupted } else { Exit::Done })
        }
        _ => Err(NotUpdated { failed, total, batch }.into()),
    }
}

/// How many failed, were so already, and did not fail.
#[derive(Default)]
struct Tally {
    failed: u64,
    unchanged: u64,
    seen: u64,
}

/// Changes these one after the other; a row for each.
async fn each(
    all: Vec<Selected>,
    change: &Change,
    app: &mut Session,
    progress: &dyn Progress,
    ctx: &Invocation,
) -> Result<Tally, AnyFailure> {
    let (caller, dry_run) = (ctx.caller(), ctx.global.dry_run);
    progress.event(Event::Total(all.len() as u64));
    let mut list = ctx.screen.list_writer();
    let mut tally = Tally::default();
    for one in all {
        if ctx.interrupt.is_cancelled() {
            break;
        }
        let result = tenants::update(&mut app.control, &caller, &one.tenant, change, dry_run).await;
        progress.event(Event::Done { subject: one.slug.clone(), ok: result.is_ok() });
        let row = match result {
            // The server is gone: the others would fail in the same way.
            Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error.into()),
            Err(error) => {
                tally.failed += 1;
                failed_row(one.slug, &error)
            }
            Ok(updated) => {
                tally.seen += 1;
                tally.unchanged += u64::from(updated.outcome == ChangeOutcome::Unchanged);
                updated.into()
            }
        };
        list.row(&row)?;
    }
    list.finish()?;
    Ok(tally)
}

/// The change that is asked for, if it makes sense as a whole.
fn change(args: UpdateArgs) -> Result<Change, UsageError> {
    if args.name.is_some() && args.tenants.one().is_none() {
        return Err(UsageError::new("--name is for one tenant, and several are named", []));
    }
    if !facilities::asked(&args).is_empty() && args.tenants.one().is_none() {
        let text = "--advisory-locks and --large-objects are for one tenant, and several are named";
        return Err(UsageError::new(text, []));
    }
    let mut keys = BTreeSet::new();
    let named = args.labels.iter().map(|label| &label.key).chain(&args.unlabel);
    for key in named {
        if !keys.insert(key) {
            return Err(UsageError::new(format!("label {key} is named twice"), []));
        }
    }
    Ok(Change { name: args.name, set: args.labels, unset: args.unlabel, batch: None })
}

fn failed_row(slug: String, error: &dyn Failure) -> UpdatedView {
    UpdatedView {
        slug,
        outcome: "failed",
        id: None,
        before: None,
        after: None,
        code: Some(error.code()),
        error: Some(error.to_string()),
    }
}
