//! `nexus token list` and `nexus token revoke`.

use super::super::pages::{self, Found};
use super::super::{CommandResult, Exit, Invocation, prompt};
use super::{ListArgs, RevokeArgs};
use crate::app::{App, Session};
use crate::features::tokens::{IssuedFilter, IssuedView, Revocation, Tokens};
use crate::kernel::{AnyFailure, Caller, ErrorKind};

pub(super) async fn list(args: ListArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open_to_read(&settings, &caller, &ctx.screen.progress()).await?;
    let tenant = match &args.tenant {
        Some(tenant) => Some(app.realm_name(&caller, Some(tenant)).await?.id),
        None => None,
    };
    let tokens = app.tokens();
    let mut filter = IssuedFilter { tenant, user: args.user.clone(), all: args.all_states, before: None };
    let asked = args.page.page(&ctx.screen);
    let written = pages::write(
        ctx,
        asked,
        ("tokens", "the next; there may be more"),
        async |page, after: Option<&IssuedView>| {
            filter.before = after.map(|row| (row.issued_at, row.jti));
            let rows = tokens.issued(&mut app.control, &caller, &filter, page).await?;
            if let (true, Some(email)) = (rows.is_empty() && page.page == 1 && after.is_none(), &args.user) {
                let mut realm = match app.open_token_realm(&caller, args.tenant.as_ref()).await {
                    Ok(realm) => realm,
                    // Who is in a tenant that is not in use cannot be looked up; its tokens can.
                    Err(failure) if failure.kind() == ErrorKind::Conflict => {
                        return Ok(Found { rows, place: None });
                    }
                    Err(failure) => return Err(failure),
                };
                tokens.known(&mut app.control, &caller, &mut realm, email).await?;
            }
            Ok(Found { rows, place: None })
        },
    )
    .await?;
    let narrowed = args.tenant.is_some() || args.user.is_some() || !args.all_states;
    pages::say_if_empty(ctx, written, if narrowed { "tokens match" } else { "tokens" });
    Ok(Exit::Done)
}

pub(super) async fn revoke(args: RevokeArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open(&settings, &caller, &ctx.screen.progress()).await?;
    let tokens = app.tokens();
    let (what, asked) = revocation(&args, &mut app, &tokens, &caller).await?;
    if ctx.global.dry_run {
        let plan = tokens.plan_revocation(&mut app.control, &caller, what).await?;
        ctx.screen.thing(&plan)?;
        return Ok(Exit::Done);
    }
    if let Some(question) = asked {
        // A time that cannot be meant is refused before anybody is asked.
        tokens.plan_revocation(&mut app.control, &caller, what).await?;
        prompt::confirm(ctx, &question)?;
    }
    let revoked = tokens.revoke(&mut app.control, &caller, what).await?;
    ctx.screen.thing(&revoked)?;
    if revoked.recorded == 0 && revoked.jti.is_some() {
        ctx.screen.note(
            "no valid token with that jti was minted here; it is refused from now on anyway; see which there are: nexus token list",
        );
    }
    Ok(Exit::Done)
}

/// What is to be taken back, and the question that comes first where it is many people's.
async fn revocation(
    args: &RevokeArgs,
    app: &mut Session,
    tokens: &Tokens,
    caller: &Caller,
) -> Result<(Revocation, Option<String>), AnyFailure> {
    if let Some(jti) = args.jti {
        return Ok((Revocation::Token(jti), None));
    }
    let before = args.before.unwrap_or_default();
    if let Some(email) = &args.user {
        let mut realm = app.open_token_realm(caller, args.tenant.as_ref()).await?;
        let subject = tokens.subject(&mut app.control, caller, &mut realm, email).await?;
        return Ok((Revocation::User(realm.name.id, subject.id, before), None));
    }
    if let Some(tenant) = &args.tenant {
        let realm = app.realm_name(caller, Some(tenant)).await?;
        let question = format!("revoking the tokens of everybody in {realm}");
        return Ok((Revocation::Realm(realm.id, before), Some(question)));
    }
    Ok((Revocation::All(before), Some("revoking the tokens of everybody in every tenant".to_owned())))
}
