//! `nexus key`: the keys that sign access tokens.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::output::{Column, Row, Thing, time_text};
use super::own_files::{self, ForceArgs};
use super::token::input;
use super::{CommandResult, Exit, Invocation, complete, prompt};
use crate::app::App;
use crate::features::tenants::TenantRef;
use crate::features::tokens::{KeyView, Rotated};
use crate::infra::crypto::signing::Algorithm;
use crate::infra::handover::Handover;
use crate::kernel::ExposeSecret;

/// Arguments of `nexus key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the keys that sign and verify access tokens
    #[command(after_help = "\
EXAMPLES
  nexus key list
  nexus -o json key list | jq -r '.[] | select(.state == \"active\").kid'

next: published, does not sign yet. active: signs. retiring: only verifies what it signed. gone: retired.")]
    List(ListArgs),
    /// Sign with the next key, retire the active one, publish another
    ///
    /// No valid token is refused: the old key verifies what it signed until the last of these
    /// tokens has expired, an hour and a minute later. The next key must have been published for
    /// ten minutes, so that services that cache the key set know it.
    #[command(after_help = "\
EXAMPLES
  nexus key rotate
  nexus key rotate --algorithm ES256        also creates the first key of that kind
  nexus --dry-run key rotate")]
    Rotate(RotateArgs),
    /// Retire a key
    ///
    /// With --now, every token that it signed is refused within two seconds: for a leaked key.
    #[command(after_help = "\
EXAMPLES
  nexus key retire 4f1d… --now
  nexus --dry-run key retire 4f1d… --now
  nexus key retire 4f1d… --now --yes --confirm 4f1d…       in a script")]
    Retire(RetireArgs),
    /// Export the public keys, or a development key
    ///
    /// A development key mints tokens without a database (nexus token mint --offline), only for
    /// users of the tenants that are named. It is accepted only where tokens.development_keys says
    /// so; there, whoever has the file can act as any of those users.
    #[command(after_help = "\
EXAMPLES
  nexus key export --jwks > keys.json
  nexus key export --pem --file keys.pem
  nexus key export --development dev.key --tenant acme")]
    Export(ExportArgs),
}

/// Arguments of `nexus key list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Include retired keys
    #[arg(long)]
    pub all_states: bool,
}

/// Arguments of `nexus key rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The algorithm
    #[arg(long, value_name = "ALGORITHM", default_value = "EdDSA", value_parser = input::algorithm())]
    pub algorithm: Algorithm,
    /// Do not wait until outside services know the next key
    #[arg(long)]
    pub now: bool,
}

/// Arguments of `nexus key retire`.
#[derive(Debug, Args)]
pub struct RetireArgs {
    /// The key
    #[arg(value_name = "KID")]
    pub kid: String,
    /// Refuse all its tokens from now on
    #[arg(long)]
    pub now: bool,
    /// Confirm the key's id, where there is no terminal to type it on
    #[arg(long, value_name = "KID")]
    pub confirm: Option<String>,
}

/// Arguments of `nexus key export`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("form").required(true).args(["jwks", "pem", "development"]))]
pub struct ExportArgs {
    /// The public keys as a JSON Web Key Set
    #[arg(long)]
    pub jwks: bool,
    /// The public keys as PEM
    #[arg(long)]
    pub pem: bool,
    /// A development key, into this new file, which only you may read
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "file")]
    pub development: Option<PathBuf>,
    /// Include the users of this tenant; may be repeated. Without it, the platform's operators
    #[arg(long = "tenant", value_name = "SLUG|ID", requires = "development", conflicts_with_all = ["jwks", "pem"], add = complete::tenants())]
    pub tenants: Vec<TenantRef>,
    /// The development key's algorithm
    #[arg(long, value_name = "ALGORITHM", default_value = "EdDSA", value_parser = input::algorithm())]
    pub algorithm: Algorithm,
    /// Write the public keys into this file; one that Nexus did not write is not overwritten
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Whose file may be overwritten
    #[command(flatten)]
    pub force: ForceArgs,
}

/// Runs a verb of `nexus key`.
///
/// # Errors
/// What the services say.
pub async fn run(args: KeyArgs, ctx: &Invocation) -> CommandResult {
    match args.verb {
        Verb::List(args) => list(&args, ctx).await,
        Verb::Rotate(args) => rotate(&args, ctx).await,
        Verb::Retire(args) => retire(&args, ctx).await,
        Verb::Export(args) => export(args, ctx).await,
    }
}

async fn list(args: &ListArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open_to_read(&settings, &caller, &ctx.screen.progress()).await?;
    let keys = app.tokens().keys(&mut app.control, &caller, args.all_states).await?;
    super::pages::list(ctx, keys, "keys")?;
    Ok(Exit::Done)
}

async fn rotate(args: &RotateArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open(&settings, &caller, &ctx.screen.progress()).await?;
    let tokens = app.tokens();
    let rotated = if ctx.global.dry_run {
        tokens.plan_rotation(&mut app.control, &caller, args.algorithm, args.now).await?
    } else {
        tokens.rotate(&mut app.control, &caller, args.algorithm, args.now).await?
    };
    ctx.screen.thing(&rotated)?;
    Ok(Exit::Done)
}

async fn retire(args: &RetireArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open(&settings, &caller, &ctx.screen.progress()).await?;
    let tokens = app.tokens();
    let key = tokens.plan_retirement(&mut app.control, &caller, &args.kid, args.now).await?;
    if ctx.global.dry_run {
        if key.is_none() {
            ctx.screen.note(&format!("would erase the sealed part of key {}, which is not in use", args.kid));
        }
        ctx.screen.list(key)?;
        return Ok(Exit::Done);
    }
    if args.now {
        let shown = [format!(
            "context {}: every token that key {} signed will be refused",
            settings.context, args.kid
        )];
        let what = format!("retiring key {} at once", args.kid);
        prompt::confirm_word(ctx, &what, &shown, &args.kid, args.confirm.as_deref())?;
    }
    let rotated = tokens.retire(&mut app.control, &caller, &args.kid, args.now).await?;
    ctx.screen.thing(&rotated)?;
    Ok(Exit::Done)
}

async fn export(args: ExportArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open(&settings, &caller, &ctx.screen.progress()).await?;
    let tokens = app.tokens();
    if let Some(path) = &args.development {
        if ctx.global.dry_run {
            Handover::check(path)?;
            ctx.screen.note(&format!("would write a development key into {}", path.display()));
            return Ok(Exit::Done);
        }
        let mut file = Handover::begin(path)?;
        let mut realms = Vec::new();
        for tenant in &args.tenants {
            let mut realm = app.open_token_realm(&caller, Some(tenant)).await?;
            realms.push(tokens.development_realm(&mut app.control, &caller, &mut realm).await?);
        }
        if args.tenants.is_empty() {
            let mut realm = app.open_token_realm(&caller, None).await?;
            realms.push(tokens.development_realm(&mut app.control, &caller, &mut realm).await?);
        }
        let text = tokens.export_development(&mut app.control, &caller, realms, args.algorithm).await?;
        file.append(text.expose_secret().as_bytes())?;
        file.finish()?;
        ctx.screen.note(&format!("the development key is in {}; treat it as a password", path.display()));
        return Ok(Exit::Done);
    }
    let text = if args.jwks {
        let set = tokens.key_set(&mut app.control, &caller).await?;
        format!("{:#}\n", serde_json::json!(set))
    } else {
        tokens.pem(&mut app.control, &caller).await?
    };
    match args.file.filter(|_| !ctx.global.dry_run) {
        Some(path) => {
            own_files::write_private(&path, text.as_bytes(), args.force, &own_files::is_key_set)?;
        }
        None => ctx.screen.raw(text.as_bytes())?,
    }
    Ok(Exit::Done)
}

impl Row for KeyView {
    const COLUMNS: &'static [Column] = &[
        Column::text("kid"),
        Column::text("algorithm"),
        Column::text("purpose"),
        Column::text("state"),
        Column::text("created_at"),
        Column::text("activated_at"),
        Column::text("good_until"),
    ];

    fn cells(&self) -> Vec<String> {
        let time = |time: Option<time::OffsetDateTime>| time.map(time_text).unwrap_or_default();
        vec![
            self.kid.clone(),
            self.algorithm.clone(),
            self.purpose.as_str().to_owned(),
            self.state.as_str().to_owned(),
            time_text(self.created_at),
            time(self.activated_at),
            time(self.good_until),
        ]
    }

    fn id(&self) -> String {
        self.kid.clone()
    }
}

impl Thing for Rotated {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let text = |kid: &Option<String>| kid.clone().unwrap_or_default();
        vec![
            ("algorithm", self.algorithm.clone()),
            ("active", text(&self.active)),
            ("retiring", text(&self.retiring)),
            ("next", text(&self.next)),
            ("gone", text(&self.gone)),
        ]
    }

    fn id(&self) -> String {
        text_id(self)
    }
}

fn text_id(rotated: &Rotated) -> String {
    rotated.active.clone().or_else(|| rotated.gone.clone()).unwrap_or_default()
}
