//! Changing, shutting out, deleting and erasing users.

use super::super::hint::realm_flag;
use super::super::{CommandResult, Exit, Invocation, prompt};
use super::{DeleteArgs, OneArgs, PurgeArgs, RevokeSessionsArgs, UpdateArgs};
use crate::features::iam::users::{self, UserUpdate};
use crate::features::iam::{UserRef, signin};
use crate::kernel::{Expected, shell};

/// What is done to one user, without a question.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Disable,
    Enable,
    Unlock,
    Undelete,
}

pub(super) async fn run(change: Change, args: &OneArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let mut realm = args.realm.open(ctx).await?;
    let user = &args.user;
    let done = match change {
        Change::Disable => users::disable(&mut realm, &caller, user).await?,
        Change::Enable => users::enable(&mut realm, &caller, user).await?,
        Change::Unlock => users::unlock(&mut realm, &caller, user).await?,
        Change::Undelete => users::undelete(&mut realm, &caller, user).await?,
    };
    ctx.screen.thing(&done)?;
    Ok(Exit::Done)
}

pub(super) async fn update(args: UpdateArgs, ctx: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(ctx).await?;
    let change = UserUpdate {
        email: args.email,
        name: args.name,
        profile: args.profile.into_iter().collect(),
        fields: args.fields.into_iter().collect(),
        expected: Expected::Any,
    };
    let (user, _) = users::update(&mut realm, &ctx.caller(), &args.user, &change).await?;
    ctx.screen.thing(&user)?;
    Ok(Exit::Done)
}

pub(super) async fn delete(args: &DeleteArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let mut realm = args.realm.open(ctx).await?;
    let user = users::get(&mut realm, &caller, &args.user).await?;
    if !ctx.global.dry_run {
        let days = realm.rules().retention.as_secs() / 86_400;
        let (email, at) = (shell::word(&user.email), realm_flag(&realm.place().hinted()));
        let shown = format!("they can be undeleted for {days} days: nexus user undelete {email}{at}");
        let what = format!("deleting user {}", user.email);
        prompt::confirm_word(ctx, &what, &[shown], &user.email, args.confirm.as_deref())?;
    }
    ctx.screen.thing(&users::delete(&mut realm, &caller, &UserRef::Id(user.id), &Expected::Any).await?)?;
    Ok(Exit::Done)
}

pub(super) async fn purge(args: &PurgeArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    if !ctx.global.dry_run {
        prompt::confirm(ctx, "erasing the personal data of every user past their retention")?;
    }
    let mut realm = args.realm.open(ctx).await?;
    ctx.screen.list(users::purge(&mut realm, &caller).await?)?;
    Ok(Exit::Done)
}

pub(super) async fn revoke_sessions(args: &RevokeSessionsArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let mut realm = args.realm.open(ctx).await?;
    let done = match (&args.user, args.session) {
        (_, Some(session)) => signin::end_session(&mut realm, &caller, None, session).await?,
        (Some(user), None) => signin::end_sessions(&mut realm, &caller, user).await?,
        (None, None) => return Ok(Exit::Usage),
    };
    ctx.screen.thing(&done)?;
    Ok(Exit::Done)
}

/// What a session is named by.
pub(super) fn session_id(text: &str) -> Result<uuid::Uuid, String> {
    let wrong = "a session's id is a UUID; nexus user sessions list E-MAIL shows them";
    uuid::Uuid::try_parse(text).map_err(|_| wrong.to_owned())
}
