//! `nexus token mint`.

use super::super::output::Screen;
use super::super::secret_output::{hand_over, new_file};
use super::super::{CommandResult, Exit, Invocation, own_files, secret_input};
use super::views::ClaimsView;
use super::{MintArgs, RefreshArgs};
use crate::app::App;
use crate::features::tokens::{
    CLIENT, Claims, DevelopmentKey, Impersonation, MintRequest, NewToken, Presented, TokenError,
};
use crate::infra::private_file;
use crate::kernel::{ExposeSecret, SecretString};

pub(super) async fn run(args: MintArgs, ctx: &Invocation) -> CommandResult {
    let new = NewToken {
        ttl: args.ttl,
        audience: args.aud.clone(),
        permissions: args.permissions.clone(),
        scopes: args.scopes.clone(),
        claims: args.claims.clone(),
        act_as: args.reason.clone().map(|reason| Impersonation { reason }),
        session: None,
    };
    if let Some(path) = &args.file {
        own_files::check(path, args.force, &own_files::is_token)?;
    }
    if let Some(file) = &args.key {
        secret_input::must_be_there(file)?;
        return offline(&args, &new, &DevelopmentKey::from_file(file).await?, ctx);
    }
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open(&settings, &caller, &ctx.screen.progress()).await?;
    let tokens = app.tokens();
    let mut realm = app.open_token_realm(&caller, args.tenant.as_ref()).await?;
    // Clap has seen to it that there is one of the two.
    let Some(user) = args.user.as_ref().or(args.act_as.as_ref()) else { return Ok(Exit::Usage) };
    let session = args.refresh_file.is_some().then_some(CLIENT);
    let request = MintRequest { user, token: &new, algorithm: args.algorithm, session };
    if ctx.global.dry_run {
        let claims = tokens.plan_mint(&mut app.control, &caller, &mut realm, request).await?;
        ctx.screen.thing(&ClaimsView(claims))?;
        return Ok(Exit::Done);
    }
    // Before there is a session whose token would then be lost.
    let refresh_file = new_file(ctx, args.refresh_file.as_ref())?;
    let minted = tokens.mint(&mut app.control, &caller, &mut realm, request).await?;
    if let (Some(file), Some(refresh)) = (refresh_file, &minted.refresh) {
        hand_over(ctx, file, refresh, "refresh token is")?;
    }
    hand_out(&args, &minted.token, &minted.claims, &ctx.screen)
}

/// `nexus token refresh`.
pub(super) async fn refresh(args: &RefreshArgs, ctx: &Invocation) -> CommandResult {
    let bytes = secret_input::private_file(&args.file)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| TokenError::RefreshInvalid)?;
    let presented = SecretString::from(text.trim_ascii());
    Presented::Refresh.realm(&presented)?;
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open(&settings, &caller, &ctx.screen.progress()).await?;
    let tokens = app.tokens();
    let mut realm = app.open_presented_realm(&caller, Presented::Refresh, &presented).await?;
    if ctx.global.dry_run {
        // Only who has a good token learns whose it is.
        tokens.plan_refresh(&mut app.control, &caller, &mut realm, &presented).await?;
        ctx.screen.note(&format!("would exchange a refresh token of {}", realm.name));
        return Ok(Exit::Done);
    }
    let refreshed = tokens.refresh(&mut app.control, &caller, &mut realm, &presented).await?;
    let line = zeroize::Zeroizing::new(format!("{}\n", refreshed.refresh.expose_secret()));
    private_file::replace(&args.file, line.as_bytes())?;
    let line = zeroize::Zeroizing::new(format!("{}\n", refreshed.token.expose_secret()));
    ctx.screen.raw(line.as_bytes())?;
    Ok(Exit::Done)
}

fn offline(args: &MintArgs, new: &NewToken, key: &DevelopmentKey, ctx: &Invocation) -> CommandResult {
    let tenant = args.tenant.as_ref().map(ToString::to_string);
    let Some(email) = &args.user else { return Ok(Exit::Usage) };
    if let Some(algorithm) = args.algorithm {
        key.require(algorithm)?;
    }
    let minted = key.mint(&ctx.caller(), (tenant.as_deref(), email), new)?;
    if ctx.global.dry_run {
        ctx.screen.thing(&ClaimsView(minted.claims))?;
        return Ok(Exit::Done);
    }
    hand_out(args, &minted.token, &minted.claims, &ctx.screen)
}

/// The token alone, on standard output or in a file.
fn hand_out(args: &MintArgs, token: &SecretString, claims: &Claims, screen: &Screen) -> CommandResult {
    let line = zeroize::Zeroizing::new(format!("{}\n", token.expose_secret()));
    match &args.file {
        Some(path) => {
            own_files::write_private(path, line.as_bytes(), args.force, &own_files::is_token)?;
            screen.note(&format!("token {} is in {}", claims.jti, path.display()));
        }
        None => screen.raw(line.as_bytes())?,
    }
    Ok(Exit::Done)
}
