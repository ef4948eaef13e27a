//! `nexus api-key`: keys with which machines act as a user.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::output::{Column, Row, Thing, time_text};
use super::pages;
use super::secret_output::{hand_over, new_file};
use super::token::{TokenInput, input};
use super::{CommandResult, Exit, Invocation, complete};
use crate::app::App;
use crate::features::iam::{Permission, UserRef};
use crate::features::tenants::TenantRef;
use crate::features::tokens::{
    ApiKeyFilter, ApiKeyView, KeyHolder, KeyLifetime, KeyName, NewApiKey, Presented,
};
use crate::kernel::{Email, ExposeSecret};

/// Arguments of `nexus api-key`.
#[derive(Debug, Args)]
pub struct ApiKeyArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create an API key for a user; it is shown once
    ///
    /// Whoever holds the key acts as the user, within the key's scopes. A new password does not
    /// revoke it, and undeleting a user makes their keys valid again: to end a key, revoke it.
    #[command(after_help = "\
EXAMPLES
  nexus api-key create --tenant acme --user bot@acme.example --name ci --expires 90d --file ci.key
  nexus api-key create --tenant acme --user bot@acme.example --name till --scope invoice:read --reveal")]
    Create(CreateArgs),
    /// List API keys
    #[command(after_help = "\
EXAMPLES
  nexus api-key list --tenant acme
  nexus api-key list --tenant acme --user bot@acme.example --all-states")]
    List(ListArgs),
    /// Verify an API key; exit 0 only if it is valid
    ///
    /// Prints which user it acts as. Every refusal gives the same answer, whatever the reason.
    #[command(mut_arg("file", |arg| arg.help("Read the key from this file; '-' is standard input")), after_help = "\
EXAMPLES
  nexus api-key verify --file ci.key")]
    Verify(VerifyArgs),
    /// Revoke an API key
    #[command(after_help = "\
EXAMPLES
  nexus api-key revoke --tenant acme 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d")]
    Revoke(RevokeArgs),
}

/// Arguments of `nexus api-key create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The user's tenant, by slug or id; without it, the platform
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: Option<TenantRef>,
    /// The user that the key acts as
    #[arg(long, value_name = "E-MAIL", add = complete::users())]
    pub user: Email,
    /// A name for the key
    #[arg(long, value_name = "NAME")]
    pub name: KeyName,
    /// Limit the key to this scope; may be repeated. Without it, everything that the user may do
    #[arg(long = "scope", value_name = "RESOURCE:ACTION")]
    pub scopes: Vec<Permission>,
    /// Expire after this time, e.g. 90d; without it, valid until revoked
    #[arg(long, value_name = "TIME")]
    pub expires: Option<KeyLifetime>,
    /// Write the key into this new file, which only you may read
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath, required_unless_present = "reveal")]
    pub file: Option<PathBuf>,
    /// Print the key
    #[arg(long, conflicts_with = "file")]
    pub reveal: bool,
}

/// Arguments of `nexus api-key list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Of this tenant, by slug or id; without it, the platform
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: Option<TenantRef>,
    /// Only those of this user
    #[arg(long, value_name = "E-MAIL", add = complete::users())]
    pub user: Option<Email>,
    /// Include those that are revoked or expired
    #[arg(long)]
    pub all_states: bool,
}

/// Arguments of `nexus api-key verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Which key
    #[command(flatten)]
    pub key: TokenInput,
}

/// Arguments of `nexus api-key revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Of this tenant, by slug or id; without it, the platform
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: Option<TenantRef>,
    /// The key's id
    #[arg(value_name = "ID", value_parser = input::key_id)]
    pub id: Uuid,
}

/// Runs a verb of `nexus api-key`.
///
/// # Errors
/// What the services say.
pub async fn run(args: ApiKeyArgs, ctx: &Invocation) -> CommandResult {
    match args.verb {
        Verb::Create(args) => create(args, ctx).await,
        Verb::List(args) => list(&args, ctx).await,
        Verb::Verify(args) => verify(&args, ctx).await,
        Verb::Revoke(args) => revoke(&args, ctx).await,
    }
}

async fn create(args: CreateArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open(&settings, &caller, &ctx.screen.progress()).await?;
    let tokens = app.tokens();
    let mut realm = app.open_token_realm(&caller, args.tenant.as_ref()).await?;
    let new = NewApiKey {
        user: UserRef::Email(args.user),
        name: args.name,
        scopes: args.scopes,
        ttl: args.expires,
    };
    if ctx.global.dry_run {
        let subject = tokens.plan_api_key(&mut app.control, &caller, &mut realm, &new).await?;
        ctx.screen.note(&format!("would create API key {} for {}", new.name.as_str(), subject.email));
        return Ok(Exit::Done);
    }
    // Before there is a key that would then be lost.
    let file = new_file(ctx, args.file.as_ref())?;
    let (view, key) = tokens.create_api_key(&mut app.control, &caller, &mut realm, &new).await?;
    if let Some(file) = file {
        hand_over(ctx, file, &key, "API key is")?;
    }
    let shown = args.reveal.then(|| key.expose_secret().to_owned());
    ctx.screen.thing(&CreatedView { view, key: shown })?;
    Ok(Exit::Done)
}

async fn list(args: &ListArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open_to_read(&settings, &caller, &ctx.screen.progress()).await?;
    let tokens = app.tokens();
    let mut realm = app.open_token_realm(&caller, args.tenant.as_ref()).await?;
    let filter = ApiKeyFilter { user: args.user.clone().map(UserRef::Email), all: args.all_states };
    let keys = tokens.api_keys(&mut app.control, &caller, &mut realm, &filter).await?;
    pages::list(ctx, keys, "API keys match")?;
    Ok(Exit::Done)
}

async fn verify(args: &VerifyArgs, ctx: &Invocation) -> CommandResult {
    let key = input::token(&args.key)?;
    Presented::ApiKey.realm(&key)?;
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open(&settings, &caller, &ctx.screen.progress()).await?;
    let tokens = app.tokens();
    let mut realm = app.open_presented_realm(&caller, Presented::ApiKey, &key).await?;
    let holder = tokens.verify_api_key(&mut app.control, &mut realm, &key).await?;
    ctx.screen.thing(&holder)?;
    Ok(Exit::Done)
}

async fn revoke(args: &RevokeArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open(&settings, &caller, &ctx.screen.progress()).await?;
    let tokens = app.tokens();
    let mut realm = app.open_token_realm(&caller, args.tenant.as_ref()).await?;
    let key = tokens.api_key(&mut app.control, &caller, &mut realm, args.id).await?;
    if ctx.global.dry_run {
        ctx.screen.thing(&key)?;
        return Ok(Exit::Done);
    }
    let revoked = tokens.revoke_api_key(&mut app.control, &caller, &mut realm, args.id).await?;
    ctx.screen.thing(&revoked)?;
    Ok(Exit::Done)
}

/// A key that was made, and the key itself where it is to be shown.
#[derive(Serialize)]
struct CreatedView {
    #[serde(flatten)]
    view: ApiKeyView,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl Thing for CreatedView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = self.view.fields();
        if let Some(key) = &self.key {
            fields.push(("key", key.clone()));
        }
        fields
    }

    fn id(&self) -> String {
        Thing::id(&self.view)
    }
}

impl Row for ApiKeyView {
    const COLUMNS: &'static [Column] = &[
        Column::text("id"),
        Column::text("name"),
        Column::text("email"),
        Column::text("hint"),
        Column::text("scopes"),
        Column::text("state"),
        Column::text("created_at"),
        Column::text("expires_at"),
        Column::text("last_used_at"),
    ];

    fn cells(&self) -> Vec<String> {
        self.fields().into_iter().map(|(_, text)| text).collect()
    }

    fn id(&self) -> String {
        self.id.to_string()
    }
}

impl Thing for ApiKeyView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let time = |time: Option<time::OffsetDateTime>| time.map(time_text).unwrap_or_default();
        vec![
            ("id", self.id.to_string()),
            ("name", self.name.clone()),
            ("email", self.email.clone()),
            ("hint", self.hint.clone()),
            ("scopes", self.scopes.join(",")),
            ("state", self.state.clone()),
            ("created_at", time_text(self.created_at)),
            ("expires_at", time(self.expires_at)),
            ("last_used_at", time(self.last_used_at)),
        ]
    }

    fn id(&self) -> String {
        self.id.to_string()
    }
}

impl Thing for KeyHolder {
    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("id", self.id.to_string()),
            ("name", self.name.clone()),
            ("realm", self.realm.to_string()),
            ("email", self.subject.email.clone()),
            ("roles", self.subject.roles.join(",")),
            ("scopes", self.scopes.join(",")),
        ]
    }

    fn id(&self) -> String {
        self.id.to_string()
    }
}
