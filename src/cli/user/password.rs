//! Passwords, tokens that set them, and second factors. Secrets come in by standard input or a
//! prompt, and go out once: by `--reveal`, or into a file that only the caller may read.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::hint::realm_flag;
use super::super::output::{Column, Row, Thing, time_text};
use super::super::secret_output::{hand_over, new_file};
use super::super::{CommandResult, Exit, Invocation, prompt, secret_input};
use super::{ConfirmArgs, EnrolArgs, MAILED, OneArgs, SetPasswordArgs, TokenArgs};
use crate::features::iam::signin::{Enrolment, Issued, Purpose};
use crate::features::iam::{IamError, signin};
use crate::kernel::{AnyFailure, ExposeSecret, SecretString};

/// A password from standard input, or from a person who types it twice.
pub(super) fn given(ctx: &Invocation, stdin: bool) -> Result<SecretString, AnyFailure> {
    if stdin {
        return Ok(secret_input::line_from_stdin("the password")?);
    }
    Ok(prompt::new_password(&ctx.screen, "The password", "--password-stdin")?)
}

/// Requires a place for a secret that is about to be made.
fn needs_place(
    ctx: &Invocation,
    what: &str,
    (file, reveal): (Option<&PathBuf>, bool),
    flag: &str,
) -> Result<(), AnyFailure> {
    if ctx.global.dry_run || reveal || file.is_some() {
        return Ok(());
    }
    let flag = format!("{flag} PATH, or --reveal");
    Err(prompt::PromptError::NoPlace { what: what.to_owned(), flag }.into())
}

pub(super) async fn set(args: &SetPasswordArgs, ctx: &Invocation) -> CommandResult {
    let token = args.token_file.as_deref().map(token_in).transpose()?;
    let password = given(ctx, args.password_stdin)?;
    let mut realm = args.realm.open(ctx).await?;
    match (&args.user, token) {
        (_, Some(token)) => {
            let user = signin::redeem(&mut realm, &token, &password).await?;
            ctx.screen.note(&format!("the password of user {user} is set; the token is used up"));
        }
        (Some(user), None) => {
            ctx.screen.thing(&signin::set_password(&mut realm, &ctx.caller(), user, &password).await?)?;
        }
        (None, None) => return Ok(Exit::Usage),
    }
    Ok(Exit::Done)
}

fn token_in(path: &Path) -> Result<SecretString, AnyFailure> {
    let text = secret_input::private_file(path)?;
    let text = std::str::from_utf8(&text).map_err(|_| IamError::Token)?;
    Ok(SecretString::from(text.trim()))
}

pub(super) async fn token(args: &TokenArgs, purpose: Purpose, ctx: &Invocation) -> CommandResult {
    if args.mail {
        let mut realm = args.realm.open(ctx).await?;
        ctx.screen.thing(&signin::send_token(&mut realm, &ctx.caller(), &args.user, purpose).await?)?;
        if !ctx.global.dry_run {
            ctx.screen.note(MAILED);
        }
        return Ok(Exit::Done);
    }
    needs_place(ctx, "the token", (args.invitation_file.as_ref(), args.reveal), "--mail, --invitation-file")?;
    let file = new_file(ctx, args.invitation_file.as_ref())?;
    let mut realm = args.realm.open(ctx).await?;
    let mut issued = signin::issue_token(&mut realm, &ctx.caller(), &args.user, purpose).await?;
    if let (Some(file), Some(token)) = (file, issued.token.take_if(|_| !args.reveal)) {
        hand_over(ctx, file, &token, "token is")?;
    }
    ctx.screen.thing(&issued)?;
    Ok(Exit::Done)
}

pub(super) async fn enrol(args: &EnrolArgs, ctx: &Invocation) -> CommandResult {
    needs_place(ctx, "the secret", (args.uri_file.as_ref(), args.reveal), "--uri-file")?;
    let file = new_file(ctx, args.uri_file.as_ref())?;
    let mut realm = args.realm.open(ctx).await?;
    let mut enrolment = signin::enrol_factor(&mut realm, &ctx.caller(), &args.user).await?;
    if let Some(file) = file {
        hand_over(ctx, file, &enrolment.uri, "secret is")?;
    }
    if !args.reveal || ctx.global.dry_run {
        enrolment.uri = SecretString::from("");
    }
    ctx.screen.thing(&enrolment)?;
    ctx.screen.note(&format!(
        "it takes effect once a first code confirms it: nexus user factor confirm {}{}",
        crate::kernel::shell::word(&enrolment.email),
        realm_flag(&realm.place().hinted())
    ));
    Ok(Exit::Done)
}

pub(super) async fn confirm(args: &ConfirmArgs, ctx: &Invocation) -> CommandResult {
    needs_place(ctx, "the recovery codes", (args.codes_file.as_ref(), args.reveal), "--codes-file")?;
    let code = secret_input::line_from_stdin("the code")?;
    let file = new_file(ctx, args.codes_file.as_ref())?;
    let mut realm = args.realm.open(ctx).await?;
    let codes = signin::confirm_factor(&mut realm, &ctx.caller(), &args.user, &code).await?;
    if let Some(file) = file {
        let lines: Vec<&str> = codes.iter().map(ExposeSecret::expose_secret).collect();
        hand_over(ctx, file, &SecretString::from(lines.join("\n")), "recovery codes are")?;
    }
    if args.reveal && !ctx.global.dry_run {
        ctx.screen
            .list(codes.into_iter().map(|code| RecoveryCode { code: code.expose_secret().to_owned() }))?;
    }
    Ok(Exit::Done)
}

pub(super) async fn remove(args: &OneArgs, ctx: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(ctx).await?;
    ctx.screen.thing(&signin::remove_factor(&mut realm, &ctx.caller(), &args.user).await?)?;
    Ok(Exit::Done)
}

/// A recovery code that is to be shown.
#[derive(Serialize)]
struct RecoveryCode {
    code: String,
}

impl Row for RecoveryCode {
    const COLUMNS: &'static [Column] = &[Column::text("code")];

    fn cells(&self) -> Vec<String> {
        vec![self.code.clone()]
    }

    fn id(&self) -> String {
        self.code.clone()
    }
}

impl Thing for Issued {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let token = self.token.as_ref().map(|token| token.expose_secret().to_owned());
        vec![
            ("user", self.user.to_string()),
            ("email", self.email.clone()),
            ("purpose", self.purpose.to_owned()),
            ("expires_at", time_text(self.expires_at)),
            ("token", token.unwrap_or_default()),
        ]
    }

    fn id(&self) -> String {
        self.email.clone()
    }
}

impl Thing for Enrolment {
    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("user", self.user.to_string()),
            ("email", self.email.clone()),
            ("uri", self.uri.expose_secret().to_owned()),
        ]
    }

    fn id(&self) -> String {
        self.email.clone()
    }
}
