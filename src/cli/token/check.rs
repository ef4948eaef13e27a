//! `nexus token inspect` and `nexus token verify`.

use std::path::Path;
use std::sync::Arc;

use time::OffsetDateTime;

use super::super::usage::UsageError;
use super::super::{CommandResult, Exit, Invocation, secret_input};
use super::views::{ClaimsView, InspectedView};
use super::{InspectArgs, VerifyArgs, input};
use crate::app::App;
use crate::features::tokens::{self, Claims, Expected, KeySet, TokenError, Verifier};
use crate::kernel::{AnyFailure, ExposeSecret, SecretString};

pub(super) async fn verify(args: VerifyArgs, ctx: &Invocation) -> CommandResult {
    let token = input::token(&args.token)?;
    let claims = match &args.jwks {
        Some(place) => with_key_set(place, args.issuer.as_deref(), args.aud.as_deref(), &token, ctx).await?,
        None => with_database(args.aud.as_deref(), &token, ctx).await?.0,
    };
    ctx.screen.thing(&ClaimsView(Arc::unwrap_or_clone(claims?)))?;
    Ok(Exit::Done)
}

pub(super) async fn inspect(args: InspectArgs, ctx: &Invocation) -> CommandResult {
    let token = input::token(&args.token)?;
    // Without the control database there is no other clock than this machine's.
    let here = OffsetDateTime::now_utc().unix_timestamp();
    let seen = |now| tokens::inspect(token.expose_secret(), now);
    let seen = if let Some(place) = &args.jwks {
        let checked = with_key_set(place, args.issuer.as_deref(), args.aud.as_deref(), &token, ctx).await?;
        seen(here).with_verdict(checked)
    } else if args.check {
        let (checked, now) = with_database(args.aud.as_deref(), &token, ctx).await?;
        seen(now).with_verdict(checked)
    } else {
        seen(here)
    };
    let unchecked = seen.verdict == "not_checked";
    ctx.screen.thing(&InspectedView(seen))?;
    if unchecked {
        ctx.screen.note("signature not checked; use --check");
    }
    Ok(Exit::Done)
}

type Checked = Result<Arc<Claims>, TokenError>;

async fn with_database(
    audience: Option<&str>,
    token: &SecretString,
    ctx: &Invocation,
) -> Result<(Checked, i64), AnyFailure> {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open(&settings, &caller, &ctx.screen.progress()).await?;
    let tokens = app.tokens();
    let verifier = Verifier::once(&tokens, &mut app.control, &caller).await?;
    let checked = verifier.verify(token.expose_secret(), audience.unwrap_or(&tokens.audience));
    Ok((checked, verifier.now()))
}

async fn with_key_set(
    place: &str,
    issuer: Option<&str>,
    audience: Option<&str>,
    token: &SecretString,
    ctx: &Invocation,
) -> Result<Checked, AnyFailure> {
    let set = if place.contains("://") {
        KeySet::from_url(place).await?
    } else {
        secret_input::must_be_there(Path::new(place))?;
        KeySet::from_file(Path::new(place)).await?
    };
    let ring = set.ring(place)?;
    let Some(issuer) = issuer.or(set.issuer.as_deref()) else {
        let hint = "say which is expected: --issuer ISSUER".to_owned();
        return Err(UsageError::new("this key set names no issuer", [hint]).into());
    };
    let usual;
    let audience = if let Some(audience) = audience {
        audience
    } else {
        usual = ctx.settings()?.tokens.audience;
        &usual
    };
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let checked =
        ring.check(token.expose_secret(), Expected { issuers: &[issuer], audience: Some(audience), now });
    Ok(checked.map_err(TokenError::Invalid))
}
