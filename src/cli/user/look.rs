//! `nexus user list`, `show`, `sessions list`.

use super::super::pages::{self, Found};
use super::super::{CommandResult, Exit, Invocation};
use super::{ListArgs, OneArgs, SortField};
use crate::features::iam::model::{UserFilter, UserSort};
use crate::features::iam::{signin, users};

pub(super) async fn list(args: ListArgs, on: &Invocation) -> CommandResult {
    let caller = on.caller();
    let mut realm = args.realm.open(on).await?;
    let (state, role, group, search) = (args.state, args.role, args.group, args.search);
    let filtered = state.is_some() || role.is_some() || group.is_some() || search.is_some();
    let mut filter = UserFilter { state, role, group, search, after: None };
    let field = match args.sort.field {
        SortField::Email => UserSort::Email,
        SortField::Name => UserSort::Name,
        SortField::Created => UserSort::CreatedAt,
        SortField::LastSignIn => UserSort::LastSignIn,
    };
    let sort = (field, args.sort.descending);
    let page = args.page.page(&on.screen);
    let written = pages::write(on, page, ("users", "the next users"), async |page, after| {
        filter.after = after.cloned();
        let (rows, place) = users::list(&mut realm, &caller, &filter, sort, page).await?;
        Ok(Found { rows, place: Some(place) })
    })
    .await?;
    pages::say_if_empty(on, written, if filtered { "users match" } else { "users" });
    Ok(Exit::Done)
}

pub(super) async fn show(args: &OneArgs, on: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(on).await?;
    on.screen.thing(&users::get(&mut realm, &on.caller(), &args.user).await?)?;
    Ok(Exit::Done)
}

pub(super) async fn sessions(args: &OneArgs, on: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(on).await?;
    pages::list(on, signin::sessions(&mut realm, &on.caller(), &args.user).await?, "sessions")?;
    Ok(Exit::Done)
}
