//! `nexus user list`, `show`, `sessions list`.

use super::super::iam::all_pages;
use super::super::{CommandResult, Exit, Invocation};
use super::{ListArgs, OneArgs, SortField};
use crate::features::iam::model::{UserFilter, UserSort};
use crate::features::iam::{signin, users};

pub(super) async fn list(args: ListArgs, on: &Invocation) -> CommandResult {
    let caller = on.caller();
    let mut realm = args.realm.open(on).await?;
    let filter = UserFilter { state: args.state, role: args.role, group: args.group, search: args.search };
    let field = match args.sort.field {
        SortField::Email => UserSort::Email,
        SortField::Name => UserSort::Name,
        SortField::Created => UserSort::CreatedAt,
        SortField::LastSignIn => UserSort::LastSignIn,
    };
    let sort = (field, args.sort.descending);
    all_pages(on, args.page.page(), "users", async |page| {
        Ok(users::list(&mut realm, &caller, &filter, sort, page).await?)
    })
    .await?;
    Ok(Exit::Done)
}

pub(super) async fn show(args: &OneArgs, on: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(on).await?;
    on.screen.thing(&users::get(&mut realm, &on.caller(), &args.user).await?)?;
    Ok(Exit::Done)
}

pub(super) async fn sessions(args: &OneArgs, on: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(on).await?;
    on.screen.list(signin::sessions(&mut realm, &on.caller(), &args.user).await?)?;
    Ok(Exit::Done)
}
