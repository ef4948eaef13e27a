//! `nexus tenant delete`.

use clap::Args;

use super::super::confirm::{Asking, Meant};
use super::super::{CommandResult, Exit, Invocation, confirm, prompt};
use super::TenantSelection;
use super::changes::{self, BatchArgs};
use crate::app::App;
use crate::features::provisioning::{Change, Sizes, plan_purge};
use crate::features::tenants::{self, TenantRef};
use crate::kernel::Slug;
use crate::kernel::text::counted;

/// Arguments of `nexus tenant delete`.
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// Which
    #[command(flatten)]
    pub tenants: TenantSelection,
    /// Destroy it at once and permanently: it cannot be undeleted
    #[arg(long)]
    pub purge: bool,
    /// Confirm the slug, or the number of several tenants, in a script
    #[arg(long, value_name = "SLUG|N")]
    pub confirm: Option<Meant>,
    /// How many
    #[command(flatten)]
    pub options: BatchArgs,
}

pub(super) async fn run(args: &DeleteArgs, ctx: &Invocation) -> CommandResult {
    match args.tenants.one() {
        Some(name) => one(args, name, ctx).await,
        None => many(args, ctx).await,
    }
}

async fn many(args: &DeleteArgs, ctx: &Invocation) -> CommandResult {
    let (change, doing) = if args.purge {
        (Change::Purge { only_if_due: false }, "deleting for good")
    } else {
        (Change::Delete, "deleting")
    };
    let asking = Asking { doing, given: args.confirm.clone(), destroys: true };
    changes::of_selected(&args.tenants, change, &args.options, asking, ctx).await
}

async fn one(args: &DeleteArgs, name: &TenantRef, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let mut app = App::open(&settings, &caller, &progress).await?;
    let tenant = tenants::get(&mut app.control, &caller, name).await?;
    let (change, planned, what) = if args.purge {
        (Change::Purge { only_if_due: false }, plan_purge(&tenant), "for good")
    } else {
        (Change::Delete, app.provisioning.plan_delete(&tenant), "")
    };
    if ctx.global.dry_run {
        ctx.screen.list(planned)?;
        return Ok(Exit::Done);
    }
    let slug: Slug = tenant.slug.parse()?;
    let placement = app.provisioning.placement.clone();
    let server = placement.host(&mut app.control, &caller, &tenant.cluster).await?;
    let mut shown = vec![format!(
        "context {}, server {server}, tenant {} ({}):",
        settings.context, tenant.slug, tenant.name
    )];
    if ctx.screen.can_ask() {
        shown.push(format!(
            "  {}",
            sizes_text(app.provisioning.sizes(&mut app.control, &caller, &tenant).await?)
        ));
    }
    shown.extend(planned.iter().map(|step| format!("  {}", step.effect)));
    let given = match &args.confirm {
        Some(Meant::One(given)) => Some(given),
        Some(Meant::Number(number)) => {
            return Err(confirm::not_a_slug(ctx, "deleting", slug.as_str(), *number).into());
        }
        None => None,
    };
    let what = format!("deleting tenant {slug} {what}");
    prompt::confirm_slug(ctx, what.trim_end(), &shown, &slug, given)?;
    let (provisioning, worker) = app.begin_work().await?;
    let by_id = TenantRef::Id(tenant.id);
    let changed =
        Box::pin(provisioning.change(&worker, &caller, &by_id, &change, &progress, &ctx.interrupt)).await;
    drop(progress);
    let changed = changed?;
    if !args.purge {
        let until = changed.tenant.trash.as_ref().map(|trash| trash.purge_after.date().to_string());
        let until = until.unwrap_or_default();
        ctx.screen.note(&format!("can be undeleted until {until}: nexus tenant undelete {slug}"));
    }
    ctx.screen.thing(&changed)?;
    Ok(Exit::Done)
}

/// What would go, in numbers.
fn sizes_text(sizes: Sizes) -> String {
    let mut parts = vec!["it holds".to_owned()];
    parts.push(match sizes.database_bytes {
        Some(bytes) => format!("a database of {}", bytes_text(bytes)),
        None => "a database that could not be measured".to_owned(),
    });
    if let Some((tables, rows)) = sizes.tables_and_rows {
        let (rows, tables) = (counted(thousands(rows), "row"), counted(thousands(tables), "table"));
        parts.push(format!("with about {rows} in {tables}"));
    }
    parts.push(match sizes.objects {
        Some((objects, more)) => {
            let objects = thousands(i64::try_from(objects).unwrap_or(i64::MAX));
            format!("and {}{}", counted(objects, "object"), if more { " or more" } else { "" })
        }
        None => "and objects that were not counted".to_owned(),
    });
    parts.join(" ")
}

/// In megabytes of 10^6 bytes, rounded up.
fn bytes_text(bytes: i64) -> String {
    format!("{} MB", thousands(bytes / 1_000_000 + 1))
}

/// With a comma between each three digits.
fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), expected);
        }
        assert_eq!(bytes_text(8_600_000), "9 MB");
    }

    #[test]
    fn what_could_not_be_counted_is_said_to_be_so() {
        let sizes = Sizes { tables_and_rows: Some((1, 5)), objects: Some((1000, true)), ..Sizes::default() };
        let expected = "it holds a database that could not be measured with about 5 rows in 1 table \
                        and 1,000 objects or more";
        assert_eq!(sizes_text(sizes), expected);
        assert!(sizes_text(Sizes::default()).ends_with("objects that were not counted"));
    }
}
