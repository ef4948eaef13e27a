//! `nexus token list` and `nexus token revoke`.

use super::super::{CommandResult, Exit, Invocation, prompt};
use super::{ListArgs, RevokeArgs};
use crate::app::App;
use crate::features::tenants::TenantRef;
use crate::features::tokens::{IssuedFilter, Revocation, Tokens};
use crate::kernel::{AnyFailure, Caller, Email, ErrorKind, Page};

/// Rows that are fetched at a time when all are wanted.
const CHUNK: u32 = 1000;

pub(super) async fn list(args: ListArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let mut app = App::open(&settings, &caller, &on.screen.progress()).await?;
    let tenant = match &args.tenant {
        Some(tenant) => Some(app.realm_name(&caller, Some(tenant)).await?.id),
        None => None,
    };
    let email = args.user.as_ref().map(ToString::to_string);
    let filter = IssuedFilter { tenant, email, all: args.all_states };
    let tokens = app.tokens(&settings);
    let mut list = on.screen.list_writer();
    let (mut page, all) = match args.page.page() {
        Some(page) => (page, false),
        None => (Page { page: 1, limit: CHUNK }, true),
    };
    loop {
        let rows = tokens.issued(&mut app.control, &caller, &filter, page).await?;
        let full = u32::try_from(rows.len()).unwrap_or(u32::MAX) >= page.limit;
        if let (true, Some(email)) = (rows.is_empty() && page.page == 1, &args.user) {
            known(email, args.tenant.as_ref(), &mut app, &tokens, &caller).await?;
        }
        for row in rows {
            list.row(&row)?;
        }
        if !(all && full) {
            list.finish()?;
            if full {
                on.screen.note(&format!("there may be more; --page {} shows the next", page.page + 1));
            }
            return Ok(Exit::Done);
        }
        page.page += 1;
    }
}

/// Tells a user who has no tokens from a slip.
async fn known(
    email: &Email,
    tenant: Option<&TenantRef>,
    app: &mut App,
    tokens: &Tokens,
    caller: &Caller,
) -> Result<(), AnyFailure> {
    let mut realm = match app.open_token_realm(caller, tenant).await {
        Ok(realm) => realm,
        // Who is in a tenant that is not in use cannot be looked up; its tokens can.
        Err(failure) if failure.kind() == ErrorKind::Conflict => return Ok(()),
        Err(failure) => return Err(failure),
    };
    match tenant {
        Some(_) => tokens.subject(&mut realm, email).await.map(drop)?,
        None => tokens.known(&mut app.control, &mut realm, email).await?,
    }
    Ok(())
}

pub(super) async fn revoke(args: RevokeArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let mut app = App::open(&settings, &caller, &on.screen.progress()).await?;
    let tokens = app.tokens(&settings);
    let (what, asked) = revocation(&args, &mut app, &tokens, &caller).await?;
    if on.global.dry_run {
        let plan = tokens.plan_revocation(&mut app.control, &caller, what).await?;
        on.screen.thing(&plan)?;
        return Ok(Exit::Done);
    }
    if let Some(question) = asked {
        // A time that cannot be meant is refused before anybody is asked.
        tokens.plan_revocation(&mut app.control, &caller, what).await?;
        prompt::confirm(on, &question)?;
    }
    let revoked = tokens.revoke(&mut app.control, &caller, what).await?;
    on.screen.thing(&revoked)?;
    if revoked.recorded == 0 && revoked.jti.is_some() {
        on.screen.note(
            "no good token of that jti was minted here: it is refused from now on all the same; see which there \
             are: nexus token list",
        );
    }
    Ok(Exit::Done)
}

/// What is to be taken back, and the question that comes first where it is many people's.
async fn revocation(
    args: &RevokeArgs,
    app: &mut App,
    tokens: &Tokens,
    caller: &Caller,
) -> Result<(Revocation, Option<String>), AnyFailure> {
    if let Some(jti) = args.jti {
        return Ok((Revocation::Token(jti), None));
    }
    let before = args.before.unwrap_or_default();
    if let Some(email) = &args.user {
        let mut realm = app.open_token_realm(caller, args.tenant.as_ref()).await?;
        let subject = tokens.subject(&mut realm, email).await?;
        return Ok((Revocation::User(realm.name.id, subject.id, before), None));
    }
    if let Some(tenant) = &args.tenant {
        let realm = app.realm_name(caller, Some(tenant)).await?;
        let question = format!("revoking the tokens of everybody in {}", realm.display());
        return Ok((Revocation::Realm(realm.id, before), Some(question)));
    }
    Ok((Revocation::All(before), Some("revoking the tokens of everybody in every tenant".to_owned())))
}
