//! `nexus init`: the control database, the keys and the first operator.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::output::{Column, Row, Thing};
use super::{CommandResult, Exit, Invocation, prompt, secret_input};
use crate::app::{App, Missing};
use crate::features::iam::{FirstSignIn, signin};
use crate::features::installation::{InstallationError, NewOperator, SetupOutcome};
use crate::infra::crypto::InvitationToken;
use crate::infra::private_file;
use crate::kernel::{AnyFailure, Email, ExposeSecret, SecretString};
use crate::settings::Settings;

/// Arguments of `nexus init`.
#[derive(Debug, Args)]
#[command(
    long_about = "Create the control database, the keys and the first operator\n\nCreates what is missing \
        and keeps what exists: a master key is never overwritten. In the context local this happens \
        automatically.",
    after_help = "\
EXAMPLES
  nexus --context prod init --operator-email ann@example.com
  pass show nexus/ann | nexus --context prod init --operator-email ann@example.com --operator-password-stdin
  nexus --context prod --dry-run init       what is missing"
)]
pub struct InitArgs {
    /// The first operator's e-mail address
    #[arg(long, value_name = "E-MAIL")]
    pub operator_email: Option<Email>,
    /// Read the first operator's password from standard input: one line
    #[arg(long, requires = "operator_email")]
    pub operator_password_stdin: bool,
    /// Invite the first operator instead: write the invitation into this new 0600 file
    #[arg(long, value_name = "PATH", requires = "operator_email", conflicts_with = "operator_password_stdin", value_hint = clap::ValueHint::FilePath)]
    pub invitation_file: Option<PathBuf>,
}

/// Runs `nexus init`.
///
/// # Errors
/// What the services say.
pub async fn run(args: InitArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    if ctx.global.dry_run {
        let missing = App::missing(&settings).await;
        ctx.screen.list(missing)?;
        return Ok(Exit::Done);
    }
    let (operator, invitation) = operator(&args, &settings, ctx).await?;
    let progress = ctx.screen.progress();
    let outcome = App::init(&settings, &caller, operator, &progress).await;
    drop(progress);
    let (installation, outcome) = match outcome? {
        SetupOutcome::Found(it) => {
            return Err(InstallationError::Initialised { id: it.id.to_string() }.into());
        }
        SetupOutcome::Made(it) => (it, "created"),
        SetupOutcome::Upgraded(it) => (it, "upgraded"),
    };
    if let (Some(path), Some(invitation)) = (&args.invitation_file, &invitation) {
        private_file::create(path, format!("{}\n", invitation.expose_secret()).as_bytes())?;
        ctx.screen.note(&format!("the operator's invitation is in {}", path.display()));
    }
    let view = InitView { id: installation.id.to_string(), context: settings.context.to_string(), outcome };
    ctx.screen.thing(&view)?;
    Ok(Exit::Done)
}

async fn operator(
    args: &InitArgs,
    settings: &Settings,
    ctx: &Invocation,
) -> Result<(Option<NewOperator>, Option<SecretString>), AnyFailure> {
    let Some(email) = args.operator_email.clone() else { return Ok((None, None)) };
    if args.operator_password_stdin {
        let given = secret_input::line_from_stdin("the operator's password")?;
        let hash = signin::hash_first(&settings.passwords, Some(&email), &given).await?;
        let sign_in = FirstSignIn::PasswordHash(hash);
        return Ok((Some(NewOperator { email, sign_in }), None));
    }
    if args.invitation_file.is_none() && ctx.screen.can_ask() {
        let given =
            prompt::new_password(&ctx.screen, "The operator's password", "--operator-password-stdin")?;
        let hash = signin::hash_first(&settings.passwords, Some(&email), &given).await?;
        let sign_in = FirstSignIn::PasswordHash(hash);
        return Ok((Some(NewOperator { email, sign_in }), None));
    }
    if args.invitation_file.is_none() {
        return Err(prompt::PromptError::NotGiven {
            what: "the operator's password".to_owned(),
            flag: "--operator-password-stdin or --invitation-file PATH".to_owned(),
        }
        .into());
    }
    let invitation = InvitationToken::generate()?;
    let ttl_hours = i64::try_from(settings.tenants.invitation_ttl.as_secs() / 3600).unwrap_or(i64::MAX);
    let sign_in = FirstSignIn::Invitation { token_hash: *invitation.hash().as_bytes(), ttl_hours };
    Ok((Some(NewOperator { email, sign_in }), Some(invitation.text().clone())))
}

/// An installation that was set up.
#[derive(Debug, Serialize)]
struct InitView {
    id: String,
    context: String,
    outcome: &'static str,
}

impl Thing for InitView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![("id", self.id.clone()), ("context", self.context.clone()), ("outcome", self.outcome.to_owned())]
    }

    fn id(&self) -> String {
        self.id.clone()
    }
}

impl Row for Missing {
    const COLUMNS: &'static [Column] = &[Column::text("what"), Column::text("state")];

    fn cells(&self) -> Vec<String> {
        vec![self.what.to_owned(), self.state.to_owned()]
    }

    fn id(&self) -> String {
        self.what.to_owned()
    }
}
