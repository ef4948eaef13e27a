//! `nexus group`: groups nest, carry roles, and their members inherit.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::Value;

use super::arguments::PageArgs;
use super::complete;
use super::iam::{RealmArgs, attribute};
use super::output::ListWriter;
use super::pages::{self, Found};
use super::{CommandResult, Exit, Invocation, prompt};
use crate::features::iam::groups::{self, GroupUpdate};
use crate::features::iam::model::Changed;
use crate::features::iam::{Name, UserRef};
use crate::kernel::text::counted;
use crate::kernel::{AnyFailure, Description, Expected};

/// Arguments of `nexus group`.
#[derive(Debug, Args)]
pub struct GroupArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a group, optionally inside another
    #[command(after_help = "\
EXAMPLES
  nexus group create Sales --tenant acme --description 'sells'
  nexus group create 'Sales EU' --parent Sales --tenant acme")]
    Create(CreateArgs),
    /// List the groups
    #[command(after_help = "\
EXAMPLES
  nexus group list --tenant acme")]
    List(ListArgs),
    /// Show the groups as a tree
    #[command(after_help = "\
EXAMPLES
  nexus group tree --tenant acme")]
    Tree(ListArgs),
    /// Show a group
    #[command(after_help = "\
EXAMPLES
  nexus group show Sales --tenant acme")]
    Show(OneArgs),
    /// List the members of a group and of the groups inside it
    #[command(after_help = "\
EXAMPLES
  nexus group members Sales --tenant acme")]
    Members(MembersArgs),
    /// Rename or describe a group
    #[command(after_help = "\
EXAMPLES
  nexus group update Sales --name Selling --tenant acme")]
    Update(UpdateArgs),
    /// Move a group into another, or to the top
    #[command(after_help = "\
EXAMPLES
  nexus group move 'Sales EU' --to Europe --tenant acme
  nexus group move 'Sales EU' --to-top --tenant acme")]
    Move(MoveArgs),
    /// Delete a group that contains no other; its members lose its roles
    #[command(after_help = "\
EXAMPLES
  nexus group delete 'Sales EU' --tenant acme
  nexus group delete 'Sales EU' --tenant acme --yes --confirm 'Sales EU'     in a script")]
    Delete(DeleteArgs),
    /// Add users to a group
    ///
    /// If one of them does not exist, none is added.
    #[command(after_help = "\
EXAMPLES
  nexus group add Sales ann@acme.example bob@acme.example --tenant acme")]
    Add(MemberArgs),
    /// Remove users from a group
    ///
    /// If one of them does not exist, none is removed.
    #[command(after_help = "\
EXAMPLES
  nexus group remove Sales ann@acme.example --tenant acme")]
    Remove(MemberArgs),
}

/// Arguments of `nexus group list` and `nexus group tree`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus group show`.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The group's name
    #[arg(value_name = "GROUP", add = complete::groups())]
    pub group: Name,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus group members`.
#[derive(Debug, Args)]
pub struct MembersArgs {
    /// The group's name
    #[arg(value_name = "GROUP", add = complete::groups())]
    pub group: Name,
    /// Which rows
    #[command(flatten)]
    pub page: PageArgs,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus group create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The group's name
    #[arg(value_name = "GROUP")]
    pub group: Name,
    /// Put it inside this group
    #[arg(long, value_name = "GROUP", add = complete::groups())]
    pub parent: Option<Name>,
    /// Its description
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub description: Description,
    /// Set a custom field; may be repeated
    #[arg(long = "field", value_name = "NAME=VALUE", value_parser = attribute)]
    pub fields: Vec<(String, Value)>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus group update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// The group's name
    #[arg(value_name = "GROUP", add = complete::groups())]
    pub group: Name,
    /// Its new name
    #[arg(long = "name", value_name = "NAME", required_unless_present_any = ["description", "fields"])]
    pub new_name: Option<Name>,
    /// Its new description
    #[arg(long, value_name = "TEXT")]
    pub description: Option<Description>,
    /// Set a custom field, or remove its value with NAME=null; may be repeated
    #[arg(long = "field", value_name = "NAME=VALUE", value_parser = attribute)]
    pub fields: Vec<(String, Value)>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus group move`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("where").required(true).args(["to", "to_top"]))]
pub struct MoveArgs {
    /// The group's name
    #[arg(value_name = "GROUP", add = complete::groups())]
    pub group: Name,
    /// Put it inside this group
    #[arg(long, value_name = "GROUP", add = complete::groups())]
    pub to: Option<Name>,
    /// Move it to the top
    #[arg(long)]
    pub to_top: bool,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus group delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The group's name
    #[arg(value_name = "GROUP", add = complete::groups())]
    pub group: Name,
    /// Confirm the group's name, where there is no terminal to type it on
    #[arg(long, value_name = "GROUP")]
    pub confirm: Option<String>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus group add` and `nexus group remove`.
#[derive(Debug, Args)]
pub struct MemberArgs {
    /// The group's name
    #[arg(value_name = "GROUP", add = complete::groups())]
    pub group: Name,
    /// The users, by e-mail address or id
    #[arg(value_name = "E-MAIL|ID", required = true, add = complete::users())]
    pub users: Vec<UserRef>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Runs a verb of `nexus group`.
///
/// # Errors
/// What the services say.
pub async fn run(args: GroupArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    match args.verb {
        Verb::Create(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let fields = args.fields.into_iter().collect();
            let rest = (args.parent.as_ref(), &fields);
            let made = groups::create(&mut realm, &caller, &args.group, &args.description, rest).await?;
            ctx.screen.thing(&made)?;
        }
        Verb::List(args) => {
            let mut realm = args.realm.open(ctx).await?;
            pages::list(ctx, groups::list(&mut realm, &caller).await?, "groups")?;
        }
        Verb::Tree(args) => {
            let mut realm = args.realm.open(ctx).await?;
            pages::list(ctx, groups::tree(&mut realm, &caller).await?, "groups")?;
        }
        Verb::Show(args) => {
            let mut realm = args.realm.open(ctx).await?;
            ctx.screen.thing(&groups::get(&mut realm, &caller, &args.group).await?)?;
        }
        Verb::Members(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let page = args.page.page(&ctx.screen);
            let written = pages::write(ctx, page, ("members", "the next members"), async |page, after| {
                let found = groups::members(&mut realm, &caller, &args.group, page, after).await?;
                Ok(Found { rows: found.0, place: Some(found.1) })
            })
            .await?;
            pages::say_if_empty(ctx, written, "members");
        }
        Verb::Update(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let change = GroupUpdate {
                name: args.new_name,
                description: args.description,
                fields: args.fields.into_iter().collect(),
                expected: Expected::Any,
            };
            ctx.screen.thing(&groups::update(&mut realm, &caller, &args.group, &change).await?.0)?;
        }
        Verb::Move(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let moved = groups::relocate(&mut realm, &caller, &args.group, args.to.as_ref()).await?;
            ctx.screen.thing(&moved)?;
        }
        Verb::Delete(args) => return delete(&args, ctx).await,
        Verb::Add(args) => return members(&args, true, ctx).await,
        Verb::Remove(args) => return members(&args, false, ctx).await,
    }
    Ok(Exit::Done)
}

async fn delete(args: &DeleteArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let mut realm = args.realm.open(ctx).await?;
    let group = groups::get(&mut realm, &caller, &args.group).await?;
    if !ctx.global.dry_run {
        let shown = format!("{} would lose its roles", counted(group.members, "member"));
        let what = format!("deleting group {}", group.name);
        prompt::confirm_word(ctx, &what, &[shown], &group.name, args.confirm.as_deref())?;
    }
    ctx.screen.thing(&groups::delete(&mut realm, &caller, &args.group, &Expected::Any).await?)?;
    Ok(Exit::Done)
}

async fn members(args: &MemberArgs, add: bool, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let mut realm = args.realm.open(ctx).await?;
    let mut list = None;
    let mut report = |done: Changed| -> Result<(), AnyFailure> {
        Ok(list.get_or_insert_with(|| ctx.screen.list_writer()).row(&done)?)
    };
    let (group, users) = (&args.group, &args.users);
    let done = if add {
        groups::add(&mut realm, &caller, group, users, &mut report).await
    } else {
        groups::remove(&mut realm, &caller, group, users, &mut report).await
    };
    // What was done before the first failure has its row.
    list.map_or(Ok(()), ListWriter::finish)?;
    done?;
    Ok(Exit::Done)
}
