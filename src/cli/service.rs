//! `nexus service`: functions of apps that others call by name.

mod views;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::iam::RealmArgs;
use super::interrupt::Stdin;
use super::usage::UsageError;
use super::{CommandResult, Exit, Invocation, complete, pages, prompt};
use crate::app::App;
use crate::features::access::Permission;
use crate::features::iam::Realm;
use crate::features::services::{
    self, CallTimeout, Instance, MOST_SENT, NewService, ServiceCall, ServiceName, ServiceVersion,
};
use crate::features::tenants::TenantRef;
use crate::kernel::{AnyFailure, Description};

/// Arguments of `nexus service`.
#[derive(Debug, Args)]
pub struct ServiceArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Register a service at a URL, for a tenant or for all
    ///
    /// The same again changes nothing; another URL of the same name and version is one more to send
    /// calls to. The URL must be https with a public name on port 443, unless outbound.allow_networks
    /// names its network. docs/services.md shows what a service gets and how it verifies who calls.
    #[command(after_help = "\
EXAMPLES
  nexus service register mail.preview --url https://preview.acme.example/render --tenant acme
  nexus service register tax.rates --url https://tax.example/v2 --version 2 --permission tax:read --timeout 10s
  nexus service register mail.preview --url http://localhost:3000/render --tenant acme   (context local)")]
    Register(RegisterArgs),
    /// List services, by name and version
    #[command(after_help = "\
EXAMPLES
  nexus service list --tenant acme
  nexus service list                      those of the platform, which all tenants see")]
    List(RealmArgs),
    /// Show a service and where it answers
    #[command(after_help = "\
EXAMPLES
  nexus service show mail.preview --tenant acme")]
    Show(OneArgs),
    /// Remove a service, a version or an address of it
    #[command(after_help = "\
EXAMPLES
  nexus service remove mail.preview --tenant acme
  nexus service remove mail.preview --version 1 --tenant acme --yes --confirm mail.preview
  nexus service remove mail.preview --url https://old.acme.example/render --tenant acme")]
    Remove(RemoveArgs),
    /// Call a service and print its answer
    #[command(after_help = "\
EXAMPLES
  nexus service call mail.preview --tenant acme --data '{\"template\": \"welcome\"}'
  nexus service call tax.rates --version 2 --tenant acme --data @question.json
  echo '{}' | nexus service call tax.rates --tenant acme --data -

Exit codes: 0 it answered, 3 it may not be called, 4 there is none, 8 it failed or did not answer in time.")]
    Call(CallArgs),
}

/// Arguments of `nexus service register`.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// Its name: words with dots between them, such as mail.preview
    #[arg(value_name = "NAME")]
    pub name: ServiceName,
    /// Where it answers
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    pub url: String,
    /// Its version
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    pub version: ServiceVersion,
    /// What a caller must hold in its own realm [default: service:call]
    #[arg(long, value_name = "PERMISSION")]
    pub permission: Option<Permission>,
    /// How long it may take, at most 30s
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub timeout: CallTimeout,
    /// Its description
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub description: Description,
    /// Whose it is
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus service show`.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: ServiceName,
    /// This version; without it, the highest
    #[arg(long, value_name = "NUMBER")]
    pub version: Option<ServiceVersion>,
    /// In which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus service remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: ServiceName,
    /// Only this version
    #[arg(long, value_name = "NUMBER")]
    pub version: Option<ServiceVersion>,
    /// Only this address
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    pub url: Option<String>,
    /// Confirm its name, where there is no terminal to type it on
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Whose it is
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus service call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: ServiceName,
    /// This version; without it, the highest
    #[arg(long, value_name = "NUMBER")]
    pub version: Option<ServiceVersion>,
    /// What it is asked, as JSON; @FILE reads it from a file, - from standard input
    #[arg(long, value_name = "JSON|@FILE|-", default_value = "null")]
    pub data: Payload,
    /// How long to wait; no longer than the service may take
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<CallTimeout>,
    /// For this tenant, by slug or id
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: TenantRef,
}

/// Where what is sent comes from.
#[derive(Debug, Clone)]
pub enum Payload {
    Json(String),
    File(PathBuf),
    Stdin,
}

impl FromStr for Payload {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.strip_prefix('@') {
            Some("-") => Self::Stdin,
            Some(path) => Self::File(path.into()),
            None if text == "-" => Self::Stdin,
            None => Self::Json(text.to_owned()),
        })
    }
}

impl Payload {
    /// What is sent.
    fn read(&self) -> Result<Value, AnyFailure> {
        let wrong = |what: String| AnyFailure::from(UsageError::new(what, Vec::new()));
        // One more, so that what is too much is refused, and not cut.
        let most = MOST_SENT as u64 + 1;
        let mut bytes = Vec::new();
        let place = match self {
            Self::Json(text) => {
                bytes.extend_from_slice(text.as_bytes());
                "--data".to_owned()
            }
            Self::File(path) => {
                let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
                read.map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?;
                path.display().to_string()
            }
            Self::Stdin => {
                let read = Stdin.take(most).read_to_end(&mut bytes);
                read.map_err(|error| wrong(format!("cannot read standard input: {error}")))?;
                "standard input".to_owned()
            }
        };
        if bytes.len() > MOST_SENT {
            return Err(services::ServiceError::PayloadTooLarge.into());
        }
        serde_json::from_slice(&bytes).map_err(|error| wrong(format!("{place} holds no JSON: {error}")))
    }
}

/// Runs a verb of `nexus service`.
///
/// # Errors
/// What the services say.
pub async fn run(args: ServiceArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    match args.verb {
        Verb::Register(args) => return register(args, ctx).await,
        Verb::Remove(args) => return remove(args, ctx).await,
        Verb::Call(args) => return call(args, ctx).await,
        Verb::List(args) => {
            let (_, mut realm) = open(args.tenant.as_ref(), ctx).await?;
            pages::list(ctx, services::list(&mut realm, &caller).await?, "services")?;
        }
        Verb::Show(args) => {
            let (_, mut realm) = open(args.realm.tenant.as_ref(), ctx).await?;
            let found = services::get(&mut realm, &caller, (&args.name, args.version)).await?;
            ctx.screen.thing(&found)?;
        }
    }
    Ok(Exit::Done)
}

/// Opens a realm; with `--dry-run`, so that nothing is written.
async fn open(tenant: Option<&TenantRef>, ctx: &Invocation) -> Result<(App, Realm), AnyFailure> {
    let session = ctx.open(&ctx.screen.progress()).await?;
    let app = session.app.clone();
    let realm = session.enter_realm(&ctx.caller(), tenant).await?;
    Ok((app, realm.dry_run(ctx.global.dry_run)))
}

async fn register(args: RegisterArgs, ctx: &Invocation) -> CommandResult {
    let new = NewService {
        name: args.name,
        version: args.version,
        url: args.url,
        permission: args.permission,
        description: args.description,
        timeout: args.timeout,
    };
    let (app, mut realm) = open(args.realm.tenant.as_ref(), ctx).await?;
    let outbound = app.outbound();
    let made = services::register(&mut realm, &ctx.caller(), outbound.policy(), &new).await?;
    ctx.screen.thing(&made)?;
    Ok(Exit::Done)
}

async fn remove(args: RemoveArgs, ctx: &Invocation) -> CommandResult {
    let name = args.name.to_string();
    let which = Instance { name: args.name, version: args.version, url: args.url };
    let (_, mut realm) = open(args.realm.tenant.as_ref(), ctx).await?;
    if !ctx.global.dry_run {
        let what = which.url.clone().unwrap_or_else(|| name.clone());
        let shown = format!("{what} is not called any more");
        prompt::confirm_word(ctx, "removing a service", &[shown], &name, args.confirm.as_deref())?;
    }
    ctx.screen.thing(&services::remove(&mut realm, &ctx.caller(), &which).await?)?;
    Ok(Exit::Done)
}

async fn call(args: CallArgs, ctx: &Invocation) -> CommandResult {
    let payload = args.data.read()?;
    let name = args.name.to_string();
    let call = ServiceCall { name: args.name, version: args.version, payload, timeout: args.timeout };
    let (app, realm) = open(Some(&args.tenant), ctx).await?;
    let caller = ctx.caller();
    if ctx.global.dry_run {
        ctx.screen.note(&format!("service {name} would be called; nothing was done"));
        return Ok(Exit::Done);
    }
    let answer = ctx.reading(app.call_service(Box::new(realm), &caller, &call)).await?;
    ctx.screen.raw(format!("{answer:#}\n").as_bytes())?;
    Ok(Exit::Done)
}
