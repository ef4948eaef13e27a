//! `nexus role`: what a role allows, and who holds it.

use clap::{ArgGroup, Args, Subcommand};

use super::complete;
use super::iam::RealmArgs;
use super::pages;
use super::{CommandResult, Exit, Invocation, prompt};
use crate::features::iam::roles::{self, Holder, RoleUpdate};
use crate::features::iam::{Condition, Name, Permission, UserRef};
use crate::kernel::text::counted;
use crate::kernel::{Description, Expected};

/// Arguments of `nexus role`.
#[derive(Debug, Args)]
pub struct RoleArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a role
    #[command(after_help = "\
EXAMPLES
  nexus role create Accountant --tenant acme --description 'keeps the books' --allow invoice:* --allow report:read")]
    Create(CreateArgs),
    /// List the roles
    #[command(after_help = "\
EXAMPLES
  nexus role list --tenant acme
  nexus -o json role list --tenant acme | jq '.[] | {name, permissions}'")]
    List(ListArgs),
    /// Show a role
    #[command(after_help = "\
EXAMPLES
  nexus role show Manager --tenant acme")]
    Show(OneArgs),
    /// Rename or describe a role
    #[command(after_help = "\
EXAMPLES
  nexus role update Accountant --tenant acme --name Bookkeeper
  nexus role update Bookkeeper --tenant acme --description 'keeps the books'")]
    Update(UpdateArgs),
    /// Delete a role; whoever holds it loses it
    ///
    /// The roles Admin, Manager, User and Viewer can be changed, not deleted.
    #[command(after_help = "\
EXAMPLES
  nexus role delete Accountant --tenant acme
  nexus role delete Accountant --tenant acme --yes --confirm Accountant     in a script")]
    Delete(DeleteArgs),
    /// Add a permission to a role
    ///
    /// A condition tests the user and the object of the action: owner, amount <= 1000, state =
    /// 'draft', team = user.team, joined by and, or, not. It replaces the permission's previous
    /// condition.
    #[command(after_help = "\
EXAMPLES
  nexus role allow Accountant invoice:create --tenant acme
  nexus role allow Accountant invoice:* --tenant acme
  nexus role allow User invoice:delete --tenant acme --when \"owner and state = 'draft'\"")]
    Allow(AllowArgs),
    /// Remove a permission from a role
    ///
    /// One that the role allows by a pattern cannot be removed by itself: remove the pattern.
    #[command(after_help = "\
EXAMPLES
  nexus role disallow User invoice:delete --tenant acme")]
    #[command(name = "disallow")]
    Deny(DenyArgs),
    /// Grant a role to a user or a group
    #[command(after_help = "\
EXAMPLES
  nexus role grant Manager --user ann@acme.example --tenant acme
  nexus role grant Viewer --group Sales --tenant acme")]
    Grant(GrantArgs),
    /// Revoke a role from a user or a group
    #[command(after_help = "\
EXAMPLES
  nexus role revoke Manager --user ann@acme.example --tenant acme")]
    Revoke(GrantArgs),
}

/// Arguments of `nexus role list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus role show`.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The role's name
    #[arg(value_name = "ROLE", add = complete::roles())]
    pub role: Name,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus role create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The role's name
    #[arg(value_name = "ROLE")]
    pub role: Name,
    /// Its description
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub description: Description,
    /// Allow this permission; may be repeated
    #[arg(long = "allow", value_name = "PERMISSION", add = complete::permissions())]
    pub permissions: Vec<Permission>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus role update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// The role's name
    #[arg(value_name = "ROLE", add = complete::roles())]
    pub role: Name,
    /// Its new name
    #[arg(long = "name", value_name = "NAME", required_unless_present = "description")]
    pub new_name: Option<Name>,
    /// Its new description
    #[arg(long, value_name = "TEXT")]
    pub description: Option<Description>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus role delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The role's name
    #[arg(value_name = "ROLE", add = complete::roles())]
    pub role: Name,
    /// Confirm the role's name, where there is no terminal to type it on
    #[arg(long, value_name = "ROLE")]
    pub confirm: Option<String>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus role allow`.
#[derive(Debug, Args)]
pub struct AllowArgs {
    /// The role's name
    #[arg(value_name = "ROLE", add = complete::roles())]
    pub role: Name,
    /// The permission: resource:action, with '*' for any resource or any action
    #[arg(add = complete::permissions())]
    pub permission: Permission,
    /// Only when this condition is met
    #[arg(long, value_name = "CONDITION", value_parser = condition)]
    pub when: Option<Condition>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus role disallow`.
#[derive(Debug, Args)]
pub struct DenyArgs {
    /// The role's name
    #[arg(value_name = "ROLE", add = complete::roles())]
    pub role: Name,
    /// The permission, exactly as the role holds it
    #[arg(add = complete::permissions())]
    pub permission: Permission,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus role grant` and `nexus role revoke`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("holder").required(true).args(["user", "group"]))]
pub struct GrantArgs {
    /// The role's name
    #[arg(value_name = "ROLE", add = complete::roles())]
    pub role: Name,
    /// To, or from, this user
    #[arg(long, value_name = "E-MAIL|ID", add = complete::users())]
    pub user: Option<UserRef>,
    /// To, or from, this group
    #[arg(long, value_name = "GROUP", add = complete::groups())]
    pub group: Option<Name>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

impl GrantArgs {
    /// The grammar requires one of the two.
    fn holder(&self) -> Option<Holder> {
        let group = || self.group.as_ref().map(|name| Holder::Group(name.into()));
        self.user.clone().map(Holder::User).or_else(group)
    }
}

fn condition(text: &str) -> Result<Condition, String> {
    Condition::parse(text).map_err(|error| error.to_string())
}

/// Runs a verb of `nexus role`.
///
/// # Errors
/// What the services say.
pub async fn run(args: RoleArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    match args.verb {
        Verb::Create(args) => return create(&args, ctx).await,
        Verb::List(args) => {
            let mut realm = args.realm.open(ctx).await?;
            pages::list(ctx, roles::list(&mut realm, &caller).await?, "roles")?;
        }
        Verb::Show(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let detail = roles::get(&mut realm, &caller, &args.role).await?;
            let business = detail.covers.keys().any(|it| it.starts_with("*:") && it != "*:*");
            ctx.screen.thing(&detail)?;
            if business {
                ctx.screen.note(
                    "a pattern *:ACTION covers business permissions; administrative ones are allowed by \
                     name: nexus permission list",
                );
            }
        }
        Verb::Update(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let change =
                RoleUpdate { name: args.new_name, description: args.description, expected: Expected::Any };
            let (updated, _) = roles::update(&mut realm, &caller, &args.role, &change).await?;
            ctx.screen.thing(&updated.role)?;
        }
        Verb::Delete(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let role = roles::get(&mut realm, &caller, &args.role).await?.role;
            if !ctx.global.dry_run {
                let shown =
                    format!("{} and {} lose it", counted(role.users, "user"), counted(role.groups, "group"));
                let what = format!("deleting role {}", role.name);
                prompt::confirm_word(ctx, &what, &[shown], &role.name, args.confirm.as_deref())?;
            }
            ctx.screen.thing(&roles::delete(&mut realm, &caller, &args.role, &Expected::Any).await?)?;
        }
        Verb::Allow(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let when = args.when.as_ref();
            ctx.screen
                .thing(&roles::allow(&mut realm, &caller, &args.role, &args.permission, when).await?)?;
        }
        Verb::Deny(args) => {
            let mut realm = args.realm.open(ctx).await?;
            ctx.screen.thing(&roles::deny(&mut realm, &caller, &args.role, &args.permission).await?)?;
        }
        Verb::Grant(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let Some(holder) = args.holder() else { return Ok(Exit::Usage) };
            ctx.screen.thing(&roles::grant(&mut realm, &caller, &args.role, &holder).await?)?;
        }
        Verb::Revoke(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let Some(holder) = args.holder() else { return Ok(Exit::Usage) };
            ctx.screen.thing(&roles::revoke(&mut realm, &caller, &args.role, &holder).await?)?;
        }
    }
    Ok(Exit::Done)
}

async fn create(args: &CreateArgs, ctx: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(ctx).await?;
    let made =
        roles::create(&mut realm, &ctx.caller(), &args.role, &args.description, &args.permissions).await?;
    ctx.screen.thing(&made.role)?;
    Ok(Exit::Done)
}
