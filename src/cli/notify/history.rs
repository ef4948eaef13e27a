//! What became of notifications.

use clap::Args;
use uuid::Uuid;

use super::super::arguments::{PageArgs, word};
use super::super::iam::RealmArgs;
use super::super::output::{row, thing};
use super::super::pages::{self, Found};
use super::super::{CommandResult, Exit, Invocation, hint};
use crate::features::iam::{UserRef, users};
use crate::features::messages::{self, FailedMessage};
use crate::features::notifications::{NotificationFilter, NotificationState, NotificationView, suppressions};
use crate::features::templates::Kind;
use crate::kernel::Hint;
use crate::kernel::hint::NotifyAction;

/// Arguments of `nexus notify list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = word(NotificationState::ALL, NotificationState::as_str))]
    pub(super) state: Option<NotificationState>,
    /// Only those of this kind, e.g. app.order.shipped
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Option<Kind>,
    /// Only those to this user
    #[arg(long, value_name = "E-MAIL|ID")]
    pub(super) user: Option<UserRef>,
    /// What failed or may not have arrived, of all tenants, the latest first
    #[arg(long, conflicts_with_all = ["tenant", "state", "kind", "user"])]
    pub(super) all_tenants: bool,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
    /// Which rows
    #[command(flatten)]
    pub(super) page: PageArgs,
}

/// Arguments of `nexus notify show`, `retry` and `cancel`.
#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// The notification's id
    pub(super) id: Uuid,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
}

pub(super) async fn list(args: ListArgs, ctx: &Invocation) -> CommandResult {
    if args.all_tenants {
        return failed(&args, ctx).await;
    }
    let caller = ctx.caller();
    let mut realm = args.realm.open(ctx).await?;
    let user = match &args.user {
        Some(who) => Some(users::get(&mut realm, &caller, who).await?.id.uuid()),
        None => None,
    };
    let narrowed = args.state.is_some() || args.kind.is_some() || user.is_some();
    let filter = NotificationFilter { state: args.state, kind: args.kind, user, before: None };
    let written = pages::write(
        ctx,
        args.page.page(&ctx.screen),
        ("notifications", pages::before(ctx)),
        async |page, after: Option<&NotificationView>| {
            let filter = NotificationFilter { before: after.map(|row| row.id), ..filter.clone() };
            let rows = messages::list(&mut realm, &caller, &filter, page).await?;
            Ok(Found { rows, place: None })
        },
    )
    .await?;
    pages::say_if_empty(ctx, written, if narrowed { "notifications match" } else { "notifications" });
    Ok(Exit::Done)
}

async fn failed(args: &ListArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let mut app = ctx.open(&ctx.screen.progress()).await?;
    let mut written = 0;
    let total = pages::write(
        ctx,
        args.page.page(&ctx.screen),
        ("messages", pages::before(ctx)),
        async |mut page, after: Option<&FailedMessage>| {
            // There are few, and more may come meanwhile: each part is counted from the first.
            if after.is_some() {
                page.page = written / page.limit + 1;
            }
            let rows = messages::failed(&mut app.control, &caller, page).await?;
            written += u32::try_from(rows.len()).unwrap_or(u32::MAX);
            Ok(Found { rows, place: None })
        },
    )
    .await?;
    pages::say_if_empty(ctx, total, "messages failed");
    Ok(Exit::Done)
}

pub(super) async fn show(args: &OneArgs, ctx: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(ctx).await?;
    let shown = messages::show(&mut realm, &ctx.caller(), args.id).await?;
    ctx.screen.thing(&shown)?;
    if shown.reason.as_deref().is_some_and(suppressions::is_reason) {
        let action = NotifyAction::RemoveSuppression(shown.address, realm.place().hinted());
        ctx.screen.note(&hint::sentence(&Hint::new("to have the address get mail again", action)));
    }
    Ok(Exit::Done)
}

pub(super) async fn retry(args: &OneArgs, ctx: &Invocation) -> CommandResult {
    let (caller, session) = (ctx.caller(), ctx.open(&ctx.screen.progress()).await?);
    let app = session.app.clone();
    let realm = session.enter_realm(&caller, args.realm.tenant.as_ref()).await?;
    let mut realm = realm.dry_run(ctx.global.dry_run);
    let row = messages::retry(&mut realm, &caller, args.id).await?;
    drop(realm);
    ctx.wake_workers(&app).await;
    if ctx.global.dry_run {
        ctx.screen.note("the notification would be sent again; nothing was done");
    }
    ctx.screen.thing(&row)?;
    Ok(Exit::Done)
}

pub(super) async fn cancel(args: &OneArgs, ctx: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(ctx).await?;
    let row = messages::cancel(&mut realm, &ctx.caller(), args.id).await?;
    if ctx.global.dry_run {
        ctx.screen.note("the notification would be cancelled; nothing was done");
    }
    ctx.screen.thing(&row)?;
    Ok(Exit::Done)
}

/// Who it is for: their address, where they are nobody of the realm, else their id.
fn recipient(it: &NotificationView) -> String {
    it.address.clone().or_else(|| it.user_id.map(|id| id.to_string())).unwrap_or_default()
}

row! { it: NotificationView, it.id;
    text "id": it.id,
    text "kind": it.kind,
    text "channel": it.channel.as_str(),
    text "to": recipient(it),
    text "state": it.state.as_str(),
    text "created_at": it.created_at,
    sentences "reason": it.reason,
}

thing! { it: NotificationView, it.id;
    "id": it.id,
    "request_id": it.request_id,
    "kind": it.kind,
    "channel": it.channel.as_str(),
    "user_id": it.user_id,
    "address": it.address,
    "state": it.state.as_str(),
    "reason": it.reason,
    "attempts": it.attempts,
    "priority": it.priority.as_str(),
    "subject": it.subject,
    "not_before": it.not_before,
    "created_at": it.created_at,
    "updated_at": it.updated_at,
}

row! { it: FailedMessage, it.id;
    text "id": it.id,
    text "tenant": it.tenant,
    text "kind": it.kind,
    text "state": it.state,
    text "attempts": it.attempts,
    text "updated_at": it.updated_at,
    sentences "reason": it.reason,
}
