//! `nexus user create`: one user.

use serde::Serialize;

use super::super::hint::realm_flag;
use super::super::output::Thing;
use super::super::{CommandResult, Exit, Invocation, secret_output};
use super::{CreateArgs, password};
use crate::features::iam::model::NewUser;
use crate::features::iam::users::{self, FirstPassword, Prepared};
use crate::features::iam::{User, signin};
use crate::infra::crypto::InvitationToken;
use crate::kernel::{ExposeSecret, Failure};

/// Neither a password nor an invitation was asked for.
#[derive(Debug, thiserror::Error, Failure)]
#[error("choose how the user signs in for the first time: with a password, or by an invitation")]
#[failure(Forbidden, "answer_required")]
#[hint("pass --password-stdin, or --invite with --invitation-file PATH or --reveal")]
struct NoWayIn;

pub(super) async fn run(args: CreateArgs, ctx: &Invocation) -> CommandResult {
    let Some(email) = args.email.clone() else { return Ok(Exit::Usage) };
    let invite = args.invite || args.invitation_file.is_some() || args.reveal;
    if !invite && !args.password_stdin && !ctx.screen.can_ask() {
        return Err(NoWayIn.into());
    }
    let given = if invite { None } else { Some(password::given(ctx, args.password_stdin)?) };
    let file = secret_output::new_file(ctx, args.invitation_file.as_ref())?;
    let mut realm = args.realm.open(ctx).await?;
    let token = if invite { Some(InvitationToken::generate()?) } else { None };
    let first = match (&given, &token) {
        (Some(given), _) => {
            FirstPassword::Hash(signin::hash_for(&realm.rules().hasher, Some(&email), given).await?)
        }
        (None, Some(token)) if args.invitation_file.is_some() || args.reveal => {
            FirstPassword::Invitation(token.hash())
        }
        // A token that nobody is told would be of no use.
        (None, _) => FirstPassword::None,
    };
    let told = matches!(first, FirstPassword::Invitation(_)) && !ctx.global.dry_run;
    let name = args.name.clone().unwrap_or_default();
    let profile = args.profile.into_iter().collect();
    let user = NewUser { email, name, profile, roles: args.roles, groups: args.groups };
    let user = users::create(&mut realm, &ctx.caller(), Prepared { user, password: first }).await?;
    let mut view = CreatedView { invitation: None, user };
    if let (Some(token), true) = (&token, told) {
        match file {
            Some(file) => secret_output::hand_over(ctx, file, token.text(), "invitation is")?,
            None => view.invitation = Some(token.text().expose_secret().to_owned()),
        }
    } else if invite && !ctx.global.dry_run {
        let (email, flag) =
            (crate::kernel::shell::word(&view.user.email), realm_flag(&realm.place().hinted()));
        ctx.screen.note(&format!("create an invitation: nexus user invite {email}{flag} --reveal"));
    }
    ctx.screen.thing(&view)?;
    Ok(Exit::Done)
}

/// A user that was made.
#[derive(Serialize)]
struct CreatedView {
    #[serde(flatten)]
    user: User,
    /// Where it is to be shown.
    invitation: Option<String>,
}

impl Thing for CreatedView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = self.user.fields();
        fields.push(("invitation", self.invitation.clone().unwrap_or_default()));
        fields
    }

    fn id(&self) -> String {
        Thing::id(&self.user)
    }
}
