//! `nexus init`: the control database, the keys and the first operator.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::output::{Column, Row, Thing};
use super::{CommandResult, Exit, Invocation, prompt, secret_input, secret_output};
use crate::app::{App, Missing};
use crate::features::iam::FirstPassword;
use crate::features::installation::{InstallationError, NewOperator, SetupOutcome};
use crate::kernel::{AnyFailure, Email};

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
    let operator = operator(&args, ctx)?;
    let file = secret_output::new_file(ctx, args.invitation_file.as_ref())?;
    let progress = ctx.screen.progress();
    let outcome = App::init(&settings, &caller, operator, &progress).await;
    drop(progress);
    let (installation, outcome) = match outcome? {
        SetupOutcome::Found(it) => {
            return Err(InstallationError::Initialised { id: it.id.to_string() }.into());
        }
        SetupOutcome::Made { installation, invitation } => {
            if let (Some(file), Some(invitation)) = (file, &invitation) {
                secret_output::hand_over(ctx, file, invitation, "operator's invitation is")?;
            }
            (installation, "created")
        }
        SetupOutcome::Upgraded(it) => {
            if args.operator_email.is_some() {
                ctx.screen.warn("no operator was created, because the installation exists already");
            }
            (it, "upgraded")
        }
    };
    let view = InitView { id: installation.id.to_string(), context: settings.context.to_string(), outcome };
    ctx.screen.thing(&view)?;
    Ok(Exit::Done)
}

fn operator(args: &InitArgs, ctx: &Invocation) -> Result<Option<NewOperator>, AnyFailure> {
    let Some(email) = args.operator_email.clone() else { return Ok(None) };
    let first = if args.operator_password_stdin {
        FirstPassword::Given(secret_input::line_from_stdin("the operator's password")?)
    } else if args.invitation_file.is_some() {
        FirstPassword::Invitation
    } else if ctx.screen.can_ask() {
        let what = "The operator's password";
        FirstPassword::Given(prompt::new_password(&ctx.screen, what, "--operator-password-stdin")?)
    } else {
        return Err(prompt::PromptError::NotGiven {
            what: "the operator's password".to_owned(),
            flag: "--operator-password-stdin or --invitation-file PATH".to_owned(),
        }
        .into());
    };
    Ok(Some(NewOperator::new(email, first)?))
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
