//! `nexus user can`, `roles`, `groups`: what a user may do, and why.

use super::super::hint::realm_flag;
use super::super::output::{Column, Row};
use super::super::pages;
use super::super::{CommandResult, Exit, Invocation};
use super::{CanArgs, OneArgs};
use crate::features::iam::groups::Membership;
use crate::features::iam::{DecisionView, HeldView, groups, users};
use crate::kernel::shell;

pub(super) async fn can(args: CanArgs, ctx: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(ctx).await?;
    let told = !args.attributes.is_empty();
    let attributes = args.attributes.into_iter().collect();
    let answer = users::can(&mut realm, &ctx.caller(), &args.user, &args.permission, &attributes).await?;
    if args.explain || ctx.screen.json() {
        ctx.screen.thing(&answer)?;
    }
    if args.explain {
        ctx.screen.note(&sentence(&answer, told, &realm_flag(&realm.place().hinted())));
    }
    Ok(if answer.allowed { Exit::Done } else { Exit::Refused })
}

/// The answer in words. `told`: something was said of the thing; `at` names the realm on a command line.
fn sentence(answer: &DecisionView, told: bool, at: &str) -> String {
    let condition = answer.condition.as_deref().unwrap_or_default();
    match answer.reason {
        "granted" => "allowed".to_owned(),
        "condition" if told => {
            format!("denied: allowed only when {condition}, which --with does not meet")
        }
        "condition" => format!("allowed only when {condition}; describe the object: --with KEY=VALUE"),
        "inactive" => "denied: the user is not active".to_owned(),
        _ => match (answer.roles.first(), answer.path.last()) {
            (Some(role), _) => {
                format!(
                    "none of their roles allows this; {role} does: nexus role grant {} --user {}{at}",
                    shell::word(role),
                    shell::word(&answer.user)
                )
            }
            (None, Some(near)) => {
                format!("none of their roles allows this; the nearest permission they hold is {near}")
            }
            (None, None) => "none of their roles allows this".to_owned(),
        },
    }
}

pub(super) async fn roles(args: &OneArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let mut realm = args.realm.open(ctx).await?;
    let user = users::get(&mut realm, &caller, &args.user).await?;
    let grants = crate::features::iam::grants(&mut realm, &caller, user.id).await?;
    ctx.screen.list(grants.held.iter().map(HeldView::new))?;
    Ok(Exit::Done)
}

pub(super) async fn groups(args: &OneArgs, ctx: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(ctx).await?;
    pages::list(ctx, groups::of_user(&mut realm, &ctx.caller(), &args.user).await?, "groups")?;
    Ok(Exit::Done)
}

impl Row for HeldView {
    const COLUMNS: &'static [Column] =
        &[Column::text("role"), Column::text("groups"), Column::text("permissions")];

    fn cells(&self) -> Vec<String> {
        vec![self.role.clone(), self.groups.join(" > "), self.permissions.join(", ")]
    }

    fn id(&self) -> String {
        self.role.clone()
    }
}

impl Row for Membership {
    const COLUMNS: &'static [Column] = &[Column::text("group"), Column::text("via")];

    fn cells(&self) -> Vec<String> {
        vec![self.group.clone(), self.via.join(" > ")]
    }

    fn id(&self) -> String {
        self.group.clone()
    }
}
