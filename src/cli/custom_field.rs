//! `nexus custom-field`: what a tenant adds to its users and groups.

use clap::builder::TypedValueParser;
use clap::{ArgGroup, Args, Subcommand};

use super::arguments::word;
use super::complete;
use super::iam::RealmArgs;
use super::pages;
use super::{CommandResult, Exit, Invocation, prompt};
use crate::features::iam::custom_fields::{
    self, AppliesTo, CustomFieldType, CustomFieldUpdate, FieldName, FieldRef, NewCustomField,
};
use crate::kernel::{Description, Expected};

/// Arguments of `nexus custom-field`.
#[derive(Debug, Args)]
pub struct CustomFieldArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the custom fields of users and groups
    #[command(after_help = "\
EXAMPLES
  nexus custom-field list --tenant acme
  nexus custom-field list --of users --tenant acme")]
    List(ListArgs),
    /// Show a custom field
    #[command(after_help = "\
EXAMPLES
  nexus custom-field show department --of users --tenant acme")]
    Show(OneArgs),
    /// Create a custom field
    ///
    /// Set its values with --field NAME=VALUE of user create and group create. Its name and type never
    /// change. If it is required, existing users or groups stay valid without a value.
    #[command(after_help = "\
EXAMPLES
  nexus custom-field create level --of users --type number --tenant acme
  nexus custom-field create department --of users --type choice --choice sales --choice finance --tenant acme
  nexus user create --email bob@acme.example --field department=sales --tenant acme")]
    Create(CreateArgs),
    /// Change a custom field's choices, description or whether it is required
    #[command(after_help = "\
EXAMPLES
  nexus custom-field update level --of users --required --tenant acme
  nexus custom-field update department --of users --choice sales --choice legal --tenant acme")]
    Update(UpdateArgs),
    /// Delete a custom field with all its values
    #[command(after_help = "\
EXAMPLES
  nexus custom-field delete level --of users --tenant acme
  nexus custom-field delete level --of users --tenant acme --yes --confirm level     in a script")]
    Delete(DeleteArgs),
}

/// Arguments of `nexus custom-field list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// List those of users, or of groups, only
    #[arg(long, value_name = "WHAT", value_parser = applies_to())]
    pub of: Option<AppliesTo>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Which field.
#[derive(Debug, Args)]
pub struct WhichArgs {
    /// The field's name
    #[arg(value_name = "FIELD", add = complete::custom_fields())]
    pub field: FieldName,
    /// Whether it is a field of users or of groups
    #[arg(long, value_name = "WHAT", value_parser = applies_to())]
    pub of: AppliesTo,
}

/// Arguments of `nexus custom-field show`.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// Which field
    #[command(flatten)]
    pub which: WhichArgs,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus custom-field create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The field's name: a small letter, then small letters, digits and underscores
    #[arg(value_name = "FIELD")]
    pub field: FieldName,
    /// Whether it is a field of users or of groups
    #[arg(long, value_name = "WHAT", value_parser = applies_to())]
    pub of: AppliesTo,
    /// Type of the values
    #[arg(long = "type", value_name = "TYPE", value_parser = word(CustomFieldType::ALL, CustomFieldType::as_str))]
    pub kind: CustomFieldType,
    /// Allow this value, for type choice; may be repeated
    #[arg(long = "choice", value_name = "TEXT")]
    pub choices: Vec<String>,
    /// Require a value for new users or groups, and when custom fields change
    #[arg(long)]
    pub required: bool,
    /// Its description
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub description: Description,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus custom-field update`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(
    ["choices", "required", "optional", "description"]
))]
pub struct UpdateArgs {
    /// Which field
    #[command(flatten)]
    pub which: WhichArgs,
    /// Replace the allowed values, for type choice; may be repeated
    #[arg(long = "choice", value_name = "TEXT")]
    pub choices: Vec<String>,
    /// Require a value for new users or groups, and when custom fields change
    #[arg(long)]
    pub required: bool,
    /// Make the field optional
    #[arg(long, conflicts_with = "required")]
    pub optional: bool,
    /// Its new description
    #[arg(long, value_name = "TEXT")]
    pub description: Option<Description>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus custom-field delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Which field
    #[command(flatten)]
    pub which: WhichArgs,
    /// Confirm the field's name, where there is no terminal to type it on
    #[arg(long, value_name = "FIELD")]
    pub confirm: Option<String>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

fn applies_to() -> impl TypedValueParser<Value = AppliesTo> {
    word(AppliesTo::ALL, AppliesTo::as_str)
}

impl WhichArgs {
    fn field(&self) -> FieldRef {
        FieldRef::Named(self.of, self.field.clone())
    }
}

/// Runs a verb of `nexus custom-field`.
///
/// # Errors
/// What the services say.
pub async fn run(args: CustomFieldArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    match args.verb {
        Verb::List(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let mut found = custom_fields::list(&mut realm, &caller).await?;
            found.retain(|field| args.of.is_none_or(|of| field.applies_to == of));
            pages::list(ctx, found, "custom fields")?;
        }
        Verb::Show(args) => {
            let mut realm = args.realm.open(ctx).await?;
            ctx.screen.thing(&custom_fields::get(&mut realm, &caller, &args.which.field()).await?)?;
        }
        Verb::Create(args) => {
            let new = NewCustomField {
                applies_to: args.of,
                name: args.field,
                kind: args.kind,
                choices: args.choices,
                required: args.required,
                description: args.description,
            };
            let mut realm = args.realm.open(ctx).await?;
            ctx.screen.thing(&custom_fields::create(&mut realm, &caller, &new).await?)?;
        }
        Verb::Update(args) => {
            let change = CustomFieldUpdate {
                choices: (!args.choices.is_empty()).then_some(args.choices),
                required: args.required.then_some(true).or(args.optional.then_some(false)),
                description: args.description,
                expected: Expected::Any,
            };
            let mut realm = args.realm.open(ctx).await?;
            let field = args.which.field();
            ctx.screen.thing(&custom_fields::update(&mut realm, &caller, &field, &change).await?.0)?;
        }
        Verb::Delete(args) => return delete(&args, ctx).await,
    }
    Ok(Exit::Done)
}

async fn delete(args: &DeleteArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let mut realm = args.realm.open(ctx).await?;
    let wanted = args.which.field();
    let field = custom_fields::get(&mut realm, &caller, &wanted).await?;
    if !ctx.global.dry_run {
        let shown = format!("the values of all {} will be deleted", args.which.of.as_str());
        let what = format!("deleting custom field {wanted}");
        prompt::confirm_word(ctx, &what, &[shown], &field.name, args.confirm.as_deref())?;
    }
    ctx.screen.thing(&custom_fields::delete(&mut realm, &caller, &wanted, &Expected::Any).await?)?;
    Ok(Exit::Done)
}
