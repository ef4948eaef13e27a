//! `nexus user list`, `show`, `sessions list`.

use super::super::pages::{self, Found};
use super::super::{CommandResult, Exit, Invocation};
use super::{ListArgs, OneArgs, SortField};
use crate::features::iam::model::{UserFilter, UserPosition, UserSort};
use crate::features::iam::{signin, users};
use crate::kernel::Total;

pub(super) async fn list(args: ListArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let mut realm = args.realm.open(ctx).await?;
    let (state, role, group, search) = (args.state, args.role, args.group, args.search);
    let filtered = state.is_some() || role.is_some() || group.is_some() || search.is_some();
    let (role, group) = (role.as_ref().map(Into::into), group.as_ref().map(Into::into));
    let mut filter =
        UserFilter { states: state.map(|state| vec![state]), role, group, search, ..UserFilter::default() };
    let field = match args.sort.field {
        SortField::Email => UserSort::Email,
        SortField::Name => UserSort::Name,
        SortField::Created => UserSort::CreatedAt,
        SortField::LastSignIn => UserSort::LastSignIn,
    };
    let sort = (field, args.sort.descending);
    let page = args.page.page(&ctx.screen);
    let written = pages::write(ctx, page, ("users", "the next users"), async |page, after| {
        filter.after = after.map(|user| UserPosition::of(user, field));
        let (rows, place) = users::list(&mut realm, &caller, &filter, sort, (page, Total::Exact)).await?;
        Ok(Found { rows, place: Some(place) })
    })
    .await?;
    pages::say_if_empty(ctx, written, if filtered { "users match" } else { "users" });
    Ok(Exit::Done)
}

pub(super) async fn show(args: &OneArgs, ctx: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(ctx).await?;
    ctx.screen.thing(&users::get(&mut realm, &ctx.caller(), &args.user).await?)?;
    Ok(Exit::Done)
}

pub(super) async fn sessions(args: &OneArgs, ctx: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(ctx).await?;
    pages::list(ctx, signin::sessions(&mut realm, &ctx.caller(), &args.user).await?, "sessions")?;
    Ok(Exit::Done)
}
