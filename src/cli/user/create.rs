//! `nexus user create`: one user.

use serde::Serialize;

use super::super::hint::realm_flag;
use super::super::output::Thing;
use super::super::{CommandResult, Exit, Invocation, secret_output};
use super::{CreateArgs, MAILED, password};
use crate::features::iam::model::NewUser;
use crate::features::iam::{FirstPassword, User, users};
use crate::kernel::{ExposeSecret, Failure, shell};

/// Neither a password nor an invitation was asked for.
#[derive(Debug, thiserror::Error, Failure)]
#[error("choose how the user signs in for the first time: with a password, or by an invitation")]
#[failure(Forbidden, "answer_required")]
#[hint("pass --password-stdin, --mail, --invitation-file PATH or --reveal")]
struct NoWayIn;

pub(super) async fn run(args: CreateArgs, ctx: &Invocation) -> CommandResult {
    let Some(email) = args.email else { return Ok(Exit::Usage) };
    let shown = args.invitation_file.is_some() || args.reveal;
    let invite = args.invite || args.mail || shown;
    if !invite && !args.password_stdin && !ctx.screen.can_ask() {
        return Err(NoWayIn.into());
    }
    let first = match (invite, shown) {
        (false, _) => FirstPassword::Given(password::given(ctx, args.password_stdin)?),
        (true, _) if args.mail => FirstPassword::Message,
        (true, true) => FirstPassword::Invitation,
        // A token that nobody is told would be of no use.
        (true, false) => FirstPassword::None,
    };
    let file = secret_output::new_file(ctx, args.invitation_file.as_ref())?;
    let mut realm = args.realm.open(ctx).await?;
    let (profile, fields) = (args.profile.into_iter().collect(), args.fields.into_iter().collect());
    let new = NewUser { email, name: args.name, profile, fields, roles: args.roles, groups: args.groups };
    let users::Created { user, mut invitation } =
        users::create(&mut realm, &ctx.caller(), new, &first).await?;
    if let (Some(file), Some(token)) = (file, &invitation) {
        secret_output::hand_over(ctx, file, token, "invitation is")?;
        invitation = None;
    } else if args.mail && !ctx.global.dry_run {
        ctx.screen.note(MAILED);
    } else if matches!(first, FirstPassword::None) && !ctx.global.dry_run {
        let (email, flag) = (shell::word(&user.email), realm_flag(&realm.place().hinted()));
        ctx.screen.note(&format!("create an invitation: nexus user invite {email}{flag} --mail"));
    }
    let invitation = invitation.map(|token| token.expose_secret().to_owned());
    ctx.screen.thing(&CreatedView { user, invitation })?;
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
