//! `nexus token mint`.

use super::super::output::Screen;
use super::super::{CommandResult, Exit, Invocation};
use super::MintArgs;
use super::views::ClaimsView;
use crate::app::App;
use crate::features::tokens::{Claims, DevelopmentKey, Impersonation, NewToken};
use crate::infra::private_file;
use crate::kernel::{AnyFailure, ExposeSecret, SecretString};

pub(super) async fn run(args: MintArgs, on: &Invocation) -> CommandResult {
    let new = NewToken {
        ttl: args.ttl,
        audience: args.aud.clone(),
        permissions: args.permissions.clone(),
        scopes: args.scopes.clone(),
        claims: args.claims.clone(),
        act_as: args.reason.clone().map(|reason| Impersonation { reason }),
    };
    if let Some(file) = &args.key {
        return offline(&args, &new, &DevelopmentKey::from_file(file)?, on);
    }
    let (settings, caller) = (on.settings()?, on.caller());
    let mut app = App::open(&settings, &caller, &on.screen.progress()).await?;
    let tokens = app.tokens(&settings);
    let mut realm = app.open_token_realm(&caller, args.tenant.as_ref()).await?;
    // Clap has seen to it that there is one of the two.
    let Some(email) = args.user.as_ref().or(args.act_as.as_ref()) else { return Ok(Exit::Usage) };
    let subject = tokens.subject(&mut realm, email).await?;
    if on.global.dry_run {
        let composed = tokens.compose(&mut app.control, &caller, (&realm.name, &subject), &new).await?;
        on.screen.thing(&ClaimsView(composed.0))?;
        return Ok(Exit::Done);
    }
    if let Some(why) = &new.act_as {
        // The tenant learns of it first: a token without a trace there must not be.
        tokens.note_impersonation(&mut realm, &caller, &subject, &why.reason).await?;
    }
    let who = (&realm.name, &subject);
    let minted = tokens.mint(&mut app.control, &caller, who, &new, args.algorithm).await?;
    hand_out(&args, &minted.token, &minted.claims, &on.screen)
}

fn offline(args: &MintArgs, new: &NewToken, key: &DevelopmentKey, on: &Invocation) -> CommandResult {
    let tenant = args.tenant.as_ref().map(ToString::to_string);
    let Some(email) = &args.user else { return Ok(Exit::Usage) };
    let minted = key.mint(&on.caller(), (tenant.as_deref(), email), new)?;
    if on.global.dry_run {
        on.screen.thing(&ClaimsView(minted.claims))?;
        return Ok(Exit::Done);
    }
    hand_out(args, &minted.token, &minted.claims, &on.screen)
}

/// The token alone, on standard output or in a file.
fn hand_out(args: &MintArgs, token: &SecretString, claims: &Claims, screen: &Screen) -> CommandResult {
    let line = zeroize::Zeroizing::new(format!("{}\n", token.expose_secret()));
    match &args.file {
        Some(path) => {
            private_file::replace(path, line.as_bytes()).map_err(AnyFailure::from)?;
            screen.note(&format!("token {} is in {}", claims.jti, path.display()));
        }
        None => screen.raw(line.as_bytes())?,
    }
    Ok(Exit::Done)
}
